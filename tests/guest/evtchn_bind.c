/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: what a port can be bound to, and what EVTCHNOP_status says of it.
 *
 * A port is a small number of one domain. It is made by binding it: to nothing yet (unbound, one
 * named domain may connect), to a port of a domain (here: of this domain itself), to a virtual
 * interrupt, to a vCPU. VIRQs of two kinds: a per-vCPU one (the timer) has a port on each vCPU and
 * stays there; a global one (the console) is bound once, through vCPU 0, and can be moved.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/smp.h>

#include "evtchn.h"

static void test_unbound(void)
{
    struct evtchn_status status;
    long port = evtchn_alloc(DOMID_SELF, NO_DOMAIN), own = evtchn_alloc(0, DOMID_SELF);

    ok(port > 0, "alloc_unbound gives a port");
    is_error(evtchn_status((evtchn_port_t)port, &status), 0, "it has a status");
    is(status.status, EVTCHNSTAT_unbound, "that is: unbound");
    is(status.u.unbound.dom, NO_DOMAIN, "for the domain named, which need not exist");
    is(status.vcpu, 0, "it would notify vCPU 0");
    ok(own > 0 && own != port, "a domain may name itself by its number");
    is_error(evtchn_status((evtchn_port_t)own, &status), 0, "that port has a status");
    is(status.u.unbound.dom, 0, "DOMID_SELF as the remote domain is the caller");
    is_error(evtchn_alloc(NO_DOMAIN, 0), -XEN_ESRCH, "alloc_unbound in no domain");
    is_error(evtchn_alloc(DOMID_IO, 0), -XEN_ESRCH, "alloc_unbound in DOMID_IO");
    is_error(evtchn_send((evtchn_port_t)port), 0, "a send over an unbound port is lost");
    ok(!(shared_info->evtchn_pending[port / 64] >> port % 64 & 1), "and pends nowhere");
    is_error(evtchn_connect(DOMID_SELF, (evtchn_port_t)port), -XEN_EINVAL,
             "connecting to a port that is for another domain");
    is_error(evtchn_close((evtchn_port_t)port), 0, "close an unbound port");
    is_error(evtchn_close((evtchn_port_t)own), 0, "close the other");
    is_error(evtchn_close((evtchn_port_t)own), -XEN_EINVAL, "close it twice");
    is_error(evtchn_kind((evtchn_port_t)own), EVTCHNSTAT_closed, "status says closed");
}

static bool pending(long port)
{
    return __atomic_load_n(&shared_info->evtchn_pending[port / 64], __ATOMIC_SEQ_CST) >> port % 64 &
           1;
}

static void clear(long port)
{
    __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << port % 64),
                       __ATOMIC_SEQ_CST);
}

static void test_interdomain(void)
{
    struct evtchn_status status;
    long far = evtchn_alloc(DOMID_SELF, DOMID_SELF);
    long near = evtchn_connect(DOMID_SELF, (evtchn_port_t)far);

    ok(near > 0 && near != far, "a domain connects to itself");
    ok(pending(near) && !pending(far), "who connects finds an event, for those that were lost");
    clear(near);
    is_error(evtchn_status((evtchn_port_t)near, &status), 0, "status of the near end");
    is(status.status, EVTCHNSTAT_interdomain, "the near end is interdomain");
    is(status.u.interdomain.dom, 0, "with this domain");
    is(status.u.interdomain.port, far, "and the far port");
    is_error(evtchn_status((evtchn_port_t)far, &status), 0, "status of the far end");
    is(status.status, EVTCHNSTAT_interdomain, "the far end is interdomain");
    is(status.u.interdomain.port, near, "with the near port");
    is_error(evtchn_connect(DOMID_SELF, (evtchn_port_t)far), -XEN_EINVAL,
             "connecting to a port in use");
    is_error(evtchn_send((evtchn_port_t)near), 0, "send from the near end");
    ok(pending(far) && !pending(near), "pends at the far one");
    clear(far);
    is_error(evtchn_send((evtchn_port_t)far), 0, "send from the far end");
    ok(pending(near) && !pending(far), "pends at the near one");
    is_error(evtchn_close((evtchn_port_t)near), 0, "close the near end");
    ok(!pending(near), "which takes its event away");
    is_error(evtchn_status((evtchn_port_t)far, &status), 0, "status of the end that is left");
    is(status.status, EVTCHNSTAT_unbound, "it is unbound again");
    is(status.u.unbound.dom, 0, "for the same domain");
    is_error(evtchn_close((evtchn_port_t)far), 0, "close the far end");
    is_error(evtchn_connect(DOMID_SELF, (evtchn_port_t)far), -XEN_EINVAL,
             "connecting to a closed port");
    is_error(evtchn_connect(NO_DOMAIN, 1), -XEN_ESRCH, "connecting to no domain");
    is_error(evtchn_connect(DOMID_SELF, 0), -XEN_EINVAL, "connecting to port 0");
}

static const struct {
    const char *name;
    unsigned virq;
    bool global;
} virqs[] = {
    {"VIRQ_TIMER", VIRQ_TIMER, false},        {"VIRQ_DEBUG", VIRQ_DEBUG, false},
    {"VIRQ_XENOPROF", VIRQ_XENOPROF, false},  {"VIRQ_XENPMU", VIRQ_XENPMU, false},
    {"VIRQ_CONSOLE", VIRQ_CONSOLE, true},     {"VIRQ_DOM_EXC", VIRQ_DOM_EXC, true},
    {"VIRQ_TBUF", VIRQ_TBUF, true},           {"VIRQ_DEBUGGER", VIRQ_DEBUGGER, true},
    {"VIRQ_CON_RING", VIRQ_CON_RING, true},   {"VIRQ_PCPU_STATE", VIRQ_PCPU_STATE, true},
    {"VIRQ_MEM_EVENT", VIRQ_MEM_EVENT, true}, {"VIRQ_ARCH_0", VIRQ_ARCH_0, true},
    {"VIRQ_ARCH_7", VIRQ_ARCH_7, true},
};

static void test_virq(const char *name, unsigned virq, bool global)
{
    struct evtchn_status status;
    long port = evtchn_bind_virq(virq, 0);

    ok(port > 0, "bind %s", name);
    is_error(evtchn_status((evtchn_port_t)port, &status), 0, "status of %s", name);
    is(status.status, EVTCHNSTAT_virq, "%s is a virq", name);
    is(status.u.virq, virq, "%s has its number", name);
    is_error(evtchn_bind_virq(virq, 0), -XEN_EEXIST, "bind %s twice", name);
    is_error(evtchn_send((evtchn_port_t)port), -XEN_EINVAL, "no guest can send %s", name);
    is_error(evtchn_bind_vcpu((evtchn_port_t)port, 0), global ? 0 : -XEN_EINVAL, "%s %s be moved",
             name, global ? "can" : "cannot");
    if (nr_vcpus() > 1) {
        long other = evtchn_bind_virq(virq, 1);

        if (global)
            is_error(other, -XEN_EINVAL, "%s is bound through vCPU 0 only", name);
        else
            ok(other > 0 && other != port, "vCPU 1 has a %s of its own", name);
        if (other > 0)
            (void)evtchn_close((evtchn_port_t)other);
    }
    is_error(evtchn_close((evtchn_port_t)port), 0, "close %s", name);
    port = evtchn_bind_virq(virq, 0);
    ok(port > 0, "bind %s anew", name);
    (void)evtchn_close((evtchn_port_t)port);
}

static void test_virq_errors(void)
{
    is_error(evtchn_bind_virq(NR_VIRQS, 0), -XEN_EINVAL, "a VIRQ that there is not");
    is_error(evtchn_bind_virq(~0u, 0), -XEN_EINVAL, "VIRQ 2^32-1");
    is_error(evtchn_bind_virq(VIRQ_TIMER, nr_vcpus()), -XEN_ENOENT, "a VIRQ of no vCPU");
    is_error(evtchn_bind_virq(VIRQ_TIMER, ~0u), -XEN_ENOENT, "a VIRQ of vCPU 2^32-1");
    is_error(evtchn_bind_virq(VIRQ_CONSOLE, nr_vcpus()), -XEN_EINVAL, "a global VIRQ of no vCPU");
}

static void test_ipi(void)
{
    struct evtchn_status status;
    unsigned last = nr_vcpus() - 1;
    long port = evtchn_bind_ipi(last), second = evtchn_bind_ipi(last);

    ok(port > 0, "bind_ipi");
    ok(second > 0 && second != port, "a vCPU may have several");
    is_error(evtchn_status((evtchn_port_t)port, &status), 0, "status of an IPI");
    is(status.status, EVTCHNSTAT_ipi, "it is an ipi");
    is(status.vcpu, last, "for the vCPU named");
    is_error(evtchn_send((evtchn_port_t)port), 0, "send an IPI");
    ok(pending(port), "it is pending");
    is_error(evtchn_bind_vcpu((evtchn_port_t)port, 0), -XEN_EINVAL, "an IPI cannot be moved");
    is_error(evtchn_close((evtchn_port_t)port), 0, "close an IPI");
    ok(!pending(port), "an event goes with its port");
    (void)evtchn_close((evtchn_port_t)second);
    is_error(evtchn_bind_ipi(nr_vcpus()), -XEN_ENOENT, "an IPI of no vCPU");
    is_error(evtchn_bind_ipi(~0u), -XEN_ENOENT, "an IPI of vCPU 2^32-1");
}

static void test_bind_vcpu(void)
{
    struct evtchn_status status;
    unsigned last = nr_vcpus() - 1;
    long far = evtchn_alloc(DOMID_SELF, DOMID_SELF), near;

    is_error(evtchn_bind_vcpu((evtchn_port_t)far, last), 0, "move an unbound port");
    near = evtchn_connect(DOMID_SELF, (evtchn_port_t)far);
    (void)evtchn_status((evtchn_port_t)far, &status);
    is(status.vcpu, last, "it stays there when it is connected to");
    is_error(evtchn_bind_vcpu((evtchn_port_t)near, last), 0, "move an interdomain port");
    (void)evtchn_status((evtchn_port_t)near, &status);
    is(status.vcpu, last, "status says where");
    is_error(evtchn_bind_vcpu((evtchn_port_t)near, nr_vcpus()), -XEN_ENOENT, "move to no vCPU");
    is_error(evtchn_bind_vcpu((evtchn_port_t)near, ~0u), -XEN_ENOENT, "move to vCPU 2^32-1");
    is_error(evtchn_bind_vcpu(0, 0), -XEN_EINVAL, "move port 0");
    (void)evtchn_close((evtchn_port_t)near);
    (void)evtchn_close((evtchn_port_t)far);
    is_error(evtchn_bind_vcpu((evtchn_port_t)far, 0), -XEN_EINVAL, "move a closed port");
    far = evtchn_alloc(DOMID_SELF, DOMID_SELF);
    (void)evtchn_status((evtchn_port_t)far, &status);
    is(status.vcpu, 0, "a port that is bound anew notifies vCPU 0 again");
    (void)evtchn_close((evtchn_port_t)far);
}

/* A device's interrupt. IRQ 8, the real-time clock's, is not in use by a hypervisor. */
static void test_pirq(void)
{
    struct evtchn_status status;
    long port;

    is_error(evtchn_bind_pirq(~0u, 0), -XEN_EINVAL, "PIRQ 2^32-1");
    if (!is_control_domain()) {
        is_error(evtchn_bind_pirq(8, 0), -XEN_EPERM, "a PIRQ that this domain may not have");
        return;
    }
    is_error(map_pirq(8), 0, "map a PIRQ");
    port = evtchn_bind_pirq(8, BIND_PIRQ__WILL_SHARE);
    ok(port > 0, "bind_pirq");
    is_error(evtchn_status((evtchn_port_t)port, &status), 0, "status of a PIRQ");
    is(status.status, EVTCHNSTAT_pirq, "it is a pirq");
    is(status.u.pirq, 8, "with its number");
    is_error(evtchn_bind_pirq(8, 0), -XEN_EEXIST, "bind a PIRQ twice");
    is_error(evtchn_send((evtchn_port_t)port), -XEN_EINVAL, "no guest can send a PIRQ");
    is_error(evtchn_bind_vcpu((evtchn_port_t)port, nr_vcpus() - 1), 0, "a PIRQ can be moved");
    is_error(evtchn_close((evtchn_port_t)port), 0, "close a PIRQ");
    port = evtchn_bind_pirq(8, 0);
    ok(port > 0, "bind it again, not to be shared");
    is_error(evtchn_close((evtchn_port_t)port), 0, "close it again");
}

static void test_arguments(void)
{
    static const unsigned commands[] = {
        EVTCHNOP_bind_interdomain,
        EVTCHNOP_bind_virq,
        EVTCHNOP_bind_pirq,
        EVTCHNOP_close,
        EVTCHNOP_send,
        EVTCHNOP_status,
        EVTCHNOP_alloc_unbound,
        EVTCHNOP_bind_ipi,
        EVTCHNOP_bind_vcpu,
        EVTCHNOP_unmask,
        EVTCHNOP_reset,
        EVTCHNOP_init_control,
        EVTCHNOP_expand_array,
        EVTCHNOP_set_priority,
    };
    void *bad = (void *)HYPERVISOR_VIRT_START;

    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        is_error(HYPERVISOR_event_channel_op(commands[i], bad), -XEN_EFAULT,
                 "operation %u with a hypervisor address", commands[i]);
    is_error(HYPERVISOR_event_channel_op(15, bad), -XEN_ENOSYS, "operation 15, which there is not");
    is_error(HYPERVISOR_event_channel_op(~0u, bad), -XEN_ENOSYS, "operation 2^32-1");
}

int main(void)
{
    test_unbound();
    test_interdomain();
    for (unsigned i = 0; i < sizeof(virqs) / sizeof(virqs[0]); i++)
        test_virq(virqs[i].name, virqs[i].virq, virqs[i].global);
    test_virq_errors();
    test_ipi();
    test_bind_vcpu();
    test_pirq();
    test_arguments();
    return done();
}
