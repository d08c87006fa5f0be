/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work deferred to the moment just before a guest is entered (or to the idle loop): per CPU, one
 * bit a kind. Raising from another CPU sends it an IPI (arch_kick_cpu).
 */
#ifndef CORE_SOFTIRQ_H
#define CORE_SOFTIRQ_H

#include "core/percpu.h"

enum softirq { SOFTIRQ_TIMER, SOFTIRQ_SCHEDULE, SOFTIRQ_RENDEZVOUS, SOFTIRQ_TASKLET, NR_SOFTIRQS };

/* Bits pending on a CPU; the exit path tests it against zero. */
DECLARE_PER_CPU(uint64_t, softirq_pending);

void softirq_open(enum softirq nr, void (*handler)(void));
void softirq_raise(enum softirq nr);                  /* on this CPU */
void softirq_raise_on(unsigned cpu, enum softirq nr); /* on any CPU */
/* Run all that is pending, interrupts on. Called with no lock held. */
void softirq_run(void);
/* True when a long hypercall should stop and continue: any work pending on this CPU. */
static inline bool preempt_wanted(void)
{
    return this_cpu(softirq_pending) != 0;
}

/*
 * Tasklets: one-shot work for a CPU, run by SOFTIRQ_TASKLET in the order they were scheduled.
 * Scheduling one that is queued already does nothing.
 */
struct tasklet {
    struct tasklet *next;
    void (*fn)(void *data);
    void *data;
    uint32_t queued;
};
void tasklet_schedule_on(struct tasklet *t, unsigned cpu);

#endif
