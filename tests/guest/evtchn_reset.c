/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: EVTCHNOP_reset closes every port of a domain at once, as a kernel does that
 * starts another one in its place. What was bound can be bound again, and nothing is pending.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/event.h>
#include <pv/smp.h>

#include "evtchn.h"

static void test_arguments(void)
{
    long port = evtchn_bind_ipi(0);

    is_error(evtchn_reset(NO_DOMAIN), -XEN_ESRCH, "reset of no domain");
    is_error(evtchn_reset(DOMID_IO), -XEN_ESRCH, "reset of DOMID_IO");
    is_error(evtchn_kind((evtchn_port_t)port), EVTCHNSTAT_ipi, "the port is still there");
    is_error(evtchn_reset(0), 0, "reset of oneself by number");
    is_error(evtchn_kind((evtchn_port_t)port), EVTCHNSTAT_closed, "the port is closed");
    is_error(evtchn_reset(DOMID_SELF), 0, "reset with nothing to close");
}

static void test_kinds(void)
{
    long unbound = evtchn_alloc(DOMID_SELF, NO_DOMAIN), far = evtchn_alloc(DOMID_SELF, DOMID_SELF);
    long near = evtchn_connect(DOMID_SELF, (evtchn_port_t)far);
    long virq = evtchn_bind_virq(VIRQ_DEBUG, nr_vcpus() - 1), ipi = evtchn_bind_ipi(nr_vcpus() - 1);
    long mapped = is_control_domain() ? map_pirq(8) : 0;
    long pirq = is_control_domain() ? evtchn_bind_pirq(8, 0) : 1;
    const long ports[] = {unbound, far, near, virq, ipi, pirq};

    (void)evtchn_send((evtchn_port_t)far);
    (void)evtchn_send((evtchn_port_t)ipi);
    is_error(mapped, 0, "map a PIRQ");
    ok(unbound > 0 && far > 0 && near > 0 && virq > 0 && ipi > 0 && pirq > 0,
       "ports of every kind");
    is_error(evtchn_reset(DOMID_SELF), 0, "reset closes them");
    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        is_error(evtchn_kind((evtchn_port_t)ports[i]), EVTCHNSTAT_closed, "kind %u is closed", i);
        ok(!event_is_pending((evtchn_port_t)ports[i]), "kind %u is not pending", i);
    }
    virq = evtchn_bind_virq(VIRQ_DEBUG, nr_vcpus() - 1);
    ok(virq > 0, "the VIRQ can be bound again");
    if (is_control_domain()) {
        pirq = evtchn_bind_pirq(8, 0);
        ok(pirq > 0, "and the PIRQ");
    }
    is_error(evtchn_reset(DOMID_SELF), 0, "reset again");
}

static void test_full(void)
{
    unsigned count = 0, open = 0;

    while (evtchn_bind_ipi(count % nr_vcpus()) > 0)
        count++;
    is(count, PORTS_2L - 1, "every port is bound");
    is_error(evtchn_reset(DOMID_SELF), 0, "reset closes them all");
    for (evtchn_port_t port = 1; port < PORTS_2L; port++)
        open += evtchn_kind(port) > 0;
    is(open, 0, "none is left");
    is(evtchn_bind_ipi(0), 1, "the next port is the first again");
    is_error(evtchn_close(1), 0, "which can be closed");
}

static void reset_some(void *data)
{
    unsigned *errors = data;

    for (unsigned i = 0; i < 20; i++) {
        long ret;

        (void)evtchn_bind_ipi(this_vcpu());
        ret = evtchn_reset(DOMID_SELF);
        /* Another vCPU may bind a port between the last close and the look whether any is left. */
        if (ret != 0 && ret != -XEN_EAGAIN)
            __atomic_add_fetch(errors, 1, __ATOMIC_SEQ_CST);
    }
}

int main(void)
{
    unsigned errors = 0;

    test_arguments();
    test_kinds();
    test_full();
    vcpus_run(reset_some, &errors);
    is(errors, 0, "all vCPUs may do it at once");
    is_error(evtchn_reset(DOMID_SELF), 0, "a last reset");
    return done();
}
