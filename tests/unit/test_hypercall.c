/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch: every row of hypercalls.def reaches its handler, with arguments copied as the row says;
 * what is in no row is refused; what is interrupted is made again, alone and inside a multicall.
 * The handlers here are made out of the table, and record how they are called.
 *
 * links: tests/unit/host.c hypervisor/core/hypercall.c
 */
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "host.h"

enum direction { DIR_NONE, DIR_IN, DIR_OUT, DIR_INOUT, DIR_RAW };
enum style { DIRECT, SUBOPS, VCPUOPS, CONTROL };

/* ---- Handlers ------------------------------------------------------------------------------- */

static struct {
    unsigned calls;
    const char *name;
    struct vcpu *v;
    bool null_arg;
    uint64_t args[6];    /* of a direct one */
    uint64_t raw;        /* of a RAW one */
    uint8_t bytes[2048]; /* of any other */
} seen;

static long answer[32]; /* what the next calls return; then 0 */
static unsigned answers, answered;
static bool scribble;       /* handlers write all over their argument */
static unsigned work_after; /* after so many calls, work is pending */

static long recorded(const char *name, struct vcpu *v)
{
    seen.calls++;
    seen.name = name;
    seen.v = v;
    if (work_after && seen.calls % work_after == 0)
        this_cpu(softirq_pending) = 1;
    return answered < answers ? answer[answered++] : 0;
}

static long direct(const char *name, struct vcpu *v, struct hypercall_args *a)
{
    memcpy(seen.args, a->arg, sizeof(seen.args));
    if (hypercall_current_args() != a)
        bail_out("hypercall_current_args() is wrong in %s", name);
    return recorded(name, v);
}

static long by_command(const char *name, enum direction dir, size_t size, struct vcpu *v, void *arg)
{
    seen.null_arg = arg == NULL;
    if (dir == DIR_RAW)
        seen.raw = ((vaddr_t *)arg)->v;
    else if (arg != NULL)
        memcpy(seen.bytes, arg, size);
    if (scribble && arg != NULL && dir != DIR_RAW)
        memset(arg, 0x5a, size);
    return recorded(name, v);
}

#define weak          __attribute__((weak)) /* hc_multicall() is the real one */
#define SIZE_OF(type) _Generic((type *)NULL, void * : 0, default : sizeof(type))
#define DEFINE_DIRECT(name)                                                                        \
    weak long hc_##name(struct vcpu *v, struct hypercall_args *a);                                 \
    weak long hc_##name(struct vcpu *v, struct hypercall_args *a)                                  \
    {                                                                                              \
        return direct(#name, v, a);                                                                \
    }
#define DEFINE_SUBOPS(name)
#define DEFINE_VCPUOPS(name)
#define DEFINE_CONTROL(name)
#define HYPERCALL(name, nargs, style, args, doc) DEFINE_##style(name)
#define SUBOP(call, command, fn, type, dir, doc)                                                   \
    long fn(struct vcpu *v, type *arg);                                                            \
    long fn(struct vcpu *v, type *arg)                                                             \
    {                                                                                              \
        return by_command(#fn, DIR_##dir, SIZE_OF(type), v, arg);                                  \
    }
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP

static const struct row {
    unsigned nr, nargs;
    enum style style;
    const char *name;
} rows[] = {
#define HYPERCALL(call, n, how, args, doc)                                                         \
    {.nr = __HYPERVISOR_##call, .nargs = n, .style = how, .name = #call},
#define SUBOP(...)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};

static const struct subrow {
    unsigned nr, command;
    enum direction dir;
    size_t size;
    const char *name;
} subrows[] = {
#define HYPERCALL(...)
#define SUBOP(call, cmd, fn, type, dir_, doc)                                                      \
    {.nr = __HYPERVISOR_##call,                                                                    \
     .command = (cmd),                                                                             \
     .dir = DIR_##dir_,                                                                            \
     .size = SIZE_OF(type),                                                                        \
     .name = #fn},
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};

/* ---- The machine ------------------------------------------------------------------------------
 */

static struct {
    unsigned times, nr, nargs;
    uint64_t args[6];
} rewound;

void arch_hypercall_rewind(unsigned nr, unsigned nargs, const uint64_t *args)
{
    rewound.times++;
    rewound.nr = nr;
    rewound.nargs = nargs;
    memset(rewound.args, 0, sizeof(rewound.args));
    memcpy(rewound.args, args, nargs * sizeof(args[0]));
}

static struct domain dom = {.max_vcpus = 3};
static struct vcpu vcpu0 = {.domain = &dom}, vcpu1 = {.domain = &dom, .id = 1};
static uint8_t buffer[2048];

static void fresh(void)
{
    memset(&seen, 0, sizeof(seen));
    memset(&rewound, 0, sizeof(rewound));
    memset(buffer, 0xc3, sizeof(buffer));
    answers = answered = 0;
    scribble = false;
    work_after = 0;
    this_cpu(softirq_pending) = 0;
    host_fault_start = host_fault_end = 0;
    host_fault_after = -1;
}

static long call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    struct hypercall_args args = {{a0, a1, a2, 4, 5, 6}};
    return hypercall_dispatch(&vcpu0, nr, &args);
}

static long subcall(const struct subrow *r, uint64_t pointer)
{
    bool vcpuop = r->nr == __HYPERVISOR_vcpu_op;
    return vcpuop ? call(r->nr, r->command, 1, pointer) : call(r->nr, r->command, pointer, 0);
}

static bool all(const uint8_t *p, uint8_t byte, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (p[i] != byte)
            return false;
    return true;
}

static bool is_control(unsigned nr)
{
    return nr == __HYPERVISOR_domctl || nr == __HYPERVISOR_sysctl;
}

/* ---- Every row ----------------------------------------------------------------------------------
 */

static void test_direct(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        is_str(hypercall_name(r->nr), r->name, "%u is %s", r->nr, r->name);
        if (r->style != DIRECT || r->nr == __HYPERVISOR_multicall)
            continue;
        fresh();
        answer[answers++] = -XEN_EXDEV;
        is(call(r->nr, ~0ull, 2, 3), -XEN_EXDEV, "%s: the handler's answer", r->name);
        ok(seen.calls == 1 && strcmp(seen.name, r->name) == 0 && seen.v == &vcpu0 &&
               seen.args[0] == ~0ull && seen.args[1] == 2 && seen.args[5] == 6,
           "%s: once, with its arguments", r->name);
    }
    is_str(hypercall_name(NR_HYPERCALLS), "unknown");
    is_str(hypercall_name(~0u), "unknown");
}

static void check_in(const struct subrow *r)
{
    bool in = r->dir == DIR_IN || r->dir == DIR_INOUT,
         out = r->dir == DIR_OUT || r->dir == DIR_INOUT;
    struct vcpu *target = r->nr == __HYPERVISOR_vcpu_op ? &vcpu1 : &vcpu0;

    fresh();
    scribble = true;
    answer[answers++] = 7;
    is(subcall(r, host_va(buffer).v), 7, "%s: the handler's answer", r->name);
    ok(seen.calls == 1 && strcmp(seen.name, r->name) == 0 && seen.v == target, "%s: once", r->name);
    if (r->dir == DIR_NONE)
        ok(seen.null_arg, "%s: without an argument", r->name);
    else if (r->dir == DIR_RAW)
        is(seen.raw, host_va(buffer).v, "%s: the pointer itself", r->name);
    else
        ok(all(seen.bytes, in ? 0xc3 : 0, 0, r->size), "%s: its argument", r->name);
    ok(all(buffer, out ? 0x5a : 0xc3, 0, r->size) && all(buffer, 0xc3, r->size, sizeof(buffer)),
       "%s: what comes back", r->name);
}

static void check_errors(const struct subrow *r)
{
    bool in = r->dir == DIR_IN || r->dir == DIR_INOUT,
         out = r->dir == DIR_OUT || r->dir == DIR_INOUT;

    fresh();
    scribble = true;
    answer[answers++] = -XEN_EBUSY;
    is(subcall(r, host_va(buffer).v), -XEN_EBUSY, "%s fails", r->name);
    ok(all(buffer, 0xc3, 0, sizeof(buffer)), "and nothing comes back");
    if (!in && !out)
        return;
    const uint64_t bad[] = {0, HV_VIRT_START, HV_VIRT_END - 1, 1ull << 47, ~0ull, ~0ull - r->size};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        fresh();
        is(subcall(r, bad[i]), -XEN_EFAULT, "%s at %#lx", r->name, bad[i]);
        is(seen.calls, in ? 0 : 1);
    }
    fresh(); /* the last byte is missing */
    host_fault_start = (uintptr_t)buffer + r->size - 1;
    host_fault_end = host_fault_start + 1;
    is(subcall(r, host_va(buffer).v), -XEN_EFAULT, "%s, one byte short", r->name);
    is(seen.calls, in ? 0 : 1);
    fresh();
    if (r->dir == DIR_INOUT)
        host_fault_after = 1;
    if (r->dir == DIR_INOUT)
        is(subcall(r, host_va(buffer).v), -XEN_EFAULT, "%s, gone when written back", r->name);
}

static void check_again(const struct subrow *r)
{
    bool out = r->dir == DIR_OUT || r->dir == DIR_INOUT, vcpuop = r->nr == __HYPERVISOR_vcpu_op;

    fresh();
    scribble = true;
    answer[answers++] = HC_AGAIN;
    is(subcall(r, host_va(buffer).v), HC_REWOUND, "%s is to be made again", r->name);
    ok(rewound.times == 1 && rewound.nr == r->nr && rewound.nargs == (vcpuop ? 3 : 2) &&
           rewound.args[0] == r->command && rewound.args[vcpuop ? 2 : 1] == host_va(buffer).v,
       "%s: with the same arguments", r->name);
    ok(all(buffer, out ? 0x5a : 0xc3, 0, r->size), "%s: as the handler left them", r->name);
}

static void test_subops(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(subrows); i++) {
        if (is_control(subrows[i].nr))
            continue;
        check_in(&subrows[i]);
        check_errors(&subrows[i]);
        check_again(&subrows[i]);
    }
}

/* ---- What is in no row
 * ---------------------------------------------------------------------------- */

static bool has_row(uint64_t nr)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].nr == nr)
            return true;
    return false;
}

static bool has_subrow(unsigned nr, uint32_t command)
{
    for (unsigned i = 0; i < ARRAY_SIZE(subrows); i++)
        if (subrows[i].nr == nr && subrows[i].command == command)
            return true;
    return false;
}

static void test_unknown(void)
{
    static const uint64_t far[] = {64,   65, 255, 256, 1ull << 31, 1ull << 32, (1ull << 32) + 1,
                                   ~0ull};
    fresh();
    for (uint64_t nr = 0; nr < NR_HYPERCALLS; nr++)
        if (!has_row(nr))
            is(call(nr, 0, 0, 0), -XEN_ENOSYS, "hypercall %lu", nr);
    for (unsigned i = 0; i < ARRAY_SIZE(far); i++)
        is(call(far[i], 0, 0, 0), -XEN_ENOSYS, "hypercall %#lx", far[i]);
    is(seen.calls, 0, "and nothing is called");
}

static void test_unknown_commands(void)
{
    static const uint32_t far[] = {32, 33, 63, 64, 255, 256, 257, 1u << 31, ~0u};
    fresh();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        unsigned mask = r->nr == __HYPERVISOR_memory_op ? MEMOP_CMD_MASK : ~0u;
        bool refused = true;
        if (r->style == DIRECT || r->style == CONTROL)
            continue;
        for (unsigned c = 0; c < 32 + ARRAY_SIZE(far); c++) {
            uint32_t command = c < 32 ? c : far[c - 32];
            if (!has_subrow(r->nr, command & mask))
                refused &= call(r->nr, command, 0, host_va(buffer).v) == -XEN_ENOSYS;
        }
        ok(refused && seen.calls == 0, "unknown commands of %s", r->name);
    }
    is(call(__HYPERVISOR_sched_op, SCHEDOP_yield | 1ull << 32, 0, 0), 0, "a command has 32 bits");
    is(seen.calls, 1);
    is(call(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page | 12345u << MEMOP_EXTENT_SHIFT, 0, 0),
       0, "memory_op's command has how far it has come above it");
    is_str(seen.name, "memory_maximum_ram_page");
}

static void test_vcpu_op(void)
{
    static const uint64_t bad[] = {2, 3, 4, 127, 128, 0x7fffffff, 0xffffffff};
    fresh();
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        is(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, bad[i], 0), -XEN_ENOENT, "vCPU %lu", bad[i]);
    is(seen.calls, 0);
    is(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1ull << 32, 0), 0, "its number has 32 bits");
    ok(seen.v == &vcpu0, "vCPU 0");
}

/* ---- Multicalls
 * ------------------------------------------------------------------------------------ */

#define ENTRIES 12u
static struct multicall_entry list[ENTRIES];

static void make_list(void)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        list[i] = (struct multicall_entry){
            .op = __HYPERVISOR_set_gdt, .result = 0xdead, .args = {i, 2, 3, 4, 5, 6}};
}

static long multicall(uint64_t entries)
{
    return call(__HYPERVISOR_multicall, host_va(list).v, entries, 0);
}

/* As a guest: made again for as long as it is rewound. */
static long multicall_on(uint64_t count, unsigned *times)
{
    long rc = multicall(count);
    for (*times = 1; rc == HC_REWOUND && *times < 1000; (*times)++) {
        if (rewound.nr != __HYPERVISOR_multicall || rewound.nargs != 2)
            bail_out("hypercall %u is rewound", rewound.nr);
        this_cpu(softirq_pending) = 0;
        rc = call(rewound.nr, rewound.args[0], rewound.args[1], 0);
    }
    return rc;
}

static void test_multicall(void)
{
    fresh();
    make_list();
    for (unsigned i = 0; i < ENTRIES; i++)
        answer[answers++] = i % 2 ? -(long)i : (long)i;
    is(multicall(0), 0, "no entry");
    is(multicall(1ull << 32), 0, "the count has 32 bits");
    is(seen.calls, 0);
    is(multicall(ENTRIES - 1), 0, "a list");
    is(seen.calls, ENTRIES - 1, "each once");
    is(seen.args[0], ENTRIES - 2, "in order, with its arguments");
    is(seen.args[5], 6, "all six");
    for (unsigned i = 0; i < ENTRIES; i++)
        is((long)list[i].result,
           i == ENTRIES - 1 ? 0xdead
           : i % 2          ? -(long)i
                            : (long)i,
           "result %u", i);
    ok(list[0].op == __HYPERVISOR_set_gdt && list[3].args[0] == 3, "entries are as they were");

    fresh();
    make_list();
    list[1].op = __HYPERVISOR_multicall;
    list[2].op = 40;
    list[3].op = ~0ull;
    list[4].op = __HYPERVISOR_sched_op;
    list[4].args[0] = 99;
    is(multicall(6), 0);
    is((long)list[1].result, -XEN_EINVAL, "no multicall inside one");
    is((long)list[2].result, -XEN_ENOSYS, "unknown hypercalls");
    is((long)list[3].result, -XEN_ENOSYS);
    is((long)list[4].result, -XEN_ENOSYS, "unknown commands");
    is(seen.calls, 2, "and the rest is made");
}

static void test_multicall_faults(void)
{
    fresh();
    make_list();
    is(call(__HYPERVISOR_multicall, 0, 1, 0), -XEN_EFAULT, "a list at 0");
    is(call(__HYPERVISOR_multicall, HV_VIRT_START - 64, 2, 0), -XEN_EFAULT,
       "one that reaches into the hypervisor");
    host_fault_start = (uintptr_t)&list[ENTRIES];
    host_fault_end = ~0ul;
    is(multicall(0xffffffff), -XEN_EFAULT, "one of the most entries, which are not there");
    is(seen.calls, ENTRIES, "what is there is made");
    is(call(__HYPERVISOR_multicall, ~0ull - 63, 2, 0), -XEN_EFAULT, "one that wraps");
    host_fault_start = (uintptr_t)&list[3];
    host_fault_end = (uintptr_t)&list[4];
    seen.calls = 0;
    is(multicall(5), -XEN_EFAULT, "an entry that is not there");
    is(seen.calls, 3, "those before it are made");
    fresh();
    make_list();
    host_fault_after = 3; /* read, result, read; no result */
    is(multicall(5), -XEN_EFAULT, "a result that cannot be written");
    is(seen.calls, 2);
    is((long)list[1].result, 0xdead);
}

static void test_multicall_preempted(void)
{
    unsigned times;
    for (work_after = 1; work_after <= ENTRIES; work_after++) {
        unsigned every = work_after;
        fresh();
        make_list();
        work_after = every;
        for (unsigned i = 0; i < ENTRIES; i++)
            answer[answers++] = 100 + i;
        is(multicall_on(ENTRIES, &times), 0, "work pending after each %u", every);
        is(times, DIV_ROUND_UP(ENTRIES, every), "made in so many parts");
        is(seen.calls, ENTRIES, "each entry once");
        bool right = true;
        for (unsigned i = 0; i < ENTRIES; i++)
            right &= list[i].result == 100 + i;
        ok(right, "with its result");
        work_after = every;
    }
    fresh();
}

/* An entry that has more to do comes again, as it was left, and those behind it after it. */
static void test_multicall_again(void)
{
    fresh();
    make_list();
    list[1] = (struct multicall_entry){.op = __HYPERVISOR_memory_op,
                                       .args = {XENMEM_exchange, host_va(buffer).v, 9, 9, 9, 9}};
    answer[answers++] = 1;
    answer[answers++] = HC_AGAIN;
    answer[answers++] = HC_AGAIN;
    answer[answers++] = 2;
    answer[answers++] = 3;
    is(multicall(3), HC_REWOUND, "interrupted in the second entry");
    is(rewound.args[0], host_va(&list[1]).v, "it begins there again");
    is(rewound.args[1], 2, "with two entries left");
    is(list[0].result, 1);
    is(list[1].op, __HYPERVISOR_memory_op);
    is(list[1].args[0], XENMEM_exchange);
    is(list[1].args[1], host_va(buffer).v);
    is(call(rewound.nr, rewound.args[0], rewound.args[1], 0), HC_REWOUND, "and once more");
    is(rewound.args[0], host_va(&list[1]).v);
    is(call(rewound.nr, rewound.args[0], rewound.args[1], 0), 0, "and is done");
    is(seen.calls, 5, "the interrupted one was made three times, the others once");
    is(list[1].result, 2);
    is(list[2].result, 3);

    /* A handler that arranges itself how it goes on (as mmu_update does). */
    fresh();
    make_list();
    answer[answers++] = HC_REWOUND;
    is(multicall(2), HC_REWOUND, "rewound by its handler");
    is(rewound.args[0], host_va(list).v);
    is(rewound.args[1], 2);
    is(rewound.nr, __HYPERVISOR_multicall, "the multicall is what the guest makes again");

    fresh();
    make_list();
    answer[answers++] = HC_REWOUND;
    host_fault_after = 1;
    is(multicall(2), -XEN_EFAULT, "an entry that cannot be written back");
    is(rewound.times, 0);
}

/* Behind a multicall, a plain hypercall is rewound in the registers again. */
static void test_after_multicall(void)
{
    uint64_t args[] = {11, 22, 33};
    fresh();
    make_list();
    is(multicall(1), 0);
    is(hypercall_continue(__HYPERVISOR_mmu_update, 3, args), HC_REWOUND);
    ok(rewound.times == 1 && rewound.nr == __HYPERVISOR_mmu_update && rewound.nargs == 3 &&
           rewound.args[2] == 33,
       "outside a multicall the registers are rewound");
    is(list[0].op, __HYPERVISOR_set_gdt, "and no entry is touched");
}

/* ---- domctl and sysctl: the command is in the structure ------------------------------------ */

/* A call of this row, with that interface version. */
static long control(const struct subrow *r, uint32_t version)
{
    uint32_t head[2] = {r->command, version};

    memcpy(buffer, head, sizeof(head));
    return call(r->nr, host_va(buffer).v, 2, 3);
}

static void check_control(const struct subrow *r)
{
    bool domctl = r->nr == __HYPERVISOR_domctl, out = r->dir == DIR_INOUT;
    uint32_t version = domctl ? XEN_DOMCTL_INTERFACE_VERSION : XEN_SYSCTL_INTERFACE_VERSION;

    fresh();
    is(control(r, version), -XEN_EPERM, "%s: not for guests", r->name);
    dom.is_privileged = true;
    is(control(r, version + 1), -XEN_EACCES, "%s: another version", r->name);
    is(seen.calls, 0, "%s: neither came through", r->name);
    scribble = true;
    answer[answers++] = -XEN_EBUSY;
    is(control(r, version), -XEN_EBUSY, "%s: the handler's answer", r->name);
    ok(seen.calls == 1 && strcmp(seen.name, r->name) == 0, "%s: once", r->name);
    ok(all(buffer, out ? 0x5a : 0xc3, 8, r->size) && all(buffer, 0xc3, r->size, sizeof(buffer)),
       "%s: what comes back", r->name);
    fresh();
    answer[answers++] = HC_AGAIN;
    is(control(r, version), HC_REWOUND, "%s: more to do", r->name);
    ok(rewound.times == 1 && rewound.nr == r->nr && rewound.args[0] == host_va(buffer).v,
       "%s: it will come again", r->name);
    fresh();
    host_fault_start = (uintptr_t)buffer + r->size - 1;
    host_fault_end = host_fault_start + 1;
    is(control(r, version), -XEN_EFAULT, "%s, one byte short", r->name);
    is(seen.calls, 0);
    dom.is_privileged = false;
}

static void test_control(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(subrows); i++)
        if (is_control(subrows[i].nr))
            check_control(&subrows[i]);
    dom.is_privileged = true;
    struct subrow none = {.nr = __HYPERVISOR_domctl, .command = 1000, .name = "none"};
    fresh();
    is(control(&none, XEN_DOMCTL_INTERFACE_VERSION), -XEN_ENOSYS, "a command that there is not");
    dom.is_privileged = false;
}

int main(void)
{
    hypercall_init();
    dom.vcpu[0] = &vcpu0;
    dom.vcpu[1] = &vcpu1;
    host_current = &vcpu0;
    test_direct();
    test_control();
    test_subops();
    test_unknown();
    test_unknown_commands();
    test_vcpu_op();
    test_multicall();
    test_multicall_faults();
    test_multicall_preempted();
    test_multicall_again();
    test_after_multicall();
    return done();
}
