/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID for guests: gathers what the policy depends on; decides nothing itself. */
#include "x86/cpuid.h"

#include "core/domain.h"
#include "core/frame.h"
#include "x86/cpu.h"
#include "x86/cpuid_policy.h"
#include "x86/fpu.h"
#include "x86/time.h"

/* Bits in the highest machine address of RAM. */
static unsigned address_bits(void)
{
    uint64_t last = frame_max().v - 1;
    return PAGE_SHIFT + 64 - (unsigned)__builtin_clzll(last | 1);
}

static bool machine_has(uint32_t leaf, uint32_t subleaf)
{
    if (leaf >= 0x80000000)
        return leaf <= cpuid(0x80000000).a;
    if (leaf == 7 && subleaf > cpuid_count(7, 0).a)
        return false;
    return leaf <= cpuid(0).a;
}

static void answer(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool osxsave,
                   struct cpuid_regs *out)
{
    struct cpuid_view view = {
        .privileged = v->domain->is_privileged,
        .amd = cpu_features.vendor == VENDOR_AMD || cpu_features.vendor == VENDOR_HYGON,
        .osxsave = osxsave && fpu_xcr0_mask() != 0,
        .tsc_stable = time_tsc_stable(),
        .rdtscp = cpu_features.rdtscp,
        .xcr0_mask = fpu_xcr0_mask(),
        .xsave_size = fpu_area_size(),
        .tsc_khz = v->domain->arch.tsc_khz,
        .address_bits = address_bits(),
    };

    *out = (struct cpuid_regs){0};
    if (leaf >> 28 == 4) {
        *out = cpuid_policy_xen(&view, leaf, subleaf);
    } else if (cpuid_policy_visible(&view, leaf, subleaf) && machine_has(leaf, subleaf)) {
        *out = cpuid_count(leaf, subleaf);
        cpuid_policy_filter(&view, leaf, subleaf, out);
    }
}

void guest_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    answer(v, leaf, subleaf, (v->arch.cr4 & X86_CR4_OSXSAVE) != 0, out);
}

void guest_cpuid_forced(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    answer(v, leaf, subleaf, v->arch.in_kernel || (v->arch.cr4 & X86_CR4_OSXSAVE), out);
}
