/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own address space (slots 256-271): made at boot, the same for every page table.
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include <arch/memory.h>

#include "x86/x86.h"

/* Boot: build the direct map, M2P, frame table (for the RAM in e820) and load them. */
void paging_init(void);
/* Copy the hypervisor's sixteen entries into an L4 page that a guest is to use. */
void paging_fill_slots(uint64_t *l4);
extern uint64_t *hv_l4; /* the hypervisor's own table, used by idle CPUs */
uint64_t hv_cr3(void);

/*
 * Map device memory, uncached; any size and alignment. Returns the virtual address of the first
 * byte; NULL when VMAP space, or memory for its tables, is out.
 */
void *map_device(maddr_t start, size_t bytes);
void unmap_device(void *va, size_t bytes);
/* Map one page at `va` in slots 260-261 with the given entry bits, making tables as needed. */
int paging_map_page(uint64_t va, mfn_t mfn, uint64_t flags) must_check;
/* The entry that maps `va` in slots 260-261, or NULL: for windows changed often (GDT, LDT). */
uint64_t *paging_l1_entry(uint64_t va);

/*
 * The stack block of a CPU other than the boot CPU: STACK_SIZE bytes, with nothing mapped below
 * each block, so that no stack runs into another.
 */
#define STACK_AREA_STRIDE (2 * STACK_SIZE)
#define STACK_AREA_START  (VMAP_END - NR_CPUS * STACK_AREA_STRIDE)
/*
 * Pages of a stack block, from its base: the stacks of NMI, double fault, machine check and debug
 * traps, then a page that is never mapped, then the main stack.
 */
#define STACK_PAGE_NMI    0u
#define STACK_PAGE_DF     1u
#define STACK_PAGE_MC     2u
#define STACK_PAGE_DB     3u
#define STACK_PAGE_GUARD  4u
#define STACK_PAGES       (STACK_SIZE >> PAGE_SHIFT)

/*
 * The M2P is backed by 2 MiB pages, each for the frames of 1 GiB of machine memory. Chunks without
 * RAM have none.
 */
mfn_t paging_frame_table_end(void); /* one past the highest frame with an entry */
#define M2P_CHUNK_FRAMES_SHIFT 18u

#endif
