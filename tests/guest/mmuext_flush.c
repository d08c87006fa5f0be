/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flushes of the TLB. A kernel that changes an entry must forget what CPUs remember of it:
 *
 *   MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_INVLPG_LOCAL   on the vCPU that calls
 *   MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI   on the vCPUs of a bitmap
 *   MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_ALL       on all vCPUs of the domain
 *
 * INVLPG is for one page, the others for all. An address may be anything: one that is not canonical
 * has nothing to be forgotten. A flush shows by what is read through the changed entry: each
 * kind is used to switch a window between two pages while other vCPUs, told by a number in memory,
 * look through it.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

static volatile uint64_t *window;
static uint64_t *page[2];
static uint8_t bitmap[PAGE_SIZE] __attribute__((aligned(4096)));

static void show(unsigned which)
{
    if (mmu_set(pte_maddr(window, 1), pte_make(virt_to_mfn(page[which]), PTE_KERNEL_RW)) != 0)
        diag("a window cannot be switched");
}

static long flush(unsigned cmd, unsigned long va, const void *mask)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.linear_addr = va};
    set_xen_guest_handle(op.arg2.vcpumask, mask);
    return mmuext_of(op, DOMID_SELF);
}

static const struct {
    const char *name;
    unsigned cmd;
    bool local;
} kinds[] = {
    {"MMUEXT_TLB_FLUSH_LOCAL", MMUEXT_TLB_FLUSH_LOCAL, true},
    {"MMUEXT_INVLPG_LOCAL", MMUEXT_INVLPG_LOCAL, true},
    {"MMUEXT_TLB_FLUSH_MULTI", MMUEXT_TLB_FLUSH_MULTI, false},
    {"MMUEXT_INVLPG_MULTI", MMUEXT_INVLPG_MULTI, false},
    {"MMUEXT_TLB_FLUSH_ALL", MMUEXT_TLB_FLUSH_ALL, false},
    {"MMUEXT_INVLPG_ALL", MMUEXT_INVLPG_ALL, false},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void test_own_view(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        unsigned wrong = 0;
        memset(bitmap, 0xff, sizeof(bitmap));
        for (unsigned i = 0; i < 50; i++) {
            show(i % 2);
            long error = flush(kinds[k].cmd, (unsigned long)window, bitmap);
            wrong += error != 0 || window[0] != i % 2;
        }
        is(wrong, 0, "%s: the caller sees the new page", kinds[k].name);
    }
}

/* ---- What others see ------------------------------------------------------------------------- */

static struct {
    volatile unsigned round, seen;
    volatile bool end;
    unsigned wrong;
} views;

/* The round is made known after the flush: whoever knows of it sees that round's page. */
static void look(void *data)
{
    unsigned known = 0;
    (void)data;
    while (!views.end) {
        unsigned round = __atomic_load_n(&views.round, __ATOMIC_ACQUIRE);
        if (round == known) {
            cpu_relax();
            continue;
        }
        known = round;
        if (window[0] != round % 2)
            __atomic_fetch_add(&views.wrong, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&views.seen, 1, __ATOMIC_RELEASE);
    }
}

static void switch_pages(unsigned kind)
{
    unsigned others = nr_vcpus() - 1;
    for (unsigned i = 1; i <= 50; i++) {
        show(i % 2);
        if (flush(kinds[kind].cmd, (unsigned long)window, bitmap) != 0)
            views.wrong += 1000;
        __atomic_store_n(&views.round, i, __ATOMIC_RELEASE);
        while (__atomic_load_n(&views.seen, __ATOMIC_ACQUIRE) != i * others)
            vcpu_give_way();
    }
}

static void test_other_views(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        if (kinds[k].local)
            continue;
        memset(&views, 0, sizeof(views));
        show(0);
        flush(MMUEXT_TLB_FLUSH_ALL, 0, NULL);
        for (unsigned v = 1; v < nr_vcpus(); v++)
            vcpu_start(v, look, NULL);
        switch_pages(k);
        views.end = true;
        for (unsigned v = 1; v < nr_vcpus(); v++)
            vcpu_join(v);
        is(views.wrong, 0, "%s: all vCPUs see the new page", kinds[k].name);
    }
}

/* ---- Arguments ------------------------------------------------------------------------------- */

static void test_addresses(void)
{
    static const unsigned long odd[] = {0,
                                        1,
                                        0xfff,
                                        NON_CANONICAL,
                                        0xffff7fffffffffff,
                                        0x8000000000000000,
                                        HV_ADDRESS,
                                        HYPERVISOR_VIRT_END - 1,
                                        ~0ul};
    memset(bitmap, 0xff, sizeof(bitmap));
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        for (unsigned k = 0; k < KINDS; k++)
            is_error(flush(kinds[k].cmd, odd[i], bitmap), 0, "%s of address %lx", kinds[k].name,
                     odd[i]);
}

static void test_bitmaps(void)
{
    static const unsigned cmds[] = {MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI};
    for (unsigned i = 0; i < 2; i++) {
        const char *name = kinds[2 + i].name;
        unsigned long va = (unsigned long)window;
        memset(bitmap, 0, sizeof(bitmap));
        is_error(flush(cmds[i], va, bitmap), 0, "%s: a bitmap of none", name);
        bitmap[0] = 1;
        is_error(flush(cmds[i], va, bitmap), 0, "%s: of vCPU 0", name);
        memset(bitmap, 0xff, sizeof(bitmap));
        is_error(flush(cmds[i], va, bitmap), 0, "%s: of more than there are", name);
        is_error(flush(cmds[i], va, bitmap + PAGE_SIZE - 1), nr_vcpus() <= 8 ? 0 : -XEN_EINVAL,
                 "%s: in the last byte of a page", name);
        is_error(flush(cmds[i], va, NULL), -XEN_EINVAL, "%s: no bitmap", name);
        is_error(flush(cmds[i], va, (void *)HV_ADDRESS), -XEN_EINVAL,
                 "%s: a bitmap of the hypervisor's", name);
        is_error(flush(cmds[i], va, (void *)NON_CANONICAL), -XEN_EINVAL, "%s: a bitmap nowhere",
                 name);
    }
}

static void test_owners(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        struct mmuext_op op = {.cmd = kinds[k].cmd, .arg1.linear_addr = (unsigned long)window};
        set_xen_guest_handle(op.arg2.vcpumask, bitmap);
        is_error(mmuext_of(op, 0x7000), -XEN_ESRCH, "%s for a domain that is not there",
                 kinds[k].name);
        is_error(mmuext_of(op, DOMID_IO), -XEN_EPERM, "%s for device memory", kinds[k].name);
    }
}

/* A vCPU that is down has nothing to forget. */
static void nothing(void *data)
{
    (void)data;
}

static void test_down(void)
{
    if (nr_vcpus() < 2) {
        skip(2, "there is one vCPU");
        return;
    }
    vcpu_start(1, nothing, NULL);
    vcpu_join(1);
    memset(bitmap, 0xff, sizeof(bitmap));
    is_error(flush(MMUEXT_TLB_FLUSH_ALL, 0, NULL), 0, "all, one of which is down");
    is_error(flush(MMUEXT_TLB_FLUSH_MULTI, 0, bitmap), 0, "a bitmap with one that is down");
}

int main(void)
{
    window = window_alloc(1);
    for (unsigned i = 0; i < 2; i++) {
        page[i] = page_alloc();
        page[i][0] = i;
    }
    test_own_view();
    test_other_views();
    test_addresses();
    test_bitmaps();
    test_owners();
    test_down();
    window_free((void *)window, 1);
    for (unsigned i = 0; i < 2; i++)
        page_free(page[i]);
    return done();
}
