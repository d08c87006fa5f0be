/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory. A PV guest sees machine frames (mfn) and numbers its own pages itself (pfn), from 0.
 *
 *   0x0000000000400000  all of the domain's pages in order of pfn, the image first ("direct map");
 *                       page tables are read-only there
 *   0x0000008000000000  windows: map_frames()
 *   0x0000010000000000  heap: sbrk()
 *
 * Every function may be called on any vCPU. The library's page tables are changed under one lock.
 * Functions that return a long give 0 or a negative XEN_E*.
 */
#ifndef PV_MEMORY_H
#define PV_MEMORY_H

#include <pv/abi.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define VIRT_BASE    0x0000000000400000ul
#define WINDOW_START 0x0000008000000000ul
#define HEAP_START   0x0000010000000000ul

/* Page-table entries (Intel SDM 3A 4.5). */
#define PTE_P         0x001ul
#define PTE_RW        0x002ul
#define PTE_US        0x004ul
#define PTE_PWT       0x008ul
#define PTE_PCD       0x010ul
#define PTE_A         0x020ul
#define PTE_D         0x040ul
#define PTE_PSE       0x080ul
#define PTE_G         0x100ul
#define PTE_NX        (1ul << 63)
#define PTE_MFN       0x000ffffffffff000ul /* the bits of the frame */
#define PTE_KERNEL_RW (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define PTE_KERNEL_RO (PTE_P | PTE_US | PTE_A)
#define PTE_TABLE     (PTE_P | PTE_RW | PTE_US | PTE_A)

static inline uint64_t pte_make(unsigned long mfn, uint64_t flags)
{
    return (uint64_t)mfn << PAGE_SHIFT | flags;
}

static inline unsigned long pte_mfn(uint64_t pte)
{
    return (pte & PTE_MFN) >> PAGE_SHIFT;
}

/* ---- Numbers ------------------------------------------------------------------------------ */

#define INVALID_P2M (~0ul)
extern unsigned long *p2m;     /* [pfn]: mfn, or INVALID_P2M for a page that was given back */
extern unsigned long nr_pages; /* pfns are below */

static inline unsigned long pfn_to_mfn(unsigned long pfn)
{
    return p2m[pfn];
}

/* Through the machine-to-phys table; ~0 when the frame is not this domain's. */
unsigned long mfn_to_pfn(unsigned long mfn);

static inline void *pfn_to_virt(unsigned long pfn)
{
    return (void *)(VIRT_BASE + (pfn << PAGE_SHIFT));
}

/* Of the direct map only. */
static inline unsigned long virt_to_pfn(const volatile void *va)
{
    return ((unsigned long)va - VIRT_BASE) >> PAGE_SHIFT;
}

static inline unsigned long virt_to_mfn(const volatile void *va)
{
    return p2m[virt_to_pfn(va)];
}

/* A machine address, of the direct map only. */
static inline uint64_t virt_to_maddr(const volatile void *va)
{
    return (uint64_t)virt_to_mfn(va) << PAGE_SHIFT | ((unsigned long)va & ~PAGE_MASK);
}

/* ---- Pages -------------------------------------------------------------------------------- */

/* 2^order pages of the direct map, adjoining in pfn (not in mfn), zeroed. NULL: none left. */
void *pages_alloc(unsigned order);
void pages_free(void *pages, unsigned order);
static inline void *page_alloc(void)
{
    return pages_alloc(0);
}
static inline void page_free(void *page)
{
    pages_free(page, 0);
}
unsigned long pages_free_count(void);

/* ---- The library's page tables ------------------------------------------------------------ */

/*
 * The entry that maps va at `level` (1 to 4) in the tables that all vCPUs start on, or NULL: no
 * table is there.
 */
const uint64_t *pte_of(const volatile void *va, unsigned level);
/* The machine address of that entry, for mmu_update; 0: no table is there. */
uint64_t pte_maddr(const volatile void *va, unsigned level);

/* Makes the tables down to level 1 for [va, va + pages * 4096): entries are then not present. */
long tables_make(const void *va, unsigned long pages);
/* Sets one level-1 entry, and flushes the page on all vCPUs. Tables must be there. */
long pte_set(const volatile void *va, uint64_t pte);
/* As pte_set, of another domain's frame. */
long pte_set_of(const volatile void *va, uint64_t pte, domid_t owner);

/* A page of the direct map read-only (a page table to be, a descriptor table) or writable again. */
long page_read_only(const void *page);
long page_writable(const void *page);

/* The machine frame of the top-level table that this vCPU runs on. */
unsigned long tables_root(void);

/* ---- Windows ------------------------------------------------------------------------------ */

/* Address space for `pages` pages, with its tables, nothing mapped. NULL: none left. */
void *window_alloc(unsigned long pages);
/* Unmaps what is mapped there, too. */
void window_free(void *window, unsigned long pages);

/*
 * Maps frames of a domain (DOMID_SELF, DOMID_IO for device memory, another when privileged) with
 * PTE_* flags. NULL with *error (unless NULL) set to the first refusal. Undone by window_free().
 */
void *map_frames(const unsigned long *mfns, unsigned long count, uint64_t flags, domid_t owner,
                 long *error);

/* ---- User mode ---------------------------------------------------------------------------- */

/*
 * Page tables for user mode: `pages` pages from the direct map's address `from` appear at `va` (in
 * the low half), with flags. Pinned, and set as this vCPU's. Returns the top table's machine frame,
 * 0 when memory ran out. The code of user mode is ordinary code of the image, mapped so.
 */
unsigned long user_tables_make(unsigned long va, void *from, unsigned long pages, uint64_t flags);
void user_tables_free(unsigned long root);

#endif
