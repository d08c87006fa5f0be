/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start of the memory part: P2M and M2P, and the direct map.
 *
 * The builder maps the image, the P2M, start_info, the page tables and the first stack, and some
 * free pages behind them (xen/xen.h, "Start-of-day memory layout"). All that is from VIRT_BASE to
 * the stack's end stays as it is; what is behind belongs to the allocator. The direct map is
 * extended to the domain's last page with tables made of free pages that are mapped already: each
 * maps 511 pages more than it takes, so it never runs short.
 */
#include <pv/start.h>

#include <string.h>

#include "internal.h"
#include "memory_internal.h"

unsigned long *p2m;
unsigned long nr_pages;

static const unsigned long *m2p;
static unsigned long m2p_entries;

/* ---- Frames to pages ---------------------------------------------------------------------- */

static void m2p_find(void)
{
    struct xen_machphys_mapping mapping;

    if (HYPERVISOR_memory_op(XENMEM_machphys_mapping, &mapping) == 0) {
        m2p = (const unsigned long *)mapping.v_start;
        m2p_entries = mapping.max_mfn + 1;
    } else {
        m2p = (const unsigned long *)MACH2PHYS_VIRT_START;
        m2p_entries = MACH2PHYS_NR_ENTRIES;
    }
}

unsigned long own_mfn_to_pfn(unsigned long mfn)
{
    return m2p[mfn];
}

/* The table has holes where the machine has no memory: reading those faults. */
unsigned long mfn_to_pfn(unsigned long mfn)
{
    uint64_t pfn;

    if (mfn >= m2p_entries || !try_read(&m2p[mfn], &pfn))
        return INVALID_P2M;
    return pfn < nr_pages && p2m[pfn] == mfn ? pfn : INVALID_P2M;
}

/* ---- The direct map ----------------------------------------------------------------------- */

/* The first pfn behind the builder's things: of those the stack, a page, is the last. */
static unsigned long first_free_pfn(void)
{
    return virt_to_pfn((void *)start_info->pt_base) + start_info->nr_pt_frames + 1;
}

/* Pages mapped from pfn 0 on. */
static unsigned long mapped_count(unsigned long from)
{
    unsigned long pfn = from;

    while (pfn < nr_pages) {
        const uint64_t *pte = pte_of(pfn_to_virt(pfn), 1);
        if (pte == NULL || !(*pte & PTE_P))
            break;
        pfn++;
    }
    return pfn;
}

/* Entries of a table that the builder left partly empty. Returns the new count. */
static unsigned long fill_last_table(unsigned long mapped)
{
    struct mmu_batch batch;

    mmu_batch_start(&batch, DOMID_SELF);
    for (; mapped < nr_pages && pte_of(pfn_to_virt(mapped), 1) != NULL; mapped++)
        mmu_batch_add(&batch, pte_maddr(pfn_to_virt(mapped), 1),
                      pte_make(p2m[mapped], PTE_KERNEL_RW));
    if (mmu_batch_send(&batch))
        fatal("the direct map's last table cannot be filled: %s", xen_error(batch.error));
    return mapped;
}

struct new_table {
    uint64_t *table, *entry; /* itself, and the level-2 entry that is to point to it */
};

/* A level-1 table for the pages from pfn on, ready but for being read-only. */
static bool new_table_make(struct new_table *new, unsigned long pfn)
{
    long error = table_entry_make(pfn_to_virt(pfn), 2, &new->entry);

    if (error == 0)
        new->table = pages_take(0);
    if (error || new->table == NULL)
        return false;
    for (unsigned long i = 0; i < PTES_PER_TABLE && pfn + i < nr_pages; i++)
        new->table[i] = pte_make(p2m[pfn + i], PTE_KERNEL_RW);
    return true;
}

/*
 * Up to a batch of tables at once: first all become read-only, then all are tables, so that the
 * hypervisor need not flush TLBs between. Returns the new count of mapped pages.
 */
static unsigned long extend_some(unsigned long mapped)
{
    struct new_table new[MMU_BATCH];
    struct mmu_batch batch;
    unsigned count = 0;
    unsigned long end = mapped;

    while (count < MMU_BATCH && end < nr_pages && new_table_make(&new[count], end)) {
        count++;
        end += PTES_PER_TABLE;
    }
    mmu_batch_start(&batch, DOMID_SELF);
    for (unsigned i = 0; i < count; i++)
        mmu_batch_add(&batch, pte_maddr(new[i].table, 1),
                      pte_make(virt_to_mfn(new[i].table), PTE_KERNEL_RO));
    (void)mmu_batch_send(&batch);
    for (unsigned i = 0; i < count; i++)
        mmu_batch_add(&batch, virt_to_maddr(new[i].entry),
                      pte_make(virt_to_mfn(new[i].table), PTE_TABLE));
    if (mmu_batch_send(&batch) || count == 0)
        fatal("the direct map cannot be extended: %s", xen_error(batch.error));
    return end < nr_pages ? end : nr_pages;
}

/* The pages [from, to) are the allocator's, but for a boot module among them. */
static void give_pages(unsigned long from, unsigned long to)
{
    unsigned long module = to, module_end = to;

    if (start_info->flags & SIF_MOD_START_PFN && start_info->mod_len) {
        module = start_info->mod_start;
        module_end = module + (start_info->mod_len + PAGE_SIZE - 1) / PAGE_SIZE;
    }
    for (unsigned long pfn = from; pfn < to;) {
        if (pfn >= module && pfn < module_end) {
            pfn = module_end;
            continue;
        }
        unsigned long end = pfn < module && module < to ? module : to;
        pages_give_range(pfn, end);
        pfn = end;
    }
}

static void direct_map_start(void)
{
    unsigned long first = first_free_pfn();
    unsigned long mapped = mapped_count(first);
    unsigned long bitmap_pages = (pages_bitmap_size() + PAGE_SIZE - 1) / PAGE_SIZE;

    if (first + bitmap_pages >= mapped)
        fatal("the builder left no mapped page free: give the domain more memory");
    pages_start(pfn_to_virt(first));
    give_pages(first + bitmap_pages, mapped);
    while (mapped < nr_pages) {
        unsigned long before = mapped;
        mapped = mapped % PTES_PER_TABLE ? fill_last_table(mapped) : extend_some(mapped);
        give_pages(before, mapped);
    }
}

void memory_init(void)
{
    p2m = (unsigned long *)start_info->mfn_list;
    nr_pages = start_info->nr_pages;
    m2p_find();
    tables_start();
    direct_map_start();
}
