/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: a domain lets another one map, or have copied, frames of its own, by entries of a table
 * that it shares with the hypervisor (xen/grant_table.h).
 */
#ifndef CORE_GRANT_H
#define CORE_GRANT_H

#include "core/types.h"

struct domain;
struct vcpu;
struct hypercall_args;

#define GRANT_DEFAULT_FRAMES 64u  /* that a domain's table may grow to */
#define GRANT_LIMIT_FRAMES   256u /* the most that a toolstack may allow */

/* A table of one frame, version 1. -XEN_ENOMEM. */
int grant_domain_init(struct domain *d) must_check;
/* Of a dying domain, which does not run: give up what it has mapped. -XEN_ERESTART: call again. */
int grant_domain_release(struct domain *d) must_check;
/* With the last hold on d: until then others may have its grants mapped. */
void grant_domain_free(struct domain *d);
/*
 * Let the table grow to so many frames, and be of versions up to that one; 0 leaves a limit as it
 * is. -XEN_EINVAL: more frames than there can be, or fewer than it has.
 */
int grant_set_limits(struct domain *d, unsigned frames, unsigned version) must_check;
/* Frame `index` of d's table (or of its status array), grown if need be; INVALID_MFN beyond the
 * limit. */
mfn_t grant_table_frame(struct domain *d, unsigned index, bool status);
/* So many frames may the table (or its status array) come to have. */
unsigned grant_table_limit(const struct domain *d, bool status);
/* The debug key: the grants that are in use, and the mappings that d holds. */
void grant_dump(struct domain *d);

long hc_grant_table_op(struct vcpu *v, struct hypercall_args *a);

/* ---- What the machine layer provides ------------------------------------------------------ */

/*
 * The page table that the last entry was in, held: of consecutive mappings the next one's is mostly
 * the same. All zero: none. Dropped by arch_grant_leave(), by the vCPU that holds it, before it
 * does anything but mapping or unmapping.
 */
struct grant_place {
    uint64_t where;
    mfn_t table;
};
void arch_grant_leave(struct grant_place *place);

/*
 * Make the page-table entry of v that `host_addr` names (a virtual address, or with
 * GNTMAP_contains_pte the machine address of the entry) map `frame`, which is owner's: for v's
 * kernel alone or with GNTMAP_application_map for its user mode too, not writable with
 * GNTMAP_readonly. The caller has a reference to the frame, and one of FT_WRITABLE for a writable
 * mapping, and keeps both until the flush after arch_grant_unmap(): so the entry may have
 * references of its own or not, and may drop them unflushed. What the entry mapped before is given
 * up as by an update of the page table. Called with no lock held. Returns GNTST_okay, or another
 * GNTST_* and has changed nothing.
 */
int arch_grant_map(struct vcpu *v, uint64_t host_addr, mfn_t frame, const struct domain *owner,
                   unsigned flags, struct grant_place *place);
/*
 * Clear such an entry, or with new_addr != 0 replace it by the entry that maps that virtual
 * address, which becomes clear itself. Refused unless the entry maps `frame` as `flags` say. TLBs
 * are left for arch_grant_flush(). GNTST_okay, or another GNTST_* and has changed nothing.
 */
int arch_grant_unmap(struct vcpu *v, uint64_t host_addr, mfn_t frame, unsigned flags,
                     uint64_t new_addr, struct grant_place *place);
/* No CPU has a translation left of d's from before. Waits; interrupts on. */
void arch_grant_flush(struct domain *d);

#endif
