/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings of grants. The entry stands for references of its own, as any other L1 entry does; the
 * grant table's record of the mapping has others. A guest that overwrites the entry by an ordinary
 * update loses the entry's, and nothing else.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/grant.h"
#include "x86/mm/entry.h"
#include "x86/mm/flush.h"
#include "x86/mm/walk.h"

/* An L1 entry of the guest's, in a table that is held. */
struct slot {
    mfn_t table;
    uint64_t *entry;
};

static bool slot_hold(struct vcpu *v, uint64_t addr, unsigned flags, struct slot *s)
{
    unsigned index;
    if (flags & GNTMAP_contains_pte) {
        s->table = maddr_to_mfn(MADDR(addr));
        index = (addr & ~PAGE_MASK) / sizeof(uint64_t);
        if ((addr & 7) || !frame_hold(s->table, v->domain, FT_L1))
            return false;
    } else {
        index = table_index(addr, 1);
        if (!walk_hold_l1(v, addr & PAGE_MASK, &s->table))
            return false;
    }
    s->entry = (uint64_t *)mfn_to_virt(s->table) + index;
    return true;
}

static void slot_drop(struct slot *s)
{
    frame_put_both(s->table);
}

static uint64_t grant_entry(mfn_t frame, unsigned flags)
{
    uint64_t avail = ((uint64_t)(flags & GNTMAP_guest_avail_mask) >> _GNTMAP_guest_avail0) << 9;
    return mfn_to_maddr(frame).v | PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_USER |
           (avail & PTE_AVAIL) | (flags & GNTMAP_readonly ? 0 : PTE_WRITE);
}

int arch_grant_map(struct vcpu *v, uint64_t host_addr, mfn_t frame, unsigned flags)
{
    struct slot s;
    if (!slot_hold(v, host_addr, flags, &s))
        return GNTST_general_error;
    /* Nobody, for a page that its owner has stopped sharing with the hypervisor. */
    struct domain *owner = domain_by_id(frame_owner(frame));
    int rc = -XEN_EINVAL;
    if (owner != NULL)
        rc = entry_set(1, s.entry, grant_entry(frame, flags), false, NULL, v->domain, owner);
    slot_drop(&s);
    return rc ? GNTST_general_error : GNTST_okay;
}

static bool entry_matches(uint64_t entry, mfn_t frame, unsigned flags)
{
    return (entry & PTE_PRESENT) && mfn_eq(entry_mfn(entry), frame) &&
           !(entry & PTE_WRITE) == !!(flags & GNTMAP_readonly);
}

/* Move the entry at `from` (0: an empty one) over the grant's. */
static int slot_replace(struct slot *s, struct slot *from, mfn_t frame, unsigned flags)
{
    uint64_t old = atomic_load(s->entry);
    uint64_t new = from ? atomic_swap(from->entry, 0) : 0;
    while (entry_matches(old, frame, flags)) {
        if (atomic_cas(s->entry, &old, new)) {
            entry_release(1, old, arch_current_torn());
            return GNTST_okay;
        }
    }
    uint64_t empty = 0;
    if (from && !atomic_cas(from->entry, &empty, new))
        entry_release(1, new, arch_current_torn()); /* another vCPU has put its own there */
    return GNTST_general_error;
}

int arch_grant_unmap(struct vcpu *v, uint64_t host_addr, mfn_t frame, unsigned flags,
                     uint64_t new_addr)
{
    struct slot s, from;
    /* What is moved is named by its address; so must be what it replaces. */
    if (new_addr != 0 && (flags & GNTMAP_contains_pte))
        return GNTST_general_error;
    if (!slot_hold(v, host_addr, flags, &s))
        return GNTST_general_error;
    int rc = GNTST_general_error;
    if (new_addr == 0) {
        rc = slot_replace(&s, NULL, frame, flags);
    } else if (slot_hold(v, new_addr, 0, &from)) {
        if (from.entry != s.entry)
            rc = slot_replace(&s, &from, frame, flags);
        slot_drop(&from);
    }
    slot_drop(&s);
    return rc;
}

void arch_grant_flush(struct domain *d)
{
    tlb_flush_mask(flush_domain_mask(d));
}
