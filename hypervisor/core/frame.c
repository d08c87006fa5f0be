/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ownership and references of frames (word 0 of struct frame).
 *
 * Invariant: an owned frame has at least one reference until it is freed; the allocation holds one
 * of them while OWN_ALLOCATED (or OWN_SHARED) is set. A domain's tot_pages counts its owned frames that are
 * not shared ones, and the domain structure stays while that is above zero.
 */
#include "core/frame_private.h"

#include "core/domain.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/softirq.h"

/* One chunk of a domain's owned-frame bitmap. */
#define CHUNK_SHIFT 9u

static void chunk_mark(struct domain *d, mfn_t mfn)
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
    int rc = 0;
    lock(&d->pages_lock);
    if (d->is_dying)
        rc = -XEN_EINVAL;
    else if (d->tot_pages + frames > d->max_pages)
        rc = -XEN_E2BIG;
    else {
        if (d->tot_pages == 0)
            atomic_fetch_add(&d->refs, 1);
        d->tot_pages += frames;
    }
    unlock(&d->pages_lock);
    return rc;
}

static void account_remove(struct domain *d)
{
    lock(&d->pages_lock);
    bool last = --d->tot_pages == 0;
    unlock(&d->pages_lock);
    if (last)
        domain_put(d);
}

int frame_assign(struct domain *d, mfn_t mfn, unsigned order)
{
    uint64_t count = 1ull << order;
    int rc = account_add(d, count);
    if (rc)
        return rc;
    uint64_t own = OWN_REF_ONE | ((uint64_t)d->id.v << OWN_OWNER_SHIFT) | OWN_FLAG | OWN_ALLOCATED;
    for (uint64_t i = 0; i < count; i += 1ull << CHUNK_SHIFT)
        chunk_mark(d, mfn_add(mfn, i));
    for (uint64_t i = 0; i < count; i++) {
        *frame_type_word(mfn_add(mfn, i)) = 0;
        atomic_store(frame_own(mfn_add(mfn, i)), own);
    }
    return 0;
}

void frame_share(struct domain *d, mfn_t mfn, bool writable)
{
    /* A page table it can never become: the type reference of FT_WRITABLE is held for good, or, for
     * a read-only one, a reference of type FT_NONE. */
    enum frame_type type = writable ? FT_WRITABLE : FT_NONE;
    chunk_mark(d, mfn);
    *frame_type_word(mfn) = type_word(type, TS_VALID, 0, 1);
    atomic_store(frame_own(mfn),
                 OWN_REF_ONE | ((uint64_t)d->id.v << OWN_OWNER_SHIFT) | OWN_FLAG | OWN_SHARED);
}

void frame_unshare(mfn_t mfn)
{
    frame_put(mfn);
}

domid_t frame_owner(mfn_t mfn)
{
    uint64_t own = atomic_load(frame_own(mfn));
    return own & OWN_FLAG ? own_owner(own) : DOMID(DOMID_INVALID);
}

bool frame_get(mfn_t mfn, const struct domain *owner)
{
    if (!mfn_valid(mfn))
        return false;
    uint64_t *word = frame_own(mfn);
    uint64_t own = atomic_load(word);
    do {
        if (!(own & OWN_FLAG) || own_owner(own).v != owner->id.v || own_refs(own) == 0 ||
            own_refs(own) >= COUNT_MAX)
            return false;
    } while (!atomic_cas(word, &own, own + OWN_REF_ONE));
    return true;
}

static void frame_free(mfn_t mfn, uint64_t own)
{
    uint64_t type = *frame_type_word(mfn);
    BUG_ON(type_state(type) != TS_IDLE && !(own & OWN_SHARED));
    struct domain *d = domain_by_id(own_owner(own));
    m2p_set(mfn, INVALID_M2P);
    *frame_type_word(mfn) = 0;
    atomic_store(frame_own(mfn), 0);
    heap_free_frames(mfn, 0, true);
    if (!(own & OWN_SHARED))
        account_remove(d);
}

void frame_put(mfn_t mfn)
{
    uint64_t own = atomic_fetch_sub(frame_own(mfn), OWN_REF_ONE);
    ASSERT((own & OWN_FLAG) && own_refs(own) != 0);
    if (own_refs(own) == 1)
        frame_free(mfn, own);
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
    frame_put(mfn);
    return 0;
}

/* ---- Frames between two owners ------------------------------------------------------------ */

int frame_detach(struct domain *d, mfn_t mfn)
{
    if (!mfn_valid(mfn))
        return -XEN_EINVAL;
    uint64_t sole =
        OWN_REF_ONE | ((uint64_t)d->id.v << OWN_OWNER_SHIFT) | OWN_FLAG | OWN_ALLOCATED;
    uint64_t own = sole;
    /* With one reference there is no type reference, pin or half-built table: each has one too. */
    if (!atomic_cas(frame_own(mfn), &own, 0ull))
        return own & OWN_ALLOCATED && own_owner(own).v == d->id.v ? -XEN_EBUSY : -XEN_EINVAL;
    account_remove(d);
    return 0;
}

int frame_attach(struct domain *d, mfn_t mfn)
{
    int rc = account_add(d, 1);
    if (rc)
        return rc;
    chunk_mark(d, mfn);
    atomic_store(frame_own(mfn), OWN_REF_ONE | ((uint64_t)d->id.v << OWN_OWNER_SHIFT) | OWN_FLAG |
                                     OWN_ALLOCATED);
    return 0;
}

void frame_discard(mfn_t mfn)
{
    m2p_set(mfn, INVALID_M2P);
    heap_free_frames(mfn, 0, true);
}

/* ---- A dying domain ----------------------------------------------------------------------- */

/*
 * One frame of a dying domain: what pins it goes, a half-built table is taken down, and then the
 * allocation's reference. Tables in use by others that are still to come go with those.
 */
static int release_one(struct domain *d, mfn_t mfn)
{
    if (!frame_get(mfn, d))
        return 0;
    int rc = frame_unpin(d, mfn, NULL);
    if (rc == -XEN_EINVAL)
        rc = 0; /* not pinned */
    if (rc == 0)
        rc = frame_finish_teardown(mfn);
    if (rc == 0 && allocation_drop(d, mfn))
        frame_put(mfn);
    frame_put(mfn);
    return rc;
}

int frame_release_all(struct domain *d)
{
    unsigned chunks = (unsigned)(frame_max().v >> CHUNK_SHIFT) + 1;
    unsigned chunk = 0;
    while ((chunk = bitmap_find_set(d->owned_chunks, chunks, chunk)) < chunks) {
        mfn_t first = MFN((uint64_t)chunk << CHUNK_SHIFT);
        for (unsigned i = 0; i < 1u << CHUNK_SHIFT; i++) {
            if (!mfn_valid(mfn_add(first, i)))
                continue;
            int rc = release_one(d, mfn_add(first, i));
            if (rc)
                return rc;
        }
        bit_clear(chunk, d->owned_chunks);
        if (preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}
