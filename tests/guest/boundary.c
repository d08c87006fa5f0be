/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boundary arguments: sub-operations.
 *
 * Many hypercalls are families: a command and a pointer to the command's structure. A hypervisor
 * that follows a guest's pointer must be certain of it: that it points into the guest's part of the
 * address space, that the page is there, that it may be written. Of every sub-operation in the
 * hypervisor's own table (hypervisor/core/hypercalls.def), this test makes
 *   - a call with each pointer of addresses(): refused when the structure cannot be read, or the
 *     answer not be written; good pointers serve at any alignment;
 *   - with a structure of zeroes: nothing around the structure is written, the structure itself
 *     only by operations that answer in it, and not when they fail;
 *   - numbers of vCPUs that there are not, commands and hypercalls that there are not.
 * An operation that is added to the table is tested by that. Lines "# result" tell how each
 * answered; on another hypervisor they are compared.
 *
 * test: vcpus=1,4
 */
#include "boundary.h"

#include <pv/memory.h>

/* ---- The table ------------------------------------------------------------------------------ */

enum direction { NONE, IN, OUT, INOUT, RAW };
enum style { DIRECT, SUBOPS, VCPUOPS, CONTROL };

struct subop {
    const char *call, *name;
    size_t size;
    enum direction direction;
    uint8_t number, command;
};

static const struct subop subops[] = {
#define HYPERCALL(name, nargs, style, args, doc)
#define SUBOP(call_, command_, handler, type, direction_, doc)                                     \
    {#call_,                                                                                       \
     #command_,                                                                                    \
     _Generic((type *)NULL, void * : 0, default                                                    \
              : sizeof(type)),                                                                     \
     direction_,                                                                                   \
     __HYPERVISOR_##call_,                                                                         \
     command_},
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};
#define NR_SUBOPS (sizeof(subops) / sizeof(subops[0]))

static const struct call {
    const char *name;
    enum style style;
} calls[NR_HYPERCALLS] = {
#define HYPERCALL(name_, nargs, style_, args, doc) [__HYPERVISOR_##name_] = {#name_, style_},
#define SUBOP(call, command, handler, type, direction, doc)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};

/* ---- What is left out ----------------------------------------------------------------------- */

/* With a structure of zeroes (or with none, where the operation takes none) these do what they are
 * for, and the test would not come back. With bad pointers they are tested. */
static const struct {
    const char *name, *why;
} left_out[] = {
    {"SCHEDOP_shutdown", "reason 0 switches the domain off"},
    {"SCHEDOP_remote_shutdown", "domain 0 is the one that runs the test"},
    {"SCHEDOP_watchdog", "a watchdog of 0 seconds expires, and the domain is shut down"},
    {"SCHEDOP_block", "sleeps until an event comes, and events are off"},
    {"SCHEDOP_poll", "no ports and no time limit: sleeps for ever"},
    {"VCPUOP_down", "takes down the vCPU that runs the test"},
};

static const char *why_left_out(const struct subop *op)
{
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        if (strcmp(left_out[i].name, op->name) == 0)
            return left_out[i].why;
    }
    return NULL;
}

/* ---- Pointers ------------------------------------------------------------------------------- */

#define CANARY       0xa5
#define GOOD_PAGES   2     /* addresses(): the good ones lie in two pages */
#define SIZE_UNKNOWN 4096u /* RAW: a header of whatever size, then more */

/* What came of the calls of one operation. */
struct verdict {
    struct results results;
    bool refused;   /* all bad pointers */
    bool alike;     /* good pointers of any alignment serve */
    bool kept;      /* nothing written but what is the operation's to write */
    bool good_seen; /* of good pointers: the first result */
    long good_result;
    const char *offender;
};

static size_t subop_size(const struct subop *op)
{
    return op->direction == RAW ? SIZE_UNKNOWN : op->size ? op->size : 8;
}

static long subop_call(const struct subop *op, const void *pointer)
{
    if (calls[op->number].style == CONTROL)
        return hypercall(op->number, PV_ARG(pointer), 0, 0, 0, 0);
    if (calls[op->number].style == VCPUOPS)
        return hypercall(op->number, op->command, 0, PV_ARG(pointer), 0, 0);
    return hypercall(op->number, op->command, PV_ARG(pointer), 0, 0, 0);
}

/*
 * domctl and sysctl have their command in the structure, behind it the interface's version. The
 * domain is one that there is not, as the caller's own would be changed.
 */
#define NO_DOMAIN 0x7fe0

static size_t head_size(unsigned number)
{
    if (calls[number].style != CONTROL)
        return 0;
    return number == __HYPERVISOR_domctl ? offsetof(struct xen_domctl, u) : 2 * sizeof(uint32_t);
}

static void head_write(unsigned number, uint64_t command, void *pointer)
{
    struct xen_domctl head = {.cmd = (uint32_t)command,
                              .interface_version = number == __HYPERVISOR_domctl
                                                       ? XEN_DOMCTL_INTERFACE_VERSION
                                                       : XEN_SYSCTL_INTERFACE_VERSION,
                              .domain = NO_DOMAIN};
    memcpy(pointer, &head, head_size(number));
}

/* Whether the operation can do its work there. */
static bool pointer_serves(const struct subop *op, const struct address *a)
{
    switch (op->direction) {
    case NONE:
        return true;
    case IN:
        return a->readable;
    case RAW: /* how much of it is used is not known: a little at least */
        return boundary_can_read(a->address);
    default:
        return a->writable;
    }
}

/* Everything around the structure is CANARY, in the good pages. */
static void canary_set(char *pages, const char *pointer, size_t size)
{
    for (char *p = pages; p < pages + GOOD_PAGES * PAGE_SIZE; p++)
        *p = (char)(p >= pointer && p < pointer + size ? 0 : CANARY);
}

static bool canary_intact(const char *pages, const char *pointer, size_t head, size_t size,
                          bool zeroes)
{
    for (const char *p = pages; p < pages + GOOD_PAGES * PAGE_SIZE; p++) {
        bool inside = p >= pointer && p < pointer + size;
        if (p >= pointer && p < pointer + head)
            continue;
        if (inside ? zeroes && *p : *p != (char)CANARY)
            return false;
    }
    return true;
}

static void offend(struct verdict *v, bool *rule, const struct address *a)
{
    if (*rule)
        v->offender = a->name;
    *rule = false;
}

/* Zeroes at a pointer that serves. Read-only ones are outside of `pages`, which stay as they are.
 */
static void try_good(const struct subop *op, const struct address *a, char *pages,
                     struct verdict *v)
{
    /* Of a RAW operation's pointer nothing is known but where it begins. */
    bool sized = op->direction != RAW;
    size_t size = sized ? op->size : SIZE_UNKNOWN, head = head_size(op->number);
    if (head && !a->writable)
        return; /* its command cannot be written there */
    canary_set(pages, a->address, size);
    head_write(op->number, op->command, a->address);
    long rc = subop_call(op, a->address);
    boundary_restore();
    results_add(&v->results, rc);
    bool answers = (op->direction == OUT || op->direction == INOUT) && rc >= 0;
    if (sized && !canary_intact(pages, a->address, head, size, !answers))
        offend(v, &v->kept, a);
    /* A pointer within the structure is null and may be refused: then it is with all. Some that
     * only read their structure write back how far they came. */
    if (!a->writable)
        return;
    if (v->good_seen && (rc == -XEN_EFAULT) != (v->good_result == -XEN_EFAULT))
        offend(v, &v->alike, a);
    v->good_seen = true;
    v->good_result = rc;
}

static void try_bad(const struct subop *op, const struct address *a, struct verdict *v)
{
    long rc = subop_call(op, a->address);
    boundary_restore();
    results_add(&v->results, rc);
    /* A null pointer may ask how much room is wanted. */
    if (rc >= 0 && !(op->direction == RAW && a->address == NULL))
        offend(v, &v->refused, a);
}

static void test_subop(const struct subop *op)
{
    struct verdict v = {.refused = true, .alike = true, .kept = true, .offender = ""};
    const char *why = why_left_out(op);
    const struct address *list = addresses(subop_size(op));
    char *pages = list[0].address; /* page-aligned, followed by the second page */
    for (const struct address *a = list; a->name; a++) {
        if (!pointer_serves(op, a))
            try_bad(op, a, &v);
        else if (!why)
            try_good(op, a, pages, &v);
    }
    if (op->direction != NONE)
        ok(v.refused, "%s refuses bad pointers", op->name);
    if (!why) {
        ok(v.alike, "%s takes good pointers at any alignment", op->name);
        ok(v.kept, "%s writes only its own structure, and that on success", op->name);
    } else {
        diag("%s with good pointers is left out: %s", op->name, why);
    }
    if (!v.refused || !v.alike || !v.kept)
        diag("  pointer: %s", v.offender);
    results_print(&v.results, op->name);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static bool has_command(unsigned number, uint64_t command)
{
    for (size_t i = 0; i < NR_SUBOPS; i++) {
        if (subops[i].number == number && subops[i].command == command)
            return true;
    }
    return false;
}

/* Commands are 32 bits wide; memory_op's are 6, with a count above them. */
static const uint64_t far_commands[] = {64, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff};

static void test_commands(unsigned number)
{
    const struct call *call = &calls[number];
    struct results results = {.kinds = 0};
    const struct address *good = addresses(SIZE_UNKNOWN);
    size_t far = number == __HYPERVISOR_memory_op ? 0 : sizeof(far_commands) / sizeof(uint64_t);
    bool refused = true;
    for (uint64_t i = 0; i < MEMOP_CMD_MASK + 1 + far; i++) {
        uint64_t command = i <= MEMOP_CMD_MASK ? i : far_commands[i - MEMOP_CMD_MASK - 1];
        if (has_command(number, command))
            continue;
        memset(good->address, 0, SIZE_UNKNOWN);
        head_write(number, command, good->address);
        const struct subop unknown = {.number = (uint8_t)number, .command = (uint8_t)command};
        long rc = call->style == CONTROL ? subop_call(&unknown, good->address)
                  : call->style == VCPUOPS
                      ? hypercall(number, command, 0, PV_ARG(good->address), 0, 0)
                      : hypercall(number, command, PV_ARG(good->address), 0, 0, 0);
        boundary_restore();
        results_add(&results, rc);
        if (refused && rc != -XEN_ENOSYS)
            diag("%s, command %#" PRIx64 ": %s", call->name, command, xen_error(rc));
        refused &= rc == -XEN_ENOSYS;
    }
    ok(refused, "%s has no other commands than its table", call->name);
    char name[64];
    snprintf(name, sizeof(name), "%s, other commands", call->name);
    results_print(&results, name);
}

static void test_vcpu_numbers(const struct subop *op)
{
    const uint64_t numbers[] = {nr_vcpus(), MAX_VCPUS, 8191, 8192, 0x7fffffff, 0x80000000, ~0u};
    bool refused = true;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct address *good = addresses(SIZE_UNKNOWN);
        long rc = hypercall(op->number, op->command, numbers[i], PV_ARG(good->address), 0, 0);
        boundary_restore();
        refused &= rc == -XEN_ENOENT;
    }
    ok(refused, "%s knows which vCPUs there are", op->name);
}

/* Before anything else that is wrong with an operation, it is told that its domain is not there. */
static void test_no_domain(void)
{
    bool refused = true;
    for (const struct subop *op = subops; op < subops + NR_SUBOPS; op++) {
        if (op->number != __HYPERVISOR_domctl || op->command == XEN_DOMCTL_createdomain)
            continue;
        const struct address *good = addresses(SIZE_UNKNOWN);
        memset(good->address, 0, SIZE_UNKNOWN);
        head_write(op->number, op->command, good->address);
        long rc = subop_call(op, good->address);
        boundary_restore();
        if (rc != -XEN_ESRCH)
            diag("%s: %s", op->name, xen_error(rc));
        refused &= rc == -XEN_ESRCH;
    }
    ok(refused, "domctl knows which domains there are");
}

static void test_hypercall_numbers(void)
{
    const uint64_t far_numbers[] = {64, 65, 255, 256, 0x7fffffff, 0x80000000, ~0u, 1ul << 32, ~0ul};
    bool refused = true;
    for (unsigned i = 0; i < NR_HYPERCALLS; i++) {
        if (calls[i].name)
            continue;
        long rc = hypercall(i, 0, 0, 0, 0, 0);
        boundary_restore();
        if (refused && rc != -XEN_ENOSYS)
            diag("hypercall %u: %s", i, xen_error(rc));
        refused &= rc == -XEN_ENOSYS;
    }
    ok(refused, "there are no other hypercalls than in the table");
    refused = true;
    /* The page has stubs for 64: larger numbers come in a multicall. */
    for (size_t i = 0; i < sizeof(far_numbers) / sizeof(far_numbers[0]); i++) {
        static struct multicall_entry entry;
        entry = (struct multicall_entry){.op = far_numbers[i]};
        refused &= HYPERVISOR_multicall(&entry, 1) == 0 && (long)entry.result == -XEN_ENOSYS;
        boundary_restore();
    }
    ok(refused, "there are no hypercalls beyond 63");
}

int main(void)
{
    long pages = boundary_pages();
    boundary_start();
    for (size_t i = 0; i < NR_SUBOPS; i++)
        test_subop(&subops[i]);
    for (size_t i = 0; i < NR_SUBOPS; i++) {
        if (calls[subops[i].number].style == VCPUOPS)
            test_vcpu_numbers(&subops[i]);
    }
    for (unsigned i = 0; i < NR_HYPERCALLS; i++) {
        if (calls[i].style != DIRECT)
            test_commands(i);
    }
    test_no_domain();
    test_hypercall_numbers();
    is(boundary_pages(), pages, "the domain has as many pages as before");
    return done();
}
