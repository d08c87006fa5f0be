/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ownership, references and types of machine frames.
 *
 * Every frame of RAM has an owner, a count of references and a type with a count of its own. A
 * frame is writable by a guest, or a page table of one level, or a descriptor page: one of these at
 * a time, for as long as its type count is above zero. Whoever maps a frame, or keeps its number to
 * use it later, holds a reference; whoever depends on its type holds a type reference besides. A
 * frame whose last reference goes is freed.
 *
 * The two words of struct frame belong to frame.c and pagetype.c; audit.c reads them, and the heap
 * has a view of its own of free frames (frame_free.h). Nothing else can name what is in them.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <arch/memory.h>

#include "core/types.h"

struct domain;

struct frame {
    uint64_t opaque[2];
};
static_assert(sizeof(struct frame) == 16, "the frame table costs 0.4 % of memory");

enum frame_type {
    FT_NONE = 0, /* referenced, but nothing is known or promised of its contents */
    FT_L1 = 1,   /* page table; the numbers of the table types are their levels */
    FT_L2 = 2,
    FT_L3 = 3,
    FT_L4 = 4,
    FT_SEGDESC = 5,  /* GDT or LDT page: every descriptor in it has been judged harmless */
    FT_WRITABLE = 7, /* mapped writable by a guest, or written by the hypervisor for it */
};

mfn_t frame_max(void); /* one past the highest frame with an entry */

/* ---- Ownership ---------------------------------------------------------------------------- */

/*
 * Give freshly allocated frames to d as its memory: one reference each, held by the allocation, and
 * counted against max_pages. -XEN_E2BIG beyond that, -XEN_EINVAL when d is dying. No M2P update.
 */
int frame_assign(struct domain *d, mfn_t mfn, unsigned order) must_check;
/*
 * Share a hypervisor-owned frame (from heap_alloc_frames) with d: not counted as d's memory, never
 * a page table. A reference is held until frame_unshare(), after which the frame is freed when the
 * guest's last mapping of it goes.
 */
void frame_share(struct domain *d, mfn_t mfn, bool writable);
void frame_unshare(mfn_t mfn);
/*
 * Drop the allocation's reference: the owner gives the frame back. -XEN_EINVAL unless it is d's and
 * still allocated. The frame is freed when its last mapping goes.
 */
int frame_release(struct domain *d, mfn_t mfn) must_check;
/*
 * Take a frame away from d that nothing but its allocation refers to: nobody's then, no longer
 * counted as d's, contents and the memory of its type kept. It is to be given on (which counts it,
 * and fails as frame_assign() does) or freed. -XEN_EINVAL: not d's; -XEN_EBUSY: in use.
 */
int frame_detach(struct domain *d, mfn_t mfn) must_check;
int frame_attach(struct domain *d, mfn_t mfn) must_check;
void frame_discard(mfn_t mfn);
/* The owner now, for printing and for lookups that take a reference next. DOMID_INVALID: free. */
domid_t frame_owner(mfn_t mfn);

/* ---- References --------------------------------------------------------------------------- */

/* Take a reference if the frame belongs to `owner`. False otherwise, or when the count is full. */
bool frame_get(mfn_t mfn, const struct domain *owner) must_check;
void frame_put(mfn_t mfn);

/*
 * A type reference, on top of a reference that the caller holds. The frame is converted when no
 * type reference is held: stale TLB entries are flushed and a page table or descriptor page
 * validated.
 *   -XEN_EBUSY    in use as another type
 *   -XEN_EINVAL   its contents do not pass validation
 *   -XEN_ERESTART work is pending on this CPU; call again later: what was validated is kept
 * Takes no lock; called with interrupts on.
 */
int frame_get_type(mfn_t mfn, enum frame_type type) must_check;
/*
 * Gives the type reference back; the caller keeps its reference. Taking a table down may stop for
 * pending work: the rest is then remembered in `torn` (NULL: nowhere), and the hypercall goes on
 * with it by frame_resume_teardown() before it returns.
 */
struct torn_tables;
void frame_put_type(mfn_t mfn, struct torn_tables *torn);

/* Both at once, with the current vCPU's torn tables. -XEN_EPERM: not the owner's. */
int frame_get_both(mfn_t mfn, const struct domain *owner, enum frame_type type) must_check;
void frame_put_both(mfn_t mfn);

/*
 * A table has, or is about to have, a present entry in a part: see arch_table_acquire(). By a
 * holder of a type reference on it, before the entry is there.
 */
void frame_note_part(mfn_t table, unsigned part);

/*
 * Both, but only if the frame is of that type already, validated and in use: never converts.
 */
bool frame_hold(mfn_t mfn, const struct domain *owner, enum frame_type type) must_check;
/* The same for a page table of any level: its type, or FT_NONE when it is not held. */
enum frame_type frame_hold_table(mfn_t mfn, const struct domain *owner) must_check;

/*
 * What an L1 entry stands for: a reference, and one of type FT_WRITABLE when it is writable. Errors
 * as frame_get_both(). To put a frame that nobody owns does nothing: device memory has no
 * references, and RAM stays owned while it is mapped.
 */
int frame_get_mapping(mfn_t mfn, const struct domain *owner, bool writable) must_check;
void frame_put_mapping(mfn_t mfn, bool writable);

/*
 * The type that a frame has now. Only a holder of a type reference may rely on it; for others it is
 * a hint.
 */
enum frame_type frame_type_hint(mfn_t mfn);
/* A hint as well: held as a table by frame_pin(). */
bool frame_pinned_hint(mfn_t mfn);

/* ---- Tables whose taking down was interrupted ---------------------------------------------- */

/*
 * At most one table a level is left half taken down by one vCPU, because the table below is
 * finished first. Each entry holds a reference. Part of struct arch_vcpu.
 *
 * Page-table hypercalls go on until none is left. What else gives a table up in passing (MOV to
 * CR3, a vCPU's new context, a grant unmapped) may leave some: they stay half taken down, of use to
 * nobody who does not finish them, until the vCPU's next page-table hypercall or its domain's end.
 */
struct torn_tables {
    uint64_t mfn_plus_1[5]; /* by level; 0: none */
};

static inline bool torn_any(const struct torn_tables *t)
{
    return (t->mfn_plus_1[1] | t->mfn_plus_1[2] | t->mfn_plus_1[3] | t->mfn_plus_1[4]) != 0;
}

/*
 * Go on with them. -XEN_ERESTART: work is pending again. Every page-table hypercall starts with
 * this.
 */
int frame_resume_torn(struct torn_tables *torn) must_check;

static inline must_check int frame_resume_teardown(struct torn_tables *torn)
{
    return torn_any(torn) ? frame_resume_torn(torn) : 0;
}

/* ---- Pinned tables --------------------------------------------------------------------------- */

/*
 * Hold a table of `type` by a flag of its own. -XEN_EINVAL when it is pinned already; see
 * frame_get_type.
 */
int frame_pin(struct domain *d, mfn_t mfn, enum frame_type type) must_check;
int frame_unpin(struct domain *d, mfn_t mfn, struct torn_tables *torn) must_check;

/* ---- What the machine layer provides ------------------------------------------------------- */

/*
 * Take the references of entries [*progress, 512) of a table (or judge a descriptor page) that
 * belongs to `owner`. Stops with *progress at the first entry not taken: -XEN_EINVAL and kin for a
 * bad entry, -XEN_ERESTART for pending work. A table is of TABLE_PARTS equal parts: *parts gets the
 * bits of those that have a present entry.
 */
#define TABLE_PARTS 16u
int arch_table_acquire(mfn_t table, enum frame_type type, struct domain *owner, unsigned *progress,
                       unsigned *parts) must_check;
/*
 * Drop the references of entries [0, *progress), from above; outside of `parts` no entry is
 * present. -XEN_ERESTART with *progress lowered;
 * then what is half done below is in `torn` (or left for frame_release_all() when torn is NULL).
 */
int arch_table_release(mfn_t table, enum frame_type type, unsigned *progress, unsigned parts,
                       struct torn_tables *torn) must_check;
/* The part that an entry is in. */
unsigned arch_table_part(const uint64_t *slot);
/* The TLB epoch, and a flush of every CPU that may hold translations from before `stamp`. */
uint32_t arch_tlb_stamp(void);
void arch_tlb_flush_stamp(uint32_t stamp);
/*
 * The machine layer keeps references to tables of d's that nothing needs now: drop them. To be
 * tried when a frame is in the way as what it is. -XEN_ERESTART: call again, when torn tables are
 * finished. d may be NULL.
 */
int arch_spare_drop(struct domain *d) must_check;
/* The torn tables of the current vCPU. */
struct torn_tables *arch_current_torn(void);

/* ---- Domain teardown and audit ------------------------------------------------------------ */

/*
 * Finish what is PARTIAL of a frame that the caller has a reference to. -XEN_ERESTART: call again.
 */
int frame_finish_teardown(mfn_t mfn) must_check;
/* Bytes of struct domain's owned_chunks. */
size_t frame_chunk_bitmap_bytes(void);
/* Release all memory of a dying domain. -XEN_ERESTART: call again. 0: nothing is left. */
int frame_release_all(struct domain *d) must_check;

#endif
