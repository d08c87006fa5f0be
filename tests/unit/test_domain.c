/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of domains: made whole or not at all, found and held, paused, shut down, crashed and
 * killed in steps, with nothing left behind.
 *
 * links: tests/unit/host.c hypervisor/core/domain.c hypervisor/core/vcpu.c
 * links: hypervisor/core/vcpu_timer.c hypervisor/core/sched.c hypervisor/core/sched_params.c
 * links: hypervisor/core/sched_cap.c hypervisor/core/sched_keep.c hypervisor/core/runqueue.c
 * links: hypervisor/core/runstate.c hypervisor/core/timer.c
 * links: hypervisor/core/softirq.c hypervisor/core/lock.c hypervisor/core/fmt.c
 * libs: -pthread
 */
#include "domain_world.h"

static void test_create(void)
{
    struct domain_config config = {.max_vcpus = 2};
    struct domain *d, *e;

    is(domain_create(DOMID(DOMID_FIRST_RESERVED), &config, &d), -XEN_EINVAL, "a reserved number");
    is(domain_create(DOMID(0xffff), &config, &d), -XEN_EINVAL, "the last number");
    config.max_vcpus = 0;
    is(domain_create(DOMID(1), &config, &d), -XEN_EINVAL, "no vCPU");
    config.max_vcpus = MAX_VCPUS + 1;
    is(domain_create(DOMID(1), &config, &d), -XEN_EINVAL, "too many");
    config.max_vcpus = ~0u;
    is(domain_create(DOMID(1), &config, &d), -XEN_EINVAL, "far too many");
    config.max_vcpus = 2;
    for (unsigned n = 0;; n++) {
        alloc_left = n;
        if (domain_create(DOMID(1), &config, &d) == 0)
            break;
        ok(objects == 0 && shared_frames == 0, "nothing stays when allocation %u fails", n + 1);
        if (n > 10)
            bail_out("it cannot be made at all");
    }
    alloc_left = -1;
    is(domain_create(DOMID(1), &config, &e), -XEN_EEXIST, "the number is taken");
    is(shared_frames, 1, "only the one domain is there");
    is(d->pause_count, 1, "it begins paused");
    ok(domain_by_id(DOMID(1)) == d && domain_list == d, "and can be found");
    destroy_domain(d);
    ok(objects == 0 && shared_frames == 0, "all is given back");
    ok(domain_by_id(DOMID(1)) == NULL && domain_list == NULL, "and it cannot be found");
}

static void test_create_failures(void)
{
    static const char *const parts[] = {"grant", "arch"};
    struct domain_config config = {.max_vcpus = 1};
    struct domain *d;

    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        failing = parts[i];
        ok(domain_create(DOMID(1), &config, &d) != 0, "%s fails", failing);
        ok(objects == 0 && shared_frames == 0 && domain_list == NULL, "and nothing stays");
    }
    failing = NULL;
}

static void test_vcpus(void)
{
    struct domain *d;
    struct domain_config config = {.max_vcpus = 40};

    is(domain_create(DOMID(1), &config, &d), 0);
    is(vcpu_create(d, 40, 0), -XEN_EINVAL, "a vCPU beyond the last");
    is(vcpu_create(d, ~0u, 0), -XEN_EINVAL);
    is(vcpu_create(d, 0, NR_CPUS), -XEN_EINVAL, "on no CPU");
    failing = "vcpu";
    is(vcpu_create(d, 0, 0), -XEN_ENOMEM);
    failing = NULL;
    alloc_left = 0;
    is(vcpu_create(d, 0, 0), -XEN_ENOMEM);
    alloc_left = -1;
    ok(d->vcpu[0] == NULL, "none was made");
    is(vcpu_create(d, 0, 0), 0);
    is(vcpu_create(d, 0, 0), -XEN_EEXIST, "twice");
    is(vcpu_create(d, 31, 1), 0);
    is(vcpu_create(d, 32, 1), 0);
    is(d->vcpu[0]->pause_flags, VPF_DOWN, "it begins down");
    is(vcpu_up(d->vcpu[0]), -XEN_EINVAL, "and stays so without a register state");
    ok(d->vcpu[31]->info == &d->shared->vcpu_info[31], "32 vCPUs have a place in the shared page");
    ok(d->vcpu[32]->info == &vcpu_info_dummy, "the others none");
    destroy_domain(d);
    is(objects, 0);
}

static void test_find(void)
{
    struct domain *d3 = new_domain(3, 1, false), *d1 = new_domain(1, 1, false), *d;
    struct domain *d0 = new_domain(0, 1, true);

    ok(domain_list == d0 && d0->next == d1 && d1->next == d3, "the list is in order");
    ok(control_domain == d0, "the privileged one controls");
    ok(domain_get(DOMID(2)) == NULL && domain_get(DOMID(DOMID_SELF)) == NULL &&
           domain_get(DOMID(DOMID_IDLE)) == NULL,
       "what does not exist is not found");
    ok(domain_by_id(DOMID(DOMID_IDLE)) == &idle_domain && domain_by_id(DOMID(0xffff)) == NULL);
    d = domain_get(DOMID(3));
    ok(d == d3 && d->refs == 2, "who finds it holds it");
    domain_put(d);

    is(domain_get_for(d1->vcpu[0], DOMID(DOMID_SELF), &d), 0);
    ok(d == d1 && d1->refs == 2, "itself");
    domain_put(d);
    is(domain_get_for(d1->vcpu[0], DOMID(1), &d), 0, "itself by number");
    domain_put(d);
    is(domain_get_for(d1->vcpu[0], DOMID(3), &d), -XEN_EPERM, "another");
    is(domain_get_for(d1->vcpu[0], DOMID(2), &d), -XEN_ESRCH, "nobody");
    is(domain_get_for(d0->vcpu[0], DOMID(3), &d), 0, "the control domain may");
    domain_put(d);
    is(domain_get_for(d0->vcpu[0], DOMID(0xffff), &d), -XEN_ESRCH);
    ok(d1->refs == 1 && d3->refs == 1, "no hold is left over");
    destroy_domain(d0);
    destroy_domain(d3);
    destroy_domain(d1);
    is(objects, 0);
}

static void test_pause(void)
{
    struct domain *d = new_domain(1, 1, false);
    struct vcpu *v = d->vcpu[0];

    run_vcpu(v);
    settle();
    ok(!v->running, "a new domain is paused");
    is(domain_controller_unpause(d), 0);
    settle();
    ok(v->running, "and runs when the toolstack says so");
    is(domain_controller_unpause(d), -XEN_EINVAL, "once");
    domain_pause_nowait(d);
    domain_pause_nowait(d);
    settle();
    ok(!v->running);
    domain_unpause(d);
    settle();
    ok(!v->running, "pauses nest");
    domain_unpause(d);
    settle();
    ok(v->running);
    vcpu_pause_nowait(v);
    settle();
    is(domain_controller_pause(d), 0);
    is(domain_controller_pause(d), 0, "the toolstack's nest, too");
    for (unsigned i = 2; i < 255; i++)
        if (domain_controller_pause(d) != 0)
            fail("pause %u", i);
    is(domain_controller_pause(d), -XEN_ERANGE, "but not for ever");
    for (unsigned i = 0; i < 254; i++)
        if (domain_controller_unpause(d) != 0)
            fail("unpause %u", i);
    vcpu_unpause(v);
    settle();
    ok(!v->running);
    destroy_domain(d);
}

/* ---- Shutdown and crash ------------------------------------------------------------------- */

static void test_shutdown(void)
{
    struct domain *d0 = new_domain(0, 1, true), *d = new_domain(1, 2, false);
    struct vcpu *v = d->vcpu[0];
    char long_text[300];

    is(domain_controller_unpause(d), 0);
    run_vcpu(v);
    run_vcpu(d->vcpu[1]);
    settle();
    memset(global_virqs, 0, sizeof(global_virqs));
    is(d->shutdown_code, SHUTDOWN_CODE_NONE);
    domain_shutdown(d, SHUTDOWN_suspend);
    settle();
    ok(d->is_shut_down && !v->running && !d->vcpu[1]->running, "every vCPU stops");
    is(d->shutdown_code, SHUTDOWN_suspend);
    is(global_virqs[VIRQ_DOM_EXC], 1, "the toolstack is told");
    domain_shutdown(d, SHUTDOWN_reboot);
    domain_crash(d, "later");
    is(d->shutdown_code, SHUTDOWN_suspend, "the first shutdown counts");
    is_str(d->crash_reason, "");
    is(global_virqs[VIRQ_DOM_EXC], 1);
    domain_resume(d);
    domain_resume(d);
    settle();
    ok(!d->is_shut_down && v->running && d->vcpu[1]->running, "it may be resumed");
    is(d->shutdown_code, SHUTDOWN_CODE_NONE);

    host_log_reset();
    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = 0;
    domain_crash(d, "page %u %s", 7u, long_text);
    settle();
    ok(!v->running && d->shutdown_code == SHUTDOWN_crash, "a crash stops it too");
    ok(strncmp(d->crash_reason, "page 7 xxx", 10) == 0, "the reason is kept");
    is(strlen(d->crash_reason), sizeof(d->crash_reason) - 1, "as much as there is room for");
    ok(host_logged("domain 1 crashed: page 7"), "and logged");
    is(global_virqs[VIRQ_DOM_EXC], 2);
    is(machine_ended, -1, "a guest's end does not touch the machine");
    destroy_domain(d);
    destroy_domain(d0);
    is(objects, 0);
}

static void end_control_domain(unsigned code, bool crash)
{
    struct domain *d0 = new_domain(0, 2, true);

    is(domain_controller_unpause(d0), 0);
    run_vcpu(d0->vcpu[0]);
    settle();
    machine_ended = -1;
    host_log_reset();
    if (setjmp(restart_jump) == 0) {
        unsigned long flags = irq_save();
        lock(&d0->pages_lock); /* wherever it happens */
        if (crash)
            domain_crash(d0, "because");
        else
            domain_shutdown(d0, code);
        unlock(&d0->pages_lock);
        irq_restore(flags);
        is(machine_ended, -1, "not at once: a lock may be held");
        settle();
    }
    host_irqs_on = true;
    per_cpu(softirq_pending, 0) |= 1u << SOFTIRQ_SCHEDULE;
    settle();
    destroy_domain(d0);
}

static void test_control_domain(void)
{
    audits = 0;
    options = (struct options){0};
    end_control_domain(SHUTDOWN_poweroff, false);
    is(machine_ended, MACHINE_POWER_OFF, "power off");
    ok(host_logged("poweroff"));
    is(audits, 0);
    options.audit = true;
    end_control_domain(SHUTDOWN_reboot, false);
    is(machine_ended, MACHINE_RESTART, "reboot");
    is(audits, 1, "after an audit if wanted");
    end_control_domain(SHUTDOWN_watchdog, false);
    is(machine_ended, MACHINE_RESTART, "watchdog");
    end_control_domain(255, false);
    is(machine_ended, MACHINE_FAILED, "a reason without a name");
    end_control_domain(0, true);
    is(machine_ended, MACHINE_FAILED, "crash");
    ok(host_logged("crash: because"), "the reason is said");
    end_control_domain(SHUTDOWN_crash, false);
    is(machine_ended, MACHINE_FAILED, "crash by the domain's own word");
    is(objects, 0);
}

/* ---- Killing ------------------------------------------------------------------------------ */

static void test_kill(void)
{
    struct domain *d0 = new_domain(0, 1, true);

    for (restarts = 0; restarts < 3; restarts++) {
        struct domain *d = new_domain(1, 2, false), *held, *same;
        struct domain_config config = {.max_vcpus = 1};
        unsigned calls = 1;

        left = restarts;
        memset(global_virqs, 0, sizeof(global_virqs));
        is(domain_controller_unpause(d), 0);
        for_each_vcpu (d, v)
            run_vcpu(v);
        settle();
        held = domain_get(DOMID(1));
        timer_set(&d->watchdog[1], host_now + NS_PER_SEC);
        timer_set(&d->vcpu[1]->periodic_timer, host_now + NS_PER_SEC);
        is(domain_kill(d0), -XEN_EINVAL, "not the control domain");
        on_cpu(0);
        is(domain_kill(current_vcpu()->domain), -XEN_EINVAL, "not the caller's own");
        is(domain_kill(&idle_domain), -XEN_EINVAL, "not the idle domain");
        domain_pause_nowait(d); /* so that waiting for its vCPUs ends, with one thread for all */
        settle();
        steps[0] = 0;
        while (domain_kill(d) == -XEN_ERESTART && calls++ < 1000)
            settle();
        is(calls, 1 + 4 * (unsigned)restarts, "it stops wherever a step does");
        ok(d->is_dying);
        if (restarts == 0)
            is_str(steps, "evtchn grant arch frames ", "in order");
        is(domain_kill(d), 0, "once dead it stays so");
        is(global_virqs[VIRQ_DOM_EXC], 1, "the toolstack is told, once");
        settle();
        ok(domain_by_id(DOMID(1)) == d, "who holds it still has it");
        is(domain_create(DOMID(1), &config, &same), -XEN_EEXIST, "and its number is taken");
        is(vcpu_create(d, 1, 0), -XEN_EINVAL, "it gets no more vCPUs");
        domain_put(held);
        ok(domain_get(DOMID(1)) == NULL, "after the last hold it is not found");
        settle();
        ok(domain_by_id(DOMID(1)) == NULL);
        advance(2 * NS_PER_SEC);
        pass("no timer of its is left");
        ok(!host_logged("not given back"), "it has given back all it was charged for");
    }
    restarts = left = 0;
    destroy_domain(d0);
    is(objects, 0, "nothing is left");
    is(shared_frames, 0);
}

/* ---- Telling a vCPU ----------------------------------------------------------------------- */

static void test_upcall(void)
{
    struct domain *d = new_domain(1, 2, false);
    struct vcpu *v = d->vcpu[0];
    unsigned cpu;

    is(domain_controller_unpause(d), 0);
    run_vcpu(v);
    settle();
    cpu = v->cpu;
    on_cpu(1 - cpu);
    kicks[cpu] = 0;
    vcpu_raise_upcall(v);
    is(v->info->evtchn_upcall_pending, 1);
    is(kicks[cpu], 1, "one that runs elsewhere is interrupted");
    vcpu_raise_upcall(v);
    is(kicks[cpu], 1, "once, until it has looked");
    v->info->evtchn_upcall_pending = 0;
    v->info->evtchn_upcall_mask = 1;
    vcpu_raise_upcall(v);
    is(kicks[cpu], 2, "masked or not");
    v->info->evtchn_upcall_pending = 0;
    on_cpu(cpu);
    vcpu_raise_upcall(v);
    is(kicks[cpu], 2, "one that runs here is not");
    ok(!vcpu_event_due(v), "masked: no event is due");
    v->info->evtchn_upcall_mask = 0;
    ok(vcpu_event_due(v));

    vcpu_block();
    ok(!(v->pause_flags & VPF_BLOCKED), "it does not sleep over a pending event");
    v->info->evtchn_upcall_pending = 0;
    vcpu_block();
    settle();
    ok(!v->running && v->runstate.state == RUNSTATE_blocked, "without one it does");
    vcpu_raise_upcall(v);
    settle();
    ok(v->running, "and is woken");
    v->info->evtchn_upcall_pending = 0;

    on_cpu(v->cpu);
    vcpu_send_nmi(v);
    vcpu_block();
    ok(!(v->pause_flags & VPF_BLOCKED), "nor over an NMI");
    v->nmi_pending = false;
    v->info->evtchn_upcall_pending = 1;
    v->info->evtchn_upcall_mask = 1;
    vcpu_block();
    settle();
    ok(!v->running, "a masked event does not keep it awake");
    vcpu_raise_upcall(v);
    settle();
    ok(v->running, "another wakes it though one was pending already");
    destroy_domain(d);
    is(objects, 0);
}

int main(void)
{
    start_world();
    test_create();
    test_create_failures();
    test_vcpus();
    test_find();
    test_pause();
    test_shutdown();
    test_control_domain();
    test_kill();
    test_upcall();
    end_world();
    return done();
}
