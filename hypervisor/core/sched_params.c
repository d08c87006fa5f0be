/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's beginnings and its knobs: idle vCPUs, weights and affinity. All under the
 * lock of the vCPU's run queue; who has to choose anew because of a change is told so.
 */
#include "core/sched.h"

#include "core/lib.h"
#include "core/log.h"
#include "core/runqueue.h"
#include "core/softirq.h"

/* ---- Beginnings --------------------------------------------------------------------------- */

static void slice_over(void *data)
{
    (void)data;
    softirq_raise(SOFTIRQ_SCHEDULE);
}

void sched_init(void)
{
    softirq_open(SOFTIRQ_SCHEDULE, schedule);
}

void sched_cpu_init(unsigned cpu)
{
    struct runqueue *q = &per_cpu(runqueue, cpu);
    struct vcpu *idle = hv_new(NULL, struct vcpu);

    if (idle == NULL)
        panic("no memory for the idle vCPU of CPU %u", cpu);
    lock_init(&q->lock, RANK_SCHED);
    q->cpu = cpu;
    q->idle = idle;
    q->current = idle;
    timer_init(&q->slice, slice_over, NULL, cpu);

    idle->id = cpu;
    idle->domain = &idle_domain;
    idle->cpu = cpu;
    idle->running = true;
    idle->info = &vcpu_info_dummy;
    idle->info_mfn = INVALID_MFN;
    lock_init(&idle->lock, RANK_VCPU);
    if (arch_vcpu_create(idle) != 0)
        panic("no state for the idle vCPU of CPU %u", cpu);
    sched_vcpu_init(idle);
    idle->runstate.state = RUNSTATE_running;
    idle->sched.affinity = CPUMASK_OF(cpu);
    atomic_store(&idle_domain.vcpu[cpu], idle);
}

void sched_vcpu_init(struct vcpu *v)
{
    ns_t when = now();

    v->sched.moving = true; /* with a distance of none */
    v->sched.started = when;
    v->sched.arrived = when;
    v->sched.affinity = CPUMASK_ALL;
    v->sched.soft = CPUMASK_ALL;
    v->sched.weight = v->domain->is_idle ? SCHED_WEIGHT_DEFAULT : v->domain->sched.weight;
    v->runstate.state = RUNSTATE_offline;
    v->runstate.state_entry_time = (uint64_t)when;
}

void sched_vcpu_remove(struct vcpu *v)
{
    unsigned long flags;
    struct runqueue *q;

    q = vcpu_lock_queue(v, &flags);
    BUG_ON(q->current == v || v->running);
    if (v->sched.queued)
        runqueue_remove(q, v);
    unlock_irqrestore(&q->lock, flags);
}

/* ---- Knobs -------------------------------------------------------------------------------- */

int sched_set_weight(struct vcpu *v, unsigned weight)
{
    unsigned long flags;
    struct runqueue *q;

    if (weight == 0 || weight > SCHED_WEIGHT_MAX)
        return -XEN_EINVAL;
    q = vcpu_lock_queue(v, &flags);
    if (q->current == v) {
        runqueue_charge(q, v, now()); /* what it ran until now, at the old weight */
        softirq_raise_on(q->cpu, SOFTIRQ_SCHEDULE);
    }
    if (q->current == v || v->sched.queued)
        q->load = q->load - v->sched.weight + weight;
    v->sched.weight = (uint16_t)weight;
    v->sched.cap_left = 0; /* owed or owned under the former cap: schedule() draws anew */
    unlock_irqrestore(&q->lock, flags);
    return 0;
}

int sched_set_share(struct domain *d, unsigned weight, unsigned cap)
{
    if (weight == 0 || weight > SCHED_WEIGHT_MAX)
        return -XEN_EINVAL;
    d->sched.weight = (uint16_t)weight;
    WRITE_ONCE(d->sched.cap, cap);
    for_each_vcpu (d, v)
        (void)!sched_set_weight(v, weight);
    cap_begin(d);
    return 0;
}

void sched_set_soft_affinity(struct vcpu *v, cpumask_t mask)
{
    unsigned long flags;
    struct runqueue *q = vcpu_lock_queue(v, &flags);

    v->sched.soft = mask;
    unlock_irqrestore(&q->lock, flags);
}

/*
 * Its affinity has changed: leave a CPU on which it may no longer be, or, waiting, see whether
 * another is better. q is locked, and unlocked on return.
 */
static void choose_anew(struct runqueue *q, struct vcpu *v, unsigned long flags)
{
    bool wake = v->sched.queued;

    if (wake)
        runqueue_remove(q, v);
    else if (q->current == v && !cpumask_has(v->sched.affinity, q->cpu))
        softirq_raise_on(q->cpu, SOFTIRQ_SCHEDULE);
    unlock_irqrestore(&q->lock, flags);
    if (wake)
        vcpu_wake(v);
}

int sched_set_affinity(struct vcpu *v, cpumask_t mask)
{
    unsigned long flags;
    struct runqueue *q;

    if (cpumask_empty(cpumask_and(mask, cpu_online_mask)))
        return -XEN_EINVAL;
    q = vcpu_lock_queue(v, &flags);
    if (!cpumask_empty(v->sched.unpinned)) {
        unlock_irqrestore(&q->lock, flags);
        return -XEN_EBUSY;
    }
    v->sched.affinity = mask;
    choose_anew(q, v, flags);
    return 0;
}

int sched_pin(struct vcpu *v, unsigned cpu)
{
    unsigned long flags;
    struct runqueue *q;

    if (cpu >= NR_CPUS || !cpumask_has(cpu_online_mask, cpu))
        return -XEN_EINVAL;
    q = vcpu_lock_queue(v, &flags);
    if (!cpumask_empty(v->sched.unpinned)) {
        unlock_irqrestore(&q->lock, flags);
        return -XEN_EBUSY;
    }
    v->sched.unpinned = v->sched.affinity;
    v->sched.affinity = CPUMASK_OF(cpu);
    choose_anew(q, v, flags);
    return 0;
}

int sched_unpin(struct vcpu *v)
{
    unsigned long flags;
    struct runqueue *q = vcpu_lock_queue(v, &flags);
    int rc = -XEN_EINVAL;

    if (!cpumask_empty(v->sched.unpinned)) {
        v->sched.affinity = v->sched.unpinned;
        v->sched.unpinned = CPUMASK_NONE;
        rc = 0;
    }
    choose_anew(q, v, flags);
    return rc;
}

/* ---- For the debug key -------------------------------------------------------------------- */

static void dump_vcpu(const char *what, const struct vcpu *v, int64_t floor)
{
    log_info("  %s d%uv%u weight %u lead %lld us flags %x ran %llu ms", what, v->domain->id.v,
             v->id, v->sched.weight, (long long)((v->sched.vtime - floor) / NS_PER_US),
             v->pause_flags, (unsigned long long)(v->runstate.time[RUNSTATE_running] / NS_PER_MS));
}

void sched_dump(void)
{
    for_each_cpu (cpu, cpu_online_mask) {
        struct runqueue *q = &per_cpu(runqueue, cpu);
        unsigned long flags = lock_irqsave(&q->lock);

        log_info("CPU %u: %u waiting, load %llu", cpu, q->count, (unsigned long long)q->load);
        if (!vcpu_is_idle(q->current))
            dump_vcpu("runs", q->current, q->floor);
        for (const struct vcpu *v = q->head; v != NULL; v = v->sched.next)
            dump_vcpu("waits", v, q->floor);
        unlock_irqrestore(&q->lock, flags);
    }
}
