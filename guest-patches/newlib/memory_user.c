/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables for user mode: a tree of its own, that shares no table with kernel mode's.
 *
 * The hypervisor enters its own slots into the top table when that is pinned. While a tree is
 * built its tables are ordinary pages; they become read-only one by one before it is pinned.
 */
#include <string.h>

#include "memory_internal.h"

static uint64_t *table_of(uint64_t entry)
{
    return pfn_to_virt(own_mfn_to_pfn(pte_mfn(entry)));
}

static bool slot_is_guests(unsigned long index, unsigned level)
{
    return level < TOP_LEVEL || index < PTES_PER_TABLE / 2;
}

/* Calls function for each table of the tree, those below first. */
static long tree_visit(uint64_t *table, unsigned level, long (*function)(uint64_t *table))
{
    for (unsigned long i = 0; level > 1 && i < PTES_PER_TABLE; i++) {
        if (!slot_is_guests(i, level) || !(table[i] & PTE_P))
            continue;
        long error = tree_visit(table_of(table[i]), level - 1, function);
        if (error)
            return error;
    }
    return function(table);
}

static long table_protect(uint64_t *table)
{
    return page_read_only(table);
}

/* One that is still in use elsewhere cannot be written again: it is left, not reused. */
static long table_release(uint64_t *table)
{
    if (page_writable(table) == 0)
        page_free(table);
    return 0;
}

/* The level-1 entry of va in a tree that is being built; NULL: no memory. */
static uint64_t *tree_entry(uint64_t *table, unsigned long va)
{
    for (unsigned level = TOP_LEVEL; level > 1; level--) {
        unsigned shift = PAGE_SHIFT + 9 * (level - 1);
        uint64_t *entry = &table[va >> shift & (PTES_PER_TABLE - 1)];
        if (*entry == 0) {
            void *lower = page_alloc();
            if (lower == NULL)
                return NULL;
            *entry = pte_make(virt_to_mfn(lower), PTE_TABLE);
        }
        table = table_of(*entry);
    }
    return &table[va >> PAGE_SHIFT & (PTES_PER_TABLE - 1)];
}

static long mmuext(unsigned cmd, unsigned long mfn)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = mfn};

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static bool tree_fill(uint64_t *root, unsigned long va, char *from, unsigned long pages,
                      uint64_t flags)
{
    for (unsigned long i = 0; i < pages; i++) {
        uint64_t *pte = tree_entry(root, va + (i << PAGE_SHIFT));
        if (pte == NULL)
            return false;
        *pte = pte_make(virt_to_mfn(from + (i << PAGE_SHIFT)), flags);
    }
    return true;
}

unsigned long user_tables_make(unsigned long va, void *from, unsigned long pages, uint64_t flags)
{
    uint64_t *root = page_alloc();

    if (root == NULL)
        return 0;
    unsigned long mfn = virt_to_mfn(root);
    if (tree_fill(root, va, from, pages, flags) &&
        tree_visit(root, TOP_LEVEL, table_protect) == 0 && mmuext(MMUEXT_PIN_L4_TABLE, mfn) == 0) {
        if (mmuext(MMUEXT_NEW_USER_BASEPTR, mfn) == 0)
            return mfn;
        (void)mmuext(MMUEXT_UNPIN_TABLE, mfn);
    }
    (void)tree_visit(root, TOP_LEVEL, table_release);
    return 0;
}

/* Must not be set on another vCPU any more. */
void user_tables_free(unsigned long root)
{
    if (root == 0)
        return;
    (void)mmuext(MMUEXT_NEW_USER_BASEPTR, 0);
    (void)mmuext(MMUEXT_UNPIN_TABLE, root);
    (void)tree_visit(pfn_to_virt(own_mfn_to_pfn(root)), TOP_LEVEL, table_release);
}
