/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers of vCPUs. v->arch.debugreg[] is what the guest wrote, reserved bits as the CPU
 * fixes them; the CPU has the current vCPU's when DR7 of it arms any breakpoint, and else DR7 is
 * clear. No armed address is in the hypervisor's range.
 */
#ifndef X86_DEBUGREG_H
#define X86_DEBUGREG_H

#include "core/types.h"

struct vcpu;

void debugreg_vcpu_init(struct vcpu *v);
/*
 * 0; -XEN_EPERM: an address in the hypervisor's range, or bits that a guest may not set;
 * -XEN_ENODEV: no such register. v is current, or does not run.
 */
int debugreg_set(struct vcpu *v, unsigned nr, uint64_t val) must_check;
int debugreg_get(const struct vcpu *v, unsigned nr, uint64_t *val) must_check;

/* Context switch: disarm prev's breakpoints; arm next's. */
void debugreg_save(struct vcpu *v);
void debugreg_load(struct vcpu *v);
/*
 * A #DB from the guest, interrupts still off: the current vCPU's DR6 takes over what the CPU's
 * says, and the guest gets the trap. Turns interrupts on.
 */
void debugreg_trap(void);

#endif
