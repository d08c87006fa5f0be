/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: what binds a port, and what closes one. The only file that changes a binding.
 *
 * Every change happens under the domain's event lock and the port's own (evtchn_internal.h says why
 * both); a pair of ports changes its two ends at once, so that either end is right for whoever
 * looks.
 */
#include <arch/cpu.h>

#include "core/atomic.h"
#include "core/evtchn_internal.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/softirq.h"

/* ---- One port ------------------------------------------------------------------------------ */

/* Both locks held, chn free. The caller has filled in chn->u. */
static void occupy(struct domain *d, struct evtchn *chn, enum evtchn_state state, unsigned vcpu)
{
    ASSERT(lock_held(&d->evtchn.lock) && lock_held(&chn->lock) && chn->state == EVTCHN_FREE);
    d->evtchn.active++;
    d->evtchn.table->free[chn->port / EVTCHN_PER_PAGE]--;
    chn->notify_vcpu = (uint8_t)vcpu;
    d->evtchn.delivery->init(d, chn);
    chn->state = (uint8_t)state;
}

/* Both locks held. */
static void vacate(struct domain *d, struct evtchn *chn)
{
    ASSERT(lock_held(&d->evtchn.lock) && lock_held(&chn->lock) && evtchn_usable(chn));
    d->evtchn.delivery->clear_pending(d, chn);
    d->evtchn.active--;
    d->evtchn.table->free[chn->port / EVTCHN_PER_PAGE]++;
    memset(&chn->u, 0, sizeof(chn->u));
    chn->remote_port = 0;
    chn->notify_vcpu = 0;
    chn->state = EVTCHN_FREE;
}

/* ---- Binding ------------------------------------------------------------------------------- */

long evtchn_alloc_unbound(struct vcpu *v, struct evtchn_alloc_unbound *arg)
{
    struct domain *d;
    struct evtchn *chn;
    long ret = domain_get_for(v, DOMID(arg->dom), &d);

    if (ret)
        return ret;
    lock(&d->evtchn.lock);
    ret = evtchn_find_free(d, &chn);
    if (ret == 0) {
        unsigned long flags = lock_irqsave(&chn->lock);

        chn->u.unbound_for = arg->remote_dom == DOMID_SELF ? v->domain->id : DOMID(arg->remote_dom);
        occupy(d, chn, EVTCHN_UNBOUND, 0);
        arg->port = chn->port;
        unlock_irqrestore(&chn->lock, flags);
    }
    unlock(&d->evtchn.lock);
    domain_put(d);
    return ret;
}

/* Both domains' event locks held. */
static int connect(struct domain *ld, struct domain *rd, uint32_t remote_port, uint32_t *local_port)
{
    struct evtchn *far = evtchn_from_port(rd, remote_port), *near;
    unsigned long flags;
    int ret = evtchn_find_free(ld, &near);

    if (ret)
        return ret;
    if (!far || far->state != EVTCHN_UNBOUND || far->u.unbound_for.v != ld->id.v)
        return -XEN_EINVAL;
    flags = irq_save();
    lock_pair(&near->lock, &far->lock);
    near->u.remote = rd;
    near->remote_port = far->port;
    occupy(ld, near, EVTCHN_INTERDOMAIN, 0);
    far->u.remote = ld;
    far->remote_port = near->port;
    far->state = EVTCHN_INTERDOMAIN;
    /* Events sent while the far end was unbound are lost: let the binder look for their cause. */
    ld->evtchn.delivery->set_pending(ld, near);
    *local_port = near->port;
    unlock_pair(&near->lock, &far->lock);
    irq_restore(flags);
    return 0;
}

long evtchn_bind_interdomain(struct vcpu *v, struct evtchn_bind_interdomain *arg)
{
    struct domain *ld = v->domain;
    struct domain *rd = domain_get(arg->remote_dom == DOMID_SELF ? ld->id : DOMID(arg->remote_dom));
    uint32_t port;
    int ret;

    if (!rd)
        return -XEN_ESRCH;
    lock_pair(&ld->evtchn.lock, &rd->evtchn.lock);
    ret = connect(ld, rd, arg->remote_port, &port);
    unlock_pair(&ld->evtchn.lock, &rd->evtchn.lock);
    domain_put(rd);
    if (ret == 0)
        arg->local_port = port;
    return ret;
}

/* The marks V and G in xen/xen.h; those of the architecture are global on x86. */
static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

long evtchn_bind_virq(struct vcpu *caller, struct evtchn_bind_virq *arg)
{
    struct domain *d = caller->domain;
    struct evtchn *chn;
    struct vcpu *v;
    uint32_t virq = arg->virq;
    int ret;

    if (virq >= NR_VIRQS)
        return -XEN_EINVAL;
    virq = (uint32_t)array_index_nospec(virq, NR_VIRQS);
    if (virq_is_global(virq) && arg->vcpu != 0)
        return -XEN_EINVAL;
    v = evtchn_vcpu_by_id(d, arg->vcpu);
    if (!v)
        return -XEN_ENOENT;

    lock(&d->evtchn.lock);
    ret = v->evtchn.virq_port[virq].v ? -XEN_EEXIST : evtchn_find_free(d, &chn);
    if (ret == 0) {
        unsigned long flags = lock_irqsave(&chn->lock);

        chn->u.virq = virq;
        occupy(d, chn, EVTCHN_VIRQ, v->id);
        WRITE_ONCE(v->evtchn.virq_port[virq].v, chn->port);
        arg->port = chn->port;
        unlock_irqrestore(&chn->lock, flags);
    }
    unlock(&d->evtchn.lock);
    return ret;
}

long evtchn_bind_ipi(struct vcpu *caller, struct evtchn_bind_ipi *arg)
{
    struct domain *d = caller->domain;
    struct vcpu *v = evtchn_vcpu_by_id(d, arg->vcpu);
    struct evtchn *chn;
    int ret;

    if (!v)
        return -XEN_ENOENT;
    lock(&d->evtchn.lock);
    ret = evtchn_find_free(d, &chn);
    if (ret == 0) {
        unsigned long flags = lock_irqsave(&chn->lock);

        occupy(d, chn, EVTCHN_IPI, v->id);
        arg->port = chn->port;
        unlock_irqrestore(&chn->lock, flags);
    }
    unlock(&d->evtchn.lock);
    return ret;
}

/* Event lock held. The map is never replaced: senders look into it without a lock. */
static int make_pirq_map(struct domain *d)
{
    uint32_t *map;

    if (d->evtchn.pirq_port)
        return 0;
    d->evtchn.nr_pirqs = arch_pirq_count(d);
    map = hv_new_array(d, uint32_t, d->evtchn.nr_pirqs);
    if (!map)
        return -XEN_ENOMEM;
    atomic_store(&d->evtchn.pirq_port, map);
    return 0;
}

static void vacate_pirq(struct domain *d, struct evtchn *chn)
{
    unsigned long flags = lock_irqsave(&chn->lock);

    WRITE_ONCE(d->evtchn.pirq_port[chn->u.pirq], 0);
    vacate(d, chn);
    unlock_irqrestore(&chn->lock, flags);
}

/* Event lock held; pirq is in range. */
static int bind_pirq(struct domain *d, uint32_t pirq, bool share, uint32_t *port)
{
    struct evtchn *chn;
    unsigned long flags;
    int ret = make_pirq_map(d);

    if (ret)
        return ret;
    if (d->evtchn.pirq_port[pirq])
        return -XEN_EEXIST;
    ret = evtchn_find_free(d, &chn);
    if (ret)
        return ret;
    /* The port first: an interrupt that found none would never be acknowledged. */
    flags = lock_irqsave(&chn->lock);
    chn->u.pirq = pirq;
    occupy(d, chn, EVTCHN_PIRQ, 0);
    WRITE_ONCE(d->evtchn.pirq_port[pirq], chn->port);
    unlock_irqrestore(&chn->lock, flags);

    ret = arch_pirq_bind(d, pirq, share);
    if (ret)
        vacate_pirq(d, chn);
    else
        *port = chn->port;
    return ret;
}

long evtchn_bind_pirq(struct vcpu *v, struct evtchn_bind_pirq *arg)
{
    struct domain *d = v->domain;
    unsigned count = arch_pirq_count(d);
    uint32_t port;
    int ret;

    if (arg->pirq >= count)
        return -XEN_EINVAL;
    lock(&d->evtchn.lock);
    ret = bind_pirq(d, (uint32_t)array_index_nospec(arg->pirq, count),
                    (arg->flags & BIND_PIRQ__WILL_SHARE) != 0, &port);
    unlock(&d->evtchn.lock);
    if (ret == 0)
        arg->port = port;
    return ret;
}

long evtchn_bind_vcpu(struct vcpu *caller, struct evtchn_bind_vcpu *arg)
{
    struct domain *d = caller->domain;
    struct vcpu *v = evtchn_vcpu_by_id(d, arg->vcpu);
    struct evtchn *chn = evtchn_from_port(d, arg->port);
    unsigned long flags;
    long ret = 0;

    if (!v)
        return -XEN_ENOENT;
    if (!chn)
        return -XEN_EINVAL;
    lock(&d->evtchn.lock);
    flags = lock_irqsave(&chn->lock);
    switch (chn->state) {
    case EVTCHN_VIRQ:
        if (virq_is_global(chn->u.virq))
            WRITE_ONCE(chn->notify_vcpu, (uint8_t)v->id);
        else
            ret = -XEN_EINVAL;
        break;
    case EVTCHN_UNBOUND:
    case EVTCHN_INTERDOMAIN:
    case EVTCHN_PIRQ:
        WRITE_ONCE(chn->notify_vcpu, (uint8_t)v->id);
        break;
    default:
        ret = -XEN_EINVAL;
    }
    unlock_irqrestore(&chn->lock, flags);
    unlock(&d->evtchn.lock);
    return ret;
}

/* ---- Closing ------------------------------------------------------------------------------- */

static void forget_virq(struct domain *d, const struct evtchn *chn)
{
    for_each_vcpu (d, v) {
        if (v->evtchn.virq_port[chn->u.virq].v == chn->port)
            WRITE_ONCE(v->evtchn.virq_port[chn->u.virq].v, 0);
    }
}

/* Event lock held; no pair. */
static int close_single(struct domain *d, struct evtchn *chn)
{
    unsigned long flags;

    if (!evtchn_usable(chn))
        return -XEN_EINVAL;
    if (chn->state == EVTCHN_PIRQ) {
        arch_pirq_unbind(d, chn->u.pirq);
        vacate_pirq(d, chn);
        return 0;
    }
    flags = lock_irqsave(&chn->lock);
    if (chn->state == EVTCHN_VIRQ)
        forget_virq(d, chn);
    vacate(d, chn);
    unlock_irqrestore(&chn->lock, flags);
    return 0;
}

/* Both domains' event locks held. The other end waits for a new connection from d. */
static void close_pair(struct domain *d, struct evtchn *chn)
{
    struct evtchn *far = evtchn_from_port(chn->u.remote, chn->remote_port);
    unsigned long flags = irq_save();

    lock_pair(&chn->lock, &far->lock);
    far->state = EVTCHN_UNBOUND;
    memset(&far->u, 0, sizeof(far->u));
    far->u.unbound_for = d->id;
    far->remote_port = 0;
    vacate(d, chn);
    unlock_pair(&chn->lock, &far->lock);
    irq_restore(flags);
}

/*
 * Both locks of a pair cannot be had at once from one end, so the first look only finds the other
 * domain, and all is looked at again. A port found changed then is the caller's own doing (it
 * closed and bound it on another vCPU), but for the other end closing, which leaves it unbound: a
 * second round is enough.
 */
static int close_port(struct domain *d, struct evtchn *chn)
{
    for (unsigned round = 0; round < 2; round++) {
        struct domain *rd;
        bool closed;
        int ret;

        lock(&d->evtchn.lock);
        if (chn->state != EVTCHN_INTERDOMAIN) {
            ret = close_single(d, chn);
            unlock(&d->evtchn.lock);
            return ret;
        }
        rd = chn->u.remote;
        atomic_fetch_add(&rd->refs, 1); /* alive, since it has not closed its end */
        unlock(&d->evtchn.lock);

        lock_pair(&d->evtchn.lock, &rd->evtchn.lock);
        closed = chn->state == EVTCHN_INTERDOMAIN && chn->u.remote == rd;
        if (closed)
            close_pair(d, chn);
        unlock_pair(&d->evtchn.lock, &rd->evtchn.lock);
        domain_put(rd);
        if (closed)
            return 0;
    }
    return -XEN_EINVAL;
}

long evtchn_close(struct vcpu *v, struct evtchn_close *arg)
{
    struct evtchn *chn = evtchn_from_port(v->domain, arg->port);

    return chn ? close_port(v->domain, chn) : -XEN_EINVAL;
}

/*
 * Close every port, from where an interrupted call stopped. Two vCPUs may do this at once and share
 * the position: each port passed has been closed by one of them. -XEN_ERESTART: call again.
 */
#define CLOSES_PER_CHECK 64u

static int close_all(struct domain *d)
{
    uint32_t port = MAX(READ_ONCE(d->evtchn.next_reset), 1u);

    for (; port < atomic_load(&d->evtchn.nr_valid); port++) {
        struct evtchn *chn = evtchn_from_port(d, port);

        if (evtchn_usable(chn))
            (void)close_port(d, chn); /* fails only if it was closed meanwhile */
        if (port % CLOSES_PER_CHECK == 0 && preempt_wanted()) {
            WRITE_ONCE(d->evtchn.next_reset, port + 1);
            return -XEN_ERESTART;
        }
    }
    WRITE_ONCE(d->evtchn.next_reset, 0);
    return 0;
}

long evtchn_reset(struct vcpu *v, struct evtchn_reset *arg)
{
    struct domain *d;
    long ret = domain_get_for(v, DOMID(arg->dom), &d);

    if (ret)
        return ret;
    if (d != v->domain && !READ_ONCE(d->controller_pauses))
        ret = -XEN_EINVAL;
    else if (close_all(d))
        ret = HC_AGAIN;
    else {
        lock(&d->evtchn.lock);
        if (d->evtchn.active)
            ret = -XEN_EAGAIN;
        else
            evtchn_fifo_destroy(d);
        unlock(&d->evtchn.lock);
    }
    domain_put(d);
    return ret;
}

int evtchn_domain_release(struct domain *d)
{
    /* Whoever was binding a port as d began to die is done with it after this. */
    lock(&d->evtchn.lock);
    unlock(&d->evtchn.lock);
    if (close_all(d))
        return -XEN_ERESTART;
    lock(&d->evtchn.lock);
    evtchn_fifo_destroy(d);
    unlock(&d->evtchn.lock);
    return 0;
}
