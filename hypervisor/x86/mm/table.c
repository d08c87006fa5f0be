/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole tables: what the type transitions of core/pagetype.c ask of the machine. The table is BUSY:
 * no guest can write it and no other CPU looks at it.
 */
#include "core/atomic.h"
#include "core/domain.h"
#include "core/lib.h"
#include "core/softirq.h"
#include "x86/mm/entry.h"
#include "x86/mm/segdesc.h"
#include "x86/mm/spare.h"
#include "x86/paging.h"

struct torn_tables *arch_current_torn(void)
{
    struct vcpu *v = current_vcpu();
    return v != NULL && !v->domain->is_idle ? &v->arch.torn : NULL;
}

static bool slot_is_guest(unsigned level, unsigned slot)
{
    return level != 4 || !slot_is_hypervisor(slot);
}

/*
 * Most slots of most tables are empty: they are passed over a part or a cache line at a time.
 */
#define PART_ENTRIES (PTES_PER_TABLE / TABLE_PARTS)
#define LINE_ENTRIES 8u

static inline bool any_present(const uint64_t *entries, unsigned count)
{
    uint64_t all = 0;
#pragma GCC unroll 32
    for (unsigned i = 0; i < count; i++)
        all |= entries[i];
    return (all & PTE_PRESENT) != 0;
}

unsigned arch_table_part(const uint64_t *slot)
{
    return (unsigned)(((uintptr_t)slot & ~PAGE_MASK) / sizeof(*slot) / PART_ENTRIES);
}

/* One that is present. As arch_table_acquire(). */
static int slot_acquire(uint64_t *slot, uint64_t entry, unsigned level, struct domain *owner)
{
    if (level == 1 && likely(l1_acquire_plain(entry, owner)))
        return 0;
    uint64_t was = entry;
    int rc = entry_acquire(level, &entry, owner, owner);
    if (rc == 0 && entry != was)
        *slot = entry;
    return rc;
}

/* The present entries of [slot, end), which is within one part. Returns as far as it came. */
static unsigned part_acquire(uint64_t *entries, unsigned level, struct domain *owner, unsigned slot,
                             unsigned end, bool *any, int *rc)
{
    for (; slot < end; slot++) {
        if (slot % LINE_ENTRIES == 0 && !any_present(&entries[slot], LINE_ENTRIES)) {
            slot += LINE_ENTRIES - 1;
            continue;
        }
        uint64_t entry = entries[slot];
        if (!(entry & PTE_PRESENT) || !slot_is_guest(level, slot))
            continue;
        *rc = *any && level > 1 && preempt_wanted()
                  ? -XEN_ERESTART
                  : slot_acquire(&entries[slot], entry, level, owner);
        if (*rc)
            break;
        *any = true;
    }
    return slot;
}

/* Entries [*progress, end), where a part begins. As arch_table_acquire(). */
static int range_acquire(uint64_t *entries, unsigned level, struct domain *owner,
                         unsigned *progress, unsigned end, unsigned *parts)
{
    unsigned slot = *progress;
    bool any = false;
    int rc = 0;
    while (slot < end && rc == 0) {
        unsigned first = slot & ~(PART_ENTRIES - 1), next = first + PART_ENTRIES;
        if (!any_present(&entries[first], PART_ENTRIES)) {
            slot = next;
            continue;
        }
        *parts |= 1u << first / PART_ENTRIES;
        slot = part_acquire(entries, level, owner, slot, next, &any, &rc);
    }
    *progress = slot;
    return rc;
}

int arch_table_acquire(mfn_t table, enum frame_type type, struct domain *owner, unsigned *progress,
                       unsigned *parts)
{
    if (type == FT_SEGDESC)
        return segdesc_page_acquire(table, progress);
    uint64_t *entries = mfn_to_virt(table);
    bool top = type == FT_L4;
    unsigned end = top && *progress <= HV_SLOT_FIRST ? HV_SLOT_FIRST : PTES_PER_TABLE;
    for (; *progress < PTES_PER_TABLE; end = PTES_PER_TABLE) {
        int rc = range_acquire(entries, type, owner, progress, end, parts);
        if (rc)
            return rc;
        if (end == HV_SLOT_FIRST && spare_slots_take(owner, &entries[KERNEL_SLOT_FIRST], parts))
            *progress = PTES_PER_TABLE;
    }
    if (top)
        paging_fill_slots(entries);
    return 0;
}
static_assert(HV_SLOT_FIRST % PART_ENTRIES == 0, "a part has the guest's lower slots, or none");

/* The entries of [first, end), from above. Returns the end of those that are left. */
static unsigned part_release(const uint64_t *entries, unsigned level, unsigned first, unsigned end,
                             bool *any, struct torn_tables *torn)
{
    for (; end > first; end--) {
        if (end % LINE_ENTRIES == 0 && !any_present(&entries[end - LINE_ENTRIES], LINE_ENTRIES)) {
            end -= LINE_ENTRIES - 1;
            continue;
        }
        uint64_t entry = entries[end - 1];
        if (!(entry & PTE_PRESENT) || !slot_is_guest(level, end - 1))
            continue;
        if (*any && level > 1 && preempt_wanted())
            break;
        if (level == 1)
            frame_put_mapping(entry_mfn(entry), entry & PTE_WRITE);
        else
            entry_release(level, entry, torn);
        *any = true;
    }
    return end;
}

int arch_table_release(mfn_t table, enum frame_type type, unsigned *progress, unsigned parts,
                       struct torn_tables *torn)
{
    if (type == FT_SEGDESC)
        return 0;
    uint64_t *entries = mfn_to_virt(table);
    bool any = false;
    if (type == FT_L4 && *progress == PTES_PER_TABLE &&
        spare_slots_give(domain_by_id(frame_owner(table)), &entries[KERNEL_SLOT_FIRST], parts,
                         torn)) {
        parts &= (1u << HV_SLOT_FIRST / PART_ENTRIES) - 1;
        *progress = HV_SLOT_FIRST;
    }
    while (parts != 0) {
        unsigned part = 31 - (unsigned)__builtin_clz(parts);
        unsigned first = part * PART_ENTRIES, end = MIN(*progress, first + PART_ENTRIES);
        *progress = part_release(entries, type, first, end, &any, torn);
        if (*progress > first)
            return -XEN_ERESTART;
        parts ^= 1u << part;
    }
    *progress = 0;
    if (type == FT_L4) /* where the hypervisor's own tables are is not for the frame's next user */
        memset(&entries[HV_SLOT_FIRST], 0, (HV_SLOT_LAST - HV_SLOT_FIRST + 1) * sizeof(uint64_t));
    return 0;
}
