/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two words of a free frame hold: the heap's view of struct frame. frame.c and pagetype.c
 * have the view of an owned one; bits 31..8 of the first word, the owner, tell the two apart.
 *
 *   word 0   63..32 TLB stamp   31..8 zero   7 head   6 dirty   5 stamped   4..0 order
 *   word 1   63..32 next   31..0 prev            frame numbers, 0 ends a list
 *
 * Only the first frame of a free block, its head, has any of this; every other free frame, and
 * every frame as the heap hands it out, has two zero words.
 */
#ifndef CORE_FRAME_FREE_H
#define CORE_FRAME_FREE_H

#include "core/frame.h"

#define FRAME_OWNED_BITS 0xffffff00ull
#define FREE_HEAD        (1ull << 7)
#define FREE_DIRTY       (1ull << 6) /* holds a former owner's data */
#define FREE_STAMPED     (1ull << 5) /* a CPU's TLB may still refer to it, as of the stamp */
#define FREE_ORDER_MASK  0x1full
#define FREE_STAMP_SHIFT 32

/* A block of free frames, as a value. */
struct free_block {
    mfn_t mfn;
    unsigned order;
    bool dirty;
    bool stamped;
    uint32_t stamp;
};

static inline bool frame_is_owned(const struct frame *f)
{
    return (f->opaque[0] & FRAME_OWNED_BITS) != 0;
}

static inline bool frame_is_free_head(const struct frame *f)
{
    return (READ_ONCE(f->opaque[0]) & (FRAME_OWNED_BITS | FREE_HEAD)) == FREE_HEAD;
}

static inline void frame_free_write(struct frame *f, const struct free_block *b)
{
    f->opaque[0] = FREE_HEAD | (b->dirty ? FREE_DIRTY : 0) | (b->stamped ? FREE_STAMPED : 0) |
                   b->order | ((uint64_t)b->stamp << FREE_STAMP_SHIFT);
    f->opaque[1] = 0;
}

static inline struct free_block frame_free_read(const struct frame *f, mfn_t mfn)
{
    uint64_t w = f->opaque[0];
    return (struct free_block){.mfn = mfn,
                               .order = (unsigned)(w & FREE_ORDER_MASK),
                               .dirty = (w & FREE_DIRTY) != 0,
                               .stamped = (w & FREE_STAMPED) != 0,
                               .stamp = (uint32_t)(w >> FREE_STAMP_SHIFT)};
}

static inline void frame_free_erase(struct frame *f)
{
    f->opaque[0] = 0;
    f->opaque[1] = 0;
}

static inline uint32_t frame_free_next(const struct frame *f)
{
    return (uint32_t)(f->opaque[1] >> 32);
}

static inline uint32_t frame_free_prev(const struct frame *f)
{
    return (uint32_t)f->opaque[1];
}

static inline void frame_free_link(struct frame *f, uint32_t next, uint32_t prev)
{
    f->opaque[1] = ((uint64_t)next << 32) | prev;
}

#endif
