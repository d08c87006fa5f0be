/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CPU does when no vCPU wants it: clean memory, then sleep. */
#include <arch/cpu.h>

#include "core/heap.h"
#include "core/softirq.h"
#include "x86/traps.h"

/* STI takes effect after the next instruction: no interrupt can come between the check and HLT. */
static void sleep_until_interrupt(void)
{
    irq_disable();
    if (preempt_wanted())
        irq_enable();
    else
        __asm__ volatile("sti; hlt" ::: "memory");
}

void idle_loop(void)
{
    irq_enable();
    for (;;) {
        softirq_run();
        if (!heap_scrub_some())
            sleep_until_interrupt();
    }
}
