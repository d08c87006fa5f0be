/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of page tables of four levels (Intel SDM 3A 4.5). */
#ifndef X86_PTE_H
#define X86_PTE_H

#define PTE_PRESENT    (1ul << 0)
#define PTE_WRITE      (1ul << 1)
#define PTE_USER       (1ul << 2)
#define PTE_PWT        (1ul << 3)
#define PTE_PCD        (1ul << 4)
#define PTE_ACCESSED   (1ul << 5)
#define PTE_DIRTY      (1ul << 6)
#define PTE_PAT        (1ul << 7) /* in an L1 entry */
#define PTE_PSE        (1ul << 7) /* in an L2 or L3 entry */
#define PTE_GLOBAL     (1ul << 8)
#define PTE_AVAIL      (7ul << 9)
#define PTE_NX         (1ul << 63)
#define PTE_MFN_MASK   0x000ffffffffff000ul
#define PTES_PER_TABLE 512u

/* Index of `va` in its table of a level (1..4). */
static inline unsigned table_index(unsigned long va, unsigned level)
{
    return (va >> (12 + 9 * (level - 1))) & 511;
}

#endif
