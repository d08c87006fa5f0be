/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct cpu_info, at the top of each CPU's stack: found from the stack pointer alone, so that
 * neither FS nor GS is needed and both stay the guest's while the hypervisor runs.
 */
#ifndef ARCH_CURRENT_H
#define ARCH_CURRENT_H

#include <arch/layout.h>

#include "core/abi.h"

struct vcpu;

struct cpu_info {
    /* What entry code pushes; es, ds, fs, gs only while switching. */
    struct cpu_user_regs guest_regs;
    struct vcpu *current;
    uint64_t percpu_offset;
    uint16_t *iomap_base; /* of this CPU's TSS: written at each change of guest mode */
    uint32_t cpu;
    uint32_t mode_switches; /* see x86/counters.h */
};
/* RSP0 is &guest_regs.es, and the CPU aligns it down to 16 (Intel SDM 3A 6.14.2): it must be so. */
static_assert((sizeof(struct cpu_info) - offsetof(struct cpu_info, guest_regs.es)) % 16 == 0,
              "an interrupt's frame lands in guest_regs");

static inline struct cpu_info *cpu_info(void)
{
    uintptr_t sp;
    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1) - 1;
}

static inline unsigned cpu_id(void)
{
    return cpu_info()->cpu;
}

static inline struct vcpu *current_vcpu(void)
{
    return READ_ONCE(cpu_info()->current);
}

static inline struct cpu_user_regs *guest_regs(void)
{
    return &cpu_info()->guest_regs;
}

#endif
