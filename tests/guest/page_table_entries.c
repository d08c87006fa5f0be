/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an entry of a page table may hold, level by level, as mmu_update judges it.
 *
 *   level 1     any frame of the domain read-only; writable unless it is a page table or a page of
 *               descriptors
 *   level 2-4   a page table of the level below, or a page that may become one: full of entries
 *               that are allowed, and mapped writable nowhere. No superpages, no global ones.
 *   level 4     entries 256 to 271 are the hypervisor's
 *
 * Entries that are not present hold what they like. A frame is given up as a table, and may be
 * mapped writable again, when no entry and no pin makes it one any more.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

static uint64_t *table[LEVELS + 1]; /* pinned, empty */
static uint64_t *plain;             /* mapped read-only, of no type */
static uint64_t *data;              /* mapped writable */

static long put(unsigned level, unsigned index, uint64_t entry)
{
    return mmu_set(maddr_of(&table[level][index]), entry);
}

static uint64_t to(const void *page, uint64_t flags)
{
    return pte_make(virt_to_mfn(page), flags);
}

/* An entry of `level` that maps a table of each level. */
static void test_levels(unsigned level)
{
    for (unsigned below = 1; below <= LEVELS; below++) {
        if (level > 1 && below == level) /* a linear page table, see there */
            continue;
        uint64_t flags = level == 1 ? PTE_KERNEL_RO : PTE_TABLE;
        long want = level == 1 || below == level - 1 ? 0 : -XEN_EINVAL;
        long error = put(level, 5, to(table[below], flags));
        ok((error == 0) == (want == 0), "level %u: a table of level %u is %s", level, below,
           want ? "refused" : "taken");
        is_error(put(level, 5, 0), 0, "level %u: cleared after level %u", level, below);
    }
    ok(put(level, 5, to(data, level == 1 ? PTE_KERNEL_RW : PTE_TABLE)) == 0 ? level == 1
                                                                            : level > 1,
       "level %u: a page that is mapped writable is %s", level, level == 1 ? "mapped" : "no table");
    is_error(put(level, 5, 0), 0, "level %u: cleared", level);
    is_error(put(level, 5, to(plain, PTE_TABLE)), 0, "level %u: a page mapped read-only", level);
    ok((page_writable(plain) == 0) == (level == 1), "level %u: it may %s writable", level,
       level == 1 ? "also be" : "not become");
    is_error(put(level, 5, 0), 0, "level %u: cleared at last", level);
    is_error(page_writable(plain), 0, "level %u: that page may be writable now", level);
    is_error(page_read_only(plain), 0, "level %u: and read-only again", level);
}

static void test_flags(unsigned level)
{
    const void *below = level == 1 ? data : table[level - 1];
    uint64_t base = level == 1 ? PTE_KERNEL_RW : PTE_TABLE;
    is_error(put(level, 9, to(below, base & ~PTE_US)), 0, "level %u: a supervisor's entry", level);
    ok(table[level][9] & PTE_US, "level %u: is made a user's, which PV kernels are", level);
    is_error(put(level, 9, to(below, base | PTE_NX)), 0, "level %u: not executable", level);
    is(table[level][9] & PTE_NX, PTE_NX, "level %u: it is not", level);
    is_error(put(level, 9, to(below, base | PTE_AVAIL_LOW)), 0, "level %u: bits 9 to 11", level);
    is(table[level][9] & PTE_AVAIL_LOW, PTE_AVAIL_LOW, "level %u: they are kept", level);
    is_error(put(level, 9, to(below, base & ~PTE_RW)), 0, "level %u: read-only", level);
    is(table[level][9] & PTE_RW, 0, "level %u: it is so", level);
    if (level > 1) {
        is_error(put(level, 9, to(below, base | PTE_PSE)), -XEN_EINVAL, "level %u: a superpage",
                 level);
        is_error(put(level, 9, to(below, base | PTE_G)), -XEN_EINVAL, "level %u: a global one",
                 level);
        is_error(put(level, 9, to(below, PTE_PSE | PTE_G)), 0,
                 "level %u: not present, these bits mean nothing", level);
    }
    is_error(put(level, 9, pte_make(NO_SUCH_MFN, base)), -XEN_EINVAL,
             "level %u: a frame that there is not", level);
    is_error(put(level, 9, to(below, base) | 1ul << 51), level == 1 ? -XEN_EPERM : -XEN_EINVAL,
             "level %u: a bit beyond physical addresses", level);
    is_error(put(level, 9, 0), 0, "level %u: done", level);
}

/* Of the hypervisor's own frames the guest may map the machine-to-phys table's, and only to read,
 * through the hypervisor's own entries: never by its own as a plain frame of its. */
static void test_foreign_frames(void)
{
    unsigned long shared = start_info->shared_info >> PAGE_SHIFT;
    is_error(put(1, 3, pte_make(shared, PTE_KERNEL_RW)), 0, "the shared page, writable");
    is_error(put(1, 3, pte_make(shared, PTE_KERNEL_RO)), 0, "the shared page, read-only");
    ok(put(2, 3, pte_make(shared, PTE_TABLE)) != 0, "the shared page is no table");
    ok(pin_table(1, shared) != 0, "and cannot be pinned as one");
    is_error(put(1, 3, 0), 0, "unmapped");
    unsigned long refused = 0, tried = 0;
    for (unsigned long mfn = 0x100; mfn < 0x8000; mfn += 7) {
        if (mfn_to_pfn(mfn) < nr_pages || mfn == shared)
            continue;
        tried++;
        if (put(2, 3, pte_make(mfn, PTE_TABLE)) != 0 && pin_table(2, mfn) != 0)
            refused++;
    }
    ok(tried > 100, "there are frames of others");
    is(refused, tried, "none of them can be a table");
}

static void test_hypervisor_slots(void)
{
    for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++) {
        uint64_t was = table[4][i];
        ok(put(4, i, 0) != 0, "entry %u of a top table cannot be cleared", i);
        ok(put(4, i, to(table[3], PTE_TABLE)) != 0, "entry %u cannot be set", i);
        is(table[4][i], was, "entry %u is what it was", i);
    }
    is_error(put(4, HV_SLOT_FIRST - 1, to(table[3], PTE_TABLE)), 0, "the entry before them can");
    is_error(put(4, HV_SLOT_LAST + 1, to(table[3], PTE_TABLE)), 0, "and the one behind");
    is_error(put(4, HV_SLOT_FIRST - 1, 0), 0, "cleared before");
    is_error(put(4, HV_SLOT_LAST + 1, 0), 0, "cleared behind");
}

/* A page full of entries is judged as a whole when it becomes a table. */
static void test_contents(void)
{
    uint64_t *page = page_alloc();
    page[511] = to(table[1], PTE_KERNEL_RW);
    is_error(page_read_only(page), 0, "a page that would map a table writable");
    ok(pin_table(1, virt_to_mfn(page)) != 0, "is no table of level 1");
    is_error(put(1, 7, to(page, PTE_KERNEL_RW)), 0, "and still a plain page");
    is_error(put(1, 7, 0), 0, "unmapped");
    is_error(page_writable(page), 0, "so it may be mended");
    page[511] = to(table[1], PTE_KERNEL_RO);
    page[0] = to(page, PTE_KERNEL_RW);
    is_error(page_read_only(page), 0, "a page that would map itself writable");
    ok(pin_table(1, virt_to_mfn(page)) != 0, "is no table either");
    is_error(page_writable(page), 0, "it may be mended");
    page[0] = to(page, PTE_KERNEL_RO);
    is_error(page_read_only(page), 0, "a page that maps itself read-only");
    is_error(pin_table(1, virt_to_mfn(page)), 0, "is one");
    ok(pin_table(2, virt_to_mfn(page)) != 0, "and of one level only");
    ok(page_writable(page) != 0, "a table cannot be made writable");
    is_error(unpin_table(virt_to_mfn(page)), 0, "it is let go");
    ok(table_free(page), "and a plain page again");
}

/* A page that is no table is written as data. */
static void test_data(void)
{
    is_error(mmu_set(maddr_of(&data[3]), 0x1122334455667788), 0, "a word of a plain page");
    is(data[3], 0x1122334455667788, "is written, unchecked");
    is_error(mmu_set(NO_SUCH_MFN << PAGE_SHIFT, 0), -XEN_EINVAL, "of no frame");
    is_error(mmu_set(0x100000, 0), -XEN_EINVAL, "of a frame of the hypervisor");
    data[3] = 0;
}

static void test_linear(void)
{
    for (unsigned level = 2; level <= LEVELS; level++) {
        long itself = put(level, 11, to(table[level], PTE_P | PTE_US | PTE_A));
        long writable = put(level, 12, to(table[level], PTE_TABLE));
        ok(writable != 0, "level %u: a writable linear page table is refused", level);
        ok((itself == 0) == !is_paravane(), "level %u: a read-only one is %s", level,
           is_paravane() ? "refused, too" : "taken");
        is_error(put(level, 11, 0), 0, "level %u: cleared", level);
    }
}

int main(void)
{
    plain = table_page();
    data = page_alloc();
    for (unsigned level = 1; level <= LEVELS; level++)
        table[level] = table_pinned(level);
    for (unsigned level = 1; level <= LEVELS; level++) {
        test_levels(level);
        test_flags(level);
    }
    test_foreign_frames();
    test_hypervisor_slots();
    test_contents();
    test_data();
    test_linear();
    is(walk_all(NULL, 0), 0, "no table is writable");
    for (unsigned level = LEVELS; level >= 1; level--) {
        is_error(unpin_table(virt_to_mfn(table[level])), 0, "level %u is unpinned", level);
        ok(table_free(table[level]), "level %u is a plain page again", level);
    }
    ok(table_free(plain), "so is the page that was tried for all");
    page_free(data);
    return done();
}
