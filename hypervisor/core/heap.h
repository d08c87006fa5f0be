/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory: the machine's free frames (a buddy allocator that is given the E820 map's usable ranges),
 * and small objects on top of it.
 *
 * Frames freed by a domain are scrubbed before they are given out again: in the background by idle
 * CPUs, or at allocation when none is clean. At boot nothing is known to be clean.
 * Every hypervisor object made on a domain's behalf is charged to that domain and refused with NULL
 * beyond its limit, so that no guest can exhaust the hypervisor's own memory. Only what is freed
 * before the call that made it returns may be charged to nobody.
 */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include "core/types.h"

struct domain;

#define HEAP_MAX_ORDER 18u /* 1 GiB */

enum heap_flags {
    HEAP_ZERO = 1u << 0,  /* contents zeroed (taken from scrubbed frames when there are any) */
    HEAP_DIRTY = 1u << 1, /* contents do not matter: the caller overwrites all of it */
    HEAP_BELOW_4G = 1u << 2,
};

/* Boot: hand over the usable range [start, end), dirty. Frame 0 is left out. May be repeated. */
void heap_add_range(mfn_t start, mfn_t end);

/*
 * 2^order frames, naturally aligned. INVALID_MFN when there are none. Without HEAP_DIRTY no former
 * owner's data is in them. Called with interrupts on (it may flush TLBs). The caller owns them;
 * frame_assign() (core/frame.h) gives them to a domain.
 */
mfn_t heap_alloc_frames(unsigned order, unsigned flags);
/* As above, of address width `bits` (every byte below 1 << bits). */
mfn_t heap_alloc_frames_bits(unsigned order, unsigned bits, unsigned flags);
/*
 * Frames become free; `dirty` says that they held data to scrub. False promises that they are
 * zeroed and that no guest could write to them since. Nothing owns them (frame_free.h); what else
 * is in their frame entries is erased. Callable in any context.
 */
void heap_free_frames(mfn_t mfn, unsigned order, bool dirty);
uint64_t heap_free_count(void);  /* free frames, scrubbed or not */
uint64_t heap_dirty_count(void); /* of these, still to be scrubbed */
/* Scrub one block if there is one; false when nothing is dirty. Idle CPUs, interrupts on. */
bool heap_scrub_some(void);

/*
 * From the machine layer. The stamp of a frame that is freed now; and the flush of every TLB that
 * may still refer to frames of that stamp (interrupts on, no lock held that an interrupt takes).
 */
uint32_t arch_tlb_stamp(void);
void arch_tlb_flush_stamp(uint32_t stamp);

/* Zeroed, 16-byte aligned (page-aligned from PAGE_SIZE up). d may be NULL: the hypervisor's own. */
void *hv_alloc(struct domain *d, size_t size);
void hv_free(struct domain *d, void *ptr, size_t size);
#define hv_new(d, type)          ((type *)hv_alloc((d), sizeof(type)))
#define hv_new_array(d, type, n) ((type *)hv_alloc((d), sizeof(type) * (n)))

/* What a domain has been charged, in bytes. */
struct heap_account {
    uint64_t used;
    uint64_t limit;
};

#endif
