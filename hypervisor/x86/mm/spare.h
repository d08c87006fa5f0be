/* SPDX-License-Identifier: BSD-2-Clause */
/* References to page tables that are kept at hand for whoever wants the same ones next. */
#ifndef X86_MM_SPARE_H
#define X86_MM_SPARE_H

#include <arch/layout.h>

#include "core/frame.h"
#include "x86/x86.h"

struct domain;
struct vcpu;

/* The slots of a top-level table above the hypervisor's: a Linux kernel's, alike in all its tables.
 */
#define KERNEL_SLOT_FIRST (HV_SLOT_LAST + 1)
#define KERNEL_SLOTS      (PTES_PER_TABLE - KERNEL_SLOT_FIRST)

/*
 * References of `sets` top-level tables with these entries there. Whoever has set `taken` may look
 * and change.
 */
struct spare_slots {
    uint32_t taken;
    uint16_t sets, parts; /* parts: as arch_table_acquire(), those of the entries */
    uint64_t entry[KERNEL_SLOTS];
};

/*
 * What `entries`, the kernel's slots of a table of d's, stand for: from what is kept, and true;
 * their parts are noted. Or false, and nothing is taken.
 */
bool spare_slots_take(const struct domain *d, const uint64_t *entries, unsigned *parts) must_check;
/* The other way: true when they are kept now. Remains of tables below go to `torn`. */
bool spare_slots_give(const struct domain *d, const uint64_t *entries, unsigned parts,
                      struct torn_tables *torn) must_check;

/*
 * The references of a vCPU's base pointer. Take: the place where they were, which is first looked
 * for at `guess`, or NO_PLACE. Give: to that place, if it is empty, so that two that take turns
 * find each other at once.
 */
#define NO_PLACE (~0u)
unsigned spare_root_take(struct vcpu *v, mfn_t root, unsigned guess) must_check;
void spare_root_give(struct vcpu *v, mfn_t root, unsigned place);
/* The guest has unpinned it: nobody is to keep it. */
void spare_root_forget(const struct domain *d, mfn_t root);

/* All that is kept for d. As arch_spare_drop(). */
int spare_drop(struct domain *d, struct torn_tables *torn) must_check;

#endif
