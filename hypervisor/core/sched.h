/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: proportional share by weight, with caps and affinity, wake-up latency first.
 * A run queue a CPU; idle CPUs take work from busy ones.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/abi.h"
#include "core/cpumask.h"

struct domain;
struct vcpu;

struct sched_vcpu {
    struct vcpu *next, *prev; /* the run queue, ordered by vtime */
    int64_t vtime;            /* weighted run time, ns; relative to the queue's floor */
    ns_t started;             /* when it was last put on a CPU */
    cpumask_t affinity;       /* where it may run */
    uint16_t weight;          /* 1..65535, 256 by default */
    uint16_t cap;             /* percent of one CPU, 0: none */
    bool queued;
    bool yielded;
};

void sched_init(void);               /* once, on the boot CPU */
void sched_cpu_init(unsigned cpu);   /* makes the CPU's idle vCPU known */
void sched_vcpu_init(struct vcpu *v);
void sched_vcpu_remove(struct vcpu *v);

/* Recheck whether v may run, and queue it if so. Any context. */
void vcpu_wake(struct vcpu *v);
/* Stop v from running and wait until it does not (not for current). Nests. */
void vcpu_pause(struct vcpu *v);
void vcpu_pause_nowait(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
bool vcpu_runnable(const struct vcpu *v);
/* The current vCPU: block until an event; give way. */
void vcpu_block(void);
void sched_yield(void);
/* The handler of SOFTIRQ_SCHEDULE: choose, and switch by arch_context_switch(). */
void schedule(void);
/* CPU time v has had, ns. */
ns_t sched_vcpu_time(struct vcpu *v);

/*
 * From the machine layer: make `next` the current vCPU. Called with interrupts off, not holding a
 * lock; calls sched_switched(prev) once prev's state is saved; may return or not.
 */
void arch_context_switch(struct vcpu *prev, struct vcpu *next);
void sched_switched(struct vcpu *prev);

#endif
