/* SPDX-License-Identifier: BSD-2-Clause */
/* Entering the guest kernel: frames on its stack, and the change between its two modes. */
#ifndef X86_BOUNCE_H
#define X86_BOUNCE_H

#include "core/abi.h"

struct vcpu;

#define BOUNCE_ERROR_CODE  1u /* the frame has an error code */
#define BOUNCE_MASK_EVENTS 2u /* events are masked on entry */
#define BOUNCE_FAILSAFE    4u /* the frame has data segment selectors (failsafe callback) */

/*
 * Make the current vCPU continue at `rip` in its kernel, with a frame that tells where it was. A
 * guest whose stack cannot take the frame is crashed.
 */
void bounce_to_kernel(struct vcpu *v, uint64_t rip, unsigned flags, uint32_t error_code);
/* The same for the event callback, where events are not masked. */
void bounce_event(struct vcpu *v);

/* Change between kernel and user mode: page table, GS base, I/O bitmap. Interrupts off. */
void guest_mode_toggle(struct vcpu *v);
/* After a change of the callbacks, the VM assists, or whether there is a user page table. */
void bounce_update_fast_entry(struct vcpu *v);
/* After a change of the kernel stack alone. */
void bounce_update_stack(struct vcpu *v);

#endif
