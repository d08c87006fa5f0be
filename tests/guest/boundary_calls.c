/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boundary arguments: hypercalls without sub-operations.
 *
 * The hypervisor's table (hypervisor/core/hypercalls.def) says of each argument what it is: a
 * pointer, an array, a count, a domain, a page-table entry and so on. Here every kind has its
 * strange values, and every two arguments of each hypercall are tried with all values of theirs,
 * the others being harmless. What must hold whatever a hypercall is for:
 *   - an array that cannot be read is refused when its count is not 0;
 *   - with a small count nothing is written before the array or long after it;
 *   - every call returns, and the domain has as many pages as before.
 * A hypercall that is added to the table is tested by that. Lines "# result" tell how often which
 * answer came; on another hypervisor they are compared. verbose=1 prints every call.
 *
 * test: vcpus=1,4
 */
#include "boundary.h"

#include <pv/memory.h>

#define MAX_ARGS     5u
#define MAX_VALUES   40u
#define STRUCT_SIZE  512u /* more than three elements of any array */
#define SMALL_COUNT  3u
#define CANARY       0xa5
#define CANARY_BYTES 64u

static const struct call {
    const char *name, *args;
    unsigned number, nargs;
    bool direct;
} calls[] = {
#define IS_DIRECT  true
#define IS_SUBOPS  false
#define IS_VCPUOPS false
#define IS_CONTROL false
#define HYPERCALL(name_, nargs_, style, args_, doc)                                                \
    {#name_, args_, __HYPERVISOR_##name_, nargs_, IS_##style},
#define SUBOP(call, command, handler, type, direction, doc)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};

/* ---- Values --------------------------------------------------------------------------------- */

struct values {
    char kind; /* 'p' pointer, 'a' array, 'c' count, else any other */
    uint64_t usual;
    unsigned count;
    uint64_t of[MAX_VALUES];
    const struct address *address; /* of pointers, in the same order; and which of them is */
    bool no_byte[MAX_VALUES];      /* bad from the first byte on */
};

static const uint64_t count_values[] = {0,          1,          2,         SMALL_COUNT, 0x7fffffff,
                                        0x80000000, 0xffffffff, 1ul << 32, ~0ul};
static const uint64_t domid_values[] = {DOMID_SELF, 0,         1,         DOMID_FIRST_RESERVED - 1,
                                        DOMID_IO,   DOMID_XEN, DOMID_COW, DOMID_INVALID,
                                        DOMID_IDLE, 0xffffu,   0x10000u};
/* None of them is mapped, so that an entry which is accepted harms nothing. */
static const uint64_t va_values[] = {0,
                                     1,
                                     0x7ffffffff000,
                                     0x800000000000,
                                     HYPERVISOR_VIRT_START - 1,
                                     HYPERVISOR_VIRT_START,
                                     HYPERVISOR_VIRT_END - 1,
                                     1ul << 63,
                                     ~0ul};
static const uint64_t flag_values[] = {0, 1, 2, 3, 4, 0x80000000, ~3ul, ~0ul};
static const uint64_t number_values[] = {
    0, 1, 2, 3, 4, 7, 8, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 52, 1ul << 63, ~0ul};

static void values_copy(struct values *v, const uint64_t *from, size_t size)
{
    v->count = (unsigned)(size / sizeof(*from));
    memcpy(v->of, from, size);
}

/* `word` is an argument's kind in the table's words, of `length` characters. */
static void values_make(struct values *v, const char *word, size_t length,
                        const struct address *list)
{
#define IS(text) (length == sizeof(text) - 1 && memcmp(word, text, length) == 0)
    *v = (struct values){.kind = 'n'};
    if (memchr(word, '(', length)) {
        v->kind = *word; /* "array(...)", "ptr(...)" */
        v->address = list;
        v->usual = PV_ARG(list[0].address);
        for (; list[v->count].name; v->count++) {
            v->of[v->count] = PV_ARG(list[v->count].address);
            v->no_byte[v->count] = !boundary_can_read(list[v->count].address);
        }
    } else if (IS("array")) { /* of what the command says */
        values_make(v, "array()", sizeof("array()") - 1, list);
    } else if (IS("count")) {
        v->kind = 'c';
        v->usual = 1;
        values_copy(v, count_values, sizeof(count_values));
    } else if (IS("domid")) {
        v->usual = DOMID_SELF;
        values_copy(v, domid_values, sizeof(domid_values));
    } else if (IS("cmd")) {
        for (; v->count < 32; v->count++)
            v->of[v->count] = v->count;
        v->of[v->count++] = 0x7fffffff;
        v->of[v->count++] = 0xffffffff;
    } else if (IS("va")) {
        values_copy(v, va_values, sizeof(va_values));
    } else if (IS("flags")) {
        values_copy(v, flag_values, sizeof(flag_values));
    } else {
        values_copy(v, number_values, sizeof(number_values));
    }
#undef IS
}

/* Words are parted by blanks outside of parentheses. */
static unsigned values_parse(struct values *v, const char *args, const struct address *list)
{
    unsigned n = 0;
    while (*args && n < MAX_ARGS) {
        const char *start = args;
        int depth = 0;
        for (; *args && (depth || *args != ' '); args++)
            depth += *args == '(' ? 1 : *args == ')' ? -1 : 0;
        values_make(&v[n++], start, (size_t)(args - start), list);
        args += strspn(args, " ");
    }
    /* A second pointer is for an answer that need not be wanted. */
    bool seen = false;
    for (unsigned i = 0; i < n; i++) {
        if (v[i].address && seen)
            v[i].usual = 0;
        seen |= v[i].address != NULL;
    }
    return n;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

struct trial {
    const struct call *call;
    struct values values[MAX_ARGS];
    unsigned nargs;
    bool verbose, refused, kept;
    struct results results;
};

/* What would do what it is for, to the harm of the test. */
static const char *left_out(const struct trial *t, const uint64_t *args)
{
    if (strcmp(t->call->name, "console_io") == 0 && (uint32_t)args[0] == CONSOLEIO_write)
        return args[1] ? "writes on the console that the test reports to" : NULL;
    return NULL;
}

/* The good pointer that an argument is, or NULL. */
static const struct address *good_pointer(const struct values *v, uint64_t value)
{
    for (const struct address *a = v->address; a && a->name; a++) {
        if (PV_ARG(a->address) == value)
            return a->writable ? a : NULL;
    }
    return NULL;
}

static bool cannot_read(const struct values *v, uint64_t value)
{
    for (unsigned i = 0; i < v->count; i++) {
        if (v->of[i] == value)
            return v->no_byte[i];
    }
    return false;
}

/* Zeroes behind a good pointer, and CANARY on both sides. */
static void canary_set(const struct address *a)
{
    char *p = a->address;
    memset(p, 0, STRUCT_SIZE);
    memset(p + STRUCT_SIZE, CANARY, CANARY_BYTES);
    if (PV_ARG(p) & ~PAGE_MASK)
        p[-1] = (char)CANARY;
}

static bool canary_intact(const struct address *a)
{
    const char *p = a->address;
    for (unsigned i = 0; i < CANARY_BYTES; i++) {
        if (p[STRUCT_SIZE + i] != (char)CANARY)
            return false;
    }
    return !(PV_ARG(p) & ~PAGE_MASK) || p[-1] == (char)CANARY;
}

static void try(struct trial *t, const uint64_t *args)
{
    bool unreadable = false, counted = false, small = true;
    const struct address *good = NULL;
    unsigned nr_good = 0;
    if (left_out(t, args))
        return;
    for (unsigned i = 0; i < t->nargs; i++) {
        const struct values *v = &t->values[i];
        const struct address *a = good_pointer(v, args[i]);
        if (a) {
            good = a;
            nr_good++;
            canary_set(a);
        }
        unreadable |= v->kind == 'a' && cannot_read(v, args[i]);
        if (v->kind == 'c') {
            counted = args[i] - 1 < SMALL_COUNT;
            small = args[i] <= SMALL_COUNT;
        }
    }
    long rc = hypercall(t->call->number, args[0], args[1], args[2], args[3], args[4]);
    boundary_restore();
    results_add(&t->results, rc);
    if (unreadable && counted && rc >= 0)
        t->refused = false;
    /* Two good pointers may overlap. */
    if (nr_good == 1 && small && !canary_intact(good))
        t->kept = false;
    if (t->verbose)
        diag("%s(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 "): %s", t->call->name,
             args[0], args[1], args[2], args[3], xen_error(rc));
}

static void try_pair(struct trial *t, unsigned first, unsigned second)
{
    for (unsigned i = 0; i < t->values[first].count; i++) {
        for (unsigned j = 0; j < t->values[second].count; j++) {
            uint64_t args[MAX_ARGS] = {0};
            for (unsigned k = 0; k < t->nargs; k++)
                args[k] = t->values[k].usual;
            args[second] = t->values[second].of[j];
            args[first] = t->values[first].of[i];
            try(t, args);
        }
    }
}

static void test_call(const struct call *call, bool verbose)
{
    static struct trial t;
    bool has_array = false, has_count = false;
    t = (struct trial){.call = call, .verbose = verbose, .refused = true, .kept = true};
    t.nargs = values_parse(t.values, call->args, addresses(STRUCT_SIZE));
    is(t.nargs, call->nargs, "%s: the table names each argument", call->name);
    for (unsigned i = 0; i < t.nargs; i++) {
        has_array |= t.values[i].kind == 'a';
        has_count |= t.values[i].kind == 'c';
        for (unsigned j = i + 1; j < t.nargs; j++)
            try_pair(&t, i, j);
    }
    if (t.nargs == 1)
        try_pair(&t, 0, 0);
    if (has_array && has_count)
        ok(t.refused, "%s refuses an array that cannot be read", call->name);
    ok(t.kept, "%s writes nothing beside its arguments", call->name);
    results_print(&t.results, call->name);
}

int main(int argc, char **argv)
{
    bool verbose = argument(argc, argv, "verbose", 0);
    long pages = boundary_pages();
    boundary_start();
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (!calls[i].direct)
            continue;
        if (calls[i].number == __HYPERVISOR_iret)
            diag("iret is left out: its arguments lie on the stack");
        else
            test_call(&calls[i], verbose);
    }
    is(boundary_pages(), pages, "the domain has as many pages as before");
    return done();
}
