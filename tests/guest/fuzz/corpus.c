/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls worth making again, a little different: each that had a result which its operation had not
 * given before on this vCPU, and some of those that succeeded.
 */
#include "fuzz.h"

static bool seen_first(struct fuzzer *f, unsigned key)
{
    uint8_t *byte = &f->seen[key % SEEN_BITS / 8], bit = (uint8_t)(1u << (key % 8));
    bool first = !(*byte & bit);
    *byte |= bit;
    return first;
}

/* `call` as it was before it was made. */
void corpus_consider(struct fuzzer *f, const struct call *call, long result)
{
    unsigned error = result < 0 && result > -256 ? (unsigned)-result : 0;
    unsigned key = (call->nr * NR_COMMANDS + call_command(call)) * 131 + error;
    if (!seen_first(f, key) && (result < 0 || !one_in(64)))
        return;
    unsigned at =
        f->nr_corpus < CORPUS_CALLS ? f->nr_corpus++ : (unsigned)random_below(CORPUS_CALLS);
    f->corpus[at] = *call;
}

/* ---- Mutation ----------------------------------------------------------------------------- */

static uint64_t *any_word(struct call *call)
{
    if (call->words && !one_in(3))
        return &call->data[random_below(call->words)];
    return &call->arg[random_below(CALL_ARGS)];
}

/* Addresses at which an argument should not lie: not of the guest's own that matter. */
static uint64_t bad_pointer(const struct fuzzer *f, const struct call *call)
{
    switch (random_below(6)) {
    case 0:
        return f->arena_end; /* unmapped */
    case 1:
        return f->arena_end - 4 * random_below(4); /* its end is unmapped */
    case 2:
        return call_data(f, call) + random_below(8); /* misaligned */
    case 3:
        return f->arena_end - 8 * (1 + random_below(CALL_WORDS));
    default:
        return value_va();
    }
}

static void mutate_pointer(struct fuzzer *f, struct call *call)
{
    for (unsigned i = 0; i < CALL_ARGS; i++)
        if (grammar[call->nr].arg[i].kind == ARG_PTR)
            call->arg[i] = bad_pointer(f, call);
}

static void mutate_once(struct fuzzer *f, struct call *call)
{
    uint64_t *word = any_word(call), *other = any_word(call), old = *word;
    unsigned i = (unsigned)random_below(CALL_ARGS);
    switch (random_below(8)) {
    case 0:
        *word ^= 1ull << random_below(64);
        break;
    case 1:
        *word = value_number();
        break;
    case 2:
        *word = value_word();
        break;
    case 3:
        *word = *other;
        *other = old;
        break;
    case 4:
        *word += random_below(17) - 8;
        break;
    case 5: /* half a word: many fields are 32 bits */
        *word = (*word & 0xffffffff00000000) | (value_word() & 0xffffffff);
        break;
    case 6:
        if (one_in(4))
            mutate_pointer(f, call);
        break;
    default:
        if (grammar[call->nr].arg[i].kind != ARG_PTR)
            call->arg[i] = value_argument(grammar[call->nr].arg[i].kind);
        break;
    }
}

bool corpus_mutated(struct fuzzer *f, struct call *call)
{
    if (f->nr_corpus == 0)
        return false;
    *call = f->corpus[random_below(f->nr_corpus)];
    for (uint64_t n = 1 + random_below(3); n > 0; n--)
        mutate_once(f, call);
    return true;
}
