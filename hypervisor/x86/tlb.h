/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB shoot-down by flush epochs.
 *
 * A global epoch counts. A frame that loses its last type reference, or is freed, is stamped with the
 * epoch; each CPU records the epoch that it read just before its last full flush. A CPU may hold a stale
 * entry for the frame only if its record is not above the stamp; whoever gives the frame a new meaning
 * flushes just those CPUs. A CPU's ordinary CR3 loads count as flushes and cost no shared write.
 */
#ifndef X86_TLB_H
#define X86_TLB_H

#include "core/cpumask.h"

typedef uint32_t tlb_epoch_t;

tlb_epoch_t tlb_epoch_now(void);
/* Flush every CPU (of mask) that may still hold entries from before the stamp. Interrupts on. */
void tlb_flush_stale(cpumask_t mask, tlb_epoch_t stamp);

/* Load CR3 and so flush all non-global entries (all guest entries) on this CPU. */
void tlb_load_cr3(uint64_t cr3);
void tlb_flush_local(void);              /* all guest entries, global ones too */
void tlb_flush_page_local(uint64_t va);
void tlb_flush_mask(cpumask_t mask);     /* all guest entries on those CPUs; waits; interrupts on */
void tlb_flush_page_mask(cpumask_t mask, uint64_t va);
void tlb_flush_ipi(void);                /* the handler */

/* A flush that a weakened mapping owes. Ignoring one does not compile without a warning. */
typedef struct { cpumask_t mask; uint64_t va; bool all; } tlb_flush_t;
#define TLB_FLUSH_NONE ((tlb_flush_t){.mask = {0}})
void tlb_flush_pay(tlb_flush_t owed);

#endif
