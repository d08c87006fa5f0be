/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of two-level event channels share: an interrupt layer that counts, three domains
 * and their end, the calls in short. Include it in one file of a test program.
 */
#ifndef EVTCHN_WORLD_H
#define EVTCHN_WORLD_H

#define sched_yield host_sched_yield /* the hypervisor's is another */
#include <pthread.h>
#undef sched_yield

#include "core/evtchn_internal.h"
#include "world.h"

#define PIRQS 16u
static int pirq_bind_result;
static unsigned pirq_binds, pirq_unbinds;
static bool pirq_fires_at_once; /* an interrupt comes before arch_pirq_bind() returns */

int arch_pirq_bind(struct domain *d, unsigned pirq, bool share)
{
    (void)share;
    pirq_binds++;
    if (pirq_fires_at_once)
        evtchn_send_pirq(d, pirq);
    return pirq_bind_result;
}

void arch_pirq_unbind(struct domain *d, unsigned pirq)
{
    (void)d;
    (void)pirq;
    pirq_unbinds++;
}

unsigned arch_pirq_count(const struct domain *d)
{
    (void)d;
    return PIRQS;
}

static struct domain *dom0, *dom1, *dom2;
static struct vcpu *v0, *v1, *v2;

static struct domain *make(uint16_t id, unsigned vcpus, bool privileged)
{
    struct domain *d = world_make_domain(id, vcpus, privileged);

    evtchn_domain_init(d);
    return d;
}

static void end(struct domain *d)
{
    d->is_dying = true;
    is(evtchn_domain_release(d), 0, "domain %u releases its ports", d->id.v);
    is(d->evtchn.active, 0, "and none is left");
    evtchn_domain_free(d);
    is(d->account.used, 0, "all memory charged to it is back");
    is(d->refs, 1, "nobody holds it");
    world_free_domain(d);
}

static void begin(void)
{
    world_init_frames();
    dom0 = make(0, 4, true);
    dom1 = make(1, 4, false);
    dom2 = make(2, 1, false);
    v0 = dom0->vcpu[0];
    v1 = dom1->vcpu[0];
    v2 = dom2->vcpu[0];
}

static void finish(void)
{
    end(dom0);
    end(dom1);
    end(dom2);
}

/* ---- The calls, shorter --------------------------------------------------------------------- */

static uint32_t out_port;

static long alloc_unbound(struct vcpu *v, uint16_t dom, uint16_t remote)
{
    struct evtchn_alloc_unbound a = {.dom = dom, .remote_dom = remote, .port = ~0u};
    long ret = evtchn_alloc_unbound(v, &a);
    out_port = a.port;
    return ret;
}

static long bind_interdomain(struct vcpu *v, uint16_t dom, uint32_t port)
{
    struct evtchn_bind_interdomain a = {.remote_dom = dom, .remote_port = port, .local_port = ~0u};
    long ret = evtchn_bind_interdomain(v, &a);
    out_port = a.local_port;
    return ret;
}

static long bind_virq(struct vcpu *v, uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq a = {.virq = virq, .vcpu = vcpu, .port = ~0u};
    long ret = evtchn_bind_virq(v, &a);
    out_port = a.port;
    return ret;
}

static long bind_vcpu(struct vcpu *v, uint32_t port, uint32_t vcpu)
{
    return evtchn_bind_vcpu(v, &(struct evtchn_bind_vcpu){.port = port, .vcpu = vcpu});
}

static long close_port(struct vcpu *v, uint32_t port)
{
    return evtchn_close(v, &(struct evtchn_close){.port = port});
}

static long send(struct vcpu *v, uint32_t port)
{
    return evtchn_send(v, &(struct evtchn_send){.port = port});
}

static long unmask(struct vcpu *v, uint32_t port)
{
    return evtchn_unmask(v, &(struct evtchn_unmask){.port = port});
}

static long reset(struct vcpu *v, uint16_t dom)
{
    return evtchn_reset(v, &(struct evtchn_reset){.dom = dom});
}

#endif
