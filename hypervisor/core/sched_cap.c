/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Caps: a domain's vCPUs together get so many percent of one CPU.
 *
 * In each period of SCHED_CAP_PERIOD the domain has a pool of run time. A vCPU on a CPU draws
 * portions from it, and gives back what is left when it leaves the CPU; when the pool is empty the
 * vCPU is parked. At the end of the period the pool is full again and all go on. So one busy vCPU
 * may have all of the cap. What a vCPU overran its portion by it owes, and pays with what it draws
 * next; what a period leaves over is lost.
 *
 * A period begins with the first portion drawn from a full pool: a domain that sleeps has no timer.
 * Who draws changes the pool, then looks at `ticking`; the timer clears `ticking`, then looks at
 * the pool. So one of the two sees to it that the timer is set.
 */
#include "core/lib.h"
#include "core/runqueue.h"

/* Small enough to be parted among CPUs, large enough not to ask all the time. */
#define CAP_PORTION (2 * NS_PER_MS)

static ns_t budget(const struct sched_domain *s)
{
    return SCHED_CAP_PERIOD / 100 * READ_ONCE(s->cap);
}

static void tick(struct sched_domain *s, ns_t when)
{
    if (!atomic_swap(&s->ticking, true))
        timer_set(&s->cap_timer, when + SCHED_CAP_PERIOD);
}

/* At most `want` from the pool. */
static ns_t take(struct sched_domain *s, ns_t want)
{
    ns_t left = atomic_load(&s->pool), taken;

    do {
        if (left <= 0)
            return 0;
        taken = MIN(left, want);
    } while (!atomic_cas(&s->pool, &left, left - taken));
    return taken;
}

bool cap_allows(const struct vcpu *v)
{
    const struct sched_domain *s = &v->domain->sched;

    return READ_ONCE(s->cap) == 0 || v->sched.cap_left > 0 || atomic_load(&s->pool) > 0;
}

ns_t cap_draw(struct vcpu *v, ns_t when)
{
    struct sched_domain *s = &v->domain->sched;

    if (READ_ONCE(s->cap) == 0)
        return NS_NEVER;
    if (v->sched.cap_left <= 0) {
        v->sched.cap_left += take(s, CAP_PORTION - v->sched.cap_left);
        tick(s, when);
    }
    return v->sched.cap_left;
}

void cap_return(struct vcpu *v)
{
    if (v->sched.cap_left <= 0 || READ_ONCE(v->domain->sched.cap) == 0)
        return;
    atomic_fetch_add(&v->domain->sched.pool, v->sched.cap_left);
    v->sched.cap_left = 0;
}

static void unpark(struct vcpu *v)
{
    unsigned long flags;
    struct runqueue *q = vcpu_lock_queue(v, &flags);
    bool parked = v->sched.parked;

    v->sched.parked = false; /* who parks later has seen the pool full, or emptied again */
    unlock_irqrestore(&q->lock, flags);
    if (parked)
        vcpu_wake(v);
}

/* Fill the pool; whoever still has portions of the last period keeps them, paid for. */
static bool fill(struct sched_domain *s)
{
    ns_t full = budget(s), left = atomic_load(&s->pool);

    while (!atomic_cas(&s->pool, &left, full))
        ;
    return left >= full;
}

static void period_over(void *data)
{
    struct domain *d = data;
    struct sched_domain *s = &d->sched;

    atomic_store(&s->ticking, false);
    memory_barrier();
    if (!fill(s))
        tick(s, now());
    for_each_vcpu (d, v)
        unpark(v);
}

void cap_begin(struct domain *d)
{
    (void)fill(&d->sched);
    for_each_vcpu (d, v)
        unpark(v);
}

void sched_domain_init(struct domain *d, unsigned weight)
{
    d->sched.weight = (uint16_t)weight;
    timer_init(&d->sched.cap_timer, period_over, d, cpu_id());
}

void sched_domain_remove(struct domain *d)
{
    timer_kill(&d->sched.cap_timer);
}
