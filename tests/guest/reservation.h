/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of memory reservation share: single requests, and a balloon that takes pages of
 * the domain out of its reservation and brings others back in their place.
 *
 * A domain may own no more frames than its maximum. One that has all of them must give some back
 * before it is given others: that is what the balloon is for.
 */
#ifndef RESERVATION_H
#define RESERVATION_H

#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/start.h>

#include "tap.h"

#define START_SHIFT 6            /* of the first extent, in the command (xen/memory.h) */
#define NO_FRAME    0xfffffffful /* no machine has as much memory */

static inline struct xen_memory_reservation reservation(xen_pfn_t *list, unsigned long count,
                                                        unsigned order)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return r;
}

/* The number of extents that were done, 0 to count: the three operations know no errors. */
static inline long reserve(unsigned op, xen_pfn_t *list, unsigned long count, unsigned order)
{
    struct xen_memory_reservation r = reservation(list, count, order);

    return HYPERVISOR_memory_op(op, &r);
}

static inline long decrease_one(xen_pfn_t mfn)
{
    return reserve(XENMEM_decrease_reservation, &mfn, 1, 0);
}

/* Pages that the domain owns. */
static inline long pages_owned(void)
{
    domid_t self = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

/* What the machine-to-phys table says, without asking whether it is true. */
static inline unsigned long m2p_entry(unsigned long mfn)
{
    return ((const unsigned long *)MACH2PHYS_VIRT_START)[mfn];
}

/* ---- The balloon ---------------------------------------------------------------------------- */

#define BALLOON_MAX   16384u
#define BALLOON_BATCH 64u

static struct {
    unsigned long count;
    xen_pfn_t pfn[BALLOON_MAX];
    xen_pfn_t mfn[BALLOON_MAX]; /* scratch, and room for a test's lists */
} balloon;

/* Sets the direct map's entries of pages [from, to) of the balloon: mapped where p2m says, or not.
 */
static inline void balloon_map(unsigned long from, unsigned long to, bool mapped)
{
    struct mmu_update request[BALLOON_BATCH];
    struct mmuext_op flush = {.cmd = MMUEXT_TLB_FLUSH_ALL};

    while (from < to) {
        unsigned n = 0;
        for (; from < to && n < BALLOON_BATCH; from++, n++) {
            unsigned long pfn = balloon.pfn[from];
            request[n].ptr = pte_maddr(pfn_to_virt(pfn), 1) | MMU_NORMAL_PT_UPDATE;
            request[n].val = mapped ? pte_make(p2m[pfn], PTE_KERNEL_RW) : 0;
        }
        if (HYPERVISOR_mmu_update(request, n, NULL, DOMID_SELF))
            diag("the balloon cannot change the direct map");
    }
    (void)HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF);
}

/* Takes pages of the allocator's that are mapped nowhere then; their frames are in balloon.mfn. */
static inline unsigned long balloon_take(unsigned long count)
{
    unsigned long first = balloon.count;
    void *page;

    while (balloon.count < first + count && balloon.count < BALLOON_MAX &&
           (page = page_alloc()) != NULL) {
        unsigned long pfn = virt_to_pfn(page);
        balloon.mfn[balloon.count - first] = p2m[pfn];
        balloon.pfn[balloon.count++] = pfn;
    }
    balloon_map(first, balloon.count, false);
    for (unsigned long i = first; i < balloon.count; i++)
        p2m[balloon.pfn[i]] = INVALID_P2M;
    return balloon.count - first;
}

/* Gives `count` pages back to the hypervisor. */
static inline bool balloon_out(unsigned long count)
{
    unsigned long taken = balloon_take(count);
    long rc = reserve(XENMEM_decrease_reservation, balloon.mfn, taken, 0);

    if (taken == count && rc == (long)taken)
        return true;
    diag("the balloon gave back %ld of %lu pages, not %lu", rc, taken, count);
    return false;
}

/* The pages in the balloon get these frames of the domain's, one each from the last on. */
static inline void balloon_put(const xen_pfn_t *mfn, unsigned long count)
{
    unsigned long first = balloon.count - count;

    for (unsigned long i = 0; i < count; i++)
        p2m[balloon.pfn[first + i]] = mfn[i];
    balloon_map(first, balloon.count, true);
    for (unsigned long i = first; i < balloon.count; i++)
        page_free(pfn_to_virt(balloon.pfn[i]));
    balloon.count = first;
}

/* All of them come back. */
static inline bool balloon_in(void)
{
    unsigned long count = balloon.count;

    memcpy(balloon.mfn, balloon.pfn, count * sizeof(balloon.pfn[0]));
    long rc = reserve(XENMEM_populate_physmap, balloon.mfn, count, 0);
    if (rc != (long)count) {
        diag("the balloon got %ld of %lu pages", rc, count);
        return false;
    }
    balloon_put(balloon.mfn, count);
    return true;
}

#endif
