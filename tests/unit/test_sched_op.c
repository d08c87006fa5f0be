/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest asks of the scheduler and of its own behaviour: each sub-operation of sched_op, and
 * vm_assist, with its errors and boundary arguments.
 * links: tests/unit/host.c hypervisor/core/vcpu_op.c hypervisor/core/sched_op.c
 * links: hypervisor/core/domain.c hypervisor/core/vcpu.c hypervisor/core/vcpu_timer.c
 * links: hypervisor/core/sched.c hypervisor/core/sched_params.c
 * links: hypervisor/core/sched_cap.c hypervisor/core/sched_keep.c hypervisor/core/runqueue.c
 * links: hypervisor/core/runstate.c hypervisor/core/timer.c hypervisor/core/softirq.c
 * links: hypervisor/core/lock.c hypervisor/core/fmt.c
 * libs: -pthread
 */
#include "vcpu_world.h"

long hc_vm_assist(struct vcpu *v, struct hypercall_args *a);

/* v runs again, as the current vCPU. */
static void back(void)
{
    settle();
    if (!v->running)
        bail_out("the vCPU does not run");
    on_cpu(v->cpu);
}

static void test_block(void)
{
    begin();
    v->info->evtchn_upcall_mask = 1;
    v->info->evtchn_upcall_pending = 1;
    is(sched_op_block(v, NULL), 0);
    is(v->info->evtchn_upcall_mask, 0, "blocking unmasks");
    settle();
    ok(v->running, "and does not sleep over what was pending");
    v->info->evtchn_upcall_pending = 0;
    is(sched_op_block(v, NULL), 0);
    settle();
    ok(!v->running);
    vcpu_raise_upcall(v);
    back();
    is(sched_op_yield(v, NULL), 0);
    back();
    pass("with nobody waiting it goes on after a yield");
    end();
}

static xen_evtchn_port_t ports[129] = {1, 2, 3};

static long poll(unsigned count, uint64_t timeout)
{
    struct sched_poll arg = {.nr_ports = count, .timeout = timeout};

    arg.ports.p = ports;
    return sched_op_poll(v, &arg);
}

static void test_poll_errors(void)
{
    struct sched_poll arg = {.nr_ports = 1};

    begin();
    is(poll(129, 0), -XEN_EINVAL, "too many ports");
    is(poll(~0u, 0), -XEN_EINVAL);
    is(sched_op_poll(v, &arg), -XEN_EFAULT, "no ports there");
    ports[2] = 16;
    is(poll(3, 0), -XEN_EINVAL, "a port beyond the last");
    ports[2] = ~0u;
    is(poll(3, 0), -XEN_EINVAL);
    ports[2] = 3;
    is(v->pause_flags, 0, "errors do not put it to sleep");
    is(polls, 0);
    port_pending[3] = true;
    is(poll(3, 0), 0);
    is(v->pause_flags, 0, "nor a port that is pending");
    port_pending[3] = false;
    v->info->evtchn_upcall_pending = 1;
    is(poll(3, 0), 0);
    is(v->pause_flags, 0, "nor an event that is due");
    is(polls, 0, "each poll begun is ended");
    v->info->evtchn_upcall_pending = 0;
    is(poll(128, 0), 0, "as many as may be");
    settle();
    ok(!v->running);
    vcpu_raise_upcall(v);
    back();
    is(polls, 0);
    end();
}

static void test_poll(void)
{
    begin();
    v->info->evtchn_upcall_mask = 1;
    v->info->evtchn_upcall_pending = 1;
    is(poll(1, 0), 0);
    settle();
    ok(!v->running && v->pause_flags == (VPF_BLOCKED | VPF_POLLING), "a masked event is no reason");
    is(v->evtchn.polling.v, 1, "one port: that one");
    vcpu_raise_upcall(v);
    back();
    is(v->pause_flags, 0);
    is(polls, 0);

    is(poll(2, (uint64_t)(host_now + NS_PER_MS)), 0);
    is(v->evtchn.polling.v, 0, "several: any");
    advance(NS_PER_MS - 1);
    ok(!v->running);
    advance(1);
    settle();
    ok(v->running && v->pause_flags == 0 && polls == 0, "until it times out");
    back();

    is(poll(0, (uint64_t)(host_now + NS_PER_MS)), 0);
    settle();
    vcpu_raise_upcall(v);
    back();
    v->info->evtchn_upcall_pending = 0;
    v->info->evtchn_upcall_mask = 0;
    is(sched_op_block(v, NULL), 0);
    advance(10 * NS_PER_MS);
    ok(!v->running, "a poll's timer does not end a later block");
    vcpu_raise_upcall(v);
    back();
    v->info->evtchn_upcall_pending = 0;
    is(poll(0, (uint64_t)(host_now + NS_PER_MS)), 0);
    settle();
    vcpu_raise_upcall(v);
    back();
    v->info->evtchn_upcall_pending = 0;
    is(poll(0, 0), 0);
    advance(10 * NS_PER_MS);
    ok(!v->running, "nor a later poll without a timeout");
    vcpu_raise_upcall(v);
    back();
    v->info->evtchn_upcall_pending = 0;
    is(poll(0, 1), 0, "a timeout in the past");
    back();
    is(poll(0, ~0ull), 0, "and one that never comes");
    advance(NS_PER_SEC);
    ok(!v->running);
    end();
}

static void test_shutdowns(void)
{
    struct sched_shutdown code = {SHUTDOWN_suspend}, other = {0x300 + SHUTDOWN_reboot};

    begin();
    is(sched_op_shutdown_code(v, &code), 0);
    ok(!d->is_shut_down && d->shutdown_code == SHUTDOWN_suspend, "a code before the shutdown");
    is(sched_op_shutdown_code(v, &other), 0);
    is(d->shutdown_code, SHUTDOWN_suspend, "the first counts");
    is(sched_op_shutdown(v, &other), 0);
    settle();
    ok(d->is_shut_down && !v->running);
    is(d->shutdown_code, SHUTDOWN_suspend);
    end();
    begin();
    is(sched_op_shutdown(v, &other), 0);
    is(d->shutdown_code, SHUTDOWN_reboot, "a byte of the reason");
    end();
}

static void test_remote_shutdown(void)
{
    struct sched_remote_shutdown arg = {.domain_id = 7, .reason = SHUTDOWN_crash};
    struct domain *d0 = new_domain(0, 1, true);

    begin();
    is(sched_op_remote_shutdown(v, &arg), -XEN_ESRCH, "nobody");
    arg.domain_id = DOMID_SELF;
    is(sched_op_remote_shutdown(v, &arg), -XEN_ESRCH);
    arg.domain_id = 0;
    is(sched_op_remote_shutdown(v, &arg), -XEN_EPERM, "not a guest's to do");
    arg.domain_id = 1;
    is(sched_op_remote_shutdown(d0->vcpu[0], &arg), 0);
    ok(d->is_shut_down && d->shutdown_code == SHUTDOWN_crash);
    is(d->refs, 1, "no hold is left over");
    destroy_domain(d0);
    end();
}

static void test_pin(void)
{
    struct sched_pin_override arg = {.pcpu = 1};
    struct domain *d0;

    begin();
    is(sched_op_pin_override(v, &arg), -XEN_EPERM, "not a guest's to do");
    end();
    d0 = new_domain(0, 1, true);
    v = d0->vcpu[0];
    arg.pcpu = CPUS;
    is(sched_op_pin_override(v, &arg), -XEN_EINVAL, "a CPU that is not online");
    arg.pcpu = INT32_MAX;
    is(sched_op_pin_override(v, &arg), -XEN_EINVAL);
    arg.pcpu = -1;
    is(sched_op_pin_override(v, &arg), -XEN_EINVAL, "not pinned");
    arg.pcpu = 1;
    is(sched_op_pin_override(v, &arg), 0);
    is(v->sched.affinity.bits, 2);
    is(sched_op_pin_override(v, &arg), -XEN_EBUSY);
    arg.pcpu = INT32_MIN;
    is(sched_op_pin_override(v, &arg), 0, "any negative number unpins");
    is(v->sched.affinity.bits, ~0ull);
    destroy_domain(d0);
}

static long vm_assist(uint64_t cmd, uint64_t type)
{
    struct hypercall_args args = {.arg = {cmd, type}};

    return hc_vm_assist(v, &args);
}

static void test_vm_assist(void)
{
    static const unsigned good[] = {
        VMASST_TYPE_4gb_segments,        VMASST_TYPE_4gb_segments_notify,
        VMASST_TYPE_writable_pagetables, VMASST_TYPE_pae_extended_cr3,
        VMASST_TYPE_architectural_iopl,  VMASST_TYPE_runstate_update_flag,
        VMASST_TYPE_m2p_strict};
    uint64_t want = 0;
    unsigned taken = 0;

    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        is(vm_assist(VMASST_CMD_enable, good[i]), 0);
        want |= 1ull << good[i];
        is(d->vm_assist, want);
    }
    for (unsigned type = 0; type < 70; type++)
        taken += vm_assist(VMASST_CMD_enable, type) == 0;
    is(taken, ARRAY_SIZE(good), "and no other");
    is(vm_assist(VMASST_CMD_enable, ~0u), -XEN_EINVAL);
    is(vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
    is(d->vm_assist, want & ~(1ull << VMASST_TYPE_architectural_iopl));
    ok(assists_changed > 0, "the machine layer is told");
    is(vm_assist(2, VMASST_TYPE_architectural_iopl), -XEN_ENOSYS, "an unknown command");
    is(vm_assist(2, 64), -XEN_EINVAL, "of an unknown type");
    end();
}

int main(void)
{
    start_world();
    test_block();
    test_poll_errors();
    test_poll();
    test_shutdowns();
    test_remote_shutdown();
    test_pin();
    test_vm_assist();
    end_world();
    return done();
}
