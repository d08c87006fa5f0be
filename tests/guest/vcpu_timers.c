/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timers of a vCPU. Both send VIRQ_TIMER: a periodic one, of at least a millisecond, which any
 * vCPU may set for any other; and one that fires once, by VCPUOP_set_singleshot_timer or by the
 * older hypercall set_timer_op, which a vCPU sets for itself. A time that is past fires at once. Of
 * set_timer_op, 0 means never, and what is so far off that only a mistake can have made it means
 * soon.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/smp.h>

#include "evtchn.h"

#define MS       1000000ull
#define NOT_SOON (1ull << 49) /* six days and a half: a delay that is believed */
#define INSANE   (1ull << 51)

static unsigned fired[MAX_VCPUS];
static uint64_t fired_at;

static void note(evtchn_port_t port, void *data)
{
    (void)port;
    fired_at = monotonic_ns();
    __atomic_add_fetch(&fired[(uintptr_t)data], 1, __ATOMIC_SEQ_CST);
}

/* Until a timer has fired so often, or a second has passed. */
static bool await(unsigned vcpu, unsigned wanted)
{
    uint64_t limit = monotonic_ns() + NS_PER_SEC;

    while (__atomic_load_n(&fired[vcpu], __ATOMIC_SEQ_CST) < wanted && monotonic_ns() < limit)
        sleep_ns(MS / 4);
    return __atomic_load_n(&fired[vcpu], __ATOMIC_SEQ_CST) >= wanted;
}

static bool silent(unsigned vcpu)
{
    unsigned before = fired[vcpu];

    sleep_ns(5 * MS);
    return fired[vcpu] == before;
}

/* ---- Periodic ------------------------------------------------------------------------------- */

static long periodic(unsigned vcpu, uint64_t period)
{
    struct vcpu_set_periodic_timer op = {.period_ns = period};

    return HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, vcpu, &op);
}

static void test_periodic(void)
{
    uint64_t before;
    unsigned count;

    is_error(periodic(0, 0), -XEN_EINVAL, "a period of 0");
    is_error(periodic(0, MS - 1), -XEN_EINVAL, "a period below a millisecond");
    is_error(periodic(0, ~0ull), -XEN_EINVAL, "a period of 2^64-1");
    ok(silent(0), "these set nothing");
    fired[0] = 0;
    before = monotonic_ns();
    is_error(periodic(0, MS), 0, "a period of a millisecond");
    ok(await(0, 20), "it ticks");
    count = fired[0];
    ok(count <= (monotonic_ns() - before) / MS + 1, "not faster than it should");
    is_error(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop it");
    sleep_ns(MS);
    ok(silent(0), "it has stopped");
    is_error(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop it when stopped");
    is_error(periodic(0, 1ull << 50), 0, "a period of thirteen days");
    ok(silent(0), "does not tick now");
    is_error(periodic(0, 2 * MS), 0, "a period is replaced");
    fired[0] = 0;
    ok(await(0, 3), "by one that ticks");
    (void)HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
}

/* ---- Once ----------------------------------------------------------------------------------- */

static long once(unsigned vcpu, uint64_t when, uint32_t flags)
{
    struct vcpu_set_singleshot_timer op = {.timeout_abs_ns = when, .flags = flags};

    return HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, vcpu, &op);
}

static long set_timer(uint64_t when)
{
    return HYPERCALL1(set_timer_op, when);
}

/* A time to come, and whether it was kept. */
static void check_kept(const char *what, uint64_t when)
{
    ok(await(0, 1), "%s fires", what);
    ok(fired_at >= when, "%s not early", what);
    ok(silent(0), "%s once", what);
    fired[0] = 0;
}

static void test_once(void)
{
    uint64_t when = monotonic_ns() + 2 * MS;

    fired[0] = 0;
    is_error(once(0, when, 0), 0, "a single shot");
    check_kept("a single shot", when);
    is_error(once(0, monotonic_ns() - MS, 0), 0, "one in the past");
    check_kept("one in the past", 0);
    is_error(once(0, 1, 0), 0, "one at time 1");
    check_kept("one at time 1", 0);
    when = monotonic_ns() + 3 * MS;
    is_error(once(0, when, VCPU_SSHOTTMR_future), 0, "one that must be in the future");
    check_kept("one that must be in the future", when);
    is_error(once(0, monotonic_ns() - MS, VCPU_SSHOTTMR_future), -XEN_ETIME,
             "one that must be in the future and is not");
    ok(silent(0), "it does not fire later");
    fired[0] = 0;
    is_error(once(0, monotonic_ns() + NOT_SOON, 0), 0, "one far off");
    ok(silent(0), "one far off does not fire");
    is_error(once(0, ~0ull, 0), 0, "one at 2^64-1");
    sleep_ns(5 * MS);
    is(fired[0], 0, "one at 2^64-1 does not fire");
    fired[0] = 0;
    (void)once(0, monotonic_ns() + 20 * MS, 0);
    when = monotonic_ns() + MS;
    (void)once(0, when, 0);
    check_kept("the last setting", when);
    (void)once(0, monotonic_ns() + 2 * MS, 0);
    is_error(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stop one");
    ok(silent(0), "which does not fire then");
    is_error(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stop none");
    if (nr_vcpus() > 1) {
        is_error(once(1, 1, 0), -XEN_EINVAL, "a single shot for another vCPU");
        is_error(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), -XEN_EINVAL,
                 "stop that of another vCPU");
    }
}

static void test_set_timer(void)
{
    uint64_t when = monotonic_ns() + 2 * MS;

    fired[0] = 0;
    is_error(set_timer(when), 0, "set_timer_op");
    check_kept("set_timer_op", when);
    is_error(set_timer(1), 0, "set_timer_op of time 1");
    check_kept("set_timer_op of time 1", 0);
    (void)set_timer(monotonic_ns() + 2 * MS);
    is_error(set_timer(0), 0, "set_timer_op of 0");
    ok(silent(0), "stops it");
    (void)once(0, monotonic_ns() + 2 * MS, 0);
    (void)set_timer(0);
    ok(silent(0), "it is the same timer as the single shot");
    is_error(set_timer(monotonic_ns() + NOT_SOON), 0, "set_timer_op of a time far off");
    ok(silent(0), "does not fire");
    is_error(set_timer(monotonic_ns() + INSANE), 0, "set_timer_op of a mad time");
    check_kept("set_timer_op of a mad time", 0);
    is_error(set_timer(1ull << 63), 0, "set_timer_op of a time below 0");
    check_kept("set_timer_op of a time below 0", 0);
}

/* ---- Of several vCPUs ----------------------------------------------------------------------- */

/* Each has its own VIRQ_TIMER, bound in main(). */
static void shoot(void *data)
{
    unsigned me = this_vcpu();

    for (unsigned i = 1; i <= 10; i++) {
        (void)once(me, monotonic_ns() + MS, 0);
        if (!await(me, i))
            __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
    }
}

static void tick(void *data)
{
    if (!await(this_vcpu(), 20))
        __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

static void test_all(void)
{
    unsigned last = nr_vcpus() - 1, late = 0;

    memset(fired, 0, sizeof(fired));
    vcpus_run(shoot, &late);
    is(late, 0, "timers fire on every vCPU at once");
    if (last == 0)
        return;
    fired[last] = 0;
    is_error(vcpu_start(last, tick, &late), 0, "start another vCPU");
    is_error(periodic(last, MS), 0, "set its periodic timer");
    vcpu_join(last);
    is(late, 0, "it ticks there");
    is_error(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, last, NULL), 0, "and is stopped");
}

int main(void)
{
    for (unsigned i = 0; i < nr_vcpus(); i++)
        ok(event_bind_virq(VIRQ_TIMER, i, note, (void *)(uintptr_t)i) > 0,
           "bind VIRQ_TIMER of vCPU %u", i);
    sleep_ns(30 * MS);
    is(fired[0], 0, "nothing ticks before it is asked to");
    (void)HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    test_periodic();
    test_once();
    test_set_timer();
    test_all();
    return done();
}
