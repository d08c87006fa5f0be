/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain's grant table as memory: the frames of entries and of status words that it shares with
 * the hypervisor, and the hypervisor's own record beside each entry. All of it only ever grows, so
 * a pointer into it stays good for as long as the domain.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/frame.h"
#include "core/grant_internal.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"

unsigned grant_status_frames(unsigned frames)
{
    return DIV_ROUND_UP(frames * GRANT_V2_PER_FRAME, GRANT_STATUS_PER_FRAME);
}

struct grant_active *grant_make_active(struct domain *d, uint32_t ref)
{
    struct grant_active **page = &d->grant->active[ref / GRANT_ACTIVE_PER_PAGE];

    if (!*page)
        *page = hv_alloc(d, PAGE_SIZE);
    return *page ? grant_active_of(d->grant, ref) : NULL;
}

/* ---- Growing ------------------------------------------------------------------------------- */

/* A zeroed frame that d may map, writable. At most GRANT_LIMIT_* of them, so not charged. */
static void *make_shared(struct domain *d)
{
    mfn_t mfn = heap_alloc_frames(0, HEAP_ZERO);

    if (mfn_eq(mfn, INVALID_MFN))
        return NULL;
    frame_share(d, mfn, true);
    return mfn_to_virt(mfn);
}

int grant_make_status(struct domain *d, unsigned frames)
{
    struct grant_table *gt = d->grant;

    while (gt->nr_status < grant_status_frames(frames)) {
        gt->status[gt->nr_status] = make_shared(d);
        if (!gt->status[gt->nr_status])
            return -XEN_ENOMEM;
        gt->nr_status++;
    }
    return 0;
}

int grant_grow(struct domain *d, unsigned frames)
{
    struct grant_table *gt = d->grant;

    if (frames > gt->max_frames)
        return -XEN_EINVAL;
    while (gt->nr_frames < frames) {
        if (gt->version == 2 && grant_make_status(d, gt->nr_frames + 1))
            return -XEN_ENOMEM;
        gt->frame[gt->nr_frames] = make_shared(d);
        if (!gt->frame[gt->nr_frames])
            return -XEN_ENOMEM;
        gt->nr_frames++;
    }
    return 0;
}

mfn_t grant_table_frame(struct domain *d, unsigned index, bool status)
{
    struct grant_table *gt = d->grant;
    mfn_t mfn = INVALID_MFN;

    lock(&gt->lock);
    if (status) {
        if (gt->version == 2 && index < grant_status_frames(gt->nr_frames))
            mfn = virt_to_mfn(gt->status[array_index_nospec(index, GRANT_LIMIT_STATUS)]);
    } else if (index < gt->max_frames && grant_grow(d, MAX(index + 1, gt->nr_frames)) == 0) {
        mfn = virt_to_mfn(gt->frame[array_index_nospec(index, GRANT_LIMIT_FRAMES)]);
    }
    unlock(&gt->lock);
    return mfn;
}

unsigned grant_table_limit(const struct domain *d, bool status)
{
    unsigned frames = READ_ONCE(d->grant->max_frames);

    return status ? grant_status_frames(frames) : frames;
}

int grant_set_limits(struct domain *d, unsigned frames, unsigned version)
{
    struct grant_table *gt = d->grant;
    int ret = 0;

    lock(&gt->lock);
    if (frames > GRANT_LIMIT_FRAMES || (frames && frames < gt->nr_frames)) {
        ret = -XEN_EINVAL;
    } else {
        gt->max_frames = frames ? frames : gt->max_frames;
        gt->max_version = version ? version : gt->max_version;
    }
    unlock(&gt->lock);
    return ret;
}

/* ---- Life ---------------------------------------------------------------------------------- */

int grant_domain_init(struct domain *d)
{
    struct grant_table *gt = hv_new(d, struct grant_table);
    int ret;

    if (!gt)
        return -XEN_ENOMEM;
    lock_init(&gt->lock, RANK_GRANT);
    lock_init(&gt->maps_lock, RANK_GRANT_MAPS);
    gt->version = 1;
    gt->max_version = 2;
    gt->max_frames = GRANT_DEFAULT_FRAMES;
    gt->free_map = GRANT_NO_HANDLE;
    d->grant = gt;
    ret = grant_grow(d, 1);
    if (ret)
        grant_domain_free(d);
    return ret;
}

void grant_domain_free(struct domain *d)
{
    struct grant_table *gt = d->grant;

    if (!gt)
        return;
    ASSERT(gt->maps_in_use == 0 && gt->in_use == 0);
    for (unsigned i = 0; i < gt->nr_frames; i++)
        frame_unshare(virt_to_mfn(gt->frame[i]));
    for (unsigned i = 0; i < gt->nr_status; i++)
        frame_unshare(virt_to_mfn(gt->status[i]));
    for (unsigned i = 0; i < GRANT_LIMIT_ACTIVE; i++)
        if (gt->active[i])
            hv_free(d, gt->active[i], PAGE_SIZE);
    if (gt->maps) {
        for (uint32_t i = 0; i < GRANT_MAPS_PAGES && gt->maps[i]; i++)
            hv_free(d, gt->maps[i], PAGE_SIZE);
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
        hv_free(d, gt->maps, GRANT_MAPS_PAGES * sizeof(*gt->maps));
    }
    hv_free(d, gt, sizeof(*gt));
    d->grant = NULL;
}

/* ---- The debug key ------------------------------------------------------------------------- */

static void dump_active(struct grant_table *gt, uint32_t ref)
{
    const struct grant_active *act = grant_active_of(gt, ref);

    if (act && (act->readers || act->writers))
        log_info("  grant %5u: domain %u, %u reading, %u writing, frame %#llx", ref, act->user.v,
                 act->readers, act->writers, (unsigned long long)act->frame);
}

void grant_dump(struct domain *d)
{
    struct grant_table *gt = d->grant;

    if (!gt)
        return;
    log_info("domain %u: grant table version %u, %u of %u frames, holds %u mappings", d->id.v,
             gt->version, gt->nr_frames, gt->max_frames, gt->maps_in_use);
    lock(&gt->lock);
    for (uint32_t ref = 0; ref < grant_entries(gt); ref++)
        dump_active(gt, ref);
    unlock(&gt->lock);
}
