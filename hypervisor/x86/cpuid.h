/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID for guests: the machine's answer, filtered by the policy of PV domains (cpuid_policy.h). */
#ifndef X86_CPUID_H
#define X86_CPUID_H

#include "x86/x86.h"

struct vcpu;

/* v must be current: leaf 0dh tells of the XCR0 that is loaded. */
void guest_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);
/*
 * As the forced-emulation CPUID answers: OSXSAVE in leaf 1 then says to a kernel whether XSAVE may
 * be enabled at all, though it has not yet set CR4.OSXSAVE (Xen's PV ABI).
 */
void guest_cpuid_forced(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

#endif
