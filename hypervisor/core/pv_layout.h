/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things lie in a new PV domain (xen/xen.h, "start-of-day memory layout"): arithmetic only,
 * the same for the hypervisor's first domain and for a toolstack's builder.
 *
 *   pfn 0 .. the kernel .. start_info .. rings .. page tables .. stack .. padding
 *                                                                mapped from virt_base on
 *   then, unmapped or mapped elsewhere: the P2M list with the tables that map it, the initial
 *   ramdisk
 */
#ifndef CORE_PV_LAYOUT_H
#define CORE_PV_LAYOUT_H

#include "core/elf.h"
#include "core/types.h"

/* A run of frames of the domain, and where it is mapped (0: nowhere). */
struct pv_area {
    uint64_t pfn;
    uint64_t frames;
    uint64_t va;
};

struct pv_layout {
    uint64_t nr_pages;     /* of the whole domain, the ramdisk included */
    struct pv_area kernel; /* from its lowest to its highest page */
    struct pv_area ramdisk;
    struct pv_area p2m;        /* the list: one word a page of the domain */
    struct pv_area p2m_tables; /* page tables that map only the list: behind it */
    struct pv_area start_info;
    struct pv_area rings;  /* pages shared with the store and the console's back-end */
    struct pv_area tables; /* its first frame is the L4 table */
    struct pv_area stack;
    uint64_t virt_start, virt_end; /* the bootstrap mapping: 4 MiB aligned at its end */
    uint64_t boot_frames; /* frames [0, boot_frames) must be there first: all but ramdisk */
};

/*
 * Lay out a domain of nr_pages, of which the last `ramdisk_frames` may be the ramdisk's, with
 * `rings` pages for rings (0 for the first domain, which has none). 0, or
 * -XEN_ENOMEM with a sentence in *why when it does not fit, -XEN_EINVAL when the kernel asks for
 * what cannot be. No numbers that a kernel gives may do more.
 */
int pv_layout_make(struct pv_layout *l, const struct pv_kernel *k, uint64_t nr_pages,
                   uint64_t ramdisk_frames, unsigned rings, const char **why) must_check;

/* Tables of level 1..3 needed to map [start, end), page-aligned, beside one L4. */
uint64_t pv_layout_tables(uint64_t start, uint64_t end);

#endif
