/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a PV domain may see of the CPU: pure functions from what the machine says to what the guest
 * is told, so that the host's unit tests can check them.
 */
#ifndef X86_CPUID_POLICY_H
#define X86_CPUID_POLICY_H

#include "x86/x86.h"

/* What the answer depends on beside the machine's own. */
struct cpuid_view {
    bool privileged; /* the control domain */
    bool amd;        /* AMD or Hygon: more extended leaves */
    bool osxsave;    /* to be shown in leaf 1 */
    bool tsc_stable;
    bool rdtscp;
    uint64_t xcr0_mask;  /* state components that guests may enable; 0: no XSAVE */
    unsigned xsave_size; /* bytes for all of those */
    unsigned tsc_khz;
    unsigned address_bits; /* width of machine addresses */
};

/* False: the leaf is empty for guests, all zero, and the machine need not be asked. */
bool cpuid_policy_visible(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf);
/* Turn what the machine said of a visible leaf into what the guest sees. */
void cpuid_policy_filter(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf,
                         struct cpuid_regs *r);
/* The hypervisor's own leaves, 0x40000000 to 0x4fffffff (xen/arch-x86/cpuid.h). */
struct cpuid_regs cpuid_policy_xen(const struct cpuid_view *view, uint32_t leaf, uint32_t subleaf);

#endif
