/* SPDX-License-Identifier: BSD-2-Clause */
/* Single instructions that portable code may ask for. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include "core/types.h"

#define X86_RFLAGS_IF (1ul << 9)

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline unsigned long irq_save(void)
{
    unsigned long flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}

static inline void irq_restore(unsigned long flags)
{
    if (flags & X86_RFLAGS_IF)
        __asm__ volatile("sti" ::: "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline bool irq_enabled(void)
{
    unsigned long flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
    return (flags & X86_RFLAGS_IF) != 0;
}

#endif
