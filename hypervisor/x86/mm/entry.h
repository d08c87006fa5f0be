/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest page-table entries: what one may hold, and the references that it stands for.
 *
 *   L1  present: a reference to the frame; writable: a FT_WRITABLE type reference too. Device
 *       memory has none.
 *   Ln  present: a reference and a type reference to a table of level n-1.
 */
#ifndef X86_MM_ENTRY_H
#define X86_MM_ENTRY_H

#include <arch/layout.h>

#include "core/frame.h"
#include "x86/x86.h"

/*
 * Take what *entry would stand for in a table of `level` that belongs to `owner`, mapping frames of
 * `page_owner` (the same but for privileged callers). *entry is adjusted to what will be stored.
 * -XEN_EINVAL: bits or frames that are not allowed; -XEN_EBUSY: the frame is of another type, or of
 * another owner; -XEN_EPERM: device memory of others; -XEN_ERESTART: work is pending.
 */
int entry_acquire(unsigned level, uint64_t *entry, struct domain *owner,
                  const struct domain *page_owner) must_check;
/* Drop it. Remains of a table below go to `torn`. */
void entry_release(unsigned level, uint64_t entry, struct torn_tables *torn);

/*
 * Replace the entry at `slot` of a table that the caller holds by type. With preserve_ad the
 * accessed and dirty bits that are set stay set. `expected`: NULL, or the value that must still be
 * there (-XEN_EAGAIN, with what is there). Errors as entry_acquire.
 */
int entry_set(unsigned level, uint64_t *slot, uint64_t entry, bool preserve_ad, uint64_t *expected,
              struct domain *owner, const struct domain *page_owner) must_check;
/* The same in a table of level 1, at once. */
int l1_entry_set(uint64_t *slot, uint64_t entry, bool preserve_ad, uint64_t *expected,
                 struct domain *owner, const struct domain *page_owner) must_check;

static inline mfn_t entry_mfn(uint64_t entry)
{
    return MFN((entry & PTE_MFN_MASK) >> PAGE_SHIFT);
}

/*
 * Take what a present L1 entry stands for if that is plain: RAM of its owner, cached, and nothing
 * to be adjusted. False: nothing is taken, and entry_acquire() judges.
 */
static inline must_check bool l1_acquire_plain(uint64_t entry, const struct domain *owner)
{
    return (entry & (PTE_USER | PTE_GLOBAL | PTE_PWT | PTE_PCD | PTE_PAT)) == PTE_USER &&
           frame_get_mapping(entry_mfn(entry), owner, entry & PTE_WRITE) == 0;
}

/* Is this L4 slot the hypervisor's? */
static inline bool slot_is_hypervisor(unsigned slot)
{
    return slot >= HV_SLOT_FIRST && slot <= HV_SLOT_LAST;
}

#endif
