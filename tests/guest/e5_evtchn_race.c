/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E5, event channels: races. All vCPUs bind, close, send, move and ask at random.
 *
 * First each keeps to ports of its own, beside a model of them: the table is shared, so neighbours
 * come and go, but what one's own ports are bound to, and whether they are pending, must be as the
 * model says. Then all ports are everyone's, with resets, and changes to FIFO delivery and growing
 * arrays in between, and rubbish in the event words: there every answer must be one that the
 * operation may give, and in the end all ports can be closed and all bound again.
 *
 * test: vcpus=2 parallel=yes
 * test: vcpus=4
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>

#include "evtchn_fifo.h"

#define OWN_MAX   48u
#define WILD_PORT 300u /* most ports that are in use; higher numbers are asked for, too, rarely */

static uint64_t operations;
static struct barrier barrier;
static unsigned surprises;

static void surprise(const char *what, long result)
{
    if (__atomic_add_fetch(&surprises, 1, __ATOMIC_SEQ_CST) <= 10)
        diag("vCPU %u: %s gave %s", this_vcpu(), what, xen_error(result));
}

/* ---- Ports of one's own --------------------------------------------------------------------- */

struct own {
    evtchn_port_t port, peer; /* peer: of a pair, else 0 */
    unsigned kind, vcpu;      /* EVTCHNSTAT_* */
    bool pending;
};

struct model {
    struct own own[OWN_MAX];
    unsigned count;
};

static struct model models[MAX_VCPUS];

static void add(struct model *m, long port, unsigned kind, unsigned vcpu, evtchn_port_t peer)
{
    if (port < 0) {
        surprise("binding a port", port);
        return;
    }
    m->own[m->count++] =
        (struct own){.port = (evtchn_port_t)port, .kind = kind, .vcpu = vcpu, .peer = peer};
}

static struct own *find(struct model *m, evtchn_port_t port)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (m->own[i].port == port)
            return &m->own[i];
    }
    return NULL;
}

static void model_bind(struct model *m)
{
    unsigned vcpu = (unsigned)random_below(nr_vcpus());

    if (m->count + 2 > OWN_MAX)
        return;
    switch (random_below(3)) {
    case 0:
        add(m, evtchn_bind_ipi(vcpu), EVTCHNSTAT_ipi, vcpu, 0);
        break;
    case 1:
        add(m, evtchn_alloc(DOMID_SELF, DOMID_SELF), EVTCHNSTAT_unbound, 0, 0);
        break;
    default:
        for (unsigned i = 0; i < m->count; i++) {
            struct own *far = &m->own[i];

            if (far->kind != EVTCHNSTAT_unbound)
                continue;
            add(m, evtchn_connect(DOMID_SELF, far->port), EVTCHNSTAT_interdomain, 0, far->port);
            far->kind = EVTCHNSTAT_interdomain;
            far->peer = m->own[m->count - 1].port;
            m->own[m->count - 1].pending = true;
            break;
        }
    }
}

static void model_close(struct model *m, struct own *own)
{
    struct own *peer = own->peer ? find(m, own->peer) : NULL;
    long ret = evtchn_close(own->port);

    if (ret != 0)
        surprise("closing one's own port", ret);
    if (peer) {
        peer->kind = EVTCHNSTAT_unbound;
        peer->peer = 0;
    }
    *own = m->own[--m->count];
}

static void model_send(struct model *m, struct own *own)
{
    long ret = evtchn_send(own->port);

    if (ret != 0)
        surprise("sending over one's own port", ret);
    if (own->kind == EVTCHNSTAT_ipi)
        own->pending = true;
    else if (own->peer)
        find(m, own->peer)->pending = true;
}

static void model_check(const struct own *own)
{
    struct evtchn_status status;
    long ret = evtchn_status(own->port, &status);

    if (ret != 0 || status.status != own->kind || status.vcpu != own->vcpu)
        surprise("the status of one's own port", ret);
    if (own->kind == EVTCHNSTAT_interdomain && status.u.interdomain.port != own->peer)
        surprise("the peer of one's own port", ret);
    if (event_is_pending(own->port) != own->pending)
        surprise("the pending bit of one's own port", ret);
}

static void model_step(struct model *m)
{
    struct own *own = m->count ? &m->own[random_below(m->count)] : NULL;

    switch (own ? random_below(8) : 0) {
    case 0:
    case 1:
        model_bind(m);
        break;
    case 2:
        model_close(m, own);
        break;
    case 3:
    case 4:
        model_send(m, own);
        break;
    case 5:
        event_clear(own->port);
        own->pending = false;
        break;
    case 6:
        if (own->kind != EVTCHNSTAT_ipi) {
            own->vcpu = (unsigned)random_below(nr_vcpus());
            if (evtchn_bind_vcpu(own->port, own->vcpu) != 0)
                surprise("moving one's own port", -1);
        }
        break;
    default:
        model_check(own);
    }
}

static void run_model(void *data)
{
    struct model *m = &models[this_vcpu()];

    (void)data;
    (void)events_disable();
    for (uint64_t i = 0; i < operations; i++)
        model_step(m);
    for (unsigned i = 0; i < m->count; i++)
        model_check(&m->own[i]);
    barrier_wait(&barrier, nr_vcpus()); /* no port is given away before all have looked */
    while (m->count)
        model_close(m, &m->own[0]);
    events_enable();
}

/* ---- Everyone's ports ----------------------------------------------------------------------- */

/* Whether an operation on ports that others change may answer so. */
static bool may_be(long result)
{
    return result >= 0 || result == -XEN_EINVAL || result == -XEN_ENOENT || result == -XEN_EEXIST ||
           result == -XEN_ENOSPC || result == -XEN_EAGAIN || result == -XEN_ENOSYS ||
           result == -XEN_EACCES || result == -XEN_EOPNOTSUPP;
}

static evtchn_port_t wild_port(void)
{
    return (evtchn_port_t)(random_below(64) ? random_below(WILD_PORT) : random_u64());
}

static long wild_bind(evtchn_port_t port, unsigned vcpu)
{
    switch (random_below(4)) {
    case 0:
        return evtchn_alloc(DOMID_SELF, DOMID_SELF);
    case 1:
        return evtchn_connect(DOMID_SELF, port);
    case 2:
        return evtchn_bind_virq(random_below(2) ? VIRQ_DEBUG : VIRQ_XENOPROF, vcpu);
    default:
        return evtchn_bind_ipi(vcpu);
    }
}

static long wild_fifo(unsigned vcpu)
{
    unsigned page = (unsigned)random_below(WORD_PAGES);

    switch (random_below(4)) {
    case 0:
        return evtchn_init_control(virt_to_mfn(fifo_control(vcpu)),
                                   (uint32_t)random_below(PAGE_SIZE / 8) * 8, vcpu);
    case 1:
        return fifo_expand(page);
    default:
        for (unsigned i = 0; i < 32; i++)
            fifo_words[random_below(PORTS_FIFO)] = (event_word_t)random_u64();
        return 0;
    }
}

static long wild_step(void)
{
    unsigned vcpu = (unsigned)random_below(nr_vcpus());
    struct evtchn_status status;
    evtchn_port_t port = wild_port();

    switch (random_below(16)) {
    case 0:
    case 1:
    case 2:
        return wild_bind(port, vcpu);
    case 3:
    case 4:
        return evtchn_close(port);
    case 5:
        return evtchn_bind_vcpu(port, vcpu);
    case 6:
        return evtchn_status(port, &status);
    case 7:
        return evtchn_unmask(port);
    case 8:
        return evtchn_set_priority(port, (uint32_t)random_below(17));
    case 9:
        return sched_poll(&port, 1, monotonic_ns() + random_below(20000));
    case 10:
        return random_below(16) ? 0 : wild_fifo(vcpu);
    case 11:
        return random_below(256) ? 0 : evtchn_reset(DOMID_SELF);
    default:
        return evtchn_send(port);
    }
}

static void run_wild(void *data)
{
    (void)data;
    (void)events_disable();
    for (uint64_t i = 0; i < operations; i++) {
        long ret = wild_step();

        if (!may_be(ret))
            surprise("an operation", ret);
    }
    events_enable();
}

/* ---- What is left --------------------------------------------------------------------------- */

static void test_end(void)
{
    unsigned open = 0, count = 0;

    is_error(evtchn_reset(DOMID_SELF), 0, "reset");
    for (evtchn_port_t port = 1; port < PORTS_2L; port++)
        open += evtchn_kind(port) > 0;
    is(open, 0, "no port is left bound");
    while (evtchn_bind_ipi(count % nr_vcpus()) > 0)
        count++;
    is(count, PORTS_2L - 1, "all can be bound");
    is_error(evtchn_reset(DOMID_SELF), 0, "and closed");
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    operations = argument(argc, argv, "operations", 20000);
    ok(fifo_memory(), "memory for event words");
    vcpus_run(run_model, NULL);
    is(surprises, 0, "each vCPU's own ports are as it made them");
    surprises = 0;
    vcpus_run(run_wild, NULL);
    is(surprises, 0, "ports that all use give no answer that they may not");
    test_end();
    return done();
}
