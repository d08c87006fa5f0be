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
 * Most slots of most tables are empty: they are passed over four at a time. The first present slot
 * at or after `slot`, and the number of slots up to and with the last present one below `end`.
 */
static unsigned present_from(const uint64_t *entries, unsigned slot)
{
    while (slot < PTES_PER_TABLE) {
        const uint64_t *e = &entries[slot];
        if (slot % 4 == 0 && !((e[0] | e[1] | e[2] | e[3]) & PTE_PRESENT))
            slot += 4;
        else if (*e & PTE_PRESENT)
            return slot;
        else
            slot++;
    }
    return PTES_PER_TABLE;
}

static unsigned present_below(const uint64_t *entries, unsigned end)
{
    while (end > 0) {
        const uint64_t *e = &entries[end - 1];
        if (end % 4 == 0 && !((e[0] | e[-1] | e[-2] | e[-3]) & PTE_PRESENT))
            end -= 4;
        else if (*e & PTE_PRESENT)
            return end;
        else
            end--;
    }
    return 0;
}

int arch_table_acquire(mfn_t table, enum frame_type type, struct domain *owner, unsigned *progress)
{
    if (type == FT_SEGDESC)
        return segdesc_page_acquire(table, progress);
    unsigned level = type, slot = present_from(mfn_to_virt(table), *progress);
    uint64_t *entries = mfn_to_virt(table);
    int rc = 0;
    for (bool any = false; slot < PTES_PER_TABLE; slot = present_from(entries, slot + 1)) {
        if (!slot_is_guest(level, slot))
            continue;
        uint64_t entry = entries[slot];
        rc = any && level > 1 && preempt_wanted() ? -XEN_ERESTART
                                                  : entry_acquire(level, &entry, owner, owner);
        if (rc)
            break;
        if (entry != entries[slot])
            entries[slot] = entry;
        any = true;
    }
    *progress = slot;
    if (rc == 0 && level == 4)
        paging_fill_slots(entries);
    return rc;
}

int arch_table_release(mfn_t table, enum frame_type type, unsigned *progress,
                       struct torn_tables *torn)
{
    if (type == FT_SEGDESC)
        return 0;
    unsigned level = type;
    uint64_t *entries = mfn_to_virt(table);
    unsigned end = present_below(entries, *progress);
    for (bool any = false; end > 0; end = present_below(entries, end - 1)) {
        if (!slot_is_guest(level, end - 1))
            continue;
        if (any && level > 1 && preempt_wanted())
            break;
        entry_release(level, entries[end - 1], torn);
        any = true;
    }
    *progress = end;
    if (end > 0)
        return -XEN_ERESTART;
    if (level == 4) /* where the hypervisor's own tables are is not for the frame's next user */
        memset(&entries[HV_SLOT_FIRST], 0, (HV_SLOT_LAST - HV_SLOT_FIRST + 1) * sizeof(uint64_t));
    return 0;
}
