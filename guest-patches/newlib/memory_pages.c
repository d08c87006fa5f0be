/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator of the domain's pages: buddies.
 *
 * A block of order k is 2^k pages from a pfn that is a multiple of 2^k on. A page is free exactly
 * when one of the blocks that hold it has its bit set, in the bitmap of that block's order; two
 * buddies never both have theirs. What is known about a page lies in bitmaps apart from it, so that
 * a program which writes to a page that it freed does not harm the allocator.
 */
#include <pv/console.h>
#include <pv/event.h>
#include <pv/start.h>

#include <stdlib.h>
#include <string.h>

#include "memory_internal.h"

#define ORDERS        12u
#define BITS_PER_WORD 64ul

static struct order {
    uint64_t *bits;
    unsigned long words;
    unsigned long lowest; /* no word below has a bit set */
    unsigned long blocks; /* bits that are set */
} orders[ORDERS];

static struct spinlock pages_lock;

bool memory_lock(struct spinlock *lock)
{
    bool events = events_disable();
    spin_lock(lock);
    return events;
}

void memory_unlock(struct spinlock *lock, bool events)
{
    spin_unlock(lock);
    events_restore(events);
}

/* ---- Bitmaps ------------------------------------------------------------------------------ */

/* One word more than needed, so that every block's buddy has a bit. */
static unsigned long order_words(unsigned k)
{
    return (nr_pages >> k) / BITS_PER_WORD + 1;
}

static bool block_is_free(unsigned k, unsigned long block)
{
    return orders[k].bits[block / BITS_PER_WORD] >> block % BITS_PER_WORD & 1;
}

static void block_set_free(unsigned k, unsigned long block)
{
    struct order *o = &orders[k];
    unsigned long word = block / BITS_PER_WORD;

    o->bits[word] |= 1ul << block % BITS_PER_WORD;
    o->blocks++;
    if (word < o->lowest)
        o->lowest = word;
}

static void block_take(unsigned k, unsigned long block)
{
    orders[k].bits[block / BITS_PER_WORD] &= ~(1ul << block % BITS_PER_WORD);
    orders[k].blocks--;
}

/* There is one. */
static unsigned long block_first_free(unsigned k)
{
    struct order *o = &orders[k];

    while (o->bits[o->lowest] == 0)
        o->lowest++;
    return o->lowest * BITS_PER_WORD + (unsigned long)__builtin_ctzl(o->bits[o->lowest]);
}

static bool page_is_free(unsigned long pfn)
{
    for (unsigned k = 0; k < ORDERS; k++)
        if (block_is_free(k, pfn >> k))
            return true;
    return false;
}

/* ---- Without the lock --------------------------------------------------------------------- */

size_t pages_bitmap_size(void)
{
    unsigned long words = 0;

    for (unsigned k = 0; k < ORDERS; k++)
        words += order_words(k);
    return words * sizeof(uint64_t);
}

void pages_start(void *bitmaps)
{
    uint64_t *bits = bitmaps;

    memset(bitmaps, 0, pages_bitmap_size());
    for (unsigned k = 0; k < ORDERS; k++) {
        orders[k].bits = bits;
        orders[k].words = orders[k].lowest = order_words(k);
        bits += orders[k].words;
    }
}

void *pages_take(unsigned order)
{
    unsigned k = order;

    while (k < ORDERS && orders[k].blocks == 0)
        k++;
    if (k >= ORDERS)
        return NULL;
    unsigned long block = block_first_free(k);
    block_take(k, block);
    while (k > order) {
        k--;
        block *= 2;
        block_set_free(k, block + 1);
    }
    return memset(pfn_to_virt(block << order), 0, PAGE_SIZE << order);
}

void pages_give(unsigned long pfn, unsigned order)
{
    unsigned long block = pfn >> order;

    while (order < ORDERS - 1 && block_is_free(order, block ^ 1)) {
        block_take(order, block ^ 1);
        block /= 2;
        order++;
    }
    block_set_free(order, block);
}

void pages_give_range(unsigned long from, unsigned long to)
{
    while (from < to) {
        unsigned k = 0;
        while (k < ORDERS - 1 && (from & ((2ul << k) - 1)) == 0 && from + (2ul << k) <= to)
            k++;
        pages_give(from, k);
        from += 1ul << k;
    }
}

/* ---- The interface ------------------------------------------------------------------------ */

void *pages_alloc(unsigned order)
{
    bool events = memory_lock(&pages_lock);
    void *pages = pages_take(order);
    memory_unlock(&pages_lock, events);
    return pages;
}

void pages_free(void *pages, unsigned order)
{
    unsigned long pfn = virt_to_pfn(pages);

    if (pages == NULL)
        return;
    bool events = memory_lock(&pages_lock);
    bool good =
        order < ORDERS && (pfn & ((1ul << order) - 1)) == 0 && pfn < nr_pages && !page_is_free(pfn);
    if (good)
        pages_give(pfn, order);
    memory_unlock(&pages_lock, events);
    if (!good) {
        console_printf("pages_free(%p, %u): not allocated so\n", pages, order);
        abort();
    }
}

unsigned long pages_free_count(void)
{
    unsigned long count = 0;

    bool events = memory_lock(&pages_lock);
    for (unsigned k = 0; k < ORDERS; k++)
        count += orders[k].blocks << k;
    memory_unlock(&pages_lock, events);
    return count;
}
