/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, two-level delivery: many vCPUs at random (class E5).
 *
 * links: hypervisor/core/evtchn.c hypervisor/core/evtchn_bind.c hypervisor/core/evtchn_2l.c
 * links: hypervisor/core/evtchn_fifo.c tests/unit/host.c
 * libs: -lpthread
 */
#include "evtchn_world.h"

/* ---- Many vCPUs ----------------------------------------------------------------------------- */

#define THREADS 4u
#define STEPS   200000u

static unsigned rnd(uint64_t *state, unsigned below)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((*state >> 33) % below);
}

static void random_step(struct vcpu *v, uint64_t *state)
{
    uint32_t port = rnd(state, 8);
    uint16_t dom = (uint16_t)rnd(state, 3);

    switch (rnd(state, 12)) {
    case 0:
        (void)alloc_unbound(v, DOMID_SELF, dom);
        break;
    case 1:
    case 2:
        (void)bind_interdomain(v, dom, port);
        break;
    case 3:
        if (rnd(state, 8) == 0)
            (void)bind_virq(v, rnd(state, NR_VIRQS), rnd(state, 2));
        break;
    case 4:
        (void)bind_vcpu(v, port, rnd(state, 4));
        break;
    case 5:
    case 6:
        (void)close_port(v, port);
        break;
    case 7:
        evtchn_send_vcpu_virq(v, rnd(state, NR_VIRQS));
        break;
    case 8:
        (void)evtchn_status(v, &(struct evtchn_status){.dom = dom, .port = port});
        (void)unmask(v, port);
        break;
    case 9:
        if (rnd(state, 50) == 0)
            (void)reset(v, DOMID_SELF);
        evtchn_poll_start(v, EVTCHN_PORT(rnd(state, 3)));
        break;
    default:
        (void)send(v, port);
    }
}

static void *random_vcpu(void *arg)
{
    uint64_t state = 1000 + (uintptr_t)arg;

    host_cpu = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < STEPS; i++) {
        struct domain *d = world_domain[rnd(&state, 3)];
        random_step(d->vcpu[rnd(&state, d->max_vcpus)], &state);
        if (host_locks_held || !host_irqs_on)
            bail_out("a lock is held, or interrupts are off, after a call");
    }
    return NULL;
}

/* Each bound port's other end is bound to it; counts are right. */
static unsigned contradictions(const struct domain *d)
{
    unsigned bad = 0, active = 0;

    for (uint32_t port = 0; port < d->evtchn.nr_valid; port++) {
        const struct evtchn *chn = evtchn_from_port(d, port);
        const struct evtchn *far;

        active += evtchn_usable(chn);
        if (chn->state == EVTCHN_VIRQ)
            bad += d->vcpu[0]->evtchn.virq_port[chn->u.virq].v != port &&
                   d->vcpu[1 % d->max_vcpus]->evtchn.virq_port[chn->u.virq].v != port;
        if (chn->state != EVTCHN_INTERDOMAIN)
            continue;
        far = evtchn_from_port(chn->u.remote, chn->remote_port);
        bad += far->state != EVTCHN_INTERDOMAIN || far->u.remote != d || far->remote_port != port;
    }
    return bad + (active != d->evtchn.active);
}

static void test_E5_races(void)
{
    pthread_t thread[THREADS];

    begin();
    dom0->evtchn.max_port = dom1->evtchn.max_port = dom2->evtchn.max_port = 7;
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, random_vcpu, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    is(contradictions(dom0), 0, "after %u random calls on %u CPUs", STEPS, THREADS);
    is(contradictions(dom1), 0);
    is(contradictions(dom2), 0);
    finish();
}

int main(void)
{
    test_E5_races();
    return done();
}
