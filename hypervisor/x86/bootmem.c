/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory before there is a heap. Owns the list of free ranges of RAM until bootmem_to_heap().
 *
 * Invariant: the ranges are page-aligned, disjoint and rising; none touches the image, a module, or
 * the first MiB.
 */
#include "x86/bootmem.h"

#include "core/boot.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/boot/boot.h"
#include "x86/iomem.h"

struct range {
    uint64_t start, end;
};

/* Each removal may split one range, and each allocation may leave one piece more. */
#define MAX_RANGES (E820_MAX + BOOT_MAX_MODULES + 64u)
static struct range range[MAX_RANGES];
static unsigned nr_ranges;
static bool closed;

static void insert_at(unsigned at, struct range r)
{
    if (r.start >= r.end)
        return;
    if (nr_ranges == MAX_RANGES) {
        log_warning("Memory map too fragmented: %#lx-%#lx is not used", r.start, r.end);
        return;
    }
    memmove(&range[at + 1], &range[at], (nr_ranges - at) * sizeof(range[0]));
    range[at] = r;
    nr_ranges++;
}

/* Take [start, end) out of range number `at`, whatever of it is in there. */
static void cut(unsigned at, uint64_t start, uint64_t end)
{
    struct range old = range[at];
    nr_ranges--;
    memmove(&range[at], &range[at + 1], (nr_ranges - at) * sizeof(range[0]));
    insert_at(at, (struct range){MAX(old.start, end), old.end});
    insert_at(at, (struct range){old.start, MIN(old.end, start)});
}

static void reserve(uint64_t start, uint64_t end)
{
    start &= PAGE_MASK;
    end = ROUND_UP(end, PAGE_SIZE);
    for (unsigned i = nr_ranges; i-- > 0;) {
        if (range[i].start < end && range[i].end > start)
            cut(i, start, end);
    }
}

void bootmem_init(void)
{
    const uint64_t top = DIRECTMAP_END - DIRECTMAP_START;
    for (unsigned i = 0; i < e820.count; i++) {
        const struct e820_entry *e = &e820.entry[i];
        if (e->type != E820_RAM)
            continue;
        uint64_t end = (e->addr + e->size) & PAGE_MASK;
        if (end > top) {
            log_warning("RAM above %lu TiB is not used", top >> 40);
            end = top;
        }
        insert_at(nr_ranges, (struct range){ROUND_UP(e->addr, PAGE_SIZE), end});
    }
    reserve(0, LOW_MEMORY_END);
    reserve(image_phys, image_phys + (uint64_t)(image_end - image_start));
    for (unsigned i = 0; i < boot_info.nr_modules; i++)
        reserve(boot_info.module[i].start, boot_info.module[i].end);
}

maddr_t bootmem_alloc(uint64_t bytes, uint64_t align, uint64_t limit)
{
    ASSERT(!closed);
    for (unsigned i = nr_ranges; i-- > 0;) {
        uint64_t end = MIN(range[i].end, limit);
        if (end < bytes)
            continue;
        uint64_t start = (end - bytes) & ~(align - 1);
        if (start < range[i].start)
            continue;
        cut(i, start, start + bytes);
        return MADDR(start);
    }
    panic("Out of memory at boot: no %lu KiB of free RAM below %#lx", bytes >> 10, limit);
}

void bootmem_to_heap(void)
{
    closed = true;
    for (unsigned i = 0; i < nr_ranges; i++)
        heap_add_range(maddr_to_mfn(MADDR(range[i].start)), maddr_to_mfn(MADDR(range[i].end)));
}

bool bootmem_is_open(void)
{
    return !closed;
}
