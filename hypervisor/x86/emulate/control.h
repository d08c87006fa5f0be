/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers as the guest kernel sees them. The CPU's own are the hypervisor's. */
#ifndef X86_EMULATE_CONTROL_H
#define X86_EMULATE_CONTROL_H

#include "core/types.h"

struct vcpu;

enum control_result { CONTROL_DONE, CONTROL_AGAIN /* work is pending: later */, CONTROL_REFUSED };

/* MOV from and to CR0, CR2, CR3, CR4 by the current vCPU's kernel. */
bool control_read(const struct vcpu *v, unsigned nr, uint64_t *val) must_check;
enum control_result control_write(struct vcpu *v, unsigned nr, uint64_t val) must_check;

/* The CR4 that a guest which wants `cr4` gets to see: also for vcpu_guest_context. */
uint64_t control_guest_cr4(uint64_t cr4);
/* Context switch: the one bit of CR4 that is the guest's on the CPU too, TSD. */
void control_load(const struct vcpu *v);

#endif
