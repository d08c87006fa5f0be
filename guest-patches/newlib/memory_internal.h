/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the memory part share: nothing of it is the library's interface. */
#ifndef MEMORY_INTERNAL_H
#define MEMORY_INTERNAL_H

#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>

#define PTES_PER_TABLE 512ul
#define TOP_LEVEL      4u

/* A lock that may be taken in handlers of events, too: they are off while it is held. */
bool memory_lock(struct spinlock *lock);
void memory_unlock(struct spinlock *lock, bool events);

/* Page-table updates collected: one hypercall for many. */
#define MMU_BATCH 64u
struct mmu_batch {
    unsigned count;
    domid_t owner; /* of the frames that are mapped */
    long error;    /* the first; what is queued after it is dropped */
    struct mmu_update request[MMU_BATCH];
};

static inline void mmu_batch_start(struct mmu_batch *batch, domid_t owner)
{
    batch->count = 0;
    batch->owner = owner;
    batch->error = 0;
}

void mmu_batch_add(struct mmu_batch *batch, uint64_t maddr, uint64_t pte);
/* Sends what is queued. Returns the batch's error. */
long mmu_batch_send(struct mmu_batch *batch);

/* All TLB entries, of all vCPUs. */
void tlb_flush_all(void);

/* The frame's number in this domain, for a frame that is known to be its own. */
unsigned long own_mfn_to_pfn(unsigned long mfn);

/* The allocator of pages without its lock, for the start. `frames` many bits a pfn are needed. */
size_t pages_bitmap_size(void);
void pages_start(void *bitmaps);
void pages_give_range(unsigned long from, unsigned long to);
void *pages_take(unsigned order);
void pages_give(unsigned long pfn, unsigned order);

/* The tables' part without its lock: the entry for va at `level`, with all tables above it made. */
void tables_start(void);
long table_entry_make(const volatile void *va, unsigned level, uint64_t **entry);

#endif
