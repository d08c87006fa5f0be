/* SPDX-License-Identifier: BSD-2-Clause */
/* Host version: the little of a machine's part of domains and vCPUs that portable code may look at.
 */
#ifndef HOST_ARCH_DOMAIN_H
#define HOST_ARCH_DOMAIN_H

#include "core/abi.h"
#include "core/cpumask.h"
#include "core/frame.h"

struct spare_slots;

struct arch_vcpu {
    struct cpu_user_regs regs;
    bool in_kernel;
    uint64_t cr2;
    cpumask_t dirty_cpus;
    struct torn_tables torn;
#define SPARE_ROOTS 4u
    uint64_t spare_root[SPARE_ROOTS];
    unsigned spare_turn;
};

struct arch_domain {
    cpumask_t dirty_cpus;
    struct spare_slots *spare_slots;
    bool all_iomem;
    unsigned tsc_khz;
};

#endif
