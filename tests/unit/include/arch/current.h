/* SPDX-License-Identifier: BSD-2-Clause */
/* Host version: what CPU this is and which vCPU runs on it are variables that a test sets. */
#ifndef HOST_ARCH_CURRENT_H
#define HOST_ARCH_CURRENT_H

#include <arch/layout.h>

#include "core/abi.h"

struct vcpu;

extern _Thread_local unsigned host_cpu;         /* 0 at start; below NR_CPUS */
extern _Thread_local struct vcpu *host_current; /* NULL at start */
extern _Thread_local struct cpu_user_regs host_regs;

static inline unsigned cpu_id(void)
{
    return host_cpu;
}

static inline struct vcpu *current_vcpu(void)
{
    return host_current;
}

static inline struct cpu_user_regs *guest_regs(void)
{
    return &host_regs;
}

#endif
