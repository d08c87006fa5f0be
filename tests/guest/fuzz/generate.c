/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of which nothing is known but what the table says, and batches of calls.
 */
#include "fuzz.h"

#define FUZZ_DOMAINS 5u /* numbers below, the fuzzer's own 0 among them */

#define LARGEST 512u /* bytes of a structure that fits in a call's data */

/* The size of what an argument points to: a few elements of an array. */
static size_t pointed_size(const struct grammar *g, const struct grammar_arg *arg,
                           const struct grammar_command *command)
{
    size_t size = arg->size ? arg->size : command ? command->size : 64;
    (void)g;
    if (arg->array)
        size *= 1 + random_below(4);
    return size < LARGEST ? size : LARGEST;
}

static void fill(uint64_t *word, size_t words)
{
    for (size_t i = 0; i < words; i++)
        word[i] = value_word();
}

static bool is_control(unsigned nr)
{
    return nr == __HYPERVISOR_domctl || nr == __HYPERVISOR_sysctl;
}

/* Command, version, and for domctl a domain: mostly one of the few that there may be. */
static void fill_control(struct call *call, unsigned nr, uint64_t command)
{
    bool domctl = nr == __HYPERVISOR_domctl;
    uint64_t version = domctl ? XEN_DOMCTL_INTERFACE_VERSION : XEN_SYSCTL_INTERFACE_VERSION;
    call->data[0] = (one_in(32) ? random_below(90) : command) | version << 32;
    if (domctl)
        call->data[1] = one_in(8) ? value_number() : random_below(FUZZ_DOMAINS);
    if (domctl && command == XEN_DOMCTL_createdomain && !one_in(4)) {
        struct xen_domctl_createdomain create = {.max_vcpus = 1 + (uint32_t)random_below(4),
                                                 .max_evtchn_port = 1023,
                                                 .max_grant_frames = 64,
                                                 .max_maptrack_frames = 64,
                                                 .grant_opts = 1 + (uint32_t)random_below(2)};
        memcpy(&call->data[2], &create, sizeof(create));
    }
}

void generate_any(struct fuzzer *f, struct call *call)
{
    unsigned nr = grammar_pick();
    const struct grammar *g = &grammar[nr];
    const struct grammar_command *command = grammar_pick_command(nr);
    size_t size[CALL_ARGS] = {0}, total = 0;
    for (unsigned i = 0; i < g->nargs; i++) {
        if (g->arg[i].kind == ARG_PTR && total < LARGEST) {
            size[i] = (pointed_size(g, &g->arg[i], command) + 7) & ~7ul;
            size[i] = size[i] < LARGEST - total ? size[i] : LARGEST - total;
            total += size[i];
        }
    }
    call_begin(f, call, nr, 0, total);
    fill(call->data, call->words);
    if (nr == __HYPERVISOR_platform_op) /* its commands are in the structure */
        call->data[0] = random_below(80) | (uint64_t)XENPF_INTERFACE_VERSION << 32;
    if (command && is_control(nr))
        fill_control(call, nr, command->command);
    unsigned long at = call_data(f, call);
    for (unsigned i = 0; i < g->nargs; i++) {
        if (g->arg[i].kind != ARG_PTR) {
            call->arg[i] = value_argument(g->arg[i].kind);
        } else {
            call->arg[i] = one_in(32) ? 0 : at;
            at += size[i];
        }
    }
    if (command && !is_control(nr) && !one_in(32))
        call->arg[0] = command->command;
    if (g->vcpu_first && !one_in(8))
        call->arg[1] = random_below(nr_vcpus());
}

/* ---- Batches ------------------------------------------------------------------------------ */

static void generate_one(struct fuzzer *f, struct call *call)
{
    switch (random_below(4)) {
    case 0:
        generate_mmu(f, call);
        break;
    case 1:
        generate_event(f, call);
        break;
    case 2:
        generate_grant(f, call);
        break;
    default:
        generate_any(f, call);
        break;
    }
}

/* Moves a call's data into a batch: pointers to where they were now point there. */
static void relocate(const struct fuzzer *f, const struct call *from, uint64_t *word, unsigned n,
                     unsigned long to)
{
    unsigned long start = call_data(f, from);
    for (unsigned i = 0; i < n; i++)
        if (word[i] >= start && word[i] < f->arena_end)
            word[i] = to + (word[i] - start);
}

/* Up to four calls, each with up to 11 words of data. */
void generate_multicall(struct fuzzer *f, struct call *call)
{
    enum { ENTRIES = 4, ENTRY_WORDS = sizeof(struct multicall_entry) / 8, ROOM = 7 };
    static struct call parts[FUZZ_VCPUS];
    struct call *part = &parts[f->id];
    struct multicall_entry *entry =
        call_begin(f, call, __HYPERVISOR_multicall, 0, ENTRIES * (ENTRY_WORDS + ROOM) * 8);
    uint64_t count = 1 + random_below(ENTRIES);
    for (unsigned i = 0; i < count; i++) {
        uint64_t *data = call->data + ENTRIES * ENTRY_WORDS + i * ROOM;
        do
            generate_one(f, part);
        while (part->words > ROOM);
        relocate(f, part, part->data, part->words, call_address(f, call, data));
        relocate(f, part, part->arg, CALL_ARGS, call_address(f, call, data));
        memcpy(data, part->data, part->words * 8ul);
        entry[i].op = part->nr;
        memcpy(entry[i].args, part->arg, sizeof(part->arg));
    }
    call->arg[1] = one_in(16) ? value_number() : count;
}
