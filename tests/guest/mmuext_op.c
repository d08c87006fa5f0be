/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmuext_op as a call, and its operations on whole pages and caches.
 *
 * The call is a list of operations, carried out in order up to the first that is refused; where the
 * third argument points, the number of those done is stored. The fourth names the domain that the
 * operations are about.
 *
 *   MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE             a frame by its number, mapped or not
 *   MMUEXT_FLUSH_CACHE, MMUEXT_FLUSH_CACHE_GLOBAL   for those who have devices
 *   MMUEXT_MARK_SUPER, MMUEXT_UNMARK_SUPER          superpages, which are not offered
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

static uint64_t *page, *other;

static long copy(unsigned long to, unsigned long from)
{
    return mmuext_of(
        (struct mmuext_op){.cmd = MMUEXT_COPY_PAGE, .arg1.mfn = to, .arg2.src_mfn = from},
        DOMID_SELF);
}

static bool all_are(const uint64_t *p, uint64_t value)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*p); i++)
        if (p[i] != value)
            return false;
    return true;
}

static void fill(uint64_t *p, uint64_t value)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*p); i++)
        p[i] = value;
}

static void test_clear(void)
{
    uint64_t *table = table_pinned(1);
    fill(page, 0x5555);
    is_error(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(page)), 0, "a page is cleared");
    ok(all_are(page, 0), "all of it");
    fill(page, 0x5555);
    page_read_only(page);
    is_error(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(page)), 0, "one that is mapped read-only");
    ok(all_are(page, 0), "all of it, too");
    page_writable(page);
    ok(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(table)) != 0, "a page table is not cleared");
    is_error(mmuext_mfn(MMUEXT_CLEAR_PAGE, NO_SUCH_MFN), -XEN_EINVAL, "a frame that there is not");
    is_error(mmuext_mfn(MMUEXT_CLEAR_PAGE, ~0ul), -XEN_EINVAL, "frame ~0");
    is_error(mmuext_mfn(MMUEXT_CLEAR_PAGE, 0x100), -XEN_EINVAL, "a frame of the hypervisor");
    unpin_table(virt_to_mfn(table));
    table_free(table);
}

static void test_copy(void)
{
    uint64_t *table = table_pinned(1);
    fill(page, 1);
    fill(other, 2);
    is_error(copy(virt_to_mfn(page), virt_to_mfn(other)), 0, "a page is copied");
    ok(all_are(page, 2), "all of it");
    ok(all_are(other, 2), "and the source is as it was");
    is_error(copy(virt_to_mfn(page), virt_to_mfn(page)), 0, "a page is copied to itself");
    ok(all_are(page, 2), "and is as it was");
    is_error(copy(virt_to_mfn(page), virt_to_mfn(table)), 0, "a page table is a source");
    ok(all_are(page, 0), "an empty one");
    ok(copy(virt_to_mfn(table), virt_to_mfn(page)) != 0, "but no target");
    is_error(copy(NO_SUCH_MFN, virt_to_mfn(page)), -XEN_EINVAL, "to no frame");
    is_error(copy(virt_to_mfn(page), NO_SUCH_MFN), -XEN_EINVAL, "from no frame");
    is_error(copy(0x100, virt_to_mfn(page)), -XEN_EINVAL, "to a frame of the hypervisor");
    is_error(copy(virt_to_mfn(page), 0x100), -XEN_EINVAL, "from a frame of the hypervisor");
    unpin_table(virt_to_mfn(table));
    table_free(table);
}

static void test_cache(void)
{
    long want = is_control_domain() ? 0 : -XEN_EACCES;
    is_error(mmuext_va(MMUEXT_FLUSH_CACHE, 0), want, "the cache is flushed");
    want = is_control_domain() ? 0 : -XEN_EINVAL;
    is_error(mmuext_va(MMUEXT_FLUSH_CACHE_GLOBAL, 0), want, "all CPUs' caches are flushed");
}

static void test_refused(void)
{
    unsigned long mfn = virt_to_mfn(page);
    is_error(mmuext_mfn(MMUEXT_MARK_SUPER, mfn), -XEN_EOPNOTSUPP, "no superpage is marked");
    is_error(mmuext_mfn(MMUEXT_UNMARK_SUPER, mfn), -XEN_EOPNOTSUPP, "none is unmarked");
    is_error(mmuext_mfn(14, mfn), -XEN_ENOSYS, "operation 14 is not there");
    is_error(mmuext_mfn(21, mfn), -XEN_ENOSYS, "nor is 21");
    is_error(mmuext_mfn(~0u, mfn), -XEN_ENOSYS, "nor the last one");
    is_error(mmuext_of((struct mmuext_op){.cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = mfn}, 0x7000),
             -XEN_ESRCH, "a page of a domain that is not there");
    is_error(mmuext_of((struct mmuext_op){.cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = mfn}, DOMID_IO),
             -XEN_EINVAL, "a page of ours as one of device memory");
}

static void test_done(void)
{
    struct mmuext_op list[30];
    unsigned done = 77;
    for (unsigned i = 0; i < 30; i++)
        list[i] = (struct mmuext_op){.cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = virt_to_mfn(page)};
    is_error(HYPERVISOR_mmuext_op(list, 30, &done, DOMID_SELF), 0, "30 operations");
    is(done, 30, "all are done");
    is_error(HYPERVISOR_mmuext_op(list, 0, &done, DOMID_SELF), 0, "no operation");
    is(done, 0, "none is done");
    is_error(HYPERVISOR_mmuext_op(list, 30, NULL, DOMID_SELF), 0, "nowhere to say how many");
    for (unsigned at = 0; at < 30; at += 14) {
        struct mmuext_op was = list[at];
        list[at].arg1.mfn = NO_SUCH_MFN;
        is_error(HYPERVISOR_mmuext_op(list, 30, &done, DOMID_SELF), -XEN_EINVAL,
                 "operation %u is refused", at);
        is(done, at, "%u are done before it", at);
        list[at].cmd = 99;
        is_error(HYPERVISOR_mmuext_op(list, 30, &done, DOMID_SELF), -XEN_ENOSYS,
                 "operation %u is unknown", at);
        is(done, at, "%u are done before that", at);
        list[at] = was;
    }
    is_error(HYPERVISOR_mmuext_op((struct mmuext_op *)HV_ADDRESS, 1, &done, DOMID_SELF),
             -XEN_EFAULT, "a list of the hypervisor's");
    is_error(HYPERVISOR_mmuext_op((struct mmuext_op *)8, 1, &done, DOMID_SELF), -XEN_EFAULT,
             "a list in unmapped memory");
    is_error(HYPERVISOR_mmuext_op(list, 1, (unsigned *)8, DOMID_SELF), 0,
             "what is done is done though the number goes to unmapped memory");
}

/* The LDT: an address and up to 8192 entries; the pages become descriptors' when they are used. */
static void test_ldt(void)
{
    static const struct {
        const char *name;
        unsigned long va;
        unsigned entries;
        bool good;
    } cases[] = {
        {"none", 0, 0, true},
        {"one entry", VIRT_BASE, 1, true},
        {"a page", VIRT_BASE, 512, true},
        {"the largest", VIRT_BASE, 8192, true},
        {"one too many", VIRT_BASE, 8193, false},
        {"all too many", VIRT_BASE, ~0u, false},
        {"not aligned", VIRT_BASE + 8, 1, false},
        {"not canonical", NON_CANONICAL, 1, false},
        {"the hypervisor's", HV_ADDRESS, 1, false},
        {"into the hole", NON_CANONICAL - PAGE_SIZE, 8192, false},
        {"into the hypervisor", HV_ADDRESS - PAGE_SIZE, 8192, false},
        {"behind the hypervisor", HYPERVISOR_VIRT_END, 1, true},
        {"unmapped", 0x1000, 512, true},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mmuext_op op = {.cmd = MMUEXT_SET_LDT,
                               .arg1.linear_addr = cases[i].va,
                               .arg2.nr_ents = cases[i].entries};
        is_error(mmuext_of(op, DOMID_SELF), cases[i].good ? 0 : -XEN_EINVAL, "an LDT: %s",
                 cases[i].name);
    }
    struct mmuext_op none = {.cmd = MMUEXT_SET_LDT};
    is_error(mmuext_of(none, DOMID_IO), -XEN_EPERM, "device memory has no LDT");
    is_error(mmuext_of(none, DOMID_SELF), 0, "no LDT at last");
}

/* Clears and copies of pages of each vCPU's own. */
static void on_each(void *data)
{
    unsigned long *wrong = data;
    uint64_t *a = page_alloc(), *b = page_alloc();
    for (unsigned i = 0; i < 100; i++) {
        a[i] = i;
        bool good = copy(virt_to_mfn(b), virt_to_mfn(a)) == 0 && b[i] == i &&
                    mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(a)) == 0 && a[i] == 0;
        if (!good)
            __atomic_fetch_add(wrong, 1, __ATOMIC_RELAXED);
    }
    page_free(a);
    page_free(b);
}

int main(void)
{
    unsigned long wrong = 0;
    page = page_alloc();
    other = page_alloc();
    test_clear();
    test_copy();
    test_cache();
    test_refused();
    test_done();
    test_ldt();
    vcpus_run(on_each, &wrong);
    is(wrong, 0, "all vCPUs copy and clear");
    page_free(page);
    page_free(other);
    return done();
}
