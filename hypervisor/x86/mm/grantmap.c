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

/* What a place is of; 0 is nothing's. */
#define PLACE_TABLE  1u /* with the address of a table's frame */
#define PLACE_VA     2u /* with the first address that the table maps */
#define L1_SPAN_MASK (~((PAGE_SIZE << 9) - 1))

static uint64_t place_of(uint64_t addr, unsigned flags)
{
    if (flags & GNTMAP_contains_pte)
        return (addr & PAGE_MASK) | PLACE_TABLE;
    return (addr & L1_SPAN_MASK) | PLACE_VA;
}

static bool place_enter(struct vcpu *v, uint64_t addr, unsigned flags, struct grant_place *place)
{
    mfn_t table = maddr_to_mfn(MADDR(addr));

    arch_grant_leave(place);
    if (flags & GNTMAP_contains_pte ? !frame_hold(table, v->domain, FT_L1)
                                    : !walk_hold_l1(v, addr & PAGE_MASK, &table))
        return false;
    *place = (struct grant_place){place_of(addr, flags), table};
    return true;
}

void arch_grant_leave(struct grant_place *place)
{
    if (place->where != 0)
        frame_put_both(place->table);
    place->where = 0;
}

/*
 * The entry that addr names, in a table that `place` holds; NULL: there is none. Another vCPU may
 * have taken the table out of the address space since it was found. It is a table all the same, and
 * what is written to it has its references.
 */
static uint64_t *slot_find(struct vcpu *v, uint64_t addr, unsigned flags, struct grant_place *place)
{
    unsigned index = (addr & ~PAGE_MASK) / sizeof(uint64_t);

    if (!(flags & GNTMAP_contains_pte))
        index = table_index(addr, 1);
    else if (addr % sizeof(uint64_t) != 0)
        return NULL;
    if (place->where != place_of(addr, flags) && !place_enter(v, addr, flags, place))
        return NULL;
    return (uint64_t *)mfn_to_virt(place->table) + index;
}

static uint64_t grant_entry(mfn_t frame, unsigned flags)
{
    uint64_t avail = ((uint64_t)(flags & GNTMAP_guest_avail_mask) >> _GNTMAP_guest_avail0) << 9;
    return mfn_to_maddr(frame).v | PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_USER |
           (avail & PTE_AVAIL) | (flags & GNTMAP_readonly ? 0 : PTE_WRITE);
}

int arch_grant_map(struct vcpu *v, uint64_t host_addr, mfn_t frame, const struct domain *owner,
                   unsigned flags, struct grant_place *place)
{
    uint64_t *slot = slot_find(v, host_addr, flags, place);
    if (slot == NULL ||
        l1_entry_set(slot, grant_entry(frame, flags), false, NULL, v->domain, owner))
        return GNTST_general_error;
    return GNTST_okay;
}

static bool entry_matches(uint64_t entry, mfn_t frame, unsigned flags)
{
    return (entry & PTE_PRESENT) && mfn_eq(entry_mfn(entry), frame) &&
           !(entry & PTE_WRITE) == !!(flags & GNTMAP_readonly);
}

/* Move the entry at `from` (NULL: an empty one) over the grant's. */
static int slot_replace(uint64_t *slot, uint64_t *from, mfn_t frame, unsigned flags)
{
    uint64_t old = atomic_load(slot);
    uint64_t new = from ? atomic_swap(from, 0) : 0;
    while (entry_matches(old, frame, flags)) {
        if (atomic_cas(slot, &old, new)) {
            entry_release(1, old, NULL);
            return GNTST_okay;
        }
    }
    uint64_t empty = 0;
    if (from && !atomic_cas(from, &empty, new))
        entry_release(1, new, NULL); /* another vCPU has put its own there */
    return GNTST_general_error;
}

int arch_grant_unmap(struct vcpu *v, uint64_t host_addr, mfn_t frame, unsigned flags,
                     uint64_t new_addr, struct grant_place *place)
{
    /* What is moved is named by its address; so must be what it replaces. */
    if (new_addr != 0 && (flags & GNTMAP_contains_pte))
        return GNTST_general_error;
    uint64_t *slot = slot_find(v, host_addr, flags, place);
    if (slot == NULL)
        return GNTST_general_error;
    if (new_addr == 0)
        return slot_replace(slot, NULL, frame, flags);
    struct grant_place other = {.where = 0};
    uint64_t *from = slot_find(v, new_addr, 0, &other);
    int rc = GNTST_general_error;
    if (from != NULL && from != slot)
        rc = slot_replace(slot, from, frame, flags);
    arch_grant_leave(&other);
    return rc;
}

void arch_grant_flush(struct domain *d)
{
    tlb_flush_mask(flush_domain_mask(d));
}
