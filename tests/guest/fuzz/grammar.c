/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fuzzer's grammar: hypervisor/core/hypercalls.def, read by its macros when this is compiled. A
 * row added there is fuzzed without a change here.
 */
#include "fuzz.h"

#include <ctype.h>

/* Names of the hypervisor in the type column, for types of the ABI. */
typedef domid_t xen_domid_t;
typedef struct {
    uint64_t v;
} vaddr_t;

#define STYLE_DIRECT  false
#define STYLE_SUBOPS  false
#define STYLE_VCPUOPS true
#define STYLE_CONTROL false

struct grammar grammar[NR_HYPERCALLS] = {
#define HYPERCALL(call, args, style, what, doc)                                                    \
    [__HYPERVISOR_##                                                                               \
        call] = {.name = #call, .text = (what), .nargs = (args), .vcpu_first = STYLE_##style},
#define SUBOP(call, cmd, handler, type, direction, doc)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};

#define SIZE_NONE(type)  0
#define SIZE_IN(type)    sizeof(type)
#define SIZE_OUT(type)   sizeof(type)
#define SIZE_INOUT(type) sizeof(type)
/* What a RAW operation points to, it knows itself; the largest is struct vcpu_guest_context. */
#define SIZE_RAW(type)   (CALL_WORDS * 8)

const struct grammar_command grammar_commands[] = {
#define HYPERCALL(call, args, style, what, doc)
#define SUBOP(call, cmd, handler, type, direction, doc)                                            \
    {.name = #cmd, .nr = __HYPERVISOR_##call, .command = (cmd), .size = SIZE_##direction(type)},
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};
const unsigned nr_grammar_commands = sizeof(grammar_commands) / sizeof(grammar_commands[0]);

/* ---- Arguments ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum arg_kind kind;
} kinds[] = {
    {"cmd", ARG_CMD},     {"ptr", ARG_PTR},     {"array", ARG_PTR},   {"count", ARG_COUNT},
    {"domid", ARG_DOMID}, {"mfn", ARG_MFN},     {"maddr", ARG_MADDR}, {"va", ARG_VA},
    {"pte", ARG_PTE},     {"flags", ARG_FLAGS}, {"reg", ARG_REG},     {"num", ARG_NUM},
};

#define TYPE(name)                                                                                 \
    {                                                                                              \
#name, sizeof(name)                                                                        \
    }
static const struct {
    const char *name;
    uint16_t size;
} types[] = {
    TYPE(struct trap_info),
    TYPE(struct mmu_update),
    TYPE(unsigned int),
    TYPE(xen_pfn_t),
    TYPE(struct xen_platform_op),
    TYPE(struct mmuext_op),
    TYPE(char),
    TYPE(struct multicall_entry),
    TYPE(struct xen_domctl),
    TYPE(struct xen_sysctl),
};

static size_t word_length(const char *text)
{
    size_t n = 0;
    while (islower((unsigned char)text[n]))
        n++;
    return n;
}

/* "(struct mmu_update) ...": its size; NULL: not a type that is known. */
static const char *read_type(const char *text, struct grammar_arg *arg)
{
    const char *end = strchr(text, ')');
    if (!end)
        return NULL;
    size_t length = (size_t)(end - text) - 1;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strlen(types[i].name) == length && memcmp(text + 1, types[i].name, length) == 0) {
            arg->size = types[i].size;
            return end + 1;
        }
    }
    return NULL;
}

/* One argument; what follows it, or NULL. */
static const char *read_argument(const char *text, struct grammar_arg *arg)
{
    size_t length = word_length(text);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) != length || memcmp(text, kinds[i].name, length) != 0)
            continue;
        arg->kind = kinds[i].kind;
        arg->array = strcmp(kinds[i].name, "array") == 0;
        text += length;
        return *text == '(' ? read_type(text, arg) : text;
    }
    return NULL;
}

bool grammar_start(void)
{
    for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++) {
        struct grammar *g = &grammar[nr];
        const char *text = g->text;
        unsigned n = 0;
        while (text && *text && n < CALL_ARGS) {
            text = read_argument(text, &g->arg[n++]);
            while (text && *text == ' ')
                text++;
        }
        if (g->text && (!text || *text || n != g->nargs)) {
            diag("%s: \"%s\" is not understood", g->name, g->text);
            return false;
        }
    }
    for (unsigned i = 0; i < nr_grammar_commands; i++)
        grammar[grammar_commands[i].nr].nr_commands++;
    return true;
}

/* ---- Choosing ----------------------------------------------------------------------------- */

const struct grammar_command *grammar_command(unsigned nr, uint64_t command)
{
    for (unsigned i = 0; i < nr_grammar_commands; i++)
        if (grammar_commands[i].nr == nr && grammar_commands[i].command == command)
            return &grammar_commands[i];
    return NULL;
}

/* By rows: a hypercall with many commands comes more often. */
unsigned grammar_pick(void)
{
    if (one_in(2))
        return grammar_commands[random_below(nr_grammar_commands)].nr;
    for (;;) {
        unsigned nr = (unsigned)random_below(NR_HYPERCALLS);
        if (grammar[nr].name)
            return nr;
    }
}

const struct grammar_command *grammar_pick_command(unsigned nr)
{
    unsigned n = 0;
    if (grammar[nr].nr_commands == 0)
        return NULL;
    uint64_t wanted = random_below(grammar[nr].nr_commands);
    for (unsigned i = 0; i < nr_grammar_commands; i++)
        if (grammar_commands[i].nr == nr && n++ == wanted)
            return &grammar_commands[i];
    return NULL;
}
