/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows: address space for what is not in the direct map.
 *
 * A bit a page says whether it belongs to a window. Behind each window a page stays empty, which
 * belongs to it, too: who runs over its end faults. Page tables, once made, stay.
 */
#include "memory_internal.h"

#define WINDOW_PAGES  (1ul << 18) /* 1 GiB */
#define BITS_PER_WORD 64ul

static uint64_t used[WINDOW_PAGES / BITS_PER_WORD];
static struct spinlock windows_lock;

static bool is_used(unsigned long page)
{
    return used[page / BITS_PER_WORD] >> page % BITS_PER_WORD & 1;
}

static void mark(unsigned long first, unsigned long pages, bool in_use)
{
    for (unsigned long page = first; page < first + pages; page++) {
        uint64_t bit = 1ul << page % BITS_PER_WORD;
        if (in_use)
            used[page / BITS_PER_WORD] |= bit;
        else
            used[page / BITS_PER_WORD] &= ~bit;
    }
}

/* The first of `pages` pages that nobody uses; WINDOW_PAGES: there are not so many. */
static unsigned long find(unsigned long pages)
{
    unsigned long free = 0;

    for (unsigned long page = 0; page < WINDOW_PAGES; page++) {
        if (page % BITS_PER_WORD == 0 && used[page / BITS_PER_WORD] == ~0ul) {
            page += BITS_PER_WORD - 1;
            free = 0;
            continue;
        }
        free = is_used(page) ? 0 : free + 1;
        if (free == pages)
            return page + 1 - pages;
    }
    return WINDOW_PAGES;
}

static void *window_address(unsigned long page)
{
    return (void *)(WINDOW_START + (page << PAGE_SHIFT));
}

static void release(const void *window, unsigned long pages)
{
    bool events = memory_lock(&windows_lock);
    mark(((unsigned long)window - WINDOW_START) >> PAGE_SHIFT, pages + 1, false);
    memory_unlock(&windows_lock, events);
}

void *window_alloc(unsigned long pages)
{
    if (pages == 0 || pages >= WINDOW_PAGES)
        return NULL;
    bool events = memory_lock(&windows_lock);
    unsigned long first = find(pages + 1);
    if (first < WINDOW_PAGES)
        mark(first, pages + 1, true);
    memory_unlock(&windows_lock, events);
    if (first == WINDOW_PAGES)
        return NULL;
    if (tables_make(window_address(first), pages)) {
        release(window_address(first), pages);
        return NULL;
    }
    return window_address(first);
}

/* Unmaps pages [0, pages) and flushes, if anything was there. */
static void unmap(void *window, unsigned long pages)
{
    struct mmu_batch batch;
    bool any = false;

    mmu_batch_start(&batch, DOMID_SELF);
    for (unsigned long i = 0; i < pages; i++) {
        void *at = (char *)window + (i << PAGE_SHIFT);
        if (*pte_of(at, 1) != 0) {
            mmu_batch_add(&batch, pte_maddr(at, 1), 0);
            any = true;
        }
    }
    (void)mmu_batch_send(&batch);
    if (any)
        tlb_flush_all();
}

void window_free(void *window, unsigned long pages)
{
    if (window == NULL)
        return;
    unmap(window, pages);
    release(window, pages);
}

void *map_frames(const unsigned long *mfns, unsigned long count, uint64_t flags, domid_t owner,
                 long *error)
{
    struct mmu_batch batch;
    void *window = window_alloc(count);

    mmu_batch_start(&batch, owner);
    if (window == NULL)
        batch.error = -XEN_ENOMEM;
    for (unsigned long i = 0; i < count && batch.error == 0; i++)
        mmu_batch_add(&batch, pte_maddr((char *)window + (i << PAGE_SHIFT), 1),
                      pte_make(mfns[i], flags));
    (void)mmu_batch_send(&batch);
    if (batch.error) {
        window_free(window, count);
        window = NULL;
    }
    if (error != NULL)
        *error = batch.error;
    return window;
}
