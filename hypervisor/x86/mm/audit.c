/* SPDX-License-Identifier: BSD-2-Clause */
/* For the audit: what page tables and vCPUs hold. Kept in step with entry.h, root.c, segdesc.c. */
#include "core/audit.h"

#include <arch/memory.h>

#include "core/domain.h"
#include "x86/mm/entry.h"
#include "x86/mm/spare.h"
#include "x86/pirq.h"

unsigned arch_audit_table(mfn_t table, unsigned level, unsigned entries)
{
    const uint64_t *entry = mfn_to_virt(table);
    unsigned parts = 0;
    for (unsigned i = 0; i < entries; i++) {
        if (!(entry[i] & PTE_PRESENT) || (level == 4 && slot_is_hypervisor(i)))
            continue;
        mfn_t mfn = entry_mfn(entry[i]);
        parts |= 1u << arch_table_part(&entry[i]);
        if (level > 1)
            audit_note(mfn, 1, 1);
        else if (mfn_valid(mfn) && frame_owner(mfn).v != DOMID_INVALID)
            audit_note(mfn, 1, entry[i] & PTE_WRITE ? 1 : 0);
    }
    return parts;
}

static void note_both(mfn_t mfn)
{
    if (!mfn_eq(mfn, INVALID_MFN))
        audit_note(mfn, 1, 1);
}

static void note_vcpu(const struct vcpu *v)
{
    note_both(v->arch.kernel_table);
    note_both(v->arch.user_table);
    note_both(v->info_mfn);
    for (unsigned i = 0; i < ARRAY_SIZE(v->arch.gdt_frame); i++)
        note_both(v->arch.gdt_frame[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(v->arch.ldt_frame); i++)
        note_both(v->arch.ldt_frame[i]);
    for (unsigned level = FT_L1; level <= FT_L4; level++)
        if (v->arch.torn.mfn_plus_1[level])
            audit_note(MFN(v->arch.torn.mfn_plus_1[level] - 1), 1, 0);
    for (unsigned i = 0; i < SPARE_ROOTS; i++)
        if (v->arch.spare_root[i])
            audit_note(MFN(v->arch.spare_root[i] - 1), 1, 1);
}

static void note_spare_slots(const struct spare_slots *s)
{
    for (unsigned i = 0; s->sets != 0 && i < KERNEL_SLOTS; i++)
        if (s->entry[i] & PTE_PRESENT)
            audit_note(entry_mfn(s->entry[i]), s->sets, s->sets);
}

void arch_audit_domain(struct domain *d)
{
    if (d->arch.spare_slots != NULL)
        note_spare_slots(d->arch.spare_slots);
    for_each_vcpu (d, v)
        note_vcpu(v);
    if (d->arch.pirqs != NULL)
        note_both(d->arch.pirqs->eoi_mfn);
}
