/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a domain ends, one way a boot. SCHEDOP_shutdown stops all vCPUs, for a reason of xen/sched.h;
 * only its low byte counts. SCHEDOP_shutdown_code gives a reason beforehand that then counts
 * instead. A watchdog that is not poked, and the last vCPU going down, end the domain as well.
 *
 * test: vcpus=1,4 args="reason 0" expect="shut down: poweroff|Dom0 halted"
 * test: vcpus=1 args="reason 1" expect="shut down: reboot|Dom0 shutdown: rebooting"
 * test: vcpus=1 args="reason 2" expect="shut down: suspend|unknown reason 2"
 * test: vcpus=1,4 args="reason 3" expect="shut down: crash|Dom0 crashed"
 * test: vcpus=1 args="reason 4" expect="shut down: watchdog|watchdog rebooting"
 * test: vcpus=1 args="reason 5" expect="shut down: soft reset|unsupported soft reset"
 * test: vcpus=1 args="reason 200" expect="shut down: unknown|unknown reason 200"
 * test: vcpus=1 args="reason 257" expect="shut down: reboot|Dom0 shutdown: rebooting"
 * test: vcpus=1 args="reason 4294967040" expect="shut down: poweroff|Dom0 halted"
 * test: vcpus=4 args="last-vcpu" expect="shut down: poweroff|Dom0 halted"
 * test: vcpus=1 args="code" expect="shut down: reboot|Dom0 shutdown: rebooting"
 * test: vcpus=1 args="remote" expect="shut down: crash|Dom0 crashed"
 * test: vcpus=1,4 args="watchdog" expect="shut down: watchdog|watchdog rebooting"
 * test: vcpus=4 args="down" expect="shut down: poweroff|Dom0 halted"
 * test: vcpus=1 args="down" expect="shut down: poweroff|Dom0 halted"
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/hypercall.h>
#include <pv/smp.h>

static void end(unsigned reason)
{
    struct sched_shutdown op = {.reason = reason};

    (void)HYPERVISOR_sched_op(SCHEDOP_shutdown, &op);
    ok(false, "a vCPU does not go on after its domain has shut down");
}

static void by_last_vcpu(void *data)
{
    (void)data;
    end(SHUTDOWN_poweroff);
}

static void watch(void)
{
    struct sched_watchdog op = {.id = 0, .timeout = 1};

    is_error(HYPERVISOR_sched_op(SCHEDOP_watchdog, &op), 1, "a watchdog of a second");
    for (unsigned i = 0; i < 30; i++)
        sleep_ns(100 * 1000000ull);
    ok(false, "the watchdog should have ended this");
}

static void by_code(void)
{
    struct sched_shutdown op = {.reason = SHUTDOWN_reboot};

    is_error(HYPERVISOR_sched_op(SCHEDOP_shutdown_code, &op), 0, "name a reason");
    op.reason = SHUTDOWN_crash;
    is_error(HYPERVISOR_sched_op(SCHEDOP_shutdown_code, &op), 0, "name another, which is too late");
    end(SHUTDOWN_poweroff);
}

static void by_remote(void)
{
    struct sched_remote_shutdown op = {.domain_id = 0, .reason = SHUTDOWN_crash};

    (void)HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &op);
    ok(false, "a domain does not go on after that");
}

static void go_down(void *data)
{
    (void)data;
    (void)HYPERVISOR_vcpu_op(VCPUOP_down, this_vcpu(), NULL);
    ok(false, "a vCPU does not go on when it is down");
}

/* All at about the same time: one of them is the last. */
static void all_down(void)
{
    for (unsigned i = 1; i < nr_vcpus(); i++)
        is_error(vcpu_start(i, go_down, NULL), 0, "start vCPU %u", i);
    go_down(NULL);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    if (strcmp(how, "reason") == 0 && argc > 2)
        end((unsigned)strtoul(argv[2], NULL, 0));
    else if (strcmp(how, "last-vcpu") == 0)
        (void)vcpu_start(nr_vcpus() - 1, by_last_vcpu, NULL);
    else if (strcmp(how, "code") == 0)
        by_code();
    else if (strcmp(how, "remote") == 0)
        by_remote();
    else if (strcmp(how, "watchdog") == 0)
        watch();
    else if (strcmp(how, "down") == 0)
        all_down();
    sleep_ns(NS_PER_SEC);
    ok(false, "the domain should have ended");
    return done();
}
