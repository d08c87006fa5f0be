/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPU can do, which of it is used, and the control registers that say so. */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "core/types.h"

enum cpu_vendor { VENDOR_OTHER, VENDOR_INTEL, VENDOR_AMD, VENDOR_HYGON, VENDOR_ZHAOXIN };

/*
 * Of the boot CPU; all others are taken to be like it, unchecked. "Used": the options allow it as
 * well.
 */
struct cpu_features {
    enum cpu_vendor vendor;
    unsigned family, model, stepping; /* as displayed: extended fields added in */
    unsigned phys_bits;               /* width of machine addresses */

    bool pge, xsave, xsaveopt, fxsr_opt, rdtscp, page1gb, tsc_invariant, hypervisor, mce;
    bool smep, smap, umip, fsgsbase, pcid; /* used */
    bool syscall32, sysenter;
};

extern struct cpu_features cpu_features;
/* CR4 as every CPU runs with it, but for TSD, which control_load() sets as the vCPU has it. */
extern uint64_t hv_cr4;

/* Boot CPU: find features, set up, print one line. Other CPUs: set up the same. */
void cpu_init(void);

/* PCIDs may be used (CR4.PCIDE is on). */
static inline bool cpu_has_pcid(void)
{
    return cpu_features.pcid;
}

#endif
