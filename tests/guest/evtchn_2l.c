/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: two-level delivery, word by word.
 *
 * A port that becomes pending sets, in this order: its bit in the pending map of the shared page;
 * unless its bit in the mask map is set, the bit of that map's word in the selector of the vCPU
 * that it notifies; and, unless that was set, the byte "upcall pending". Each step is taken only
 * when the one before changed something, so that a thousand events cost one upcall. The guest
 * clears them from the other end.
 *
 * Here upcalls are disabled and the words are looked at, and then enabled and handlers counted.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/event.h>
#include <pv/smp.h>

#include "evtchn.h"

static struct vcpu_info *info_of(unsigned vcpu)
{
    return &shared_info->vcpu_info[vcpu];
}

static bool pending(long port)
{
    return event_is_pending((evtchn_port_t)port);
}

static bool masked(long port)
{
    return __atomic_load_n(&shared_info->evtchn_mask[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}

static bool selected(unsigned vcpu, long port)
{
    return __atomic_load_n(&info_of(vcpu)->evtchn_pending_sel, __ATOMIC_SEQ_CST) >> port / 64 & 1;
}

static bool told(unsigned vcpu)
{
    return __atomic_load_n(&info_of(vcpu)->evtchn_upcall_pending, __ATOMIC_SEQ_CST);
}

static void forget(unsigned vcpu, long port)
{
    __atomic_store_n(&info_of(vcpu)->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&info_of(vcpu)->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    event_clear((evtchn_port_t)port);
}

static void test_masked(unsigned vcpu)
{
    long port = evtchn_bind_ipi(vcpu);

    event_mask((evtchn_port_t)port);
    forget(vcpu, port);
    is_error(evtchn_send((evtchn_port_t)port), 0, "vCPU %u: send to a masked port", vcpu);
    ok(pending(port), "vCPU %u: it is pending", vcpu);
    ok(!selected(vcpu, port), "vCPU %u: its word is not selected", vcpu);
    ok(!told(vcpu), "vCPU %u: no upcall", vcpu);
    is_error(evtchn_unmask((evtchn_port_t)port), 0, "vCPU %u: unmask by hypercall", vcpu);
    ok(!masked(port), "vCPU %u: the mask is gone", vcpu);
    ok(selected(vcpu, port), "vCPU %u: what was pending is raised now", vcpu);
    ok(told(vcpu), "vCPU %u: with an upcall", vcpu);
    forget(vcpu, port);
    event_mask((evtchn_port_t)port);
    is_error(evtchn_unmask((evtchn_port_t)port), 0, "vCPU %u: unmask with nothing pending", vcpu);
    ok(!selected(vcpu, port) && !told(vcpu), "vCPU %u: raises nothing", vcpu);
    is_error(evtchn_send((evtchn_port_t)port), 0, "vCPU %u: send when that is done", vcpu);
    forget(vcpu, 0);
    is_error(evtchn_unmask((evtchn_port_t)port), 0, "vCPU %u: unmask what is not masked", vcpu);
    ok(!selected(vcpu, port) && !told(vcpu), "vCPU %u: raises nothing, though pending", vcpu);
    (void)evtchn_close((evtchn_port_t)port);
    forget(vcpu, port);
}

static void test_unmasked(unsigned vcpu)
{
    long port = evtchn_bind_ipi(vcpu), second = evtchn_bind_ipi(vcpu);

    (void)evtchn_unmask((evtchn_port_t)port);
    (void)evtchn_unmask((evtchn_port_t)second);
    forget(vcpu, port);
    (void)evtchn_send((evtchn_port_t)port);
    ok(pending(port) && selected(vcpu, port) && told(vcpu), "vCPU %u: send raises all three", vcpu);
    forget(vcpu, 0);
    (void)evtchn_send((evtchn_port_t)port);
    ok(!selected(vcpu, port) && !told(vcpu), "vCPU %u: a pending port raises nothing more", vcpu);
    __atomic_store_n(&info_of(vcpu)->evtchn_pending_sel, 1ul << second / 64, __ATOMIC_SEQ_CST);
    (void)evtchn_send((evtchn_port_t)second);
    ok(pending(second) && !told(vcpu), "vCPU %u: a word that is selected makes no upcall", vcpu);
    event_clear((evtchn_port_t)second);
    forget(vcpu, port);
    event_mask((evtchn_port_t)port);
    event_mask((evtchn_port_t)second);
    (void)evtchn_close((evtchn_port_t)port);
    (void)evtchn_close((evtchn_port_t)second);
}

static void test_moved(void)
{
    unsigned last = nr_vcpus() - 1;
    long far = evtchn_alloc(DOMID_SELF, DOMID_SELF);
    long near = evtchn_connect(DOMID_SELF, (evtchn_port_t)far);

    event_clear((evtchn_port_t)near);
    (void)evtchn_unmask((evtchn_port_t)far);
    (void)evtchn_bind_vcpu((evtchn_port_t)far, last);
    forget(last, far);
    (void)evtchn_send((evtchn_port_t)near);
    ok(selected(last, far) && told(last), "a port notifies the vCPU that it was moved to");
    if (last != 0) {
        forget(0, 0);
        forget(last, far);
        (void)evtchn_bind_vcpu((evtchn_port_t)far, 0);
        (void)evtchn_send((evtchn_port_t)near);
        ok(selected(0, far) && !selected(last, far), "and the one that it was moved back to");
    }
    forget(0, far);
    event_mask((evtchn_port_t)far);
    (void)evtchn_close((evtchn_port_t)near);
    (void)evtchn_close((evtchn_port_t)far);
}

static void count_event(evtchn_port_t port, void *data)
{
    (void)port;
    __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

/* What follows needs the library's upcall. */
static void test_upcalls(void)
{
    unsigned count = 0;
    long port = event_bind_ipi(0, count_event, &count);
    bool enabled;

    (void)event_send((evtchn_port_t)port);
    is(count, 1, "an event to oneself has been handled when the hypercall returns");
    enabled = events_disable();
    (void)event_send((evtchn_port_t)port);
    (void)event_send((evtchn_port_t)port);
    is(count, 1, "while upcalls are disabled it waits");
    events_restore(enabled);
    is(count, 2, "then two sends are one event");
    event_mask((evtchn_port_t)port);
    (void)event_send((evtchn_port_t)port);
    is(count, 2, "while the port is masked it waits");
    event_unmask((evtchn_port_t)port);
    is(count, 3, "until it is unmasked");
    event_mask((evtchn_port_t)port);
    (void)event_send((evtchn_port_t)port);
    event_clear((evtchn_port_t)port);
    event_unmask((evtchn_port_t)port);
    is(count, 3, "what was cleared is not handled");
    enabled = events_disable();
    (void)event_send((evtchn_port_t)port);
    events_block();
    is(count, 4, "block with an event waiting handles it and returns");
    events_restore(enabled);
    (void)event_close((evtchn_port_t)port);
}

static void test_lone_upcall(void)
{
    unsigned count = 0;
    long port = event_bind_ipi(0, count_event, &count);

    info_of(0)->evtchn_upcall_pending = 1;
    (void)HYPERVISOR_xen_version(XENVER_version, NULL);
    is(info_of(0)->evtchn_upcall_pending, 0, "the byte alone makes an upcall");
    is(count, 0, "which finds nothing");
    (void)event_close((evtchn_port_t)port);
}

int main(void)
{
    bool enabled = events_disable();

    test_masked(0);
    test_unmasked(0);
    if (nr_vcpus() > 1) {
        test_masked(nr_vcpus() - 1);
        test_unmasked(nr_vcpus() - 1);
    }
    test_moved();
    events_restore(enabled);
    test_upcalls();
    test_lone_upcall();
    return done();
}
