/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest asks of its vCPUs: each sub-operation of vcpu_op, and set_timer_op, with its errors
 * and boundary arguments; the watchdogs.
 * links: tests/unit/host.c hypervisor/core/vcpu_op.c hypervisor/core/sched_op.c
 * links: hypervisor/core/domain.c hypervisor/core/vcpu.c hypervisor/core/vcpu_timer.c
 * links: hypervisor/core/sched.c hypervisor/core/sched_params.c
 * links: hypervisor/core/sched_cap.c hypervisor/core/sched_keep.c hypervisor/core/runqueue.c
 * links: hypervisor/core/runstate.c hypervisor/core/timer.c hypervisor/core/softirq.c
 * links: hypervisor/core/lock.c hypervisor/core/fmt.c
 * libs: -pthread
 */
#include "vcpu_world.h"

long hc_set_timer_op(struct vcpu *v, struct hypercall_args *a);

/* ---- Starting and stopping ---------------------------------------------------------------- */

static void test_up_and_down(void)
{
    vaddr_t context = VADDR(0x100000);

    begin();
    is(vcpu_op_is_up(v, NULL), 1);
    is(vcpu_op_is_up(w, NULL), 0);
    is(vcpu_op_up(w, NULL), -XEN_EINVAL, "not without a register state");
    set_context_result = -XEN_EFAULT;
    is(vcpu_op_initialise(w, &context), -XEN_EFAULT, "a bad state");
    set_context_result = -XEN_ERESTART;
    is(vcpu_op_initialise(w, &context), -XEN_ERESTART, "a long one");
    ok(!w->initialised);
    set_context_result = 0;
    is(vcpu_op_initialise(w, &context), 0);
    is(vcpu_op_initialise(w, &context), -XEN_EEXIST, "twice");
    is(vcpu_op_initialise(v, &context), -XEN_EEXIST, "one that runs");
    is(vcpu_op_initialise(d->vcpu[39], &context), -XEN_EINVAL, "one without vcpu_info");
    is(vcpu_op_up(d->vcpu[39], NULL), -XEN_EINVAL);
    is(vcpu_op_up(w, NULL), 0);
    is(vcpu_op_up(w, NULL), 0, "up is up");
    settle();
    ok(w->running && vcpu_op_is_up(w, NULL) == 1, "both run");
    is(vcpu_op_down(w, NULL), 0);
    is(vcpu_op_down(w, NULL), 0);
    settle();
    ok(!w->running && vcpu_op_is_up(w, NULL) == 0 && v->running, "and now one");
    ok(!d->is_shut_down);
    is(vcpu_op_down(v, NULL), 0, "the last one goes down");
    settle();
    ok(d->is_shut_down && d->shutdown_code == SHUTDOWN_poweroff, "and the domain with it");
    end();
}

static void test_nmi_and_physid(void)
{
    struct vcpu_get_physid id = {0};

    begin();
    is(vcpu_op_send_nmi(w, &(vaddr_t){1}), -XEN_EINVAL, "an NMI takes no argument");
    ok(!w->nmi_pending);
    is(vcpu_op_send_nmi(w, &(vaddr_t){0}), 0);
    ok(w->nmi_pending && !v->nmi_pending, "an NMI for the one that was named");
    is(vcpu_op_get_physid(v, &id), -XEN_EINVAL, "no physical identifiers");
    end();
}

/* ---- Areas -------------------------------------------------------------------------------- */

static struct vcpu_runstate_info area, seen_midway;

static void look_midway(uintptr_t addr, size_t size, bool write)
{
    (void)addr;
    (void)write;
    if (size == sizeof(area.state_entry_time))
        seen_midway = area;
}

static void test_runstate(void)
{
    struct vcpu_register_runstate_memory_area reg = {.addr.p = (uintptr_t)&area};
    struct vcpu_runstate_info info;

    begin();
    advance(7 * NS_PER_MS);
    is(vcpu_op_get_runstate_info(v, &info), 0);
    is(info.state, RUNSTATE_running);
    is(info.time[RUNSTATE_running], 7 * NS_PER_MS, "its time up to now");
    is(vcpu_op_get_runstate_info(w, &info), 0);
    is(info.state, RUNSTATE_offline);

    memset(&area, 0xee, sizeof(area));
    is(vcpu_op_register_runstate(v, &reg), 0);
    is(area.state, RUNSTATE_running, "written at once");
    is(area.state_entry_time, v->runstate.state_entry_time);
    area.state = 77;
    is(vcpu_op_register_runstate(w, &reg), 0);
    is(area.state, RUNSTATE_offline, "for another too");

    d->vm_assist = 1ull << VMASST_TYPE_runstate_update_flag;
    host_guest_hook = look_midway;
    runstate_publish(v);
    host_guest_hook = NULL;
    is(seen_midway.state_entry_time >> 63, 1, "the flag is up before the last write");
    is(area.state_entry_time >> 63, 0, "and down after it");
    is(area.state, RUNSTATE_running);

    reg.addr.p = HV_VIRT_START;
    is(vcpu_op_register_runstate(v, &reg), -XEN_EFAULT, "the hypervisor's memory");
    reg.addr.p = HV_VIRT_START - 1;
    is(vcpu_op_register_runstate(v, &reg), -XEN_EFAULT, "up to its first byte");
    reg.addr.p = ~0ull;
    is(vcpu_op_register_runstate(v, &reg), -XEN_EFAULT, "across the end");
    reg.addr.p = 0x0000800000000000;
    is(vcpu_op_register_runstate(v, &reg), -XEN_EFAULT, "not canonical");
    reg.addr.p = 0x1000; /* not mapped: faults on the host */
    is(vcpu_op_register_runstate(v, &reg), 0, "an area not mapped is no error");
    reg.addr.p = 0;
    is(vcpu_op_register_runstate(v, &reg), 0);
    is(vcpu_op_register_runstate(w, &reg), 0);
    area.state = 78;
    runstate_publish(v);
    is(area.state, 78, "address 0 ends it");
    end();
}

static void test_time_area(void)
{
    struct vcpu_register_time_memory_area reg = {.addr.p = 0x20000};

    begin();
    time_updates = 0;
    is(vcpu_op_register_time(v, &reg), 0);
    is(time_updates, 1, "written at once");
    is(v->time_guest.v, 0x20000);
    is(vcpu_op_register_time(w, &reg), 0);
    is(time_updates, 1, "another's when it runs");
    reg.addr.p = HV_VIRT_END - 8;
    is(vcpu_op_register_time(v, &reg), -XEN_EFAULT);
    is(v->time_guest.v, 0x20000, "an error changes nothing");
    end();
}

static void test_info(void)
{
    struct vcpu_register_vcpu_info reg = {.mfn = 0x1800, .offset = 0};
    uint32_t last = (uint32_t)(PAGE_SIZE - sizeof(struct vcpu_info));
    struct vcpu_info *at;

    begin();
    reg.offset = last + 8;
    is(vcpu_op_register_info(v, &reg), -XEN_ENXIO, "across the page's end");
    reg.offset = ~0u;
    is(vcpu_op_register_info(v, &reg), -XEN_ENXIO);
    reg.offset = 4;
    is(vcpu_op_register_info(v, &reg), -XEN_ENXIO, "misaligned");
    reg.offset = 64;
    reg.mfn = ~0ull;
    is(vcpu_op_register_info(v, &reg), -XEN_EINVAL, "no frame of the guest's");
    reg.mfn = 0x1800;
    get_both_result = -XEN_EBUSY;
    is(vcpu_op_register_info(v, &reg), -XEN_EINVAL, "a page table");
    get_both_result = -XEN_ERESTART;
    is(vcpu_op_register_info(v, &reg), -XEN_ERESTART);
    get_both_result = 0;
    is(info_frames, 0);
    ok(v->info == &d->shared->vcpu_info[0], "errors change nothing");

    d->shared->vcpu_info[0].arch.cr2 = 4711;
    d->shared->vcpu_info[0].evtchn_upcall_mask = 1;
    is(vcpu_op_register_info(v, &reg), 0);
    at = (struct vcpu_info *)((char *)mfn_to_virt(MFN(0x1800)) + 64);
    ok(v->info == at && mfn_eq(v->info_mfn, MFN(0x1800)), "it has moved");
    is(at->arch.cr2, 4711, "with what was in it");
    is(at->evtchn_upcall_mask, 1);
    is(at->evtchn_upcall_pending, 1, "and all is pending");
    is(at->evtchn_pending_sel, -1);
    is(vcpu_op_register_info(v, &reg), -XEN_EINVAL, "once only");

    reg.offset = last;
    is(vcpu_op_register_info(d->vcpu[39], &reg), 0, "at the page's end");
    at = d->vcpu[39]->info;
    is(at->evtchn_upcall_mask, 1, "without an old place it begins masked");
    is(at->arch.cr2, 0, "and empty");
    run_vcpu(w);
    settle();
    is(vcpu_op_register_info(w, &reg), -XEN_EINVAL, "another that is up");
    is(info_frames, 2);
    end();
}

/* ---- Timers ------------------------------------------------------------------------------- */

static void test_periodic(void)
{
    struct vcpu_set_periodic_timer arg = {.period_ns = NS_PER_MS - 1};

    begin();
    is(vcpu_op_set_periodic_timer(v, &arg), -XEN_EINVAL, "below a millisecond");
    arg.period_ns = 0;
    is(vcpu_op_set_periodic_timer(v, &arg), -XEN_EINVAL);
    arg.period_ns = ~0ull;
    is(vcpu_op_set_periodic_timer(v, &arg), -XEN_EINVAL);
    arg.period_ns = 1ull << 63;
    is(vcpu_op_set_periodic_timer(v, &arg), -XEN_EINVAL);
    arg.period_ns = NS_PER_MS;
    is(vcpu_op_set_periodic_timer(v, &arg), 0);
    advance(100 * NS_PER_MS);
    is(vcpu_virqs[VIRQ_TIMER], 100, "a tick a period");
    host_now += 50 * NS_PER_MS;
    settle();
    ok(vcpu_virqs[VIRQ_TIMER] <= 102, "ticks missed are not made up for");
    is(vcpu_op_stop_periodic_timer(v, NULL), 0);
    vcpu_virqs[VIRQ_TIMER] = 0;
    advance(100 * NS_PER_MS);
    is(vcpu_virqs[VIRQ_TIMER], 0, "stopped");
    is(vcpu_op_stop_periodic_timer(v, NULL), 0, "twice");
    is(vcpu_op_set_periodic_timer(w, &arg), 0, "another's");
    end();
}

static void test_singleshot(void)
{
    struct vcpu_set_singleshot_timer arg = {0};

    begin();
    arg.timeout_abs_ns = (uint64_t)(host_now + NS_PER_MS);
    is(vcpu_op_set_singleshot_timer(w, &arg), -XEN_EINVAL, "another's");
    is(vcpu_op_stop_singleshot_timer(w, NULL), -XEN_EINVAL);
    is(vcpu_op_set_singleshot_timer(v, &arg), 0);
    advance(NS_PER_MS - 1);
    is(vcpu_virqs[VIRQ_TIMER], 0, "not before");
    advance(1);
    is(vcpu_virqs[VIRQ_TIMER], 1, "at its time");
    advance(NS_PER_SEC);
    is(vcpu_virqs[VIRQ_TIMER], 1, "once");
    arg.timeout_abs_ns = (uint64_t)(host_now - 1);
    arg.flags = VCPU_SSHOTTMR_future;
    is(vcpu_op_set_singleshot_timer(v, &arg), -XEN_ETIME, "the past, if the guest wants to know");
    arg.timeout_abs_ns = (uint64_t)host_now;
    is(vcpu_op_set_singleshot_timer(v, &arg), 0, "now is not the past");
    arg.flags = 0;
    arg.timeout_abs_ns = 1;
    is(vcpu_op_set_singleshot_timer(v, &arg), 0, "else it fires at once");
    advance(0);
    settle();
    is(vcpu_virqs[VIRQ_TIMER], 2);
    arg.timeout_abs_ns = ~0ull;
    is(vcpu_op_set_singleshot_timer(v, &arg), 0, "never");
    advance(NS_PER_SEC);
    is(vcpu_virqs[VIRQ_TIMER], 2);
    is(vcpu_op_stop_singleshot_timer(v, NULL), 0);
    end();
}

static long set_timer(int64_t timeout)
{
    struct hypercall_args args = {.arg = {(uint64_t)timeout}};

    return hc_set_timer_op(v, &args);
}

static void test_set_timer(void)
{
    begin();
    is(set_timer(host_now + 1000), 0);
    is(set_timer(0), 0, "0 stops it");
    advance(NS_PER_MS);
    is(vcpu_virqs[VIRQ_TIMER], 0);
    is(set_timer(host_now - 1000), 0, "the past");
    settle();
    is(vcpu_virqs[VIRQ_TIMER], 1, "fires at once");
    is(set_timer(-1), 0, "a negative time");
    advance(100 * NS_PER_MS - 1);
    is(vcpu_virqs[VIRQ_TIMER], 1);
    advance(1);
    is(vcpu_virqs[VIRQ_TIMER], 2, "fires soon");
    is(set_timer(host_now + (1ll << 50)), 0, "so does one very far away");
    advance(100 * NS_PER_MS);
    is(vcpu_virqs[VIRQ_TIMER], 3);
    is(set_timer(INT64_MAX), 0);
    advance(100 * NS_PER_MS);
    is(vcpu_virqs[VIRQ_TIMER], 4);
    is(set_timer(INT64_MIN), 0);
    advance(100 * NS_PER_MS);
    is(vcpu_virqs[VIRQ_TIMER], 5);
    is(set_timer(host_now + (1ll << 50) - 1), 0, "just less is meant");
    advance(NS_PER_SEC);
    is(vcpu_virqs[VIRQ_TIMER], 5);
    end();
}

static long watchdog(uint32_t id, uint32_t timeout)
{
    struct sched_watchdog arg = {id, timeout};

    return sched_op_watchdog(v, &arg);
}

static void test_watchdog(void)
{
    begin();
    is(watchdog(3, 1), -XEN_EINVAL, "no such watchdog");
    is(watchdog(~0u, 1), -XEN_EINVAL);
    is(watchdog(1, 1), -XEN_EINVAL, "one not claimed");
    is(watchdog(2, 0), -XEN_EINVAL);
    is(watchdog(0, 10), 1, "the first");
    is(watchdog(0, 20), 2, "the second");
    is(watchdog(0, 30), -XEN_ENOSPC, "there are two");
    advance(9 * NS_PER_SEC);
    is(watchdog(1, 10), 0, "poked");
    advance(9 * NS_PER_SEC);
    ok(!d->is_shut_down);
    is(watchdog(2, 0), 0, "given up");
    is(watchdog(1, ~0u), 0, "a long time");
    advance(100 * NS_PER_SEC);
    ok(!d->is_shut_down);
    is(watchdog(1, 1), 0);
    advance(NS_PER_SEC);
    settle();
    ok(d->is_shut_down && d->shutdown_code == SHUTDOWN_watchdog, "it bites");
    ok(!v->running);
    end();
}

int main(void)
{
    start_world();
    test_up_and_down();
    test_nmi_and_physid();
    test_runstate();
    test_time_area();
    test_info();
    test_periodic();
    test_singleshot();
    test_set_timer();
    test_watchdog();
    end_world();
    return done();
}
