/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of page-table hypercalls share: single requests, tables built by hand, and a walk
 * over all tables of the domain that looks for what must never be.
 *
 * A frame is mapped writable, or is a page table of one level, or a page of descriptors, never two
 * of these at once: that is what a PV hypervisor guards, and what these tests attack.
 */
#ifndef MMU_H
#define MMU_H

#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/start.h>
#include <pv/trap.h>

#include "tap.h"

#define TABLE_ENTRIES 512u
#define HV_SLOT_FIRST 256u /* L4 slots of the hypervisor (xen/arch-x86/xen-x86_64.h) */
#define HV_SLOT_LAST  271u
#define PTE_SIZE      sizeof(uint64_t)
#define LEVELS        4u
#define NO_SUCH_MFN   0xfffffffffful /* beyond every machine's memory */
#define NON_CANONICAL 0x0000800000000000ul
#define HV_ADDRESS    HYPERVISOR_VIRT_START
#define PTE_AVAIL_LOW 0xe00ul /* bits 9 to 11 are software's */

/* The machine address of a byte of the direct map. */
static inline uint64_t maddr_of(const volatile void *va)
{
    return (uint64_t)virt_to_mfn(va) << PAGE_SHIFT | ((unsigned long)va & ~PAGE_MASK);
}

/* ---- Single requests ------------------------------------------------------------------------ */

static inline long mmu_request(uint64_t ptr, uint64_t value, unsigned domains)
{
    struct mmu_update request = {.ptr = ptr, .val = value};
    return hypercall(__HYPERVISOR_mmu_update, PV_ARG(&request), 1, 0, domains, 0);
}

static inline long mmu_set(uint64_t maddr, uint64_t value)
{
    return mmu_request(maddr | MMU_NORMAL_PT_UPDATE, value, DOMID_SELF);
}

static inline long mmuext_of(struct mmuext_op op, domid_t domain)
{
    return HYPERVISOR_mmuext_op(&op, 1, NULL, domain);
}

static inline long mmuext_mfn(unsigned cmd, unsigned long mfn)
{
    return mmuext_of((struct mmuext_op){.cmd = cmd, .arg1.mfn = mfn}, DOMID_SELF);
}

static inline long mmuext_va(unsigned cmd, unsigned long va)
{
    return mmuext_of((struct mmuext_op){.cmd = cmd, .arg1.linear_addr = va}, DOMID_SELF);
}

static inline long pin_table(unsigned level, unsigned long mfn)
{
    return mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, mfn);
}

static inline long unpin_table(unsigned long mfn)
{
    return mmuext_mfn(MMUEXT_UNPIN_TABLE, mfn);
}

/* ---- Tables by hand ------------------------------------------------------------------------- */

/* An empty page that may become a table: the direct map shows it read-only. */
static inline uint64_t *table_page(void)
{
    uint64_t *page = page_alloc();
    if (page == NULL || page_read_only(page) != 0) {
        diag("no page for a table");
        exit(1);
    }
    return page;
}

/* The same, pinned at a level. */
static inline uint64_t *table_pinned(unsigned level)
{
    uint64_t *table = table_page();
    long error = pin_table(level, virt_to_mfn(table));
    if (error) {
        diag("an empty table cannot be pinned at level %u: %s", level, xen_error(error));
        exit(1);
    }
    return table;
}

/* Gives a page of table_page() back; whether it was no table any more. */
static inline bool table_free(uint64_t *page)
{
    if (page_writable(page) != 0)
        return false;
    memset(page, 0, PAGE_SIZE);
    page_free(page);
    return true;
}

/* ---- Walking all tables --------------------------------------------------------------------- */

/* What the walk knows of each pfn; a frame of another owner is looked into no further. */
struct walk {
    uint8_t *table_at;    /* level at which a frame is a table, 0: none */
    unsigned long tables; /* found */
    unsigned long aliases;
};

static inline void walk_table(struct walk *walk, unsigned level, unsigned long mfn)
{
    unsigned long pfn = mfn_to_pfn(mfn);
    if (pfn >= nr_pages || walk->table_at[pfn] != 0)
        return;
    walk->table_at[pfn] = (uint8_t)level;
    walk->tables++;
    const volatile uint64_t *table = pfn_to_virt(pfn);
    for (unsigned i = 0; i < TABLE_ENTRIES && level > 1; i++) {
        if (!(table[i] & PTE_P) || (level == 4 && i >= HV_SLOT_FIRST && i <= HV_SLOT_LAST))
            continue;
        walk_table(walk, level - 1, pte_mfn(table[i]));
    }
}

static inline void walk_writable(struct walk *walk, unsigned long pfn)
{
    const volatile uint64_t *table = pfn_to_virt(pfn);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t entry = table[i];
        if ((entry & (PTE_P | PTE_RW)) != (PTE_P | PTE_RW))
            continue;
        unsigned long to = mfn_to_pfn(pte_mfn(entry));
        if (to >= nr_pages || walk->table_at[to] == 0)
            continue;
        if (walk->aliases++ == 0)
            diag("pfn %lx is a level %u table, and writable by entry %u of pfn %lx (%" PRIx64 ")",
                 to, walk->table_at[to], i, pfn, entry);
    }
}

/*
 * Writable aliases among what is reachable from this vCPU's tables and the further ones, each given
 * by level and mfn, level 0 for a page of descriptors. 0: as it must be.
 */
struct walk_root {
    unsigned level;
    unsigned long mfn;
};

static inline unsigned long walk_all(const struct walk_root *roots, unsigned count)
{
    struct walk walk = {.table_at = calloc(nr_pages, 1)};
    walk_table(&walk, LEVELS, tables_root());
    for (unsigned i = 0; i < count; i++)
        if (roots[i].level != 0)
            walk_table(&walk, roots[i].level, roots[i].mfn);
    for (unsigned i = 0; i < count; i++)
        if (roots[i].level == 0 && mfn_to_pfn(roots[i].mfn) < nr_pages)
            walk.table_at[mfn_to_pfn(roots[i].mfn)] = 0xff;
    for (unsigned long pfn = 0; pfn < nr_pages; pfn++)
        if (walk.table_at[pfn] == 1)
            walk_writable(&walk, pfn);
    free(walk.table_at);
    return walk.aliases;
}

#endif
