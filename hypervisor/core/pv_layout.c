/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic of a new PV domain's layout; see pv_layout.h. */
#include "core/pv_layout.h"

#include "core/abi.h"

#define FRAMES(bytes) DIV_ROUND_UP(bytes, PAGE_SIZE)
#define BOOT_ALIGN (4ull << 20)
/* The ABI promises at least this much mapped behind the stack. */
#define BOOT_PADDING (512ull << 10)
#define PTES 512ull

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

/* The page tables map themselves: their number depends on where the mapping ends, and it on them. */
static void place_mapped(struct pv_layout *l, uint64_t virt_base, uint64_t pfn)
{
    uint64_t tables = 1 + pv_layout_tables(l->virt_start, virt_base + (pfn << PAGE_SHIFT));
    for (;;) {
        uint64_t at = pfn;
        place(&l->start_info, &at, 1, virt_base);
        place(&l->tables, &at, tables, virt_base);
        place(&l->stack, &at, 1, virt_base);
        l->virt_end = ROUND_UP(virt_base + (at << PAGE_SHIFT) + BOOT_PADDING, BOOT_ALIGN);
        uint64_t need = 1 + pv_layout_tables(l->virt_start, l->virt_end);
        if (need <= tables)
            break;
        tables = need;
    }
}

static int fits(const struct pv_layout *l, uint64_t ramdisk_frames, const char **why)
{
    if (l->virt_end <= l->virt_start) {
        *why = "the kernel leaves no room for its start of day at the top of the address space";
        return -XEN_ENOMEM;
    }
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
                   uint64_t ramdisk_frames, const char **why)
{
    /* Guest-physical 0 is at virt_base + paddr_offset for what the kernel calls its addresses. */
    uint64_t virt_base = k->virt_base;
    *l = (struct pv_layout){.nr_pages = nr_pages, .virt_start = virt_base};
    uint64_t pfn = 0;

    if (k->virt_start < virt_base || k->virt_end < k->virt_start) {
        *why = "the kernel's addresses lie below its own VIRT_BASE";
        return -XEN_EINVAL;
    }
    l->kernel.pfn = (k->virt_start - virt_base) >> PAGE_SHIFT;
    l->kernel.va = virt_base + (l->kernel.pfn << PAGE_SHIFT);
    pfn = FRAMES(k->virt_end - virt_base);
    l->kernel.frames = pfn - l->kernel.pfn;
    if (pfn > nr_pages) {
        *why = "the kernel is too large for the domain's memory: give the domain more";
        return -XEN_ENOMEM;
    }
    /* Kernels that do not know MOD_START_PFN, or INIT_P2M, want those in the mapping. */
    if (!k->mod_start_pfn && ramdisk_frames)
        place(&l->ramdisk, &pfn, ramdisk_frames, virt_base);
    uint64_t p2m_frames = FRAMES(nr_pages * sizeof(uint64_t));
    bool p2m_apart = k->init_p2m != ~0ull;
    if (!p2m_apart)
        place(&l->p2m, &pfn, p2m_frames, virt_base);
    place_mapped(l, virt_base, pfn);

    pfn = (l->virt_end - virt_base) >> PAGE_SHIFT;
    if (p2m_apart) {
        place(&l->p2m, &pfn, p2m_frames, 0);
        l->p2m.va = k->init_p2m;
        place(&l->p2m_tables, &pfn,
              pv_layout_tables(k->init_p2m, k->init_p2m + (p2m_frames << PAGE_SHIFT)), 0);
        l->p2m_tables.va = 0;
    }
    l->boot_frames = pfn;
    bool apart = k->mod_start_pfn && ramdisk_frames;
    if (apart) {
        place(&l->ramdisk, &pfn, ramdisk_frames, 0);
        l->ramdisk.va = 0;
    }
    return fits(l, apart ? ramdisk_frames : 0, why);
}
