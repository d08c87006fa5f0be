/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the grant module share.
 *
 * A grant that is used (mapped, or being copied) is pinned. The guest's entry is read when the
 * first pin is taken and copied to struct grant_active; from then on until the last pin goes that
 * copy is the truth, whatever the guest writes into its entry.
 *
 * A mapping owns: one pin of the grant, a hold on the granting domain, a reference to the frame
 * and, if it is writable, one of type FT_WRITABLE. They go together, after the TLB flush that
 * follows the clearing of the page-table entry.
 */
#ifndef CORE_GRANT_INTERNAL_H
#define CORE_GRANT_INTERNAL_H

#include "core/domain.h"
#include "core/grant.h"

#define GRANT_V1_PER_FRAME     ((uint32_t)(PAGE_SIZE / sizeof(struct grant_entry_v1)))
#define GRANT_V2_PER_FRAME     ((uint32_t)(PAGE_SIZE / sizeof(union grant_entry_v2)))
#define GRANT_STATUS_PER_FRAME ((uint32_t)(PAGE_SIZE / sizeof(grant_status_t)))

enum grant_kind { GRANT_WHOLE, GRANT_SUB_PAGE, GRANT_TRANSITIVE };

/* What a pinned grant gives. */
struct grant_active {
    uint32_t readers, writers; /* pins; a grant is unused when both are 0 */
    uint64_t frame;            /* the number in the entry: nothing is known of it */
    uint32_t trans_ref;        /* GRANT_TRANSITIVE: whose grant stands for this one */
    domid_t trans_domid;
    domid_t user; /* who pins it */
    uint16_t start, length;
    uint8_t kind;
};
static_assert(sizeof(struct grant_active) <= 32, "128 in a page");
#define GRANT_ACTIVE_PER_PAGE ((uint32_t)(PAGE_SIZE / 32))

#define GRANT_LIMIT_STATUS (GRANT_LIMIT_FRAMES * GRANT_V2_PER_FRAME / GRANT_STATUS_PER_FRAME)
#define GRANT_LIMIT_ACTIVE (GRANT_LIMIT_FRAMES * GRANT_V1_PER_FRAME / GRANT_ACTIVE_PER_PAGE)

/* A mapping that a domain holds; its number is the handle. */
struct grant_mapping {
    struct domain *owner; /* held */
    mfn_t frame;
    uint32_t ref;    /* of owner's table; of a free one: the next free handle */
    uint16_t flags;  /* GNTMAP_* as mapped */
    uint8_t mapped;  /* GNTMAP_host_map and _device_map not yet undone */
    uint8_t pending; /* of these, undone but not yet flushed and dropped; both 0: free */
};
#define GRANT_MAPS_PER_PAGE ((uint32_t)(PAGE_SIZE / sizeof(struct grant_mapping)))
#define GRANT_MAPS_PAGES    2048u
#define GRANT_NO_HANDLE     (~0u)

struct grant_table {
    struct spinlock lock; /* RANK_GRANT: all of this up to `maps_lock` */
    unsigned version;     /* 1 or 2 */
    unsigned max_version; /* that it may become */
    unsigned nr_frames, max_frames, nr_status;
    uint32_t in_use; /* grants above the reserved ones that are pinned */
    void *frame[GRANT_LIMIT_FRAMES];
    grant_status_t
        *status[GRANT_LIMIT_STATUS]; /* once made they stay, for version 2 to come again */
    struct grant_active *active[GRANT_LIMIT_ACTIVE];

    struct spinlock maps_lock;   /* RANK_GRANT_MAPS: all below */
    struct grant_mapping **maps; /* pages of mappings; NULL before the first */
    uint32_t nr_maps, free_map;  /* handles made; the first of the free ones */
    uint32_t maps_in_use;
    uint32_t next_release; /* where an interrupted release goes on */
};

/* ---- grant_table.c ------------------------------------------------------------------------- */

/* Lock held. */
static inline uint32_t grant_entries(const struct grant_table *gt)
{
    return gt->nr_frames * (gt->version == 1 ? GRANT_V1_PER_FRAME : GRANT_V2_PER_FRAME);
}

int grant_grow(struct domain *d, unsigned frames) must_check; /* lock held. -XEN_ENOMEM, _EINVAL */
/* Lock held: frames of status for a version 2 table of this size; ask for none in version 1. */
int grant_make_status(struct domain *d, unsigned frames) must_check;
unsigned grant_status_frames(unsigned frames);
/*
 * The record of a grant; lock held, in range. Records come in pages, each with the first pin of a
 * grant in it: of most tables few are used. NULL: no grant of that page has ever been pinned, or
 * (grant_make_active) there is no memory.
 */
static inline struct grant_active *grant_active_of(struct grant_table *gt, uint32_t ref)
{
    struct grant_active *page = gt->active[ref / GRANT_ACTIVE_PER_PAGE];

    return page ? &page[ref % GRANT_ACTIVE_PER_PAGE] : NULL;
}

struct grant_active *grant_make_active(struct domain *d, uint32_t ref);

static inline struct grant_entry_v1 *grant_entry_v1(struct grant_table *gt, uint32_t ref)
{
    return (struct grant_entry_v1 *)gt->frame[ref / GRANT_V1_PER_FRAME] + ref % GRANT_V1_PER_FRAME;
}

static inline union grant_entry_v2 *grant_entry_v2(struct grant_table *gt, uint32_t ref)
{
    return (union grant_entry_v2 *)gt->frame[ref / GRANT_V2_PER_FRAME] + ref % GRANT_V2_PER_FRAME;
}

static inline grant_status_t *grant_status_of(struct grant_table *gt, uint32_t ref)
{
    return gt->status[ref / GRANT_STATUS_PER_FRAME] + ref % GRANT_STATUS_PER_FRAME;
}

/* ---- grant_pin.c --------------------------------------------------------------------------- */

enum grant_use { GRANT_TO_MAP, GRANT_TO_COPY };

/*
 * Pin d's grant `ref` for `user`. On GNTST_okay *out says what it gives (counts apart); the frame's
 * number has not been looked at.
 */
int grant_pin(struct domain *d, uint32_t ref, domid_t user, bool readonly, enum grant_use use,
              struct grant_active *out) must_check;
void grant_unpin(struct domain *d, uint32_t ref, bool readonly);
void grant_unpin_locked(struct grant_table *gt, uint32_t ref, bool readonly); /* lock held */
/* Mark d's entry as accepting a frame from `from`: GTF_transfer_committed; then tell it the frame.
 */
int grant_commit_transfer(struct domain *d, uint32_t ref, domid_t from, pfn_t *slot) must_check;
void grant_complete_transfer(struct domain *d, uint32_t ref, mfn_t frame);

/* ---- The operations. Each returns 0, with GNTST_* in the structure, or -XEN_E* ----------------
 *
 * Consecutive elements of one hypercall mostly name the same domain and neighbouring page-table
 * entries, and copies the same page; so what one element holds is kept for the next, and given up
 * when the hypercall ends, or stops to be continued.
 */

/* A domain's grant; the domain stays held when the grant is not pinned any more. */
struct grant_claim {
    struct domain *domain; /* held; NULL: none */
    uint32_t ref;
    bool pinned;
};

/* One side of a copy. */
struct grant_side {
    struct grant_claim grant, behind; /* `behind`: the grant that a transitive one stands for */
    bool readonly;
    bool framed;   /* the frame is referenced: so all of the side is claimed */
    bool by_grant; /* `number` is a grant reference, else a frame */
    uint16_t domid;
    uint16_t start, length; /* the part of the frame that may be touched */
    uint64_t number;
    mfn_t frame;
};

struct grant_copy_batch {
    struct grant_side src, dst;
};

struct grant_map_batch {
    struct domain *domain; /* held; NULL: none */
    struct grant_place place;
};

void grant_op_map(struct vcpu *v, struct gnttab_map_grant_ref *op, struct grant_map_batch *batch);
void grant_map_finish(struct grant_map_batch *batch);
void grant_op_copy(struct vcpu *v, struct gnttab_copy *op, struct grant_copy_batch *batch);
void grant_copy_finish(struct grant_copy_batch *batch);
long grant_op_transfer(struct vcpu *v, struct gnttab_transfer *op);

/* Clearings of mappings whose flush is owed. */
#define GRANT_UNMAP_BATCH 32u
struct grant_unmap_batch {
    unsigned count;
    bool flush; /* a page-table entry was cleared */
    struct grant_place place;
    struct {
        uint32_t handle;
        uint8_t parts;
    } done[GRANT_UNMAP_BATCH];
};
/* One clearing, of the parts whose address is not 0. Returns GNTST_*. */
int grant_unmap_one(struct vcpu *v, uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr,
                    uint64_t new_addr, struct grant_unmap_batch *batch) must_check;
/* Flush, then drop what the mappings owned. */
void grant_unmap_finish(struct domain *d, struct grant_unmap_batch *batch);

#endif
