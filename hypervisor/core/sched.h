/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: proportional share by weight, with caps and affinity, wake-up latency first.
 * A run queue a CPU; idle CPUs take work from busy ones.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/abi.h"
#include "core/cpumask.h"
#include "core/timer.h"

struct domain;
struct vcpu;

#define SCHED_WEIGHT_DEFAULT 256u
#define SCHED_WEIGHT_CONTROL 512u
#define SCHED_WEIGHT_MAX     65535u

/* All fields under the lock of the run queue of vcpu->cpu. */
struct sched_vcpu {
    struct vcpu *next, *prev; /* the run queue, ordered by vtime */
    int64_t vtime;            /* weighted run time, ns; relative to the queue's floor */
    ns_t started;             /* while it runs: up to when its time is accounted */
    ns_t chosen;              /* while it runs: since when */
    ns_t kept_from;           /* and since when it is kept from one that woke; 0: from none */
    ns_t arrived;             /* when it came to this queue from another */
    cpumask_t affinity;       /* where it may run */
    cpumask_t soft;           /* where it rather runs, when there is a choice */
    cpumask_t unpinned; /* affinity to return to after SCHEDOP_pin_override; empty: not pinned */
    uint16_t weight;    /* 1..65535, 256 by default */
    uint8_t unkept;     /* how often it is to give way to wakers (sched_keep.c) */
    bool gives_way;     /* while it runs: to one that woke */
    bool queued;
    bool yielded;
    bool moving;   /* between two queues: vtime is the distance from the floor */
    bool requeue;  /* became runnable while its state was being saved: sched_switched() queues it */
    bool parked;   /* its domain's cap is used up; the domain's cap_timer will end that */
    ns_t cap_left; /* run time that it has drawn from its domain's pool, less what it has run */
};

/* A domain's share of the CPUs. Changed by one caller at a time (sched_set_share()). */
struct sched_domain {
    uint16_t weight; /* of each vCPU, those to come too */
    uint32_t cap;    /* percent of one CPU for all vCPUs together; 0: none */
    /* sched_cap.c's: */
    ns_t pool;    /* run time that its vCPUs may still draw in this period; atomic */
    bool ticking; /* the period has begun: the timer is set, or about to be; atomic */
    struct timer cap_timer;
};

void sched_init(void); /* once, on the boot CPU */
/*
 * Makes the CPU's idle vCPU, idle_domain.vcpu[cpu]: marked as running there. Called once timers of
 * that CPU are initialised and before anything can be scheduled on it.
 */
void sched_cpu_init(unsigned cpu);
void sched_domain_init(struct domain *d, unsigned weight);
void sched_domain_remove(struct domain *d); /* its vCPUs are paused for good */
void sched_vcpu_init(struct vcpu *v);
void sched_vcpu_remove(struct vcpu *v); /* paused for good; before it is freed */

/* Recheck whether v may run, and queue it if so. Any context. */
void vcpu_wake(struct vcpu *v);
/* End VPF_BLOCKED and VPF_POLLING, if v is in one, and wake it. True when it was. Any context. */
bool vcpu_unblock(struct vcpu *v);
/* Its pause flags or counts have changed so that it may not run: take it off its queue or CPU. */
void vcpu_sleep(struct vcpu *v);
/*
 * Stop v from running and wait until it does not (not for current; interrupts on). Nests.
 */
void vcpu_pause(struct vcpu *v);
void vcpu_pause_nowait(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void vcpu_wait_stopped(struct vcpu *v); /* the second half of vcpu_pause() */
bool vcpu_runnable(const struct vcpu *v);
/* The current vCPU: block until an event; give way. */
void vcpu_block(void);
void vcpu_yield(void);
/* The handler of SOFTIRQ_SCHEDULE: choose, and switch by arch_context_switch(). */
void schedule(void);
/* CPU time v has had, ns. */
ns_t sched_vcpu_time(struct vcpu *v);

/*
 * A domain's weight (of each vCPU, those to come too), 1..SCHED_WEIGHT_MAX, and its cap in percent
 * of one CPU (0: none), which its vCPUs share as they need it. -XEN_EINVAL. Calls for one domain
 * must not run at once.
 */
int sched_set_share(struct domain *d, unsigned weight, unsigned cap) must_check;
/* The weight of one vCPU. -XEN_EINVAL. */
int sched_set_weight(struct vcpu *v, unsigned weight) must_check;
/* Where it rather runs: a wish, that never keeps it waiting. No CPU at all: it is all the same. */
void sched_set_soft_affinity(struct vcpu *v, cpumask_t mask);
/* -XEN_EINVAL when no CPU that is online is in the mask; -XEN_EBUSY while v is pinned. */
int sched_set_affinity(struct vcpu *v, cpumask_t mask) must_check;
/* Run on this CPU alone until sched_unpin(). -XEN_EINVAL, -XEN_EBUSY when pinned already. */
int sched_pin(struct vcpu *v, unsigned cpu) must_check;
int sched_unpin(struct vcpu *v) must_check;
static inline bool sched_ratelimit_valid(uint32_t us)
{
    return us == 0 ||
           (us >= XEN_SYSCTL_SCHED_RATELIMIT_MIN && us <= XEN_SYSCTL_SCHED_RATELIMIT_MAX);
}

/*
 * The least time, in us, for which a vCPU that was given a CPU keeps it while it can use it,
 * whoever else wakes: 0 for none, or XEN_SYSCTL_SCHED_RATELIMIT_MIN..MAX (sysctl.h). -XEN_EINVAL.
 */
int sched_set_ratelimit(uint32_t us) must_check;
uint32_t sched_get_ratelimit(void);
/* What each CPU runs and who waits, to the log. */
void sched_dump(void);

/* ---- Run states (runstate.c) --------------------------------------------------------------- */

/* v's run state brought up to this moment: the times sum to the time since v was made. */
void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out);
/*
 * Write the current vCPU's run state to the area that it registered, after switching to it. An area
 * that is not mapped is passed over. Called with no lock held.
 */
void runstate_publish(struct vcpu *v);

/*
 * From the machine layer: make `next` the current vCPU. Called with interrupts off, not holding a
 * lock; calls sched_switched(prev) once prev's state is saved; may return or not.
 */
void arch_context_switch(struct vcpu *prev, struct vcpu *next);
void sched_switched(struct vcpu *prev);

#endif
