/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, two-level delivery: every sub-operation's working case, its errors and its
 * boundaries; polling; reset and the end of a domain.
 *
 * links: hypervisor/core/evtchn.c hypervisor/core/evtchn_bind.c hypervisor/core/evtchn_2l.c
 * links: hypervisor/core/evtchn_fifo.c tests/unit/host.c
 */
#include "evtchn_world.h"

static long bind_ipi(struct vcpu *v, uint32_t vcpu)
{
    struct evtchn_bind_ipi a = {.vcpu = vcpu, .port = ~0u};
    long ret = evtchn_bind_ipi(v, &a);
    out_port = a.port;
    return ret;
}

static long bind_pirq(struct vcpu *v, uint32_t pirq)
{
    struct evtchn_bind_pirq a = {.pirq = pirq, .flags = BIND_PIRQ__WILL_SHARE, .port = ~0u};
    long ret = evtchn_bind_pirq(v, &a);
    out_port = a.port;
    return ret;
}

static struct evtchn_status got;

static long status(struct vcpu *v, uint16_t dom, uint32_t port)
{
    memset(&got, 0xaa, sizeof(got));
    got.dom = dom;
    got.port = port;
    return evtchn_status(v, &got);
}

static bool pending(struct domain *d, uint32_t port)
{
    return bit_test(port, (unsigned long *)d->shared->evtchn_pending);
}

static void consume(struct domain *d, uint32_t port)
{
    bit_clear(port, (unsigned long *)d->shared->evtchn_pending);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        d->vcpu[i]->info->evtchn_pending_sel = 0;
        d->vcpu[i]->info->evtchn_upcall_pending = 0;
        upcalls[d->id.v][i] = 0;
    }
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_alloc_unbound(void)
{
    begin();
    is(alloc_unbound(v1, DOMID_SELF, 2), 0, "a port for another domain");
    is(out_port, 1, "the first port is 1: 0 is none");
    is(alloc_unbound(v1, 1, 0), 0, "the caller by its number");
    is(out_port, 2, "the lowest free one");
    is(alloc_unbound(v1, 2, 1), -XEN_EPERM, "not in another domain");
    is(out_port, ~0u, "and no port is told");
    is(alloc_unbound(v0, 2, 1), 0, "but the control domain may");
    is(out_port, 1);
    is(alloc_unbound(v0, 7, 1), -XEN_ESRCH, "a domain that is not there");
    is(alloc_unbound(v0, DOMID_INVALID, 1), -XEN_ESRCH);
    is(status(v1, DOMID_SELF, 1), 0);
    is(got.status, EVTCHNSTAT_unbound);
    is(got.u.unbound.dom, 2, "who may connect");
    is(alloc_unbound(v0, 2, DOMID_SELF), 0, "for the caller itself");
    is(status(v0, 2, 2), 0);
    is(got.u.unbound.dom, 0, "which is not the domain that gets the port");
    is(close_port(v1, 1), 0);
    is(alloc_unbound(v1, DOMID_SELF, 2), 0);
    is(out_port, 1, "a closed port is used anew");
    dom1->is_dying = true;
    is(alloc_unbound(v0, 1, 2), -XEN_EINVAL, "no ports for a dying domain");
    finish();
}

static void test_interdomain(void)
{
    uint32_t near, far;

    begin();
    alloc_unbound(v1, DOMID_SELF, 2);
    far = out_port;
    is(send(v1, far), 0, "an event over an unbound port is lost quietly");
    is(bind_interdomain(v0, 1, far), -XEN_EINVAL, "it was not for domain 0");
    is(bind_interdomain(v2, 1, far + 1), -XEN_EINVAL, "a port not allocated");
    is(bind_interdomain(v2, 1, 0), -XEN_EINVAL, "port 0");
    is(bind_interdomain(v2, 1, EVTCHN_PER_PAGE), -XEN_EINVAL, "a port without a structure");
    is(bind_interdomain(v2, 1, ~0u), -XEN_EINVAL, "the last number there is");
    is(bind_interdomain(v2, 6, 1), -XEN_ESRCH, "no such domain");
    is(dom2->evtchn.active, 0, "no failed bind keeps a port");
    is(bind_interdomain(v2, 1, far), 0);
    near = out_port;
    ok(pending(dom2, near), "what might have been lost is signalled to the binder");
    is(upcalls[2][0], 1, "by an upcall");
    is(bind_interdomain(v2, 1, far), -XEN_EINVAL, "connected already");
    consume(dom2, near);

    is(send(v1, far), 0);
    ok(pending(dom2, near), "an event from the far end");
    is(v2->info->evtchn_pending_sel, 1);
    is(upcalls[2][0], 1);
    is(send(v1, far), 0);
    is(upcalls[2][0], 1, "one upcall while it is pending");
    is(send(v2, near), 0);
    ok(pending(dom1, far), "an event to the far end");

    is(status(v2, DOMID_SELF, near), 0);
    is(got.status, EVTCHNSTAT_interdomain);
    is(got.u.interdomain.dom, 1);
    is(got.u.interdomain.port, far);
    is(status(v2, 1, far), -XEN_EPERM, "not the business of another guest");
    is(status(v0, 1, far), 0, "but of the control domain");

    is(close_port(v2, near), 0);
    ok(!pending(dom2, near), "a closed port is not pending");
    is(status(v1, DOMID_SELF, far), 0);
    is(got.status, EVTCHNSTAT_unbound, "the other end waits again");
    is(got.u.unbound.dom, 2, "for the same domain");
    is(send(v2, near), -XEN_EINVAL, "closed");
    is(close_port(v2, near), -XEN_EINVAL, "closing twice");
    is(bind_interdomain(v2, 1, far), 0, "connected again");

    alloc_unbound(v1, DOMID_SELF, DOMID_SELF);
    far = out_port;
    is(bind_interdomain(v1, DOMID_SELF, far), 0, "to the domain itself");
    is(send(v1, far), 0);
    ok(pending(dom1, out_port));
    is(close_port(v1, far), 0);
    is(status(v1, DOMID_SELF, out_port), 0);
    is(got.status, EVTCHNSTAT_unbound);
    finish();
}

/* A domain that is being made has ports before it has vCPUs. */
static void test_without_vcpus(void)
{
    struct vcpu *later;

    begin();
    later = dom1->vcpu[0];
    dom1->vcpu[0] = NULL;
    is(alloc_unbound(v0, 1, 0), 0, "a port of a domain without vCPUs");
    uint32_t far = out_port;
    is(bind_interdomain(v0, 1, far), 0, "is bound");
    is(send(v0, out_port), 0, "and an event sent");
    ok(pending(dom1, far), "which is pending there");
    dom1->vcpu[0] = later;
    finish();
}

static void test_virq(void)
{
    uint32_t timer;

    begin();
    is(bind_virq(v1, NR_VIRQS, 0), -XEN_EINVAL, "one too high");
    is(bind_virq(v1, ~0u, 0), -XEN_EINVAL);
    is(bind_virq(v1, VIRQ_TIMER, 4), -XEN_ENOENT, "no such vCPU");
    is(bind_virq(v1, VIRQ_TIMER, ~0u), -XEN_ENOENT);
    is(bind_virq(v1, VIRQ_CONSOLE, 1), -XEN_EINVAL, "a global one on vCPU 1");
    is(bind_virq(v1, VIRQ_TIMER, 2), 0, "a per-vCPU one on vCPU 2");
    timer = out_port;
    is(bind_virq(v1, VIRQ_TIMER, 2), -XEN_EEXIST);
    is(bind_virq(v1, VIRQ_TIMER, 1), 0, "another vCPU has its own");
    is(send(v1, timer), -XEN_EINVAL, "a guest does not send it");
    evtchn_send_vcpu_virq(dom1->vcpu[2], VIRQ_TIMER);
    ok(pending(dom1, timer));
    is(upcalls[1][2], 1, "vCPU 2 is told");
    is(upcalls[1][0], 0);
    evtchn_send_vcpu_virq(dom1->vcpu[3], VIRQ_TIMER);
    is(upcalls[1][3], 0, "not bound on vCPU 3: nothing");
    is(bind_vcpu(v1, timer, 1), -XEN_EINVAL, "a per-vCPU VIRQ does not move");
    is(status(v1, DOMID_SELF, timer), 0);
    is(got.status, EVTCHNSTAT_virq);
    is(got.u.virq, VIRQ_TIMER);
    is(got.vcpu, 2);
    is(close_port(v1, timer), 0);
    evtchn_send_vcpu_virq(dom1->vcpu[2], VIRQ_TIMER);
    ok(!pending(dom1, timer), "closed: nothing arrives");
    is(bind_virq(v1, VIRQ_TIMER, 2), 0, "and can be bound again");

    is(bind_virq(v0, VIRQ_DOM_EXC, 0), 0);
    is(bind_vcpu(v0, out_port, 3), 0, "a global one moves");
    evtchn_send_global_virq(dom0, VIRQ_DOM_EXC);
    is(upcalls[0][3], 1);
    evtchn_send_global_virq(NULL, VIRQ_DOM_EXC);
    pass("before there is a control domain: nothing");
    is(bind_virq(v0, VIRQ_ARCH_7, 0), 0, "the highest VIRQ");
    finish();
}

static void test_ipi_and_vcpu(void)
{
    uint32_t ipi, port;

    begin();
    is(bind_ipi(v1, 4), -XEN_ENOENT);
    is(bind_ipi(v1, ~0u), -XEN_ENOENT);
    is(bind_ipi(v1, 3), 0);
    ipi = out_port;
    is(send(v1, ipi), 0);
    is(upcalls[1][3], 1);
    is(bind_vcpu(v1, ipi, 0), -XEN_EINVAL, "an IPI does not move");
    is(status(v1, 1, ipi), 0);
    is(got.status, EVTCHNSTAT_ipi);
    is(got.vcpu, 3);
    is(got.u.pirq, 0, "no rubble in what has no meaning");

    alloc_unbound(v1, DOMID_SELF, 2);
    port = out_port;
    is(bind_vcpu(v1, port, 4), -XEN_ENOENT);
    is(bind_vcpu(v1, ~0u, 0), -XEN_EINVAL);
    is(bind_vcpu(v1, 0, 0), -XEN_EINVAL, "port 0");
    is(bind_vcpu(v1, port + 1, 0), -XEN_EINVAL, "a free port");
    is(bind_vcpu(v1, port, 2), 0);
    bind_interdomain(v2, 1, port);
    is(send(v2, out_port), 0);
    is(upcalls[1][2], 1, "told where it was bound to");
    is(close_port(v1, port), 0);
    alloc_unbound(v1, DOMID_SELF, 2);
    is(out_port, port);
    status(v1, DOMID_SELF, port);
    is(got.vcpu, 0, "a port used anew is vCPU 0's");

    is(status(v1, DOMID_SELF, 0), 0);
    is(got.status, EVTCHNSTAT_closed, "port 0 is closed for ever");
    is(status(v1, DOMID_SELF, EVTCHN_PER_PAGE - 1), 0);
    is(got.status, EVTCHNSTAT_closed);
    is(status(v1, DOMID_SELF, EVTCHN_PER_PAGE), -XEN_EINVAL);
    is(status(v1, DOMID_SELF, ~0u), -XEN_EINVAL);
    is(close_port(v1, 0), -XEN_EINVAL);
    is(send(v1, 0), -XEN_EINVAL);
    is(send(v1, ~0u), -XEN_EINVAL);
    finish();
}

static void test_pirq(void)
{
    uint32_t port;

    begin();
    is(bind_pirq(v0, PIRQS), -XEN_EINVAL, "one too high");
    is(bind_pirq(v0, ~0u), -XEN_EINVAL);
    pirq_bind_result = -XEN_EPERM;
    is(bind_pirq(v1, 3), -XEN_EPERM, "what the machine refuses");
    is(dom1->evtchn.active, 0, "leaves no port");
    pirq_bind_result = 0;
    evtchn_send_pirq(dom1, 3);
    pass("not bound: nothing");
    is(bind_pirq(v0, PIRQS - 1), 0);
    port = out_port;
    is(bind_pirq(v0, PIRQS - 1), -XEN_EEXIST);
    evtchn_send_pirq(dom0, PIRQS - 1);
    ok(pending(dom0, port));
    is(upcalls[0][0], 1);
    is(status(v0, 0, port), 0);
    is(got.status, EVTCHNSTAT_pirq);
    is(got.u.pirq, PIRQS - 1);
    is(bind_vcpu(v0, port, 1), 0, "it moves");
    is(send(v0, port), -XEN_EINVAL, "and is not sent by a guest");
    consume(dom0, port);
    bit_set(port, (unsigned long *)dom0->shared->evtchn_mask);
    evtchn_send_pirq(dom0, PIRQS - 1);
    is(upcalls[0][1], 0, "masked");
    evtchn_unmask_pirq(dom0, PIRQS - 1);
    is(upcalls[0][1], 1, "unmasked by its EOI");
    evtchn_send_pirq(dom0, PIRQS);
    evtchn_unmask_pirq(dom0, ~0u);
    is(close_port(v0, port), 0);
    is(pirq_unbinds, 1);
    evtchn_send_pirq(dom0, PIRQS - 1);
    ok(!pending(dom0, port));
    pirq_fires_at_once = true;
    is(bind_pirq(v0, 0), 0, "PIRQ 0");
    ok(pending(dom0, out_port), "an interrupt in the midst of binding is not lost");
    pirq_fires_at_once = false;
    finish();
    is(pirq_unbinds, 2, "the end of a domain unbinds");
}

static void test_mask(void)
{
    unsigned long *mask = (unsigned long *)dom1;
    uint32_t port;

    begin();
    mask = (unsigned long *)dom1->shared->evtchn_mask;
    bind_ipi(v1, 1);
    port = out_port;
    bit_set(port, mask);
    is(send(v1, port), 0);
    ok(pending(dom1, port), "a masked port becomes pending");
    is(upcalls[1][1], 0, "without an upcall");
    is(unmask(v1, port), 0);
    is(upcalls[1][1], 1, "that comes when it is unmasked");
    ok(!bit_test(port, mask));
    is(unmask(v1, port), 0);
    is(upcalls[1][1], 1, "once");
    is(unmask(v1, ~0u), -XEN_EINVAL);
    is(unmask(v1, EVTCHN_PER_PAGE), -XEN_EINVAL);
    bit_set(9, mask);
    is(unmask(v1, 9), 0, "a free port");
    ok(bit_test(9, mask), "is left alone");
    is(evtchn_set_priority(v1, &(struct evtchn_set_priority){.port = port}), -XEN_ENOSYS,
       "no priorities here");
    is(evtchn_expand_array(v1, &(struct evtchn_expand_array){.array_gfn = WORLD_BASE}),
       -XEN_EOPNOTSUPP);
    v1->info->evtchn_pending_sel = 0;
    evtchn_vcpu_repoll(v1);
    is(v1->info->evtchn_pending_sel, ~0ul, "a moved vcpu_info: look at everything");
    is(upcalls[1][0], 1);
    finish();
}

static void test_poll(void)
{
    uint32_t a, b;

    begin();
    bind_ipi(v1, 0);
    a = out_port;
    bind_ipi(v1, 0);
    b = out_port;
    bit_set(a, (unsigned long *)dom1->shared->evtchn_mask);
    dom1->vcpu[2]->pause_flags = VPF_POLLING | VPF_DOWN;
    evtchn_poll_start(dom1->vcpu[2], EVTCHN_PORT(a));
    ok(!evtchn_port_pending(dom1, EVTCHN_PORT(a)));
    send(v1, b);
    is(wakes[1][2], 0, "another port");
    send(v1, a);
    is(wakes[1][2], 1, "masked, but polled for");
    is(upcalls[1][0], 1, "no upcall for it");
    is(dom1->vcpu[2]->pause_flags, VPF_DOWN, "and the poll is over");
    ok(evtchn_port_pending(dom1, EVTCHN_PORT(a)));
    consume(dom1, a);
    send(v1, a);
    is(wakes[1][2], 1, "nobody polls now");
    consume(dom1, a);
    consume(dom1, b);
    evtchn_poll_start(dom1->vcpu[3], EVTCHN_PORT(0));
    send(v1, b);
    is(wakes[1][3], 1, "a poll on several ports is woken by any");
    evtchn_poll_start(dom1->vcpu[1], EVTCHN_PORT(a));
    evtchn_poll_stop(dom1->vcpu[1]);
    send(v1, a);
    is(wakes[1][1], 0, "timed out");
    ok(evtchn_port_pending(dom1, EVTCHN_PORT(~0u)) < 0, "a port that cannot be");
    ok(evtchn_port_pending(dom1, EVTCHN_PORT(0)) < 0);
    close_port(v1, a);
    bit_set(a, (unsigned long *)dom1->shared->evtchn_pending);
    ok(evtchn_port_pending(dom1, EVTCHN_PORT(a)) < 0, "a closed port cannot be polled");
    finish();
}

static void test_limits(void)
{
    unsigned n = 0;

    begin();
    while (bind_ipi(v1, 0) == 0)
        n++;
    is(n, EVTCHN_2L_PORTS - 1, "all ports that two-level bitmaps have");
    is(bind_ipi(v1, 0), -XEN_ENOSPC);
    is(bind_virq(v1, VIRQ_TIMER, 0), -XEN_ENOSPC);
    is(alloc_unbound(v1, DOMID_SELF, 0), -XEN_ENOSPC);
    is(bind_pirq(v1, 1), -XEN_ENOSPC);
    is(send(v1, EVTCHN_2L_PORTS - 1), 0, "the last port works");
    ok(pending(dom1, EVTCHN_2L_PORTS - 1));
    is(close_port(v1, 777), 0);
    is(bind_ipi(v1, 0), 0);
    is(out_port, 777, "the only free one is found");
    dom2->evtchn.max_port = 2;
    is(bind_ipi(v2, 0), 0);
    is(bind_ipi(v2, 0), 0);
    is(bind_ipi(v2, 0), -XEN_ENOSPC, "the toolstack's limit");
    for (long left = 0; left < 2; left++) {
        world_alloc_left = left;
        is(bind_ipi(v0, 0), -XEN_ENOMEM, "no memory for ports");
    }
    world_alloc_left = 0;
    is(bind_pirq(v0, 0), -XEN_ENOMEM);
    world_alloc_left = -1;
    is(bind_ipi(v0, 0), 0, "and afterwards all is well");
    evtchn_dump(dom2);
    ok(host_logged("ipi"), "the debug key");
    finish();
}

static void test_reset(void)
{
    uint32_t port;
    unsigned calls = 0;
    long ret;

    begin();
    for (unsigned i = 0; i < 1000; i++)
        bind_ipi(v1, i % 4);
    alloc_unbound(v1, DOMID_SELF, 2);
    port = out_port;
    bind_interdomain(v2, 1, port);
    is(reset(v2, 1), -XEN_EPERM, "not by another guest");
    is(reset(v0, 1), -XEN_EINVAL, "nor to a domain that runs");
    is(reset(v0, 6), -XEN_ESRCH);
    dom1->controller_pauses = 1;
    this_cpu(softirq_pending) = 1;
    while ((ret = reset(v0, 1)) == HC_AGAIN)
        calls++;
    this_cpu(softirq_pending) = 0;
    is(ret, 0, "the control domain may, to a paused one");
    is(calls, 1023 / 64, "with a stop every 64 ports");
    is(dom1->evtchn.active, 0);
    is(status(v2, DOMID_SELF, out_port), 0);
    is(got.status, EVTCHNSTAT_unbound, "the peer's end stays");
    is(reset(v1, DOMID_SELF), 0, "a domain resets itself, without ports too");
    is(bind_ipi(v1, 0), 0);
    is(out_port, 1);

    this_cpu(softirq_pending) = 1;
    dom1->is_dying = true;
    for (unsigned i = 0; i < 100; i++)
        (void)bind_ipi(v1, 0);
    is(evtchn_domain_release(dom1), -XEN_ERESTART, "the end of a domain stops too");
    this_cpu(softirq_pending) = 0;
    finish();
}

int main(void)
{
    test_alloc_unbound();
    test_interdomain();
    test_without_vcpus();
    test_virq();
    test_ipi_and_vcpu();
    test_pirq();
    test_mask();
    test_poll();
    test_limits();
    test_reset();
    return done();
}
