/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ownership, references and types of machine frames.
 *
 * Every frame of RAM has an owner, a count of references and a type with a count of its own. A frame
 * is writable by a guest, or a page table of one level, or a descriptor page: one of these at a time,
 * for as long as its type count is above zero. Whoever maps a frame, or keeps its number to use it
 * later, holds a reference; whoever depends on its type holds a type reference besides. A frame
 * whose last reference goes is freed.
 *
 * The two words of struct frame belong to frame.c and pagetype.c alone; nothing else can name what is in them.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include "core/types.h"

struct domain;

struct frame {
    uint64_t opaque[2];
};
static_assert(sizeof(struct frame) == 16, "the frame table costs 0.4 % of memory");

enum frame_type {
    FT_NONE = 0,     /* referenced, but nothing is known or promised of its contents */
    FT_L1 = 1,       /* page table; the numbers of the table types are their levels */
    FT_L2 = 2,
    FT_L3 = 3,
    FT_L4 = 4,
    FT_SEGDESC = 5,  /* GDT or LDT page: every descriptor in it has been judged harmless */
    FT_WRITABLE = 7, /* mapped writable by a guest, or written by the hypervisor for it */
};

/* True when the frame table has an entry for this frame (RAM, or a hole close to RAM). */
bool mfn_valid(mfn_t mfn);
mfn_t frame_max(void); /* one past the highest frame with an entry */

/* ---- Ownership ---------------------------------------------------------------------------- */

/*
 * Give freshly allocated frames to d as its memory: one reference each, held by the allocation, and
 * counted against max_pages. -XEN_E2BIG beyond that, -XEN_EINVAL when d is dying. No M2P update.
 */
int frame_assign(struct domain *d, mfn_t mfn, unsigned order) must_check;
/*
 * Share a hypervisor-owned frame (from heap_alloc_frames) with d: not counted as d's memory, never a
 * page table. A reference is held until frame_unshare(), after which the frame is freed when the guest's last
 * mapping of it goes.
 */
void frame_share(struct domain *d, mfn_t mfn, bool writable);
void frame_unshare(mfn_t mfn);
/*
 * Drop the allocation's reference: the owner gives the frame back. -XEN_EINVAL unless it is d's and still
 * allocated. The frame is freed when its last mapping goes.
 */
int frame_release(struct domain *d, mfn_t mfn) must_check;
/* The owner now, for printing and for lookups that take a reference next. DOMID_INVALID: free. */
domid_t frame_owner(mfn_t mfn);

/* ---- References --------------------------------------------------------------------------- */

/* Take a reference if the frame belongs to `owner`. False otherwise, or when the count is full. */
bool frame_get(mfn_t mfn, const struct domain *owner) must_check;
void frame_put(mfn_t mfn);

/*
 * A type reference, on top of a reference that the caller holds. The frame is converted when no type
 * reference is held: stale TLB entries are flushed and a page table or descriptor page validated.
 *   -XEN_EBUSY    in use as another type
 *   -XEN_EINVAL   its contents do not pass validation
 *   -XEN_ERESTART work is pending on this CPU; call again later: what was validated is kept
 * Takes no lock; called with interrupts on.
 */
int frame_get_type(mfn_t mfn, enum frame_type type) must_check;
void frame_put_type(mfn_t mfn);
/* As above, and stops for pending work with -XEN_ERESTART (the reference is then still held). */
int frame_put_type_preemptible(mfn_t mfn) must_check;

/* Both at once. -XEN_EPERM: not the owner's. */
int frame_get_both(mfn_t mfn, const struct domain *owner, enum frame_type type) must_check;
void frame_put_both(mfn_t mfn);

/*
 * The type that a frame has now. Only a holder of a type reference may rely on it; for others it is
 * a hint.
 */
enum frame_type frame_type_hint(mfn_t mfn);

/* ---- Domain teardown and audit ------------------------------------------------------------ */

/* Release all memory of a dying domain. -XEN_ERESTART: call again. 0: nothing is left. */
int frame_release_all(struct domain *d) must_check;

#endif
