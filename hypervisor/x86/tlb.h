/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB shoot-down by flush epochs.
 *
 * A global epoch counts. A frame that loses its last type reference, or is freed, is stamped with
 * the epoch; each CPU records the epoch that it read just before its last full flush. A CPU may
 * hold a stale entry for the frame only if its record is not above the stamp; whoever gives the
 * frame a new meaning flushes just those CPUs. A CPU's ordinary CR3 loads count as flushes.
 *
 * A CPU acknowledges a flush from an interrupt: with interrupts off, what it found by walking its
 * current page tables cannot be given a new meaning under it.
 */
#ifndef X86_TLB_H
#define X86_TLB_H

#include "core/cpumask.h"

/*
 * Translations of a vCPU's two modes have PCIDs of their own where the CPU has those, so that a
 * change of mode keeps them; everywhere else a CR3 load drops them all (no guest's translation is
 * global).
 */
#define PCID_KERNEL 0ul
#define PCID_USER   1ul
/* The CR3 value by which entry code changes to a table for the mode. */
uint64_t tlb_mode_cr3(uint64_t table, bool user);

/*
 * Load a guest's tables, or the hypervisor's own; either drops all guest translations of this CPU.
 * One on its own tables can have none, and is asked for no flush. Interrupts off.
 */
void tlb_load_guest(uint64_t cr3);
void tlb_load_own(uint64_t cr3);
/* Drop what is left of a former user-mode table of the vCPU that is loaded here. */
void tlb_flush_user_local(void);
void tlb_flush_local(void);
void tlb_flush_page_local(uint64_t va);
/* All guest translations on those CPUs. Waits for them; interrupts on, no lock held. */
void tlb_flush_mask(cpumask_t mask);
void tlb_flush_page_mask(cpumask_t mask, uint64_t va);
/* The handler of the flush IPI. */
void tlb_flush_ipi(void);

/* A flush that a weakened mapping owes: ignoring the value draws a warning. */
typedef struct {
    cpumask_t mask;
    uint64_t va; /* one page, unless all */
    bool all;
} tlb_flush_t;
#define TLB_FLUSH_NONE ((tlb_flush_t){.mask = {0}})
void tlb_flush_make(tlb_flush_t owed);
static inline void tlb_flush_pay(tlb_flush_t owed)
{
    if (!cpumask_empty(owed.mask))
        tlb_flush_make(owed);
}

#endif
