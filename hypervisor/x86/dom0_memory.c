/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain's memory. The frames of the start of day, [0, boot_frames), are one block, so
 * that the P2M list within it can be written while it is being made. The rest comes in blocks as
 * large as there are. The ramdisk's own frames are adopted where the loader put them.
 */
#include <arch/memory.h>

#include "core/cmdline.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/dom0.h"
#include "x86/panic.h"

#define MIB_FRAMES  (1ul << (20 - PAGE_SHIFT))
/*
 * Kept for the hypervisor's own objects: 1/16 of memory, within bounds; as a user of Xen expects.
 */
#define RESERVE_MIN (16 * MIB_FRAMES)
#define RESERVE_MAX (128 * MIB_FRAMES)

uint64_t dom0_nr_pages(uint64_t ramdisk_frames)
{
    uint64_t available = heap_free_count() + ramdisk_frames;
    uint64_t reserve = MIN(MAX(available / 16, RESERVE_MIN), RESERVE_MAX);
    uint64_t most = available > reserve ? available - reserve : 0;
    if (options.dom0_mem_pages == 0)
        return most;
    if (options.dom0_mem_pages > most)
        log_warning("dom0_mem: %lu MiB are not free; the control domain gets %lu MiB",
                    options.dom0_mem_pages / MIB_FRAMES, most / MIB_FRAMES);
    return MIN(options.dom0_mem_pages, most);
}

void *dom0_page(const struct dom0 *b, uint64_t pfn)
{
    return mfn_to_virt(MFN(b->p2m[pfn]));
}

/* Make 2^order frames at mfn the domain's pages from pfn on. */
static void give(struct dom0 *b, uint64_t pfn, mfn_t mfn, unsigned order)
{
    if (frame_assign(b->d, mfn, order))
        panic("the control domain's memory limit is below its own layout");
    for (uint64_t i = 0; i < 1ull << order; i++) {
        b->p2m[pfn + i] = mfn.v + i;
        m2p_set(mfn_add(mfn, i), PFN(pfn + i));
    }
}

/* The largest naturally aligned block that [mfn, mfn + count) begins with. */
static unsigned block_order(mfn_t mfn, uint64_t count)
{
    unsigned order = 0;
    while (order < HEAP_MAX_ORDER && !(mfn.v & (1ull << order)) && (2ull << order) <= count)
        order++;
    return order;
}

static void give_range(struct dom0 *b, uint64_t pfn, mfn_t mfn, uint64_t count)
{
    while (count) {
        unsigned order = block_order(mfn, count);
        give(b, pfn, mfn, order);
        pfn += 1ull << order;
        mfn.v += 1ull << order;
        count -= 1ull << order;
    }
}

static void free_range(mfn_t mfn, uint64_t count)
{
    while (count) {
        unsigned order = block_order(mfn, count);
        heap_free_frames(mfn, order, true);
        mfn.v += 1ull << order;
        count -= 1ull << order;
    }
}

static unsigned order_for(uint64_t frames)
{
    unsigned order = 0;
    while ((1ull << order) < frames)
        order++;
    return order;
}

/* The block that holds the start of day. */
static void populate_boot_block(struct dom0 *b)
{
    unsigned order = order_for(b->layout.boot_frames);
    mfn_t block = heap_alloc_frames(order, HEAP_DIRTY);
    if (mfn_eq(block, INVALID_MFN))
        boot_stop("no %lu MiB of memory in one piece for the control domain's kernel",
                  (1ul << order) / MIB_FRAMES);
    b->p2m = mfn_to_virt(mfn_add(block, b->layout.p2m.pfn));
    give_range(b, 0, block, b->layout.boot_frames);
    free_range(mfn_add(block, b->layout.boot_frames), (1ull << order) - b->layout.boot_frames);
}

/* Pages [pfn, end) in blocks as large as can be had. */
static void populate_rest(struct dom0 *b, uint64_t pfn, uint64_t end)
{
    unsigned order = HEAP_MAX_ORDER;
    while (pfn < end) {
        while ((1ull << order) > end - pfn)
            order--;
        mfn_t block = heap_alloc_frames(order, HEAP_DIRTY);
        if (!mfn_eq(block, INVALID_MFN)) {
            give(b, pfn, block, order);
            pfn += 1ull << order;
        } else if (order-- == 0) {
            panic("free memory has gone while the control domain was being built");
        }
    }
}

/* The loader's frames of the ramdisk become the domain's; a module not page-aligned is copied. */
static void populate_ramdisk(struct dom0 *b)
{
    const struct boot_module *m = b->ramdisk;
    const struct pv_area *area = &b->layout.ramdisk;
    if (area->va == 0 && !(m->start & ~PAGE_MASK)) {
        give_range(b, area->pfn, maddr_to_mfn(MADDR(m->start)), area->frames);
        return;
    }
    if (area->va == 0)
        populate_rest(b, area->pfn, area->pfn + area->frames);
    const uint8_t *from = maddr_to_virt(MADDR(m->start));
    for (uint64_t done = 0; done < m->end - m->start; done += PAGE_SIZE)
        memcpy(dom0_page(b, area->pfn + done / PAGE_SIZE), from + done,
               MIN(PAGE_SIZE, m->end - m->start - done));
}

void dom0_populate(struct dom0 *b)
{
    uint64_t pfn = b->layout.boot_frames;
    populate_boot_block(b);
    if (b->ramdisk != NULL)
        populate_ramdisk(b);
    if (b->ramdisk != NULL && b->layout.ramdisk.va == 0)
        pfn = b->layout.ramdisk.pfn + b->layout.ramdisk.frames;
    populate_rest(b, pfn, b->layout.nr_pages);
}
