/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: a domain's table of ports, and everything that sends over one or asks about one.
 * What binds and closes ports is in evtchn_bind.c; locking is explained in evtchn_internal.h.
 */
#include <arch/cpu.h>

#include "core/atomic.h"
#include "core/evtchn_internal.h"
#include "core/lib.h"
#include "core/log.h"

/* ---- The table of ports -------------------------------------------------------------------- */

void evtchn_domain_init(struct domain *d)
{
    lock_init(&d->evtchn.lock, RANK_EVTCHN);
    d->evtchn.delivery = &evtchn_2l;
    d->evtchn.max_port = EVTCHN_FIFO_PORTS - 1;
}

void evtchn_domain_free(struct domain *d)
{
    struct evtchn_table *table = d->evtchn.table;

    evtchn_fifo_free(d);
    hv_free(d, d->evtchn.pirq_port, d->evtchn.nr_pirqs * sizeof(*d->evtchn.pirq_port));
    d->evtchn.pirq_port = NULL;
    if (!table)
        return;
    for (uint32_t i = 0; i < EVTCHN_PAGES && table->page[i]; i++)
        hv_free(d, table->page[i], PAGE_SIZE);
    hv_free(d, table, sizeof(*table));
    d->evtchn.table = NULL;
    d->evtchn.nr_valid = 0;
}

/* One more page of ports, behind the others. */
static int add_page(struct domain *d)
{
    struct evtchn_domain *e = &d->evtchn;
    uint32_t index = e->nr_valid / EVTCHN_PER_PAGE;
    struct evtchn *page;

    if (e->nr_valid >= e->delivery->ports || e->nr_valid > e->max_port)
        return -XEN_ENOSPC;
    if (!e->table)
        e->table = hv_new(d, struct evtchn_table);
    if (!e->table)
        return -XEN_ENOMEM;
    page = hv_alloc(d, PAGE_SIZE);
    if (!page)
        return -XEN_ENOMEM;
    for (uint32_t i = 0; i < EVTCHN_PER_PAGE; i++) {
        lock_init(&page[i].lock, RANK_EVTCHN_PORT);
        page[i].port = e->nr_valid + i;
    }
    e->table->free[index] = (uint8_t)EVTCHN_PER_PAGE;
    if (index == 0) { /* port 0 means "none" in the ABI */
        page[0].state = EVTCHN_RESERVED;
        e->table->free[0]--;
    }
    e->table->page[index] = page;
    atomic_store(&e->nr_valid, e->nr_valid + EVTCHN_PER_PAGE);
    return 0;
}

/*
 * The lowest port that is free and not busy. Free ports may be busy by the guest's doing, all of
 * them; so that this stays short, only some are looked at before fresh ones are made.
 */
#define MAX_BUSY_SKIPPED 1024u

static struct evtchn *find_in_table(struct domain *d)
{
    const struct evtchn_domain *e = &d->evtchn;
    unsigned busy = 0;

    for (uint32_t i = 0; i < e->nr_valid / EVTCHN_PER_PAGE; i++) {
        if (e->table->free[i] == 0)
            continue;
        for (uint32_t j = 0; j < EVTCHN_PER_PAGE; j++) {
            struct evtchn *chn = &e->table->page[i][j];

            if (chn->port > e->max_port || chn->port >= e->delivery->ports)
                return NULL;
            if (chn->state != EVTCHN_FREE)
                continue;
            if (!e->delivery->is_busy(d, chn))
                return chn;
            if (++busy >= MAX_BUSY_SKIPPED)
                return NULL;
        }
    }
    return NULL;
}

int evtchn_find_free(struct domain *d, struct evtchn **chn)
{
    int ret;

    ASSERT(lock_held(&d->evtchn.lock));
    if (d->is_dying)
        return -XEN_EINVAL;
    *chn = find_in_table(d);
    if (*chn)
        return 0;
    ret = add_page(d);
    if (ret)
        return ret;
    *chn = evtchn_from_port(d, d->evtchn.nr_valid - EVTCHN_PER_PAGE);
    if ((*chn)->port == 0)
        (*chn)++;
    return (*chn)->port > d->evtchn.max_port ? -XEN_ENOSPC : 0;
}

struct vcpu *evtchn_vcpu_by_id(const struct domain *d, uint32_t id)
{
    if (id >= d->max_vcpus || id >= MAX_VCPUS)
        return NULL;
    return d->vcpu[array_index_nospec(id, MIN(d->max_vcpus, MAX_VCPUS))];
}

static struct evtchn *peer_of(const struct evtchn *chn)
{
    return chn->state == EVTCHN_INTERDOMAIN ? evtchn_from_port(chn->u.remote, chn->remote_port)
                                            : NULL;
}

unsigned long evtchn_lock_senders(struct evtchn *chn)
{
    struct evtchn *peer = peer_of(chn);
    unsigned long flags = irq_save();

    lock_pair(&chn->lock, peer ? &peer->lock : &chn->lock);
    return flags;
}

void evtchn_unlock_senders(struct evtchn *chn, unsigned long flags)
{
    struct evtchn *peer = peer_of(chn);

    unlock_pair(&chn->lock, peer ? &peer->lock : &chn->lock);
    irq_restore(flags);
}

/* ---- Sending ------------------------------------------------------------------------------- */

static void set_pending(struct domain *d, struct evtchn *chn)
{
    const struct evtchn_delivery *delivery = atomic_load(&d->evtchn.delivery);

    /* What nearly all guests use, without the cost of an indirect call. */
    if (likely(delivery == &evtchn_fifo))
        evtchn_fifo_set_pending(d, chn);
    else
        delivery->set_pending(d, chn);
}

long evtchn_send(struct vcpu *v, struct evtchn_send *arg)
{
    struct domain *d = v->domain;
    struct evtchn *chn = evtchn_from_port(d, arg->port);
    struct domain *to = d;
    struct evtchn *end = chn;
    long ret = 0;

    if (!chn)
        return -XEN_EINVAL;
    ASSERT(irq_enabled()); /* as in every hypercall */
    irq_disable();
    lock_inline(&chn->lock);
    switch (chn->state) {
    case EVTCHN_INTERDOMAIN:
        to = chn->u.remote;
        end = evtchn_from_port(to, chn->remote_port);
        __attribute__((fallthrough));
    case EVTCHN_IPI:
        set_pending(to, end);
        break;
    case EVTCHN_UNBOUND: /* lost; who connects finds its own end pending */
        break;
    default:
        ret = -XEN_EINVAL;
    }
    unlock(&chn->lock);
    irq_enable();
    return ret;
}

static void send_virq(struct vcpu *v, unsigned virq)
{
    struct domain *d = v->domain;
    struct evtchn *chn = evtchn_from_port(d, READ_ONCE(v->evtchn.virq_port[virq].v));
    unsigned long flags;

    if (!chn)
        return;
    flags = lock_irqsave(&chn->lock);
    /* Nothing held the binding until now, so look again. */
    if (chn->state == EVTCHN_VIRQ && chn->u.virq == virq &&
        READ_ONCE(v->evtchn.virq_port[virq].v) == chn->port)
        set_pending(d, chn);
    unlock_irqrestore(&chn->lock, flags);
}

void evtchn_send_vcpu_virq(struct vcpu *v, unsigned virq)
{
    ASSERT(virq < NR_VIRQS);
    send_virq(v, virq);
}

void evtchn_send_global_virq(struct domain *d, unsigned virq)
{
    ASSERT(virq < NR_VIRQS);
    if (d && d->vcpu[0])
        send_virq(d->vcpu[0], virq);
}

/* The port of a PIRQ, locked, if it is bound. */
static struct evtchn *lock_pirq_port(struct domain *d, unsigned pirq, unsigned long *flags)
{
    const uint32_t *map = atomic_load(&d->evtchn.pirq_port);
    struct evtchn *chn;

    if (!map || pirq >= d->evtchn.nr_pirqs)
        return NULL;
    chn = evtchn_from_port(d, READ_ONCE(map[array_index_nospec(pirq, d->evtchn.nr_pirqs)]));
    if (!chn)
        return NULL;
    *flags = lock_irqsave(&chn->lock);
    if (chn->state == EVTCHN_PIRQ && chn->u.pirq == pirq)
        return chn;
    unlock_irqrestore(&chn->lock, *flags);
    return NULL;
}

void evtchn_send_pirq(struct domain *d, unsigned pirq)
{
    unsigned long flags;
    struct evtchn *chn = lock_pirq_port(d, pirq, &flags);

    if (!chn)
        return;
    set_pending(d, chn);
    unlock_irqrestore(&chn->lock, flags);
}

void evtchn_unmask_pirq(struct domain *d, unsigned pirq)
{
    unsigned long flags;
    struct evtchn *chn = lock_pirq_port(d, pirq, &flags);

    if (!chn)
        return;
    atomic_load(&d->evtchn.delivery)->unmask(d, chn);
    unlock_irqrestore(&chn->lock, flags);
}

long evtchn_unmask(struct vcpu *v, struct evtchn_unmask *arg)
{
    struct domain *d = v->domain;
    struct evtchn *chn = evtchn_from_port(d, arg->port);
    unsigned long flags;

    if (!chn)
        return -XEN_EINVAL;
    flags = lock_irqsave(&chn->lock);
    if (evtchn_usable(chn))
        atomic_load(&d->evtchn.delivery)->unmask(d, chn);
    unlock_irqrestore(&chn->lock, flags);
    return 0;
}

void evtchn_vcpu_repoll(struct vcpu *v)
{
    struct vcpu_info *info = READ_ONCE(v->info);

    /* The selector of the FIFO ABI is not looked at by anyone: no need to know which one it is. */
    atomic_store(&info->evtchn_pending_sel, ~0ul);
    vcpu_raise_upcall(v);
}

/* ---- SCHEDOP_poll -------------------------------------------------------------------------- */

void evtchn_poll_start(struct vcpu *v, evtchn_port_t only)
{
    WRITE_ONCE(v->evtchn.polling.v, only.v);
    bit_set(v->id, v->domain->evtchn.pollers);
    /* bit_set() is the barrier: a sender whose event the caller's next look misses sees the bit. */
}

void evtchn_poll_stop(struct vcpu *v)
{
    bit_clear(v->id, v->domain->evtchn.pollers);
    WRITE_ONCE(v->evtchn.polling.v, 0);
}

void evtchn_wake_some_poller(struct domain *d, uint32_t port)
{
    unsigned long *map = d->evtchn.pollers;

    for (unsigned i = 0; i < BITMAP_LONGS(MAX_VCPUS); i++) {
        for (unsigned long left = READ_ONCE(map[i]); left != 0; left &= left - 1) {
            unsigned id = i * BITS_PER_LONG + (unsigned)__builtin_ctzl(left);
            struct vcpu *v = d->vcpu[id];
            uint32_t only = READ_ONCE(v->evtchn.polling.v);

            if ((only != 0 && only != port) || !bit_test_and_clear(id, map))
                continue;
            WRITE_ONCE(v->evtchn.polling.v, 0);
            atomic_fetch_and(&v->pause_flags, ~(uint32_t)(VPF_POLLING | VPF_BLOCKED));
            vcpu_wake(v);
        }
    }
}

int evtchn_port_pending(struct domain *d, evtchn_port_t port)
{
    struct evtchn *chn = evtchn_from_port(d, port.v);
    unsigned long flags;
    int ret = -XEN_EINVAL;

    if (!chn)
        return ret;
    flags = lock_irqsave(&chn->lock);
    if (evtchn_usable(chn))
        ret = atomic_load(&d->evtchn.delivery)->is_pending(d, chn);
    unlock_irqrestore(&chn->lock, flags);
    return ret;
}

/* ---- Questions ----------------------------------------------------------------------------- */

/* d's event lock held. */
static void describe(const struct evtchn *chn, struct evtchn_status *out)
{
    memset(&out->u, 0, sizeof(out->u));
    out->vcpu = chn->notify_vcpu;
    switch (chn->state) {
    case EVTCHN_UNBOUND:
        out->status = EVTCHNSTAT_unbound;
        out->u.unbound.dom = chn->u.unbound_for.v;
        break;
    case EVTCHN_INTERDOMAIN:
        out->status = EVTCHNSTAT_interdomain;
        out->u.interdomain.dom = chn->u.remote->id.v;
        out->u.interdomain.port = chn->remote_port;
        break;
    case EVTCHN_PIRQ:
        out->status = EVTCHNSTAT_pirq;
        out->u.pirq = chn->u.pirq;
        break;
    case EVTCHN_VIRQ:
        out->status = EVTCHNSTAT_virq;
        out->u.virq = chn->u.virq;
        break;
    case EVTCHN_IPI:
        out->status = EVTCHNSTAT_ipi;
        break;
    default:
        out->status = EVTCHNSTAT_closed;
    }
}

long evtchn_status(struct vcpu *v, struct evtchn_status *arg)
{
    struct domain *d;
    const struct evtchn *chn;
    long ret = domain_get_for(v, DOMID(arg->dom), &d);

    if (ret)
        return ret;
    lock(&d->evtchn.lock);
    chn = evtchn_from_port(d, arg->port);
    if (chn)
        describe(chn, arg);
    else
        ret = -XEN_EINVAL;
    unlock(&d->evtchn.lock);
    domain_put(d);
    return ret;
}

void evtchn_dump(struct domain *d)
{
    static const char *const names[] = {"free", "reserved", "unbound", "interdomain",
                                        "pirq", "virq",     "ipi"};
    const struct evtchn_delivery *delivery = d->evtchn.delivery;

    log_info("domain %u: %s event channels, %u in use, highest allowed %u", d->id.v, delivery->name,
             d->evtchn.active, d->evtchn.max_port);
    lock(&d->evtchn.lock);
    for (uint32_t port = 1; port < d->evtchn.nr_valid; port++) {
        const struct evtchn *chn = evtchn_from_port(d, port);
        struct evtchn_status status = {0};

        if (!evtchn_usable(chn))
            continue;
        describe(chn, &status);
        log_info("  %5u %s%s%s -> vcpu %u, %s %u, remote port %u", port, names[chn->state],
                 delivery->is_pending(d, chn) ? " pending" : "",
                 delivery->is_masked(d, chn) ? " masked" : "", status.vcpu,
                 chn->state == EVTCHN_INTERDOMAIN ? "domain" : "number",
                 chn->state == EVTCHN_INTERDOMAIN || chn->state == EVTCHN_UNBOUND
                     ? status.u.unbound.dom
                     : status.u.pirq,
                 chn->state == EVTCHN_INTERDOMAIN ? status.u.interdomain.port : 0);
    }
    unlock(&d->evtchn.lock);
}
