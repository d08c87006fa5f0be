/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First page tables of a PV domain; see pv_tables.h. Tables are taken in order from their areas.
 */
#include "x86/pv_tables.h"

#include "core/lib.h"
#include "x86/pte.h"

#define TABLE_BITS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)
#define PAGE_BITS  (PTE_PRESENT | PTE_USER | PTE_ACCESSED)

/* Tables not used so far. */
struct pool {
    uint64_t next, end; /* pfn */
};

static bool in_area(const struct pv_area *a, uint64_t pfn)
{
    return pfn - a->pfn < a->frames;
}

/* The table in an entry, which is one of ours: found among them, as nothing leads back from mfn. */
static uint64_t *table_of(const struct pv_tables *t, uint64_t entry)
{
    const struct pv_area *areas[] = {&t->layout->tables, &t->layout->p2m_tables};

    for (unsigned a = 0; a < ARRAY_SIZE(areas); a++)
        for (uint64_t i = 0; i < areas[a]->frames; i++)
            if (t->p2m[areas[a]->pfn + i] == (entry & PTE_MFN_MASK) >> PAGE_SHIFT)
                return t->page(t->data, areas[a]->pfn + i);
    return NULL;
}

static uint64_t *next_level(const struct pv_tables *t, uint64_t *table, unsigned index,
                            struct pool *pool)
{
    uint64_t *next;

    if (table[index] & PTE_PRESENT)
        return table_of(t, table[index]);
    BUG_ON(pool->next == pool->end); /* the layout has counted them */
    next = t->page(t->data, pool->next);
    memset(next, 0, PAGE_SIZE);
    table[index] = (t->p2m[pool->next] << PAGE_SHIFT) | TABLE_BITS;
    pool->next++;
    return next;
}

/* Map `frames` pages from pfn on at va, for writing unless they are page tables. */
static void map_run(const struct pv_tables *t, uint64_t va, uint64_t pfn, uint64_t frames,
                    struct pool *pool)
{
    uint64_t *l4 = t->page(t->data, t->layout->tables.pfn), *l1 = NULL;

    for (uint64_t i = 0; i < frames; i++, va += PAGE_SIZE) {
        if (l1 == NULL || table_index(va, 1) == 0) {
            uint64_t *l3 = next_level(t, l4, table_index(va, 4), pool);
            uint64_t *l2 = next_level(t, l3, table_index(va, 3), pool);
            l1 = next_level(t, l2, table_index(va, 2), pool);
        }
        bool is_table = in_area(&t->layout->tables, pfn + i);
        l1[table_index(va, 1)] =
            (t->p2m[pfn + i] << PAGE_SHIFT) | PAGE_BITS | (is_table ? 0 : PTE_WRITE);
    }
}

static void clear_unused(const struct pv_tables *t, const struct pool *pool)
{
    for (uint64_t pfn = pool->next; pfn < pool->end; pfn++)
        memset(t->page(t->data, pfn), 0, PAGE_SIZE);
}

void pv_tables_write(const struct pv_tables *t)
{
    const struct pv_layout *l = t->layout;
    struct pool pool = {l->tables.pfn + 1, l->tables.pfn + l->tables.frames};

    memset(t->page(t->data, l->tables.pfn), 0, PAGE_SIZE);
    map_run(t, l->virt_start, 0, (l->virt_end - l->virt_start) >> PAGE_SHIFT, &pool);
    clear_unused(t, &pool);
    if (l->p2m_tables.frames) {
        pool = (struct pool){l->p2m_tables.pfn, l->p2m_tables.pfn + l->p2m_tables.frames};
        map_run(t, l->p2m.va, l->p2m.pfn, l->p2m.frames, &pool);
        clear_unused(t, &pool);
    }
}
