/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU's run queue, and what a share means.
 *
 * A vCPU's vtime is the time that it has run, times 256 / weight: whoever's is least runs next, so
 * that run times grow in proportion to weights. Only the distance of a vtime from its queue's floor
 * matters: it is kept when a vCPU changes queues, whose floors have nothing to do with one another.
 */
#include "core/runqueue.h"

#include "core/lib.h"

DEFINE_PER_CPU(struct runqueue, runqueue);
uint32_t sched_waiting;

struct runqueue *vcpu_lock_queue(struct vcpu *v, unsigned long *flags)
{
    for (;;) {
        unsigned cpu = atomic_load(&v->cpu);
        struct runqueue *q = &per_cpu(runqueue, cpu);
        *flags = lock_irqsave(&q->lock);
        if (atomic_load(&v->cpu) == cpu)
            return q;
        unlock_irqrestore(&q->lock, *flags);
    }
}

/* ---- The queue ---------------------------------------------------------------------------- */

void runqueue_insert(struct runqueue *q, struct vcpu *v)
{
    struct vcpu *before = NULL, *after = q->head;

    ASSERT(!v->sched.queued && !v->running && q->current != v && !vcpu_is_idle(v));
    /* Behind those of the same vtime: first come, first served. */
    while (after != NULL && !vtime_before(v->sched.vtime, after->sched.vtime)) {
        before = after;
        after = after->sched.next;
    }
    v->sched.prev = before;
    v->sched.next = after;
    if (before != NULL)
        before->sched.next = v;
    else
        q->head = v;
    if (after != NULL)
        after->sched.prev = v;
    v->sched.queued = true;
    q->count++;
    q->load += v->sched.weight;
    atomic_fetch_add(&sched_waiting, 1);
}

void runqueue_remove(struct runqueue *q, struct vcpu *v)
{
    ASSERT(v->sched.queued);
    if (v->sched.prev != NULL)
        v->sched.prev->sched.next = v->sched.next;
    else
        q->head = v->sched.next;
    if (v->sched.next != NULL)
        v->sched.next->sched.prev = v->sched.prev;
    v->sched.next = NULL;
    v->sched.prev = NULL;
    v->sched.queued = false;
    q->count--;
    q->load -= v->sched.weight;
    atomic_fetch_sub(&sched_waiting, 1);
}

void runqueue_raise_floor(struct runqueue *q)
{
    const struct vcpu *least = q->head;

    if (!vcpu_is_idle(q->current) &&
        (least == NULL || vtime_before(q->current->sched.vtime, least->sched.vtime)))
        least = q->current;
    if (least != NULL && vtime_before(q->floor, least->sched.vtime))
        q->floor = least->sched.vtime;
}

void runqueue_charge(struct runqueue *q, struct vcpu *v, ns_t when)
{
    ns_t ran = when - v->sched.started;

    if (vcpu_is_idle(v) || ran <= 0)
        return;
    v->sched.started = when;
    v->sched.vtime = (int64_t)((uint64_t)v->sched.vtime +
                               (uint64_t)ran * SCHED_WEIGHT_DEFAULT / v->sched.weight);
    v->sched.cap_left -= ran;
    runqueue_raise_floor(q);
}

void runqueue_place(struct runqueue *q, struct vcpu *v)
{
    int64_t earliest = (int64_t)((uint64_t)q->floor - SCHED_WAKE_BONUS);

    if (v->sched.moving)
        v->sched.vtime = (int64_t)((uint64_t)v->sched.vtime + (uint64_t)q->floor);
    v->sched.moving = false;
    if (vtime_before(v->sched.vtime, earliest))
        v->sched.vtime = earliest;
}

void runqueue_leave(struct runqueue *q, struct vcpu *v, unsigned cpu, ns_t when)
{
    ASSERT(!v->sched.queued && !v->running && q->current != v);
    runqueue_charge(q, q->current, when); /* and so bring the floor up to now */
    if (!v->sched.moving)
        v->sched.vtime = (int64_t)((uint64_t)v->sched.vtime - (uint64_t)q->floor);
    v->sched.moving = true;
    v->sched.arrived = when;
    atomic_store(&v->cpu, cpu); /* last: from here on another lock protects it */
}
