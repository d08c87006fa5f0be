/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_op: giving the CPU away, waiting, watchdogs, pinning. What ends the domain is in
 * sched_shutdown.c.
 *
 * SCHEDOP_poll waits for one of some ports, masked or not, or for a time; an upcall ends it, too.
 * So does any event when no port or several are named: whoever polls looks again for itself. A
 * watchdog is a timer that shuts the domain down unless it is set anew in time; there are two.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include "evtchn.h"

#define MS        1000000ull
#define MAX_PORTS 128u
#define WATCHDOGS 2u

static void test_arguments(void)
{
    static const unsigned with_argument[] = {
        SCHEDOP_shutdown,      SCHEDOP_poll,     SCHEDOP_remote_shutdown,
        SCHEDOP_shutdown_code, SCHEDOP_watchdog, SCHEDOP_pin_override,
    };
    void *bad = (void *)HYPERVISOR_VIRT_START;

    for (unsigned i = 0; i < sizeof(with_argument) / sizeof(with_argument[0]); i++)
        is_error(HYPERVISOR_sched_op(with_argument[i], bad), -XEN_EFAULT,
                 "operation %u with a hypervisor address", with_argument[i]);
    is_error(HYPERVISOR_sched_op(8, bad), -XEN_ENOSYS, "operation 8, which there is not");
    is_error(HYPERVISOR_sched_op(~0u, bad), -XEN_ENOSYS, "operation 2^32-1");
    is_error(HYPERVISOR_sched_op(SCHEDOP_yield, bad), 0, "yield takes no argument");
}

/* ---- Block ---------------------------------------------------------------------------------- */

static unsigned handled;

static void count_event(evtchn_port_t port, void *data)
{
    (void)port;
    (void)data;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void ring_back(void *data)
{
    handled = 1000;
    (void)data;
}

static void test_block(void)
{
    evtchn_port_t port = (evtchn_port_t)event_bind_ipi(0, count_event, NULL);
    struct vcpu_info *info = &shared_info->vcpu_info[0];
    uint64_t when = monotonic_ns() + 3 * MS;

    (void)events_disable();
    (void)event_send(port);
    is(handled, 0, "with upcalls disabled an event waits");
    is_error(HYPERVISOR_sched_op(SCHEDOP_block, NULL), 0, "block returns for it");
    is(handled, 1, "after it has been handled");
    is(info->evtchn_upcall_mask, 0, "block enables upcalls");
    timer_set(when, ring_back, NULL);
    while (handled != 1000)
        is_error(HYPERVISOR_sched_op(SCHEDOP_block, NULL), 0, "block returns for a timer");
    ok(monotonic_ns() >= when, "not before");
    (void)event_close(port);
}

/* ---- Poll ----------------------------------------------------------------------------------- */

static void test_poll_arguments(void)
{
    evtchn_port_t ports[MAX_PORTS + 1];
    evtchn_port_t port = (evtchn_port_t)evtchn_bind_ipi(0);
    struct sched_poll op = {.nr_ports = 1, .timeout = 1};

    for (unsigned i = 0; i <= MAX_PORTS; i++)
        ports[i] = port;
    is_error(sched_poll(ports, MAX_PORTS, 1), 0, "poll 128 ports");
    is_error(sched_poll(ports, MAX_PORTS + 1, 1), -XEN_EINVAL, "poll 129");
    is_error(sched_poll(ports, ~0u, 1), -XEN_EINVAL, "poll 2^32-1");
    is_error(sched_poll(NULL, 0, 1), 0, "poll none");
    ports[1] = 0;
    is_error(sched_poll(ports, 2, 1), -XEN_EINVAL, "poll a good one, then port 0");
    (void)evtchn_send(port);
    is_error(sched_poll(ports, 2, 1), 0, "a pending port before the bad one ends the poll");
    ports[0] = 0;
    ports[1] = port;
    is_error(sched_poll(ports, 2, 1), -XEN_EINVAL, "a bad one before it comes first");
    set_xen_guest_handle(op.ports, (evtchn_port_t *)HYPERVISOR_VIRT_START);
    is_error(HYPERVISOR_sched_op(SCHEDOP_poll, &op), -XEN_EFAULT, "ports in the hypervisor");
    set_xen_guest_handle(op.ports, (evtchn_port_t *)WINDOW_START);
    is_error(HYPERVISOR_sched_op(SCHEDOP_poll, &op), -XEN_EFAULT, "ports where nothing is");
    event_clear(port);
    (void)evtchn_close(port);
}

static void test_poll_time(void)
{
    evtchn_port_t port = (evtchn_port_t)evtchn_bind_ipi(0);
    uint64_t before = monotonic_ns();

    while (monotonic_ns() < before + 2 * MS)
        (void)sched_poll(&port, 1, before + 2 * MS);
    ok(true, "a poll ends at its time");
    is_error(sched_poll(&port, 1, before), 0, "and at once when that is over");
    (void)evtchn_send(port);
    is_error(sched_poll(&port, 1, 0), 0, "and at once when a port is pending, for ever or not");
    ok(event_is_pending(port), "it leaves the port pending");
    event_clear(port);
    (void)evtchn_close(port);
}

static unsigned polling, woken;

static void poll_masked(void *data)
{
    evtchn_port_t *ports = data;

    __atomic_store_n(&polling, 1, __ATOMIC_SEQ_CST);
    while (!event_is_pending(ports[0]))
        (void)sched_poll(ports, 1, 0);
    __atomic_store_n(&woken, 1, __ATOMIC_SEQ_CST);
}

/* A vCPU that waits for ever is woken by its port and by nothing else. */
static void test_poll_wakes(void)
{
    evtchn_port_t ports[2];
    unsigned last = nr_vcpus() - 1;

    if (last == 0) {
        skip(2, "one vCPU");
        return;
    }
    ports[0] = (evtchn_port_t)evtchn_bind_ipi(0);
    ports[1] = (evtchn_port_t)evtchn_bind_ipi(0);
    (void)vcpu_start(last, poll_masked, ports);
    while (!__atomic_load_n(&polling, __ATOMIC_SEQ_CST))
        sleep_ns(MS);
    sleep_ns(2 * MS);
    (void)evtchn_send(ports[1]);
    sleep_ns(2 * MS);
    is(__atomic_load_n(&woken, __ATOMIC_SEQ_CST), 0, "another port does not wake a poll");
    (void)evtchn_send(ports[0]);
    vcpu_join(last);
    is(woken, 1, "its own does, though masked and notifying another vCPU");
    (void)evtchn_close(ports[0]);
    (void)evtchn_close(ports[1]);
}

/* ---- Watchdogs ------------------------------------------------------------------------------ */

static long watchdog(uint32_t id, uint32_t seconds)
{
    struct sched_watchdog op = {.id = id, .timeout = seconds};

    return HYPERVISOR_sched_op(SCHEDOP_watchdog, &op);
}

static void test_watchdog(void)
{
    is_error(watchdog(1, 10), -XEN_EINVAL, "poke a watchdog that is not set");
    is_error(watchdog(1, 0), -XEN_EINVAL, "cancel one that is not set");
    is_error(watchdog(WATCHDOGS + 1, 10), -XEN_EINVAL, "watchdog 3 of 2");
    is_error(watchdog(~0u, 10), -XEN_EINVAL, "watchdog 2^32-1");
    is_error(watchdog(0, 100), 1, "set a watchdog: the first");
    is_error(watchdog(0, ~0u), 2, "set another, for 136 years");
    is_error(watchdog(0, 100), -XEN_ENOSPC, "there is no third");
    is_error(watchdog(1, 1000), 0, "poke the first");
    is_error(watchdog(2, 0), 0, "cancel the second");
    is_error(watchdog(2, 10), -XEN_EINVAL, "poke it when it is cancelled");
    is_error(watchdog(0, 100), 2, "its number is given again");
    is_error(watchdog(1, 0), 0, "cancel the first at the end");
    is_error(watchdog(2, 0), 0, "and the second");
}

/* ---- Of the control domain ------------------------------------------------------------------ */

static long pin(int cpu)
{
    struct sched_pin_override op = {.pcpu = cpu};

    return HYPERVISOR_sched_op(SCHEDOP_pin_override, &op);
}

static void test_pin(void)
{
    if (!is_control_domain()) {
        is_error(pin(0), -XEN_EPERM, "pinning is for the control domain");
        return;
    }
    is_error(pin(-1), -XEN_EINVAL, "unpin what is not pinned");
    is_error(pin(0), 0, "pin to CPU 0");
    is_error(HYPERVISOR_sched_op(SCHEDOP_yield, NULL), 0, "yield there");
    is_error(pin((int)nr_vcpus() - 1), -XEN_EBUSY, "pin when pinned");
    is_error(pin(-1), 0, "unpin");
    is_error(pin(-1), -XEN_EINVAL, "unpin twice");
    is_error(pin((int)nr_vcpus() - 1), 0, "pin to the last CPU");
    is_error(pin(-0x7fffffff - 1), 0, "unpin by the lowest number");
    is_error(pin(4096), -XEN_EINVAL, "pin to CPU 4096");
    is_error(pin(0x7fffffff), -XEN_EINVAL, "pin to CPU 2^31-1");
}

static void test_remote_shutdown(void)
{
    struct sched_remote_shutdown op = {.domain_id = NO_DOMAIN, .reason = SHUTDOWN_poweroff};

    is_error(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &op), -XEN_ESRCH,
             "remote_shutdown of no domain");
    op.domain_id = DOMID_SELF;
    is_error(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &op), -XEN_ESRCH,
             "remote_shutdown of DOMID_SELF");
    op.domain_id = DOMID_IO;
    is_error(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &op), -XEN_ESRCH,
             "remote_shutdown of DOMID_IO");
}

int main(void)
{
    test_arguments();
    test_block();
    test_poll_arguments();
    test_poll_time();
    test_poll_wakes();
    test_watchdog();
    test_pin();
    test_remote_shutdown();
    return done();
}
