/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the scheduler share: a CPU's run queue and the arithmetic of shares. */
#ifndef CORE_RUNQUEUE_H
#define CORE_RUNQUEUE_H

#include "core/domain.h"
#include "core/percpu.h"

#define SCHED_SLICE          (10 * NS_PER_MS) /* a turn, when someone else waits */
/* How far ahead of the others a sleeper may come back. */
#define SCHED_WAKE_BONUS     (3 * NS_PER_MS)
#define SCHED_CAP_PERIOD     (100 * NS_PER_MS) /* over which a cap is kept */
#define SCHED_BALANCE_PERIOD (100 * NS_PER_MS)

struct runqueue {
    struct spinlock lock; /* RANK_SCHED */
    unsigned cpu;
    unsigned count;       /* vCPUs queued */
    uint64_t load;        /* sum of weights: queued ones and current */
    struct vcpu *head;    /* earliest vtime first; none is running or in the midst of a switch */
    struct vcpu *current; /* chosen last; v->running stays set until its state is saved */
    struct vcpu *idle;
    int64_t floor; /* no lower than any vtime was when it began to wait; never falls */
    ns_t next_balance;
    struct timer slice;
};

DECLARE_PER_CPU(struct runqueue, runqueue);

/* All of these with q's lock held, and v of this queue. */

/* a before b? Wraps: only differences mean anything. */
static inline bool vtime_before(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b) < 0;
}

static inline bool vcpu_is_idle(const struct vcpu *v)
{
    return v->domain->is_idle;
}

void runqueue_insert(struct runqueue *q, struct vcpu *v);
void runqueue_remove(struct runqueue *q, struct vcpu *v);
/* Charge v, which runs, for the time since it was last charged. */
void runqueue_charge(struct runqueue *q, struct vcpu *v, ns_t when);
/* Raise the floor to the earliest vtime of those that run or wait. */
void runqueue_raise_floor(struct runqueue *q);
/*
 * v comes to wait here, from sleep or from another queue. The floor is up to date. A sleeper gets
 * no credit for its sleep but SCHED_WAKE_BONUS.
 */
void runqueue_place(struct runqueue *q, struct vcpu *v);
/*
 * v, neither queued nor running, moves on to `cpu`: what it keeps of its vtime until it is placed
 * there is the distance from the floor.
 */
void runqueue_leave(struct runqueue *q, struct vcpu *v, unsigned cpu, ns_t when);

/* ---- Caps (sched_cap.c) --------------------------------------------------------------------- */

/* May v run at all? */
bool cap_allows(const struct vcpu *v);
/*
 * Run time that v, which has a CPU, may use before this is asked again, drawn from its domain's
 * pool; NS_NEVER without a cap; 0 or less: none is left.
 */
ns_t cap_draw(struct vcpu *v, ns_t when);
/* v leaves its CPU: what it has drawn and not used is its domain's again. */
void cap_return(struct vcpu *v);
/* The domain's cap has changed: a new period begins, with all of its vCPUs allowed to run. */
void cap_begin(struct domain *d);

/* ---- Keeping the CPU (sched_keep.c) ---------------------------------------------------------- */

/* Until when q's current keeps the CPU; in the past: it does not. */
ns_t keep_until(const struct runqueue *q);
/* One has woken whose turn is before that of q's current: does that keep the CPU from it? */
bool keep_from_waker(const struct runqueue *q, ns_t when);
/* v, which was current, leaves the CPU. */
void keep_end(struct vcpu *v, ns_t when);
extern ns_t sched_ratelimit; /* the longest that it is kept */

/* Note that v is in `state` from `when` on (runstate.c). */
void runstate_change(struct vcpu *v, int state, ns_t when);

/* vCPUs waiting in all queues. */
extern uint32_t sched_waiting;

/* Lock the queue of the CPU that v is on or was on last. */
struct runqueue *vcpu_lock_queue(struct vcpu *v, unsigned long *flags);

#endif
