/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM as the hypervisor sees it: the direct map, the frame table and the machine-to-phys table. */
#ifndef ARCH_MEMORY_H
#define ARCH_MEMORY_H

#include <arch/layout.h>

#include "core/types.h"

struct frame;

static inline void *maddr_to_virt(maddr_t a)
{
    return (void *)(DIRECTMAP_START + a.v);
}

static inline void *mfn_to_virt(mfn_t m)
{
    return maddr_to_virt(mfn_to_maddr(m));
}

/* Only for addresses in the direct map. */
static inline mfn_t virt_to_mfn(const void *va)
{
    return MFN(((uintptr_t)va - DIRECTMAP_START) >> PAGE_SHIFT);
}

/*
 * Only for frames with an entry: mfn_valid(). A CPU that has run past that check with a guest's
 * number still reads nothing but the frame table.
 */
#define FRAME_ENTRY_SIZE 16ul
#define FRAME_ENTRY_MASK ((FRAME_TABLE_END - FRAME_TABLE_START) / FRAME_ENTRY_SIZE - 1)
static inline struct frame *frame_entry(mfn_t m)
{
    return (struct frame *)(FRAME_TABLE_START + (m.v & FRAME_ENTRY_MASK) * FRAME_ENTRY_SIZE);
}

/*
 * Machine-to-phys: written here (the guests' own view is read-only). Only for mfn_valid() frames.
 */
void m2p_set(mfn_t m, pfn_t p);
pfn_t m2p_get(mfn_t m);
#define INVALID_M2P PFN(~0ull)
/*
 * The M2P lies in chunks of 2 MiB, each for the frames of 1 GiB of machine memory; chunks without
 * RAM have none.
 */
unsigned m2p_chunk_count(void);      /* one past the highest chunk present */
mfn_t m2p_chunk_mfn(unsigned chunk); /* its first frame; INVALID_MFN: absent */
bool m2p_is_frame(mfn_t mfn);        /* of a chunk that is present */

#endif
