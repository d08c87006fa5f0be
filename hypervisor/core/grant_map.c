/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings of other domains' grants, and their table (handles).
 *
 * A handle is free, or it is mapped, or it is half undone: a vCPU that undoes a part takes that
 * part's bit out of `mapped` first and so alone does it; the bit is in `pending` until TLBs have
 * been flushed. When both are empty the mapping gives up what it owns (grant_internal.h) and its
 * handle.
 */
#include "core/atomic.h"
#include "core/audit.h"
#include "core/frame.h"
#include "core/grant_internal.h"
#include "core/lib.h"
#include "core/softirq.h"

#define PARTS (GNTMAP_host_map | GNTMAP_device_map)

/* ---- Handles ------------------------------------------------------------------------------- */

/* maps_lock held; handle is below nr_maps. */
static struct grant_mapping *mapping_of(struct grant_table *gt, uint32_t handle)
{
    handle = (uint32_t)array_index_nospec(handle, gt->nr_maps);
    return &gt->maps[handle / GRANT_MAPS_PER_PAGE][handle % GRANT_MAPS_PER_PAGE];
}

static void push_free(struct grant_table *gt, uint32_t handle)
{
    *mapping_of(gt, handle) = (struct grant_mapping){.ref = gt->free_map};
    gt->free_map = handle;
}

static void free_handle(struct grant_table *gt, uint32_t handle)
{
    push_free(gt, handle);
    gt->maps_in_use--;
}

static int add_handles(struct domain *d)
{
    struct grant_table *gt = d->grant;
    uint32_t index = gt->nr_maps / GRANT_MAPS_PER_PAGE;

    if (index >= GRANT_MAPS_PAGES)
        return -XEN_ENOSPC;
    if (!gt->maps)
        gt->maps = hv_new_array(d, struct grant_mapping *, GRANT_MAPS_PAGES);
    if (!gt->maps)
        return -XEN_ENOMEM;
    gt->maps[index] = hv_alloc(d, PAGE_SIZE);
    if (!gt->maps[index])
        return -XEN_ENOMEM;
    gt->nr_maps += GRANT_MAPS_PER_PAGE;
    for (uint32_t handle = gt->nr_maps; handle-- > gt->nr_maps - GRANT_MAPS_PER_PAGE;)
        push_free(gt, handle);
    return 0;
}

/* A handle of a mapping that nobody can use yet, or GRANT_NO_HANDLE. */
static uint32_t take_handle(struct domain *d, struct grant_mapping **m)
{
    struct grant_table *gt = d->grant;
    uint32_t handle = GRANT_NO_HANDLE;

    lock(&gt->maps_lock);
    if (gt->free_map != GRANT_NO_HANDLE || add_handles(d) == 0) {
        handle = gt->free_map;
        *m = mapping_of(gt, handle);
        gt->free_map = (*m)->ref;
        gt->maps_in_use++;
    }
    unlock(&gt->maps_lock);
    return handle;
}

static void give_back_handle(struct domain *d, uint32_t handle)
{
    lock(&d->grant->maps_lock);
    free_handle(d->grant, handle);
    unlock(&d->grant->maps_lock);
}

/* ---- Mapping ------------------------------------------------------------------------------- */

/* The frame's references for a mapping. GNTST_*. */
static int take_frame(struct domain *owner, mfn_t frame, bool readonly)
{
    int ret;

    if (readonly)
        return frame_get(frame, owner) ? GNTST_okay : GNTST_bad_page;
    ret = frame_get_both(frame, owner, FT_WRITABLE);
    if (ret == -XEN_EPERM)
        return GNTST_bad_page;
    if (ret == -XEN_ERESTART)
        return GNTST_eagain;
    return ret ? GNTST_general_error : GNTST_okay;
}

static void drop_frame(mfn_t frame, bool readonly)
{
    if (readonly)
        frame_put(frame);
    else
        frame_put_both(frame);
}

/* What the machine layer says; nothing but GNTST_* reaches the guest, and no error is positive. */
static int status_of(int ret)
{
    return ret == GNTST_okay || (ret < 0 && ret >= GNTST_no_space) ? ret : GNTST_general_error;
}

/* Pin, references, page-table entry; on failure nothing is left of them. */
static int map_frame(struct vcpu *v, const struct gnttab_map_grant_ref *op, struct domain *rd,
                     struct grant_place *place, mfn_t *frame)
{
    bool readonly = (op->flags & GNTMAP_readonly) != 0;
    struct grant_active act;
    int ret = grant_pin(rd, op->ref, v->domain->id, readonly, GRANT_TO_MAP, &act);

    if (ret != GNTST_okay)
        return ret;
    *frame = MFN(act.frame);
    ret = take_frame(rd, *frame, readonly);
    if (ret == GNTST_okay && (op->flags & GNTMAP_host_map)) {
        ret = status_of(arch_grant_map(v, op->host_addr, *frame, rd, op->flags, place));
        if (ret != GNTST_okay)
            drop_frame(*frame, readonly);
    }
    if (ret != GNTST_okay)
        grant_unpin(rd, op->ref, readonly);
    return ret;
}

static int map_grant(struct vcpu *v, struct gnttab_map_grant_ref *op, struct domain *rd,
                     struct grant_place *place)
{
    struct grant_mapping *m;
    uint32_t handle;
    mfn_t frame;
    int ret;

    if (rd->is_dying || !rd->grant)
        return GNTST_bad_domain;
    handle = take_handle(v->domain, &m);
    if (handle == GRANT_NO_HANDLE)
        return GNTST_no_space;
    ret = map_frame(v, op, rd, place, &frame);
    if (ret != GNTST_okay) {
        give_back_handle(v->domain, handle);
        return ret;
    }
    atomic_fetch_add(&rd->refs, 1); /* held by the caller; and now by the mapping */
    m->owner = rd;
    m->frame = frame;
    m->ref = op->ref;
    m->flags = (uint16_t)op->flags;
    /* What another vCPU unmaps it by: it sees the rest as well. */
    atomic_store(&m->mapped, (uint8_t)(op->flags & PARTS));
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(frame).v;
    return GNTST_okay;
}

void grant_op_map(struct vcpu *v, struct gnttab_map_grant_ref *op, struct grant_map_batch *batch)
{
    domid_t id = DOMID(op->dom); /* DOMID_SELF names nobody here, as on Xen */

    if (!(op->flags & PARTS)) {
        op->status = GNTST_bad_gntref;
        return;
    }
    if (!batch->domain || batch->domain->id.v != id.v) {
        if (batch->domain)
            domain_put(batch->domain);
        batch->domain = domain_get(id);
    }
    op->status = (int16_t)(batch->domain ? map_grant(v, op, batch->domain, &batch->place)
                                         : GNTST_bad_domain);
}

void grant_map_finish(struct grant_map_batch *batch)
{
    arch_grant_leave(&batch->place);
    if (batch->domain)
        domain_put(batch->domain);
}

/* ---- Unmapping ----------------------------------------------------------------------------- */

/*
 * Take the parts that are to be undone for this vCPU alone. On GNTST_okay *m is the mapping as it
 * was, *parts what has been taken, perhaps nothing.
 */
static int claim(struct grant_table *gt, uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr,
                 struct grant_mapping *m, uint8_t *parts)
{
    struct grant_mapping *live;
    int ret = GNTST_okay;
    uint8_t wanted =
        (uint8_t)((host_addr ? GNTMAP_host_map : 0) | (dev_bus_addr ? GNTMAP_device_map : 0));

    *parts = 0;
    lock(&gt->maps_lock);
    if (handle >= gt->nr_maps) {
        unlock(&gt->maps_lock);
        return GNTST_bad_handle;
    }
    live = mapping_of(gt, handle);
    if (!atomic_load(&live->mapped)) { /* pairs with map_grant(), which makes it without the lock */
        ret = GNTST_bad_handle;
    } else if ((wanted & live->mapped & GNTMAP_device_map) &&
               dev_bus_addr != mfn_to_maddr(live->frame).v) {
        ret = GNTST_bad_dev_addr;
    } else {
        *m = *live;
        *parts = wanted & live->mapped;
        live->mapped &= (uint8_t) ~*parts;
        live->pending |= *parts;
    }
    unlock(&gt->maps_lock);
    return ret;
}

static void unclaim(struct grant_table *gt, uint32_t handle, uint8_t parts)
{
    struct grant_mapping *live;

    lock(&gt->maps_lock);
    live = mapping_of(gt, handle);
    live->mapped |= parts;
    live->pending &= (uint8_t)~parts;
    unlock(&gt->maps_lock);
}

int grant_unmap_one(struct vcpu *v, uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr,
                    uint64_t new_addr, struct grant_unmap_batch *batch)
{
    struct grant_table *gt = v->domain->grant;
    struct grant_mapping m;
    uint8_t parts;
    int ret = claim(gt, handle, host_addr, dev_bus_addr, &m, &parts);

    ASSERT(batch->count < GRANT_UNMAP_BATCH);
    if (ret != GNTST_okay || !parts)
        return ret;
    if (parts & GNTMAP_host_map) {
        ret = status_of(arch_grant_unmap(v, host_addr, m.frame, m.flags, new_addr, &batch->place));
        if (ret != GNTST_okay) {
            unclaim(gt, handle, parts);
            return ret;
        }
        batch->flush = true;
    }
    batch->done[batch->count].handle = handle;
    batch->done[batch->count++].parts = parts;
    return GNTST_okay;
}

/*
 * maps_lock held, TLBs flushed: the parts are undone. True when nothing is left of the mapping;
 * then its handle is free, and what it owned, in *m, is to be dropped.
 */
static bool retire(struct grant_table *gt, uint32_t handle, uint8_t parts, struct grant_mapping *m)
{
    struct grant_mapping *live = mapping_of(gt, handle);

    live->pending &= (uint8_t)~parts;
    if (live->pending || live->mapped)
        return false;
    *m = *live;
    free_handle(gt, handle);
    return true;
}

/*
 * Drop what mappings owned that are gone: frames before pins, so that a guest that sees its grant
 * unused finds the frame unused as well. Neighbours mostly have the same owner.
 */
static void drop_mappings(const struct grant_mapping *gone, unsigned count)
{
    unsigned i = 0;

    for (unsigned j = 0; j < count; j++)
        drop_frame(gone[j].frame, (gone[j].flags & GNTMAP_readonly) != 0);
    while (i < count) {
        struct domain *owner = gone[i].owner;
        unsigned first = i;

        lock(&owner->grant->lock);
        for (; i < count && gone[i].owner == owner; i++)
            grant_unpin_locked(owner->grant, gone[i].ref, (gone[i].flags & GNTMAP_readonly) != 0);
        unlock(&owner->grant->lock);
        for (; first < i; first++)
            domain_put(owner);
    }
}

void grant_unmap_finish(struct domain *d, struct grant_unmap_batch *batch)
{
    struct grant_mapping gone[GRANT_UNMAP_BATCH];
    struct grant_table *gt = d->grant;
    unsigned count = 0;

    arch_grant_leave(&batch->place);
    if (batch->flush)
        arch_grant_flush(d);
    lock(&gt->maps_lock);
    for (unsigned i = 0; i < batch->count; i++)
        count += retire(gt, batch->done[i].handle, batch->done[i].parts, &gone[count]);
    unlock(&gt->maps_lock);
    drop_mappings(gone, count);
    batch->count = 0;
    batch->flush = false;
}

/* ---- The end of a domain ------------------------------------------------------------------- */

#define RELEASES_PER_CHECK 64u

/* Its page tables still have the entries, but no CPU uses them any more: it does not run. */
int grant_domain_release(struct domain *d)
{
    struct grant_table *gt = d->grant;

    if (!gt)
        return 0;
    if (gt->next_release == 0 && gt->maps_in_use)
        arch_grant_flush(d);
    for (; gt->next_release < gt->nr_maps; gt->next_release++) {
        struct grant_mapping *m = mapping_of(gt, gt->next_release), gone;

        if (m->mapped) {
            lock(&gt->maps_lock);
            m->mapped = 0;
            (void)retire(gt, gt->next_release, 0, &gone);
            unlock(&gt->maps_lock);
            drop_mappings(&gone, 1);
        }
        if (gt->next_release % RELEASES_PER_CHECK == RELEASES_PER_CHECK - 1 && preempt_wanted()) {
            gt->next_release++;
            return -XEN_ERESTART;
        }
    }
    return 0;
}

/* ---- Audit --------------------------------------------------------------------------------- */

/* What d's mappings hold; what they have undone and not yet dropped included. */
void grant_audit_domain(struct domain *d)
{
    struct grant_table *gt = d->grant;

    if (!gt)
        return;
    for (uint32_t handle = 0; handle < gt->nr_maps; handle++) {
        const struct grant_mapping *m = mapping_of(gt, handle);

        if (m->mapped || m->pending)
            audit_note(m->frame, 1, m->flags & GNTMAP_readonly ? 0 : 1);
    }
}
