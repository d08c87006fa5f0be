/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ownership and references of frames (word 0 of struct frame).
 *
 * Invariant: an owned frame has at least one reference until it is freed; the allocation holds one
 * of them while OWN_ALLOCATED (or OWN_SHARED) is set. A domain's tot_pages counts its owned frames
 * that are not shared ones, and the domain structure stays while that is above zero.
 */
#include "core/frame_private.h"

#include "core/domain.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/softirq.h"

/* One chunk of a domain's owned-frame bitmap. */
#define CHUNK_SHIFT 9u

void frame_chunk_mark(struct domain *d, mfn_t mfn)
{
    unsigned chunk = (unsigned)(mfn.v >> CHUNK_SHIFT);
    if (!bit_test(chunk, d->owned_chunks))
        bit_set(chunk, d->owned_chunks);
}

size_t frame_chunk_bitmap_bytes(void)
{
    return BITMAP_LONGS((frame_max().v >> CHUNK_SHIFT) + 1) * sizeof(unsigned long);
}

/* The first and the last counted frame of a domain hold and drop a reference to its structure. */
static int account_add(struct domain *d, uint64_t frames)
{
    ASSERT(lock_held(&d->pages_lock));
    if (d->is_dying)
        return -XEN_EINVAL;
    if (d->tot_pages + frames > d->max_pages)
        return -XEN_E2BIG;
    if (d->tot_pages == 0)
        atomic_fetch_add(&d->refs, 1);
    d->tot_pages += frames;
    return 0;
}

static void account_remove(struct domain *d, uint64_t frames)
{
    lock(&d->pages_lock);
    d->tot_pages -= frames;
    bool last = d->tot_pages == 0;
    unlock(&d->pages_lock);
    if (last)
        domain_put(d);
}

/* One reference, d's. */
static uint64_t own_word(const struct domain *d, uint64_t flags)
{
    return OWN_REF_ONE | own_by(d) | flags;
}

int frame_assign(struct domain *d, mfn_t mfn, unsigned order)
{
    uint64_t count = 1ull << order;
    /* To the end under the lock: once d is known to die, all its frames are there to be found. */
    lock(&d->pages_lock);
    int rc = account_add(d, count);
    uint64_t own = own_word(d, OWN_ALLOCATED);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        if (i % (1u << CHUNK_SHIFT) == 0)
            frame_chunk_mark(d, mfn_add(mfn, i)); /* a block is aligned: none begins midway */
        *frame_type_word(mfn_add(mfn, i)) = 0;
        atomic_store(frame_own(mfn_add(mfn, i)), own);
    }
    unlock(&d->pages_lock);
    return rc;
}

void frame_share(struct domain *d, mfn_t mfn, bool writable)
{
    /* A page table it can never become: the type reference of FT_WRITABLE is held for good, or, for
     * a read-only one, a reference of type FT_NONE. */
    enum frame_type type = writable ? FT_WRITABLE : FT_NONE;
    *frame_type_word(mfn) = type_word(type, TS_VALID, 0, 1);
    atomic_store(frame_own(mfn), own_word(d, OWN_SHARED));
}

void frame_unshare(mfn_t mfn)
{
    /* Mappings may outlive the sharing, and d: the next domain of its number has no right here. */
    uint64_t *word = frame_own(mfn);
    uint64_t own = atomic_load(word), new;
    do {
        ASSERT((own & OWN_SHARED) && own_owner(own).v != DOMID_XEN);
        new = (own & ~OWN_OWNER_MASK) | ((uint64_t)DOMID_XEN << OWN_OWNER_SHIFT);
    } while (!atomic_cas(word, &own, new));
    frame_put(mfn);
}

domid_t frame_owner(mfn_t mfn)
{
    uint64_t own = atomic_load(frame_own(mfn));
    return own & OWN_FLAG ? own_owner(own) : DOMID(DOMID_INVALID);
}

bool frame_get(mfn_t mfn, const struct domain *owner)
{
    return own_get(mfn, owner);
}

void frame_free(mfn_t mfn, uint64_t own)
{
    uint64_t type = *frame_type_word(mfn);
    BUG_ON(type_state(type) != TS_IDLE && !(own & OWN_SHARED));
    struct domain *d = domain_by_id(own_owner(own));
    m2p_set(mfn, INVALID_M2P);
    *frame_type_word(mfn) = 0;
    atomic_store(frame_own(mfn), 0);
    heap_free_frames(mfn, 0, true);
    if (!(own & OWN_SHARED))
        account_remove(d, 1);
}

void frame_put(mfn_t mfn)
{
    own_put(mfn);
}

/* Clear the allocation's mark; true for the one caller that found it. */
static bool allocation_drop(struct domain *d, mfn_t mfn)
{
    uint64_t *word = frame_own(mfn);
    uint64_t own = atomic_load(word);
    do {
        if (!(own & OWN_ALLOCATED) || own_owner(own).v != d->id.v)
            return false;
    } while (!atomic_cas(word, &own, own & ~OWN_ALLOCATED));
    return true;
}

int frame_release(struct domain *d, mfn_t mfn)
{
    if (!mfn_valid(mfn) || !allocation_drop(d, mfn))
        return -XEN_EINVAL;
    /* What remains half done is finished by the vCPU's next page-table hypercall. */
    if (own_refs(atomic_load(frame_own(mfn))) > 1)
        (void)!arch_spare_drop(d);
    frame_put(mfn);
    return 0;
}

/* ---- Frames between two owners ------------------------------------------------------------ */

/* With one reference there is no type reference, pin or half-built table: each has one too. */
static int sole_reference_take(const struct domain *d, mfn_t mfn)
{
    uint64_t own = own_word(d, OWN_ALLOCATED);
    if (atomic_cas(frame_own(mfn), &own, 0ull))
        return 0;
    return own & OWN_ALLOCATED && own_owner(own).v == d->id.v ? -XEN_EBUSY : -XEN_EINVAL;
}

int frame_detach(struct domain *d, mfn_t mfn)
{
    if (!mfn_valid(mfn))
        return -XEN_EINVAL;
    int rc = sole_reference_take(d, mfn);
    if (rc == -XEN_EBUSY) {
        (void)!arch_spare_drop(d);
        rc = sole_reference_take(d, mfn);
    }
    if (rc)
        return rc;
    account_remove(d, 1);
    return 0;
}

int frame_attach(struct domain *d, mfn_t mfn)
{
    lock(&d->pages_lock);
    int rc = account_add(d, 1);
    if (rc == 0) {
        frame_chunk_mark(d, mfn);
        atomic_store(frame_own(mfn), own_word(d, OWN_ALLOCATED));
    }
    unlock(&d->pages_lock);
    return rc;
}

void frame_discard(mfn_t mfn)
{
    m2p_set(mfn, INVALID_M2P);
    heap_free_frames(mfn, 0, true);
}

/* ---- A dying domain ----------------------------------------------------------------------- */

/* Held: what pins a frame goes, and a table that is half built is taken down. */
static int unpin_held(struct domain *d, mfn_t mfn, bool *worked)
{
    if (frame_unpin(d, mfn, NULL) == 0)
        *worked = true;
    return frame_finish_teardown(mfn);
}

/* One frame of a dying domain. *worked: something was there to be done. */
static int release_one(struct domain *d, mfn_t mfn, bool *worked)
{
    if (!frame_get(mfn, d))
        return 0;
    int rc = unpin_held(d, mfn, worked);
    if (rc == 0 && allocation_drop(d, mfn)) {
        frame_put(mfn);
        *worked = true;
    }
    frame_put(mfn);
    return rc;
}

/*
 * A frame that nobody but the allocation refers to, which is what most are in the end: with one
 * reference there is no type reference, pin or half-built table. It is no longer d's then, nor the
 * heap's yet.
 */
static bool take_unused(const struct domain *d, mfn_t mfn)
{
    uint64_t own = own_word(d, OWN_ALLOCATED);

    if (atomic_load(frame_own(mfn)) != own || !atomic_cas(frame_own(mfn), &own, 0ull))
        return false;
    BUG_ON(type_state(*frame_type_word(mfn)) != TS_IDLE);
    *frame_type_word(mfn) = 0;
    m2p_set(mfn, INVALID_M2P);
    return true;
}

/* Frames [first, end), taken: free, in blocks as large as there are, and no longer counted. */
static void free_taken(struct domain *d, mfn_t first, mfn_t end)
{
    uint64_t frames = end.v - first.v;

    if (frames == 0)
        return;
    while (first.v < end.v) {
        unsigned order = MIN((unsigned)__builtin_ctzll(first.v), CHUNK_SHIFT);
        while (first.v + (1ull << order) > end.v)
            order--;
        heap_free_frames(first, order, true);
        first.v += 1ull << order;
    }
    account_remove(d, frames);
}

/* The frames [first, mfn) have been taken and are to be freed together. */
static int release_chunk(struct domain *d, unsigned chunk)
{
    mfn_t mfn = MFN((uint64_t)chunk << CHUNK_SHIFT), first = mfn;
    mfn_t end = mfn_add(mfn, 1ull << CHUNK_SHIFT);
    bool worked = false;
    int rc = 0;

    for (; mfn.v < end.v && rc == 0; mfn.v++) {
        if (mfn_valid(mfn) && worked && preempt_wanted()) {
            rc = -XEN_ERESTART;
            break;
        }
        if (mfn_valid(mfn) && take_unused(d, mfn)) {
            worked = true;
            continue;
        }
        free_taken(d, first, mfn);
        first = mfn_add(mfn, 1);
        if (mfn_valid(mfn))
            rc = release_one(d, mfn, &worked);
    }
    free_taken(d, first, mfn);
    return rc;
}

/* Pinned, or half taken down when this was interrupted. */
static bool is_unfinished(mfn_t mfn)
{
    uint64_t word = READ_ONCE(*frame_type_word(mfn));

    return (word & TYPE_PINNED) || type_state(word) == TS_PARTIAL;
}

static int unpin_chunk(struct domain *d, unsigned chunk)
{
    bool worked = false;
    int rc = 0;

    for (uint64_t i = 0; i < 1ull << CHUNK_SHIFT && rc == 0; i++) {
        mfn_t mfn = MFN(((uint64_t)chunk << CHUNK_SHIFT) + i);
        if (!mfn_valid(mfn) || !is_unfinished(mfn) || !frame_get(mfn, d))
            continue;
        rc = worked && preempt_wanted() ? -XEN_ERESTART : unpin_held(d, mfn, &worked);
        frame_put(mfn);
    }
    return rc;
}

/*
 * Page tables go first: then what only they referred to is found unused, and freed with its
 * neighbours. What a table leaves half done below it may be missed here, not by release_chunk().
 */
static int unpin_all(struct domain *d, unsigned chunks)
{
    while ((d->unpinned_chunks = bitmap_find_set(d->owned_chunks, chunks, d->unpinned_chunks)) <
           chunks) {
        int rc = unpin_chunk(d, d->unpinned_chunks);
        if (rc)
            return rc;
        d->unpinned_chunks++;
        if (preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}

/*
 * A chunk's mark goes before its frames are looked at: a table that is taken down may leave one
 * below it half done, in a chunk dealt with before, and then that one is marked anew.
 */
int frame_release_all(struct domain *d)
{
    unsigned chunks = (unsigned)(frame_max().v >> CHUNK_SHIFT) + 1;
    unsigned chunk;
    int rc = unpin_all(d, chunks);

    if (rc)
        return rc;
    while ((chunk = bitmap_find_set(d->owned_chunks, chunks, 0)) < chunks) {
        bit_clear(chunk, d->owned_chunks);
        rc = release_chunk(d, chunk);
        if (rc) {
            bit_set(chunk, d->owned_chunks);
            return rc;
        }
        if (preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}
