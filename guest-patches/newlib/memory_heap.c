/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap: what lies below malloc().
 *
 * Pages of the allocator are mapped from HEAP_START to heap.mapped, a page's end at or behind
 * heap.end, the break. Whoever shrinks the heap gives pages back.
 */
#include <errno.h>
#include <unistd.h>

#include "memory_internal.h"

#define HEAP_MAX (1ul << 39) /* the top-level table's slot */

static struct {
    struct spinlock lock;
    unsigned long end, mapped;
} heap = {.end = HEAP_START, .mapped = HEAP_START};

/* Unmaps the heap's pages from `to` on, and frees them. */
static void heap_unmap(unsigned long to)
{
    struct mmu_batch batch;
    void *page[MMU_BATCH];
    unsigned count = 0;

    mmu_batch_start(&batch, DOMID_SELF);
    while (heap.mapped > to) {
        heap.mapped -= PAGE_SIZE;
        const uint64_t *pte = pte_of((void *)heap.mapped, 1);
        page[count++] = pfn_to_virt(own_mfn_to_pfn(pte_mfn(*pte)));
        mmu_batch_add(&batch, virt_to_maddr(pte), 0);
        if (count < MMU_BATCH && heap.mapped > to)
            continue;
        (void)mmu_batch_send(&batch);
        tlb_flush_all();
        while (count > 0)
            page_free(page[--count]);
    }
}

/* Pages that are queued but not mapped when the batch fails are the caller's to free. */
static long heap_map_some(unsigned long to)
{
    struct mmu_batch batch;
    void *page[MMU_BATCH];
    unsigned count = 0;

    mmu_batch_start(&batch, DOMID_SELF);
    while (count < MMU_BATCH && heap.mapped + count * PAGE_SIZE < to) {
        void *new = page_alloc();
        if (new == NULL)
            break;
        mmu_batch_add(&batch, pte_maddr((void *)(heap.mapped + count * PAGE_SIZE), 1),
                      pte_make(virt_to_mfn(new), PTE_KERNEL_RW));
        page[count++] = new;
    }
    if (count == 0)
        return -XEN_ENOMEM;
    if (mmu_batch_send(&batch)) {
        while (count > 0)
            page_free(page[--count]);
        return batch.error;
    }
    heap.mapped += count * PAGE_SIZE;
    return 0;
}

static long heap_map(unsigned long to)
{
    unsigned long before = heap.mapped;
    long error = tables_make((void *)before, (to - before) >> PAGE_SHIFT);

    while (heap.mapped < to && error == 0)
        error = heap_map_some(to);
    if (error)
        heap_unmap(before);
    return error;
}

static bool heap_set_end(unsigned long end)
{
    unsigned long to = (end + PAGE_SIZE - 1) & PAGE_MASK;

    if (end < HEAP_START || end > HEAP_START + HEAP_MAX)
        return false;
    if (to > heap.mapped && heap_map(to))
        return false;
    heap_unmap(to);
    heap.end = end;
    return true;
}

void *sbrk(ptrdiff_t increment)
{
    bool events = memory_lock(&heap.lock);
    unsigned long before = heap.end;
    bool good = heap_set_end(before + (unsigned long)increment);
    memory_unlock(&heap.lock, events);
    if (good)
        return (void *)before;
    errno = ENOMEM;
    return (void *)-1;
}
