/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: every operation that takes a port, with ports that there are not.
 *
 * Port 0 is never bound. With two-level delivery there are 4096 ports, so 4095 is the last; what
 * lies behind does not become a port by being asked for. All are tried twice: with few ports in
 * use, and with every one in use, when 4095 is a port like others. A table that is full refuses
 * the next port, and takes one again when one was closed.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/smp.h>

#include "evtchn.h"

/* Connecting needs a port of one's own first: `full` says that there is none. */
static void bad_port(evtchn_port_t port, long status_of_it, bool full)
{
    const char *prefix = full ? "full table: " : "";

    is_error(evtchn_close(port), -XEN_EINVAL, "%sclose port %u", prefix, port);
    is_error(evtchn_send(port), -XEN_EINVAL, "%ssend to port %u", prefix, port);
    is_error(evtchn_kind(port), status_of_it, "%sstatus of port %u", prefix, port);
    is_error(evtchn_bind_vcpu(port, 0), -XEN_EINVAL, "%sbind port %u to vCPU 0", prefix, port);
    is_error(evtchn_unmask(port), status_of_it < 0 ? -XEN_EINVAL : 0, "%sunmask port %u", prefix,
             port);
    is_error(evtchn_connect(DOMID_SELF, port), full ? -XEN_ENOSPC : -XEN_EINVAL,
             "%sconnect to port %u", prefix, port);
    is_error(evtchn_set_priority(port, 0), status_of_it < 0 ? -XEN_EINVAL : -XEN_ENOSYS,
             "%sset priority of port %u without FIFO delivery", prefix, port);
}

static void poll_port(evtchn_port_t port, long want)
{
    is_error(sched_poll(&port, 1, 1), want, "poll port %u%s", port, want ? "" : ", in use");
}

static void test_few(void)
{
    long port = evtchn_alloc(DOMID_SELF, DOMID_SELF);

    diag("one port in use");
    ok(port > 0, "a port");
    bad_port(0, EVTCHNSTAT_closed, false);
    bad_port(PORTS_2L - 1, -XEN_EINVAL, false);
    bad_port(PORTS_2L, -XEN_EINVAL, false);
    bad_port(PORTS_FIFO - 1, -XEN_EINVAL, false);
    bad_port(PORTS_FIFO, -XEN_EINVAL, false);
    bad_port(~0u - 1, -XEN_EINVAL, false);
    bad_port(~0u, -XEN_EINVAL, false);
    poll_port(0, -XEN_EINVAL);
    poll_port(PORTS_2L - 1, -XEN_EINVAL);
    poll_port(PORTS_2L, -XEN_EINVAL);
    poll_port(~0u, -XEN_EINVAL);
    is_error(evtchn_set_priority((evtchn_port_t)port, 0), -XEN_ENOSYS,
             "set priority without FIFO delivery");
    poll_port((evtchn_port_t)port, 0);
    (void)evtchn_close((evtchn_port_t)port);
    is_error(sched_poll((evtchn_port_t[]){(evtchn_port_t)port}, 1, 1), -XEN_EINVAL,
             "poll a closed port");
}

/* Every port, in turns of all kinds that a domain can have many of. Returns how many it got. */
static unsigned fill(long *refused)
{
    unsigned count = 0;
    long far = 0;

    for (;;) {
        long port;

        switch (count % 3) {
        case 0:
            port = far = evtchn_alloc(DOMID_SELF, DOMID_SELF);
            break;
        case 1:
            port = evtchn_connect(DOMID_SELF, (evtchn_port_t)far);
            break;
        default:
            port = evtchn_bind_ipi(count % nr_vcpus());
        }
        if (port < 0) {
            *refused = port;
            return count;
        }
        count++;
    }
}

static void test_all(void)
{
    struct evtchn_status status;
    long refused;

    diag("every port in use");
    is(fill(&refused), PORTS_2L - 1, "4095 ports can be bound");
    is_error(refused, -XEN_ENOSPC, "and no more");
    is_error(evtchn_alloc(DOMID_SELF, DOMID_SELF), -XEN_ENOSPC, "alloc_unbound in a full table");
    is_error(evtchn_bind_ipi(0), -XEN_ENOSPC, "bind_ipi in a full table");
    is_error(evtchn_bind_virq(VIRQ_DEBUG, 0), -XEN_ENOSPC, "bind_virq in a full table");
    is_error(evtchn_connect(DOMID_SELF, 1), -XEN_ENOSPC, "bind_interdomain in a full table");
    bad_port(PORTS_2L, -XEN_EINVAL, true);
    bad_port(~0u, -XEN_EINVAL, true);
    is_error(evtchn_status(PORTS_2L - 1, &status), 0, "port 4095 has a status");
    ok(status.status != EVTCHNSTAT_closed, "it is in use");
    is_error(evtchn_close(PORTS_2L - 1), 0, "it can be closed");
    is(evtchn_bind_ipi(0), PORTS_2L - 1, "and is what the next bind gets");
    is_error(evtchn_send(PORTS_2L - 1), 0, "it can be sent to");
    ok(shared_info->evtchn_pending[PORTS_2L / 64 - 1] >> 63, "its bit is the last");
    poll_port(PORTS_2L - 1, 0);
    is_error(evtchn_close(7), 0, "close a low port");
    is(evtchn_alloc(DOMID_SELF, DOMID_SELF), 7, "and that is what the next bind gets");
}

static void test_close_all(void)
{
    unsigned closed = 0;

    for (evtchn_port_t port = 1; port < PORTS_2L; port++)
        closed += evtchn_close(port) == 0;
    is(closed, PORTS_2L - 1, "every port can be closed");
    is(evtchn_alloc(DOMID_SELF, DOMID_SELF), 1, "port 1 is free again");
    is_error(evtchn_close(1), 0, "and closed again");
}

int main(void)
{
    test_few();
    test_all();
    test_close_all();
    return done();
}
