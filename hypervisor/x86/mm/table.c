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

int arch_table_acquire(mfn_t table, enum frame_type type, struct domain *owner, unsigned *progress)
{
    if (type == FT_SEGDESC)
        return segdesc_page_acquire(table, progress);
    unsigned level = type;
    uint64_t *entries = mfn_to_virt(table);
    bool any = false;
    for (; *progress < PTES_PER_TABLE; (*progress)++) {
        uint64_t *slot = &entries[*progress];
        if (!(*slot & PTE_PRESENT) || !slot_is_guest(level, *progress))
            continue;
        if (any && level > 1 && preempt_wanted())
            return -XEN_ERESTART;
        uint64_t entry = *slot;
        int rc = entry_acquire(level, &entry, owner, owner);
        if (rc)
            return rc;
        if (entry != *slot)
            *slot = entry;
        any = true;
    }
    if (level == 4)
        paging_fill_slots(entries);
    return 0;
}

int arch_table_release(mfn_t table, enum frame_type type, unsigned *progress,
                       struct torn_tables *torn)
{
    if (type == FT_SEGDESC)
        return 0;
    unsigned level = type;
    uint64_t *entries = mfn_to_virt(table);
    bool any = false;
    while (*progress > 0) {
        uint64_t entry = entries[*progress - 1];
        if ((entry & PTE_PRESENT) && slot_is_guest(level, *progress - 1)) {
            if (any && level > 1 && preempt_wanted())
                return -XEN_ERESTART;
            entry_release(level, entry, torn);
            any = true;
        }
        (*progress)--;
    }
    if (level == 4) /* where the hypervisor's own tables are is not for the frame's next user */
        memset(&entries[HV_SLOT_FIRST], 0, (HV_SLOT_LAST - HV_SLOT_FIRST + 1) * sizeof(uint64_t));
    return 0;
}
