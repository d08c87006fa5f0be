/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic of a new PV domain's layout; see pv_layout.h. */
#include "core/pv_layout.h"

#include <arch/layout.h>

#include "core/abi.h"

#define FRAMES(bytes) DIV_ROUND_UP(bytes, PAGE_SIZE)
#define BOOT_ALIGN    (4ull << 20)
/* The ABI promises at least this much mapped behind the stack. */
#define BOOT_PADDING  (512ull << 10)
#define LOW_HALF_END  (1ull << 47)
#define NO_INIT_P2M   (~0ull)
/* Far beyond what there is, so that sums of numbers up to it do not wrap. */
#define PAGES_MAX     (1ull << 40)

/* Tables of `level` that [start, end) touches. */
static uint64_t tables_of_level(uint64_t start, uint64_t end, unsigned level)
{
    unsigned shift = PAGE_SHIFT + 9 * level;
    return ((end - 1) >> shift) - (start >> shift) + 1;
}

uint64_t pv_layout_tables(uint64_t start, uint64_t end)
{
    return tables_of_level(start, end, 1) + tables_of_level(start, end, 2) +
           tables_of_level(start, end, 3);
}

/* Give `frames` frames from *pfn on to an area, mapped at virt_start + pfn. */
static void place(struct pv_area *area, uint64_t *pfn, uint64_t frames, uint64_t virt_base)
{
    area->pfn = *pfn;
    area->frames = frames;
    area->va = virt_base + (*pfn << PAGE_SHIFT);
    *pfn += frames;
}

/* Pages from an address of the guest's to the end of its half of the address space; 0: not its. */
static uint64_t room_from(uint64_t va)
{
    if (va < LOW_HALF_END)
        return (LOW_HALF_END - va) >> PAGE_SHIFT;
    return va >= HV_VIRT_END ? -va >> PAGE_SHIFT : 0;
}

/*
 * The page tables map themselves: their number depends on where the mapping ends, and it on them.
 * False when that is not in the guest's part of the address space.
 */
static bool place_mapped(struct pv_layout *l, uint64_t virt_base, uint64_t pfn, unsigned rings)
{
    uint64_t room = room_from(virt_base), tables = 1;
    for (;;) {
        uint64_t at = pfn;
        place(&l->start_info, &at, 1, virt_base);
        place(&l->rings, &at, rings, virt_base);
        place(&l->tables, &at, tables, virt_base);
        place(&l->stack, &at, 1, virt_base);
        l->virt_end = ROUND_UP(virt_base + (at << PAGE_SHIFT) + BOOT_PADDING, BOOT_ALIGN);
        if (at > room || l->virt_end <= virt_base || (l->virt_end - virt_base) >> PAGE_SHIFT > room)
            return false;
        uint64_t need = 1 + pv_layout_tables(l->virt_start, l->virt_end);
        if (need <= tables)
            return true;
        tables = need;
    }
}

/* The list, and the tables that map it, behind everything that is mapped. */
static bool place_p2m_apart(struct pv_layout *l, uint64_t va, uint64_t frames, uint64_t *pfn)
{
    uint64_t end = va + (frames << PAGE_SHIFT);
    if (frames > room_from(va) || end < va || (va < l->virt_end && end > l->virt_start))
        return false;
    place(&l->p2m, pfn, frames, 0);
    place(&l->p2m_tables, pfn, pv_layout_tables(va, end), 0);
    l->p2m.va = va;
    l->p2m_tables.va = 0;
    return true;
}

static int check(const struct pv_kernel *k, uint64_t nr_pages, uint64_t ramdisk_frames,
                 const char **why)
{
    bool p2m_apart = k->init_p2m != NO_INIT_P2M;
    if (k->virt_start < k->virt_base || k->virt_end <= k->virt_start)
        *why = "the kernel's addresses lie below its own VIRT_BASE";
    else if (((k->virt_base | (p2m_apart ? k->init_p2m : 0)) & ~PAGE_MASK) != 0)
        *why = "the kernel's VIRT_BASE or INIT_P2M is not the address of a page";
    else if (room_from(k->virt_base) == 0)
        *why = "the kernel's VIRT_BASE is not an address that a guest may use";
    else if (nr_pages > PAGES_MAX)
        *why = "no domain can have that much memory";
    else
        *why = NULL;
    if (*why != NULL)
        return -XEN_EINVAL;
    if (k->virt_end - k->virt_base > nr_pages << PAGE_SHIFT) {
        *why = "the kernel is too large for the domain's memory: give the domain more";
        return -XEN_ENOMEM;
    }
    if (ramdisk_frames > nr_pages) {
        *why = "the initial ramdisk is too large for the domain's memory: give it more";
        return -XEN_ENOMEM;
    }
    return 0;
}

static int fits(const struct pv_layout *l, uint64_t ramdisk_frames, const char **why)
{
    if (l->boot_frames > l->nr_pages) {
        *why = "the kernel is too large for the domain's memory: give the domain more";
        return -XEN_ENOMEM;
    }
    if (ramdisk_frames > l->nr_pages - l->boot_frames) {
        *why = "kernel and initial ramdisk are too large for the domain's memory: give it more";
        return -XEN_ENOMEM;
    }
    return 0;
}

int pv_layout_make(struct pv_layout *l, const struct pv_kernel *k, uint64_t nr_pages,
                   uint64_t ramdisk_frames, unsigned rings, const char **why)
{
    uint64_t virt_base = k->virt_base;
    *l = (struct pv_layout){.nr_pages = nr_pages, .virt_start = virt_base};
    int rc = check(k, nr_pages, ramdisk_frames, why);
    if (rc)
        return rc;
    l->kernel.pfn = (k->virt_start - virt_base) >> PAGE_SHIFT;
    l->kernel.va = virt_base + (l->kernel.pfn << PAGE_SHIFT);
    uint64_t pfn = FRAMES(k->virt_end - virt_base);
    l->kernel.frames = pfn - l->kernel.pfn;
    /* Kernels that do not know MOD_START_PFN, or INIT_P2M, want those in the mapping. */
    if (!k->mod_start_pfn && ramdisk_frames)
        place(&l->ramdisk, &pfn, ramdisk_frames, virt_base);
    uint64_t p2m_frames = FRAMES(nr_pages * sizeof(uint64_t));
    bool p2m_apart = k->init_p2m != NO_INIT_P2M;
    if (!p2m_apart)
        place(&l->p2m, &pfn, p2m_frames, virt_base);
    if (!place_mapped(l, virt_base, pfn, rings)) {
        *why = "the kernel leaves no room for its start of day behind it";
        return -XEN_ENOMEM;
    }
    pfn = (l->virt_end - virt_base) >> PAGE_SHIFT;
    if (p2m_apart && !place_p2m_apart(l, k->init_p2m, p2m_frames, &pfn)) {
        *why = "there is no room for the P2M list at the kernel's INIT_P2M";
        return -XEN_EINVAL;
    }
    l->boot_frames = pfn;
    bool apart = k->mod_start_pfn && ramdisk_frames;
    if (apart) {
        place(&l->ramdisk, &pfn, ramdisk_frames, 0);
        l->ramdisk.va = 0;
    }
    return fits(l, apart ? ramdisk_frames : 0, why);
}
