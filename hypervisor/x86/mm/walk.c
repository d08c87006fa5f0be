/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Software page-table walks.
 *
 * They take no reference on the way down: interrupts are off, and a table can be given a new
 * meaning only after every CPU that might walk through it has acknowledged a flush (x86/tlb.h).
 */
#include "x86/mm/walk.h"

#include <arch/cpu.h>
#include <arch/memory.h>

#include "core/domain.h"
#include "core/lib.h"
#include "x86/mm/entry.h"

/*
 * The frame of the table of level 1 on the way to va; interrupts are off. What is a table names
 * none but frames, and stays one until we look up.
 */
static inline bool walk_to_l1(const struct vcpu *v, uint64_t va, mfn_t *table)
{
    if (!is_canonical(va) || slot_is_hypervisor(table_index(va, 4)))
        return false;
    *table = v->arch.kernel_table;
#pragma GCC unroll 3
    for (unsigned level = 4; level > 1; level--) {
        const uint64_t *entries = mfn_to_virt(*table);
        uint64_t entry = READ_ONCE(entries[table_index(va, level)]);
        if (!(entry & PTE_PRESENT))
            return false;
        *table = entry_mfn(entry);
        ASSERT(mfn_valid(*table));
    }
    return true;
}

bool walk_hold_l1(struct vcpu *v, uint64_t va, mfn_t *l1)
{
    unsigned long flags = irq_save();
    bool found = walk_to_l1(v, va, l1) && frame_hold(*l1, v->domain, FT_L1);
    irq_restore(flags);
    return found;
}

uint64_t walk_l1e(const struct vcpu *v, uint64_t va)
{
    mfn_t table;
    return walk_to_l1(v, va, &table)
               ? READ_ONCE(((const uint64_t *)mfn_to_virt(table))[table_index(va, 1)])
               : 0;
}

uint64_t walk_read_l1e(const struct vcpu *v, uint64_t va)
{
    unsigned long flags = irq_save();
    uint64_t entry = walk_l1e(v, va);
    irq_restore(flags);
    return entry & PTE_PRESENT ? entry : 0;
}
