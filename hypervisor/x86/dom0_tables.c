/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain's first page tables: written as data, then validated as any guest's would be.
 * Tables are taken in order from their area; its first frame is the L4.
 */
#include <arch/memory.h>

#include "core/domain.h"
#include "core/frame.h"
#include "core/lib.h"
#include "core/softirq.h"
#include "x86/dom0.h"
#include "x86/mm/root.h"
#include "x86/mm/walk.h"
#include "x86/x86.h"

#define TABLE_BITS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)
#define PAGE_BITS  (PTE_PRESENT | PTE_USER | PTE_ACCESSED)

/* Tables not used so far. */
struct table_pool {
    uint64_t next, end; /* pfn */
};

static uint64_t *table_at(struct dom0 *b, uint64_t *table, unsigned index, struct table_pool *pool)
{
    if (!(table[index] & PTE_PRESENT)) {
        BUG_ON(pool->next == pool->end);
        memset(dom0_page(b, pool->next), 0, PAGE_SIZE);
        table[index] = (b->p2m[pool->next] << PAGE_SHIFT) | TABLE_BITS;
        pool->next++;
    }
    return maddr_to_virt(MADDR(table[index] & PTE_MFN_MASK));
}

/* Map `frames` pages from pfn on at va, for writing unless they are page tables. */
static void map_run(struct dom0 *b, uint64_t va, uint64_t pfn, uint64_t frames,
                    struct table_pool *pool)
{
    uint64_t *l4 = dom0_page(b, b->layout.tables.pfn);
    uint64_t *l1 = NULL;
    for (uint64_t i = 0; i < frames; i++, va += PAGE_SIZE) {
        if (l1 == NULL || table_index(va, 1) == 0) {
            uint64_t *l3 = table_at(b, l4, table_index(va, 4), pool);
            uint64_t *l2 = table_at(b, l3, table_index(va, 3), pool);
            l1 = table_at(b, l2, table_index(va, 2), pool);
        }
        uint64_t page = pfn + i;
        bool is_table = page - b->layout.tables.pfn < b->layout.tables.frames;
        l1[table_index(va, 1)] =
            (b->p2m[page] << PAGE_SHIFT) | PAGE_BITS | (is_table ? 0 : PTE_WRITE);
    }
}

/* Tables that turn out not to be needed must not hold what was in memory before. */
static void clear_unused(struct dom0 *b, const struct table_pool *pool)
{
    for (uint64_t pfn = pool->next; pfn < pool->end; pfn++)
        memset(dom0_page(b, pfn), 0, PAGE_SIZE);
}

static void install(struct dom0 *b)
{
    mfn_t l4 = MFN(b->p2m[b->layout.tables.pfn]);
    int rc;
    while ((rc = frame_pin(b->d, l4, FT_L4)) == -XEN_ERESTART)
        softirq_run();
    if (rc == 0)
        rc = root_set_kernel(b->d->vcpu[0], l4);
    if (rc)
        panic("the control domain's own first page tables are refused (%d)", rc);
}

void dom0_build_tables(struct dom0 *b)
{
    const struct pv_layout *l = &b->layout;
    struct table_pool pool = {l->tables.pfn + 1, l->tables.pfn + l->tables.frames};
    memset(dom0_page(b, l->tables.pfn), 0, PAGE_SIZE);
    map_run(b, l->virt_start, 0, (l->virt_end - l->virt_start) >> PAGE_SHIFT, &pool);
    clear_unused(b, &pool);
    if (l->p2m_tables.frames) {
        pool = (struct table_pool){l->p2m_tables.pfn, l->p2m_tables.pfn + l->p2m_tables.frames};
        map_run(b, l->p2m.va, l->p2m.pfn, l->p2m.frames, &pool);
        clear_unused(b, &pool);
    }
    install(b);
}
