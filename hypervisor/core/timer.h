/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: a heap a CPU, driven by the machine's one-shot timer. A handler runs from SOFTIRQ_TIMER
 * on the timer's CPU with interrupts on and no lock held.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "core/types.h"

struct timer {
    ns_t expires;
    void (*fn)(void *data);
    void *data;
    uint32_t heap_index; /* position in the CPU's heap + 1; 0 when not set */
    uint16_t cpu;
    bool running;
    bool killed;
};

void timer_subsystem_init(void);     /* once, before any other CPU runs */
void timer_cpu_init(unsigned cpu);
void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu);
void timer_set(struct timer *t, ns_t expires); /* absolute, system time; replaces a former time */
void timer_stop(struct timer *t);              /* the handler may still be running elsewhere */
void timer_kill(struct timer *t);              /* as stop; waits for the handler; never set again */
void timer_migrate(struct timer *t, unsigned cpu);

/* System time: nanoseconds since boot, monotone over all CPUs. From the machine layer. */
ns_t now(void);
/* Machine layer: interrupt this CPU (then timer_interrupt()) at `deadline`, or never. */
void arch_timer_program(ns_t deadline);
/* Called by the machine layer's timer interrupt. */
void timer_interrupt(void);

#endif
