/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timers that a guest may set: one periodic and one single-shot timer a vCPU, each of which
 * sends VIRQ_TIMER; and a domain's watchdogs. A vCPU's timer is moved to the CPU that sets it,
 * which is most likely the one that the vCPU runs on when it expires.
 */
#include "core/atomic.h"
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/log.h"

#define MIN_PERIOD   NS_PER_MS
#define INSANE_DELAY (1ll << 50) /* ns, of set_timer_op: about thirteen days */
#define SANE_DELAY   (100 * NS_PER_MS)

static void set_here(struct timer *t, ns_t expires)
{
    if (t->cpu != cpu_id())
        timer_migrate(t, cpu_id());
    timer_set(t, expires);
}

/* A guest's absolute time as ours: what has no place in ns_t is never. */
static ns_t clamp_time(uint64_t abs_ns)
{
    return abs_ns > (uint64_t)NS_NEVER ? NS_NEVER : (ns_t)abs_ns;
}

/* ---- Expiry ------------------------------------------------------------------------------- */

static void singleshot_expired(void *data)
{
    evtchn_send_vcpu_virq(data, VIRQ_TIMER);
}

/* Ticks that were missed because the handler came late are not made up for. */
static void periodic_expired(void *data)
{
    struct vcpu *v = data;
    ns_t period = READ_ONCE(v->periodic_period), next = v->periodic_timer.expires + period;

    if (period == 0)
        return;
    evtchn_send_vcpu_virq(v, VIRQ_TIMER);
    timer_set(&v->periodic_timer, MAX(next, now() + MIN_PERIOD / 2));
}

/* It may be left over from a poll that has ended otherwise: only a poll is ended by it. */
static void poll_expired(void *data)
{
    struct vcpu *v = data;

    if (READ_ONCE(v->pause_flags) & VPF_POLLING)
        (void)vcpu_unblock(v);
}

void vcpu_timers_init(struct vcpu *v)
{
    timer_init(&v->periodic_timer, periodic_expired, v, v->cpu);
    timer_init(&v->singleshot_timer, singleshot_expired, v, v->cpu);
    timer_init(&v->poll_timer, poll_expired, v, v->cpu);
}

void vcpu_timers_kill(struct vcpu *v)
{
    timer_kill(&v->periodic_timer);
    timer_kill(&v->singleshot_timer);
    timer_kill(&v->poll_timer);
}

/* ---- The periodic timer ------------------------------------------------------------------- */

long vcpu_op_set_periodic_timer(struct vcpu *v, struct vcpu_set_periodic_timer *arg)
{
    /* Above: so far off that adding it to now could not be told from the past. */
    if (arg->period_ns < MIN_PERIOD || arg->period_ns > (uint64_t)NS_NEVER / 2)
        return -XEN_EINVAL;
    WRITE_ONCE(v->periodic_period, (ns_t)arg->period_ns);
    set_here(&v->periodic_timer, now() + (ns_t)arg->period_ns);
    return 0;
}

long vcpu_op_stop_periodic_timer(struct vcpu *v, void *arg)
{
    (void)arg;
    WRITE_ONCE(v->periodic_period, 0); /* before: the handler may be about to set it again */
    timer_stop(&v->periodic_timer);
    return 0;
}

/* ---- The single-shot timer ---------------------------------------------------------------- */

long vcpu_op_set_singleshot_timer(struct vcpu *v, struct vcpu_set_singleshot_timer *arg)
{
    ns_t expires = clamp_time(arg->timeout_abs_ns);

    if (v != current_vcpu())
        return -XEN_EINVAL;
    if ((arg->flags & VCPU_SSHOTTMR_future) && expires < now())
        return -XEN_ETIME;
    set_here(&v->singleshot_timer, expires);
    return 0;
}

long vcpu_op_stop_singleshot_timer(struct vcpu *v, void *arg)
{
    (void)arg;
    if (v != current_vcpu())
        return -XEN_EINVAL;
    timer_stop(&v->singleshot_timer);
    return 0;
}

/*
 * set_timer_op(timeout): 0 stops the timer. Old Linux kernels, when their time calculation wraps,
 * ask for a time that is negative or very far away, and mean the near future: as from Xen, they get
 * one 100 ms from now.
 */
long hc_set_timer_op(struct vcpu *v, struct hypercall_args *a)
{
    int64_t timeout = (int64_t)a->arg[0];
    ns_t time = now();

    if (timeout == 0) {
        timer_stop(&v->singleshot_timer);
        return 0;
    }
    if (timeout < 0 || (timeout > time && timeout - time >= INSANE_DELAY)) {
        log_guest(LOG_DEBUG, "timer set to %llx ns at %llx ns: fires in 100 ms",
                  (unsigned long long)timeout, (unsigned long long)time);
        timeout = time + SANE_DELAY;
    }
    set_here(&v->singleshot_timer, timeout);
    return 0;
}

/* ---- Watchdogs ---------------------------------------------------------------------------- */

static void watchdog_expired(void *data)
{
    struct domain *d = data;

    if (d->is_shut_down || d->is_dying)
        return;
    log_guest(LOG_WARNING, "domain %u: its watchdog has expired", d->id.v);
    domain_shutdown(d, SHUTDOWN_watchdog);
}

void domain_watchdogs_init(struct domain *d)
{
    for (unsigned i = 0; i < NR_WATCHDOGS; i++)
        timer_init(&d->watchdog[i], watchdog_expired, d, cpu_id());
}

void domain_watchdogs_kill(struct domain *d)
{
    for (unsigned i = 0; i < NR_WATCHDOGS; i++)
        timer_kill(&d->watchdog[i]);
}

static void watchdog_start(struct domain *d, unsigned i, uint32_t seconds)
{
    d->watchdogs_used |= 1u << i;
    timer_set(&d->watchdog[i], now() + seconds * NS_PER_SEC);
}

/* The first one free, as its number counted from 1. */
static long watchdog_claim(struct domain *d, uint32_t seconds)
{
    for (unsigned i = 0; i < NR_WATCHDOGS; i++) {
        if (d->watchdogs_used & (1u << i))
            continue;
        watchdog_start(d, i, seconds);
        return i + 1;
    }
    return -XEN_ENOSPC;
}

static long watchdog_poke(struct domain *d, unsigned i, uint32_t seconds)
{
    if (!(d->watchdogs_used & (1u << i)))
        return -XEN_EINVAL;
    if (seconds != 0) {
        watchdog_start(d, i, seconds);
    } else {
        timer_stop(&d->watchdog[i]);
        d->watchdogs_used &= ~(1u << i);
    }
    return 0;
}

/*
 * id 0 and a timeout: claim one, its id is returned. An id in use: poke it, or with timeout 0 give
 * it up (xen/sched.h).
 */
long sched_op_watchdog(struct vcpu *v, struct sched_watchdog *arg)
{
    struct domain *d = v->domain;
    long rc;

    if (arg->id > NR_WATCHDOGS)
        return -XEN_EINVAL;
    lock(&d->lock);
    if (arg->id == 0)
        rc = watchdog_claim(d, arg->timeout);
    else
        rc =
            watchdog_poke(d, (unsigned)array_index_nospec(arg->id - 1, NR_WATCHDOGS), arg->timeout);
    unlock(&d->lock);
    return rc;
}
