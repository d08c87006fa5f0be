/* SPDX-License-Identifier: BSD-2-Clause */
/* Putting vCPUs on CPUs and taking them off. */
#ifndef X86_SWITCH_H
#define X86_SWITCH_H

#include "core/types.h"

struct vcpu;

/* In entry.S: drop all C frames and go to the guest, or to the idle loop. */
void reset_stack_to_guest(void) noreturn_fn;

/*
 * An idle CPU that still has a vCPU loaded gives it up, with its translations, rather than be woken
 * for each flush to come. False: it has none, or is not idle. Interrupts off.
 */
bool switch_drop_lazy(void);
/*
 * Bring the state of a vCPU that does not run into its structure, from the CPU that may still have
 * it in registers. Interrupts on.
 */
void vcpu_sync_state(struct vcpu *v);
/* As above for every vCPU of a domain; then no CPU has its page tables loaded. */
struct domain;
void domain_sync_state(struct domain *d);

#endif
