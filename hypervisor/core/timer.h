/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: a heap a CPU, driven by the machine's one-shot timer. A handler runs from SOFTIRQ_TIMER
 * on the timer's CPU with interrupts on and no lock held. The heap's links are in struct timer
 * itself, so that setting a timer never needs memory and never fails.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "core/types.h"

struct timer {
    ns_t expires;
    void (*fn)(void *data);
    void *data;
    struct timer *child, *next, *prev; /* the heap; timer.c's alone */
    uint16_t cpu;
    bool set; /* in the heap of `cpu` */
    bool killed;
};

void timer_subsystem_init(void); /* once, before any other CPU runs */
void timer_cpu_init(unsigned cpu);
void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu);
void timer_set(struct timer *t, ns_t expires); /* absolute, system time; replaces a former time */
void timer_stop(struct timer *t);              /* the handler may still be running elsewhere */
/*
 * As stop; the timer can never be set again; waits for a handler that runs on another CPU, so
 * interrupts must be on. A handler may kill its own timer.
 */
void timer_kill(struct timer *t);
void timer_migrate(struct timer *t, unsigned cpu);
static inline bool timer_is_set(const struct timer *t)
{
    return READ_ONCE(t->set);
}

/* For a person: a CPU's first timer, and its machine timer; NS_NEVER: there is none. */
void timer_next(unsigned cpu, ns_t *expires, ns_t *programmed);

/* System time: nanoseconds since boot, monotone over all CPUs. From the machine layer. */
ns_t now(void);
/*
 * Machine layer: interrupt this CPU (then timer_interrupt()) at `deadline`, at once when that has
 * passed. Called with interrupts off and the queue's lock held.
 */
void arch_timer_program(ns_t deadline);
/* Called by the machine layer's timer interrupt. */
void timer_interrupt(void);

#endif
