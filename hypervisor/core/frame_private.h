/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in the two words of an owned frame. Included by frame.c, pagetype.c and audit.c alone.
 *
 * Word 0, ownership (a free frame's belongs to the heap, whose bits avoid 31..8):
 *   63..32 references    31..16 owner    15..8 flags    7..0 zero
 *   A shared frame's owner is DOMID_XEN when it is no longer shared, but still mapped.
 * Word 1, type:
 *   63..32 type references; while IDLE: the TLB epoch when the last one went
 *   31..16 while VALID: the parts of a table that may have a present entry (arch_table_acquire)
 *   17..8  while PARTIAL: progress of validation: entries [0, progress) hold their references
 *   5..4   state    3 pinned    2..0 type
 */
#ifndef CORE_FRAME_PRIVATE_H
#define CORE_FRAME_PRIVATE_H

#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/lib.h"

#define OWN_FLAG        (1ull << 8)  /* somebody owns it */
#define OWN_ALLOCATED   (1ull << 9)  /* the allocation's own reference is still held */
#define OWN_SHARED      (1ull << 10) /* hypervisor memory shared with the owner; not counted */
#define OWN_ANY         0xffffff00ull
#define OWN_REF_ONE     (1ull << 32)
#define OWN_OWNER_SHIFT 16
#define OWN_OWNER_MASK  (0xffffull << OWN_OWNER_SHIFT)

static inline uint32_t own_refs(uint64_t own)
{
    return (uint32_t)(own >> 32);
}

static inline domid_t own_owner(uint64_t own)
{
    return DOMID((uint16_t)(own >> OWN_OWNER_SHIFT));
}

enum type_state {
    TS_IDLE = 0,    /* no type references; the last type is remembered */
    TS_BUSY = 1,    /* one CPU is validating it or taking it down; the others wait */
    TS_VALID = 2,   /* count > 0 */
    TS_PARTIAL = 3, /* interrupted; holds a reference of its own; whoever needs it goes on */
};

#define TYPE_MASK           7ull
#define TYPE_PINNED         (1ull << 3)
#define TYPE_STATE_SHIFT    4
#define TYPE_STATE_MASK     (3ull << TYPE_STATE_SHIFT)
#define TYPE_PROGRESS_SHIFT 8
#define TYPE_PROGRESS_MASK  (0x3ffull << TYPE_PROGRESS_SHIFT)
#define TYPE_PARTS_SHIFT    16
#define TYPE_COUNT_SHIFT    32
#define TYPE_COUNT_ONE      (1ull << TYPE_COUNT_SHIFT)

static inline uint64_t type_word(enum frame_type type, enum type_state state, unsigned progress,
                                 uint32_t count)
{
    return (uint64_t)type | ((uint64_t)state << TYPE_STATE_SHIFT) |
           ((uint64_t)progress << TYPE_PROGRESS_SHIFT) | ((uint64_t)count << TYPE_COUNT_SHIFT);
}

static inline enum frame_type type_of(uint64_t w)
{
    return (enum frame_type)(w & TYPE_MASK);
}

static inline enum type_state type_state(uint64_t w)
{
    return (enum type_state)((w & TYPE_STATE_MASK) >> TYPE_STATE_SHIFT);
}

/* VALID, as this type. */
static inline bool type_is_valid(uint64_t w, enum frame_type type)
{
    return ((w ^ type_word(type, TS_VALID, 0, 0)) & (TYPE_STATE_MASK | TYPE_MASK)) == 0;
}

static inline unsigned type_progress(uint64_t w)
{
    return (unsigned)((w & TYPE_PROGRESS_MASK) >> TYPE_PROGRESS_SHIFT);
}

static inline unsigned type_parts(uint64_t w)
{
    return (uint16_t)(w >> TYPE_PARTS_SHIFT);
}

static inline uint32_t type_count(uint64_t w)
{
    return (uint32_t)(w >> TYPE_COUNT_SHIFT);
}

static inline uint64_t *frame_own(mfn_t mfn)
{
    return &frame_entry(mfn)->opaque[0];
}

static inline uint64_t *frame_type_word(mfn_t mfn)
{
    return &frame_entry(mfn)->opaque[1];
}

/* Entries of a page table, and 8-byte descriptors of a descriptor page. */
#define TABLE_ENTRIES 512u

/*
 * Counts stop here: a further reference is refused. What is taken without a check has its place
 * above: one reference of the state PARTIAL, and one for each vCPU that remembers the table
 * (torn_tables).
 */
#define COUNT_MAX 0xffff0000u

/* The word of a frame of d's, but for references and flags. */
static inline uint64_t own_by(const struct domain *d)
{
    return (uint64_t)d->id.v << OWN_OWNER_SHIFT | OWN_FLAG;
}

/* frame_get() and frame_put(). */
static inline bool own_get(mfn_t mfn, const struct domain *owner)
{
    if (!mfn_valid(mfn))
        return false;
    uint64_t *word = frame_own(mfn), own = atomic_load(word), right = own_by(owner);
    do {
        if (((own ^ right) & (OWN_OWNER_MASK | OWN_FLAG)) || own_refs(own) - 1 >= COUNT_MAX - 1)
            return false;
    } while (!atomic_cas(word, &own, own + OWN_REF_ONE));
    return true;
}

void frame_free(mfn_t mfn, uint64_t own); /* the last reference is gone */

static inline void own_put(mfn_t mfn)
{
    uint64_t own = atomic_fetch_sub(frame_own(mfn), OWN_REF_ONE);
    ASSERT((own & OWN_FLAG) && own_refs(own) != 0);
    if (own_refs(own) == 1)
        frame_free(mfn, own);
}

/* Have frame_release_all() look at the frame. */
void frame_chunk_mark(struct domain *d, mfn_t mfn);

#endif
