/* SPDX-License-Identifier: BSD-2-Clause */
/* Building the control domain from the boot loader's modules. */
#ifndef X86_DOM0_H
#define X86_DOM0_H

#include "core/boot.h"
#include "core/pv_layout.h"

struct domain;

/*
 * The control domain, paused, ready to run; stops the machine with one clear line when the modules
 * do not make one.
 */
struct domain *dom0_build(const struct boot_info *boot);

/* ---- Its parts (dom0_memory.c, dom0_tables.c) --------------------------------------------- */

struct dom0 {
    struct domain *d;
    struct pv_kernel kernel;
    struct pv_layout layout;
    const void *image; /* the kernel's module, in the direct map */
    uint64_t image_size;
    const struct boot_module *ramdisk; /* NULL: none */
    uint64_t *p2m;                     /* the domain's own list, in the direct map */
};

/* How many pages the control domain gets: dom0_mem, or all but a reserve. */
uint64_t dom0_nr_pages(uint64_t ramdisk_frames);
/* Allocate or adopt every page; fill the P2M list and the M2P. */
void dom0_populate(struct dom0 *b);
/* A frame of the domain, in the direct map. */
void *dom0_page(const struct dom0 *b, uint64_t pfn);
/* Build the page tables, have them validated, pin and install the L4. */
void dom0_build_tables(struct dom0 *b);

#endif
