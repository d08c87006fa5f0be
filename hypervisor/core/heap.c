/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame allocator: a buddy system over all free frames of the machine.
 *
 * A free block of 2^order frames is naturally aligned and is on exactly one list, chosen by its
 * zone (below 4 GiB or above), its order and whether it is dirty. Two buddies of one order that are
 * both clean or both dirty never lie free side by side: they are one block of the next order. Clean
 * means zeroed, and that no TLB refers to it.
 *
 * The lists run through the frame table (frame_free.h), so that adding memory at boot touches only
 * the heads of a few large blocks. The lock is never held while memory is cleared or TLBs are
 * flushed.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/frame_free.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/lock.h"

#define FRAMES_4G       (1ull << (32 - PAGE_SHIFT))
#define SCRUB_ORDER     9u   /* an idle CPU clears at most 2 MiB before it looks round again */
#define SEARCH_PER_LIST 128u /* blocks looked at for a narrow address width, lock held */

enum zone { ZONE_LOW, ZONE_HIGH, NR_ZONES };

static struct {
    struct spinlock lock;
    uint32_t head[NR_ZONES][2][HEAP_MAX_ORDER + 1]; /* [zone][dirty][order], 0: empty */
    uint64_t free, dirty;                           /* frames; those being scrubbed count as both */
} heap = {.lock = {.rank = RANK_HEAP}};

static enum zone zone_of(mfn_t mfn)
{
    return mfn.v < FRAMES_4G ? ZONE_LOW : ZONE_HIGH;
}

static uint32_t *list_of(const struct free_block *b)
{
    return &heap.head[zone_of(b->mfn)][b->dirty][b->order];
}

static void list_insert(const struct free_block *b)
{
    uint32_t *head = list_of(b);
    struct frame *f = frame_entry(b->mfn);

    frame_free_write(f, b);
    frame_free_link(f, *head, 0);
    if (*head) {
        struct frame *next = frame_entry(MFN(*head));
        frame_free_link(next, frame_free_next(next), (uint32_t)b->mfn.v);
    }
    *head = (uint32_t)b->mfn.v;
}

static void list_remove(const struct free_block *b)
{
    struct frame *f = frame_entry(b->mfn);
    uint32_t next = frame_free_next(f), prev = frame_free_prev(f);

    if (prev) {
        struct frame *p = frame_entry(MFN(prev));
        frame_free_link(p, next, frame_free_prev(p));
    } else {
        BUG_ON(*list_of(b) != b->mfn.v);
        *list_of(b) = next;
    }
    if (next) {
        struct frame *n = frame_entry(MFN(next));
        frame_free_link(n, frame_free_next(n), prev);
    }
    frame_free_erase(f);
}

/* The newer of two stamps counts for both; they wrap, and are less than half the range apart. */
static void stamp_merge(struct free_block *b, const struct free_block *other)
{
    if (!other->stamped)
        return;
    if (!b->stamped || (int32_t)(other->stamp - b->stamp) > 0)
        b->stamp = other->stamp;
    b->stamped = true;
}

/* Put a block on its list, united with its free buddies of the same cleanness. Lock held. */
static void block_insert(struct free_block b)
{
    while (b.order < HEAP_MAX_ORDER) {
        mfn_t buddy = MFN(b.mfn.v ^ (1ull << b.order));
        if (!mfn_valid(buddy) || !frame_is_free_head(frame_entry(buddy)))
            break;
        struct free_block other = frame_free_read(frame_entry(buddy), buddy);
        if (other.order != b.order || other.dirty != b.dirty)
            break;
        list_remove(&other);
        stamp_merge(&b, &other);
        b.mfn = MFN(MIN(b.mfn.v, buddy.v));
        b.order++;
    }
    list_insert(&b);
}

/* Take a block off its list and give back all of it above its first 2^order frames. Lock held. */
static struct free_block block_take(mfn_t mfn, unsigned order)
{
    struct free_block b = frame_free_read(frame_entry(mfn), mfn);
    list_remove(&b);
    while (b.order > order) {
        b.order--;
        struct free_block upper = b;
        upper.mfn = mfn_add(b.mfn, 1ull << b.order);
        list_insert(&upper);
    }
    return b;
}

/*
 * The first block of a list whose lowest 2^order frames lie below `limit`; 0 when there is none. A
 * list that is not all below the limit is looked at for SEARCH_PER_LIST blocks only; the lists of
 * large orders, which are short, are always seen whole.
 */
static uint32_t list_search(uint32_t first, unsigned order, uint64_t limit)
{
    for (unsigned n = 0; first && n < SEARCH_PER_LIST; n++) {
        if (first + (1ull << order) <= limit)
            return first;
        first = frame_free_next(frame_entry(MFN(first)));
    }
    return 0;
}

/* Any free block that serves, smallest order first. 0 when there is none. Lock held. */
static uint32_t zone_search(enum zone zone, bool dirty, unsigned order, uint64_t limit)
{
    for (unsigned o = order; o <= HEAP_MAX_ORDER; o++) {
        uint32_t mfn = list_search(heap.head[zone][dirty][o], order, limit);
        if (mfn)
            return mfn;
    }
    return 0;
}

/*
 * Choose and take a block. Memory above 4 GiB goes first, to keep what is below for devices with
 * narrow addresses; then cleanness as the caller prefers it.
 */
static bool take_any(unsigned order, uint64_t limit, bool prefer_dirty, struct free_block *out)
{
    unsigned long flags = lock_irqsave(&heap.lock);
    uint32_t mfn = 0;

    for (unsigned zone = NR_ZONES; zone-- > 0 && !mfn;) {
        mfn = zone_search((enum zone)zone, prefer_dirty, order, limit);
        if (!mfn)
            mfn = zone_search((enum zone)zone, !prefer_dirty, order, limit);
    }
    if (mfn) {
        *out = block_take(MFN(mfn), order);
        heap.free -= 1ull << order;
        heap.dirty -= out->dirty ? 1ull << order : 0;
    }
    unlock_irqrestore(&heap.lock, flags);
    return mfn != 0;
}

static void block_clear(const struct free_block *b)
{
    memset(mfn_to_virt(b->mfn), 0, PAGE_SIZE << b->order);
}

/*
 * TLBs are flushed before the memory is cleared: until then a former owner could still write to it.
 * Frames that an idle CPU is scrubbing at this moment are not found, so within a few MiB of the end
 * of memory an allocation may fail that would succeed a moment later.
 */
static mfn_t alloc(unsigned order, uint64_t limit, unsigned flags)
{
    bool any_contents = (flags & (HEAP_DIRTY | HEAP_ZERO)) == HEAP_DIRTY;
    struct free_block b;

    if (order > HEAP_MAX_ORDER || !take_any(order, limit, any_contents, &b))
        return INVALID_MFN;
    if (b.stamped)
        arch_tlb_flush_stamp(b.stamp);
    if (b.dirty && !any_contents)
        block_clear(&b);
    return b.mfn;
}

mfn_t heap_alloc_frames(unsigned order, unsigned flags)
{
    return alloc(order, flags & HEAP_BELOW_4G ? FRAMES_4G : UINT64_MAX, flags);
}

mfn_t heap_alloc_frames_bits(unsigned order, unsigned bits, unsigned flags)
{
    uint64_t limit = UINT64_MAX;

    if (bits < 64)
        limit = bits > PAGE_SHIFT ? 1ull << (bits - PAGE_SHIFT) : 0;
    if (flags & HEAP_BELOW_4G)
        limit = MIN(limit, FRAMES_4G);
    return alloc(order, limit, flags);
}

#ifdef PARAVANE_DEBUG
/* No free block may contain a frame that is freed now. Lock held. */
static void check_not_free(mfn_t mfn)
{
    for (unsigned order = 0; order <= HEAP_MAX_ORDER; order++) {
        mfn_t head = MFN(mfn.v & ~((1ull << order) - 1));
        if (mfn_valid(head) && frame_is_free_head(frame_entry(head)) &&
            frame_free_read(frame_entry(head), head).order >= order)
            panic("frame %#lx was freed twice", (unsigned long)mfn.v);
    }
}

/* So that what is used after it was freed, or given out without having been set, is known again. */
static void poison(mfn_t mfn, unsigned order)
{
    memset(mfn_to_virt(mfn), POISON, PAGE_SIZE << order);
}
#else
static void check_not_free(mfn_t mfn)
{
    (void)mfn;
}

static void poison(mfn_t mfn, unsigned order)
{
    (void)mfn;
    (void)order;
}
#endif

void heap_free_frames(mfn_t mfn, unsigned order, bool dirty)
{
    struct free_block b = {.mfn = mfn, .order = order, .dirty = dirty, .stamped = true};

    BUG_ON(order > HEAP_MAX_ORDER || (mfn.v & ((1ull << order) - 1)) != 0);
    for (uint64_t i = 0; i < 1ull << order; i++) {
        struct frame *f = frame_entry(mfn_add(mfn, i));
        BUG_ON(frame_is_owned(f) || frame_is_free_head(f));
        frame_free_erase(f);
    }
    if (dirty)
        poison(mfn, order);
    b.stamp = arch_tlb_stamp();

    unsigned long flags = lock_irqsave(&heap.lock);
    check_not_free(mfn);
    block_insert(b);
    heap.free += 1ull << order;
    heap.dirty += dirty ? 1ull << order : 0;
    unlock_irqrestore(&heap.lock, flags);
}

void heap_add_range(mfn_t start, mfn_t end)
{
    uint64_t at = MAX(start.v, 1ull); /* number 0 ends a list */

    while (at < end.v) {
        unsigned order = MIN((unsigned)__builtin_ctzll(at), HEAP_MAX_ORDER);
        while (at + (1ull << order) > end.v)
            order--;
        unsigned long flags = lock_irqsave(&heap.lock);
        block_insert((struct free_block){.mfn = MFN(at), .order = order, .dirty = true});
        heap.free += 1ull << order;
        heap.dirty += 1ull << order;
        unlock_irqrestore(&heap.lock, flags);
        at += 1ull << order;
    }
}

uint64_t heap_free_count(void)
{
    return READ_ONCE(heap.free);
}

uint64_t heap_dirty_count(void)
{
    return READ_ONCE(heap.dirty);
}

/* Take a dirty block of at most SCRUB_ORDER, the smallest first: they unite soonest. */
static bool take_dirty(struct free_block *out)
{
    unsigned long flags = lock_irqsave(&heap.lock);
    uint32_t mfn = 0;

    for (unsigned zone = NR_ZONES; zone-- > 0 && !mfn;)
        mfn = zone_search((enum zone)zone, true, 0, UINT64_MAX);
    if (mfn) {
        unsigned order = frame_free_read(frame_entry(MFN(mfn)), MFN(mfn)).order;
        *out = block_take(MFN(mfn), MIN(order, SCRUB_ORDER));
    }
    unlock_irqrestore(&heap.lock, flags);
    return mfn != 0;
}

/* Take one block and give it back clean. False: there is none. */
static bool scrub_one(void)
{
    struct free_block b;

    if (!take_dirty(&b))
        return false;
    if (b.stamped)
        arch_tlb_flush_stamp(b.stamp);
    block_clear(&b);
    b.dirty = false;
    b.stamped = false;

    unsigned long flags = lock_irqsave(&heap.lock);
    block_insert(b);
    heap.dirty -= 1ull << b.order;
    unlock_irqrestore(&heap.lock, flags);
    return true;
}

/*
 * One CPU at a time: one suffices, and many would queue at the lock where a CPU that has work must
 * then queue too. In a virtual machine, whose CPUs may not run when it is their turn, that takes
 * longer than all the scrubbing.
 */
bool heap_scrub_some(void)
{
    static uint32_t at_work;
    bool done;

    if (heap_dirty_count() == 0 || atomic_swap(&at_work, 1))
        return false;
    done = scrub_one();
    atomic_store(&at_work, 0);
    return done;
}
