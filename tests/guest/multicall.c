/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * multicall: a list of hypercalls, made in one entry into the hypervisor. Each has its result
 * written into the list; one that fails does not stop the others. The result of the multicall
 * itself says only whether the list could be read and written.
 *
 * A list inside a list is refused; so are the calls that are about the way back to the guest.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/clock.h>
#include <pv/smp.h>

#define CALLS 300u

static struct multicall_entry list[CALLS];

static struct multicall_entry call(unsigned long op, unsigned long a1, unsigned long a2,
                                   unsigned long a3)
{
    return (struct multicall_entry){.op = op, .result = 0x5555, .args = {a1, a2, a3}};
}

static struct multicall_entry version_call(void)
{
    return call(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
}

static void test_results(void)
{
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);
    for (unsigned i = 0; i < CALLS; i++)
        list[i] = version_call();
    list[1] = call(63, 0, 0, 0);
    list[2] = call(64, 0, 0, 0);
    list[3] = call(~0ul, 0, 0, 0);
    list[4] = call(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0, 0);
    list[5] = call(__HYPERVISOR_set_debugreg, 9, 0, 0);
    list[6] = call(__HYPERVISOR_xen_version, XENVER_capabilities, 8, 0);
    is_error(HYPERVISOR_multicall(list, CALLS), 0, "a list of calls");
    is(list[0].result, version, "the first has a result");
    is_error(list[1].result, -XEN_ENOSYS, "hypercall 63 is not there");
    is_error(list[2].result, -XEN_ENOSYS, "nor is 64");
    is_error(list[3].result, -XEN_ENOSYS, "nor the last one");
    ok(list[4].result > 0, "a result may be large");
    is_error(list[5].result, -XEN_ENODEV, "debug register 9 is refused");
    is_error(list[6].result, -XEN_EFAULT, "a call whose argument is nowhere");
    unsigned right = 0;
    for (unsigned i = 7; i < CALLS; i++)
        right += (long)list[i].result == version;
    is(right, CALLS - 7, "all others have theirs");
    is(list[0].op, __HYPERVISOR_xen_version, "the operation is left as it was");
    is(list[4].args[0], XENMEM_maximum_ram_page, "so is an argument");
}

static void test_counts(void)
{
    list[0] = list[1] = version_call();
    is_error(HYPERVISOR_multicall(list, 0), 0, "no call");
    is(list[0].result, 0x5555, "none is made");
    is_error(HYPERVISOR_multicall(list, 1), 0, "one call");
    is(list[1].result, 0x5555, "one is made");
    is_error(HYPERVISOR_multicall(NULL, 0), 0, "no list for no call");
    is_error(hypercall(__HYPERVISOR_multicall, PV_ARG(list), 1ul << 32, 0, 0, 0), 0,
             "a count is 32 bits wide");
}

static void test_lists(void)
{
    is_error(HYPERVISOR_multicall(NULL, 1), -XEN_EFAULT, "a list at 0");
    is_error(HYPERVISOR_multicall((void *)HV_ADDRESS, 1), -XEN_EFAULT,
             "a list of the hypervisor's");
    is_error(HYPERVISOR_multicall((void *)NON_CANONICAL, 1), -XEN_EFAULT, "a list nowhere");
    is_error(HYPERVISOR_multicall((void *)(HV_ADDRESS - sizeof(list[0])), 2), -XEN_EFAULT,
             "a list into the hypervisor");
    struct multicall_entry *page = page_alloc();
    *page = version_call();
    page_read_only(page);
    is_error(HYPERVISOR_multicall(page, 1), -XEN_EFAULT, "a list that is read-only");
    page_writable(page);
    uint8_t *window = window_alloc(2);
    pte_set(window, pte_make(virt_to_mfn(page), PTE_KERNEL_RW));
    struct multicall_entry *end = (void *)(window + PAGE_SIZE - sizeof(list[0]));
    *end = version_call();
    is_error(HYPERVISOR_multicall(end, 2), -XEN_EFAULT, "a list that leaves mapped memory");
    ok((long)end->result > 0, "its first call is made");
    window_free(window, 2);
    page_free(page);
}

static void test_nested(void)
{
    static struct multicall_entry inner;
    inner = version_call();
    list[0] = call(__HYPERVISOR_multicall, (unsigned long)&inner, 1, 0);
    list[1] = version_call();
    is_error(HYPERVISOR_multicall(list, 2), 0, "a list with a list in it");
    is_error(list[0].result, -XEN_EINVAL, "which is refused");
    is(inner.result, 0x5555, "its calls are not made");
    ok((long)list[1].result > 0, "the next call is made");
}

/* A list of page-table calls, long ones among them, that together take longer than a time slice. */
static void test_long(void)
{
    uint64_t *t[LEVELS + 1];
    for (unsigned level = 1; level <= LEVELS; level++)
        t[level] = page_alloc();
    for (unsigned level = 2; level <= LEVELS; level++)
        for (unsigned i = 0; i < TABLE_ENTRIES; i++)
            if (level < 4 || i < HV_SLOT_FIRST)
                t[level][i] = pte_make(virt_to_mfn(t[level - 1]), PTE_TABLE);
    for (unsigned level = 1; level <= LEVELS; level++)
        page_read_only(t[level]);
    static struct mmuext_op pin, unpin;
    pin = (struct mmuext_op){.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = virt_to_mfn(t[4])};
    unpin = (struct mmuext_op){.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = virt_to_mfn(t[4])};
    unsigned good = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        list[i] = call(__HYPERVISOR_mmuext_op, (unsigned long)(i % 2 ? &unpin : &pin), 1, 0);
        list[i].args[3] = DOMID_SELF;
    }
    is_error(HYPERVISOR_multicall(list, CALLS), 0, "a long list of long calls");
    for (unsigned i = 0; i < CALLS; i++)
        good += list[i].result == 0;
    is(good, CALLS, "all of them are made once");
    for (unsigned level = 1; level <= LEVELS; level++)
        ok(table_free(t[level]), "level %u is no table at the end", level);
}

/* Calls that give way: the list goes on behind them. */
static void test_yield(void)
{
    for (unsigned i = 0; i < 10; i++)
        list[i] = i % 2 ? call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0) : version_call();
    is_error(HYPERVISOR_multicall(list, 10), 0, "a list with calls that yield");
    is_error(list[9].result, 0, "the last yields");
    ok((long)list[8].result > 0, "the one before answers");
}

/* The list is rewritten by a call in it: what is read is what was there when it was its turn. */
static void test_changed(void)
{
    list[0] = call(__HYPERVISOR_xen_version, XENVER_capabilities, (unsigned long)&list[8], 0);
    for (unsigned i = 1; i < 40; i++)
        list[i] = version_call();
    is_error(HYPERVISOR_multicall(list, 8), 0, "a list whose rest is overwritten");
    is_error(list[0].result, 0, "the call that wrote");
    ok((long)list[7].result > 0, "the last call before that");
}

/* On all vCPUs, each its own list. */
static void on_each(void *data)
{
    unsigned long *wrong = data;
    struct multicall_entry mine[20];
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 20; i++)
            mine[i] = version_call();
        bool good = HYPERVISOR_multicall(mine, 20) == 0;
        for (unsigned i = 0; i < 20; i++)
            good = good && (long)mine[i].result == version;
        if (!good)
            __atomic_fetch_add(wrong, 1, __ATOMIC_RELAXED);
    }
}

int main(void)
{
    unsigned long wrong = 0;
    test_results();
    test_counts();
    test_lists();
    test_nested();
    test_long();
    test_yield();
    test_changed();
    vcpus_run(on_each, &wrong);
    is(wrong, 0, "all vCPUs make lists of calls");
    return done();
}
