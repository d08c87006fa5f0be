/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pinning: MMUEXT_PIN_L1_TABLE to MMUEXT_PIN_L4_TABLE make a page a page table of that level and
 * keep it one, with all that it needs below it, whether or not something uses it.
 * MMUEXT_UNPIN_TABLE lets it go. A kernel pins each process's top table once, so that loading it is
 * quick; without the pin the tables would be judged at each switch to them.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

/* The page is a table: it cannot be writable. */
static bool is_table(uint64_t *page)
{
    if (page_writable(page) != 0)
        return true;
    if (page_read_only(page) != 0)
        diag("a page cannot be made read-only again");
    return false;
}

static void test_level(unsigned level)
{
    uint64_t *page = table_page();
    unsigned long mfn = virt_to_mfn(page);
    ok(!is_table(page), "level %u: a plain page", level);
    is_error(pin_table(level, mfn), 0, "level %u: it is pinned", level);
    ok(is_table(page), "level %u: it is a table", level);
    is_error(pin_table(level, mfn), -XEN_EINVAL, "level %u: twice is too often", level);
    for (unsigned other = 1; other <= LEVELS; other++)
        if (other != level)
            is_error(pin_table(other, mfn), -XEN_EINVAL, "level %u: not of level %u as well", level,
                     other);
    is_error(unpin_table(mfn), 0, "level %u: it is unpinned", level);
    ok(!is_table(page), "level %u: it is a plain page", level);
    is_error(unpin_table(mfn), -XEN_EINVAL, "level %u: it was not pinned any more", level);
    page_writable(page);
    memset(page, 0, PAGE_SIZE); /* a top table may still hold what was the hypervisor's */
    page_read_only(page);
    unsigned other = level % LEVELS + 1;
    is_error(pin_table(other, mfn), 0, "level %u: now it is of level %u", level, other);
    is_error(unpin_table(mfn), 0, "level %u: and no more", level);
    ok(table_free(page), "level %u: given back", level);
}

/* A tree: pinning its top makes all of it tables; a pin below holds what is below. */
static void test_tree(void)
{
    uint64_t *t[LEVELS + 1], *data = page_alloc();
    for (unsigned level = 1; level <= LEVELS; level++)
        t[level] = page_alloc();
    for (unsigned level = 2; level <= LEVELS; level++)
        t[level][level] = pte_make(virt_to_mfn(t[level - 1]), PTE_TABLE);
    t[1][1] = pte_make(virt_to_mfn(data), PTE_KERNEL_RW);
    for (unsigned level = 1; level <= LEVELS; level++)
        is_error(page_read_only(t[level]), 0, "a page for level %u", level);
    is_error(pin_table(4, virt_to_mfn(t[4])), 0, "the top of a tree is pinned");
    for (unsigned level = 1; level <= LEVELS; level++)
        ok(is_table(t[level]), "level %u of it is a table", level);
    is_error(pin_table(2, virt_to_mfn(t[2])), 0, "level 2 is pinned by itself");
    is_error(unpin_table(virt_to_mfn(t[4])), 0, "the top is unpinned");
    for (unsigned level = 1; level <= LEVELS; level++)
        is(is_table(t[level]), level <= 2, "level %u is %s", level, level <= 2 ? "held" : "let go");
    is_error(unpin_table(virt_to_mfn(t[2])), 0, "level 2 is unpinned");
    ok(!is_table(t[1]), "nothing holds level 1");
    for (unsigned level = 1; level <= LEVELS; level++)
        ok(table_free(t[level]), "level %u is given back", level);
    page_free(data);
}

/* A fault deep in the tree: nothing of it stays a table. */
static void test_broken_tree(void)
{
    uint64_t *t[LEVELS + 1];
    for (unsigned level = 1; level <= LEVELS; level++)
        t[level] = page_alloc();
    for (unsigned level = 2; level <= LEVELS; level++)
        t[level][0] = t[level][511] = pte_make(virt_to_mfn(t[level - 1]), PTE_TABLE);
    t[1][511] = pte_make(virt_to_mfn(t[3]), PTE_KERNEL_RW);
    for (unsigned level = 1; level <= LEVELS; level++)
        page_read_only(t[level]);
    ok(pin_table(4, virt_to_mfn(t[4])) != 0,
       "a tree whose level 1 maps its level 3 writable is refused");
    for (unsigned level = 1; level <= LEVELS; level++)
        ok(!is_table(t[level]), "its level %u is no table", level);
    for (unsigned level = 1; level <= LEVELS; level++)
        ok(table_free(t[level]), "its level %u is given back", level);
}

static void test_arguments(void)
{
    uint64_t *page = page_alloc();
    is_error(pin_table(1, virt_to_mfn(page)), -XEN_EINVAL, "a page that is mapped writable");
    is_error(pin_table(1, NO_SUCH_MFN), -XEN_EINVAL, "a frame that there is not");
    is_error(pin_table(4, ~0ul), -XEN_EINVAL, "frame ~0");
    is_error(pin_table(1, 0), -XEN_EINVAL, "frame 0, which is nobody's");
    is_error(pin_table(1, 0x100), -XEN_EINVAL, "a frame of the hypervisor");
    is_error(pin_table(1, start_info->shared_info >> PAGE_SHIFT), -XEN_EINVAL, "the shared page");
    is_error(unpin_table(virt_to_mfn(page)), -XEN_EINVAL, "a plain page is not unpinned");
    is_error(unpin_table(NO_SUCH_MFN), -XEN_EINVAL, "nor a frame that there is not");
    is_error(unpin_table(0x100), -XEN_EINVAL, "nor one of the hypervisor");
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = virt_to_mfn(page)};
    is_error(mmuext_of(op, 0x7000), -XEN_ESRCH, "for a domain that is not there");
    ok(mmuext_of(op, DOMID_IO) != 0, "device memory is not pinned");
    page_free(page);
}

/* Tables that are in use may be unpinned: they stay tables for as long as they are used. */
static void test_running(void)
{
    unsigned long root = tables_root();
    long pinned = unpin_table(root);
    ok(pinned == 0 || pinned == -XEN_EINVAL, "the running top table is unpinned, if it was pinned");
    is_error(pin_table(4, root), 0, "it is pinned");
    is_error(pin_table(4, root), -XEN_EINVAL, "once");
    if (pinned != 0)
        unpin_table(root);
}

/* All vCPUs pin and unpin the same page, at levels of their own choice: at each time one level. */
struct contest {
    uint64_t *page;
    unsigned long pins, wrong;
};

static void on_each(void *data)
{
    struct contest *c = data;
    unsigned long mfn = virt_to_mfn(c->page);
    unsigned level = this_vcpu() % LEVELS + 1;
    for (unsigned i = 0; i < 300; i++) {
        if (pin_table(level, mfn) != 0)
            continue;
        __atomic_fetch_add(&c->pins, 1, __ATOMIC_RELAXED);
        if (nr_vcpus() > 1 && pin_table(level % LEVELS + 1, mfn) == 0)
            __atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
        if (unpin_table(mfn) != 0)
            __atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
    }
}

int main(void)
{
    struct contest contest = {.page = table_page()};
    for (unsigned level = 1; level <= LEVELS; level++)
        test_level(level);
    test_tree();
    test_broken_tree();
    test_arguments();
    test_running();
    vcpus_run(on_each, &contest);
    ok(contest.pins >= 300, "a page is pinned at some level by each vCPU");
    is(contest.wrong, 0, "it is of one level at a time");
    ok(table_free(contest.page), "it is a plain page at the end");
    return done();
}
