/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test: vcpus=2 limit=20
 * test: vcpus=4 limit=20
 *
 * A vCPU that does nothing but yield does not keep another from running on the same CPU.
 *
 * The scheduler gives the CPU to whoever has had least of it. A yield passes it on to the first
 * that waits; but the one that comes to run is charged for the switch, has then had more than the
 * one that yielded, and must not lose the CPU again before it has run at all. The hypercall fuzzer
 * found that it did: a vCPU that waited for another by SCHEDOP_yield waited for ever.
 *
 * SCHEDOP_pin_override, which is for the control domain, brings both to one CPU.
 */
#include <pv/clock.h>
#include <pv/hypercall.h>
#include <pv/smp.h>

#include "tap.h"

#define STEPS      20
#define STEP_NS    5000000ull /* of work */
#define MAX_YIELDS 100000     /* before a yielding vCPU gives up */

static struct barrier together;
static volatile unsigned steps;
static volatile uint64_t took;

static long pin(int cpu)
{
    struct sched_pin_override pin = {.pcpu = cpu};
    return HYPERVISOR_sched_op(SCHEDOP_pin_override, &pin);
}

/* Work with hypercalls in it: each is a chance to be switched away from. */
static void work(void)
{
    uint64_t end = monotonic_ns() + STEP_NS;
    while (monotonic_ns() < end)
        HYPERVISOR_xen_version(XENVER_version, NULL);
}

static void run(void *data)
{
    (void)data;
    if (pin(0) != 0)
        return;
    barrier_wait(&together, nr_vcpus());
    uint64_t begin = monotonic_ns();
    if (this_vcpu() == 0) {
        for (; steps < STEPS; steps++)
            work();
        took = monotonic_ns() - begin;
    }
    /* Nothing else in the loop: the shorter the turns of this one, the sooner it is before again.
     */
    for (unsigned n = 0; steps < STEPS && n < MAX_YIELDS; n++)
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    (void)pin(-1);
}

int main(void)
{
    vcpus_run(run, NULL);
    is(steps, STEPS, "the work is done");
    ok(took < 10 * STEPS * STEP_NS, "a vCPU works beside others that yield");
    diag("%d steps of %d us in %d us", STEPS, (int)(STEP_NS / 1000), (int)(took / 1000));
    return done();
}
