/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers as PV guests see them. */
#ifndef X86_MSR_H
#define X86_MSR_H

#include "core/types.h"

struct vcpu;

/* RDMSR and WRMSR of the current vCPU's kernel. False: #GP. */
bool guest_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *val) must_check;
bool guest_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val) must_check;

/* Context switch: registers that guests can read without a trap, and that no other code switches.
 */
void msr_load(const struct vcpu *v);

#endif
