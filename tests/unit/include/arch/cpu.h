/* SPDX-License-Identifier: BSD-2-Clause */
/* Host version: the interrupt flag is a variable, one a thread (a thread plays a CPU). */
#ifndef HOST_ARCH_CPU_H
#define HOST_ARCH_CPU_H

#include "core/types.h"

extern _Thread_local bool host_irqs_on; /* true at start */

static inline void cpu_relax(void)
{
}

static inline unsigned long irq_save(void)
{
    unsigned long flags = host_irqs_on;
    host_irqs_on = false;
    return flags;
}

static inline void irq_restore(unsigned long flags)
{
    if (flags)
        host_irqs_on = true;
}

static inline void irq_enable(void)
{
    host_irqs_on = true;
}

static inline void irq_disable(void)
{
    host_irqs_on = false;
}

static inline bool irq_enabled(void)
{
    return host_irqs_on;
}

#endif
