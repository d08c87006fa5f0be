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
 * The frame table lies in chunks of 2 MiB, each for 512 MiB of machine memory; where no frame of a
 * chunk is RAM there is none, and its bit is clear.
 */
#define FRAME_CHUNK_FRAMES_SHIFT 17u
#define FRAME_CHUNKS             16384u /* a power of two, so that a number can be masked */
extern uint64_t frame_chunks[FRAME_CHUNKS / 64];
static_assert((uint64_t)FRAME_CHUNKS << (FRAME_CHUNK_FRAMES_SHIFT + PAGE_SHIFT) >=
                  DIRECTMAP_END - DIRECTMAP_START,
              "there is a bit for all of the direct map");

/*
 * True when the frame table has an entry for this frame (RAM, or a hole close to RAM). Numbers are
 * guests': the mask keeps a CPU that runs past the first check within the table.
 */
static inline bool mfn_valid(mfn_t m)
{
    uint64_t n = m.v >> FRAME_CHUNK_FRAMES_SHIFT, at = n & (FRAME_CHUNKS - 1);

    return n == at && ((frame_chunks[at / 64] >> (at % 64)) & 1);
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
