/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's clocks: one time for all vCPUs that never goes back, sleeping, timers, and what the
 * C library says of time.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/smp.h>

#define MS        1000000ull
#define SLACK     (200 * MS) /* by which a sleep may be late on a machine that is busy */
#define YEAR_2020 1577836800ull
#define YEAR_2200 7258118400ull
#define ROUNDS    2000u

/* ---- One time for all ------------------------------------------------------------------------ */

static uint64_t latest;

/* What another vCPU has published was the time before we ask for it. */
static void watch_time(void *data)
{
    unsigned *errors = data;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), now = monotonic_ns();

        if (now < seen)
            __atomic_add_fetch(errors, 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(&latest, now, __ATOMIC_SEQ_CST);
    }
}

static void test_monotonic(void)
{
    uint64_t first = monotonic_ns(), tsc = rdtsc();
    unsigned errors = 0;

    ok(first > 0, "time has begun");
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t next = monotonic_ns();

        errors += next < first;
        first = next;
    }
    is(errors, 0, "time does not go back");
    ok(rdtsc() > tsc, "nor does the TSC");
    vcpus_run(watch_time, &errors);
    is(errors, 0, "nor on any vCPU");
}

/* ---- Sleeping -------------------------------------------------------------------------------- */

static void check_sleep(const char *name, uint64_t before, uint64_t wanted)
{
    uint64_t slept = monotonic_ns() - before;

    ok(slept >= wanted, "%s sleeps long enough", name);
    ok(slept < wanted + SLACK, "%s wakes up", name);
}

static void test_sleep(void)
{
    struct timespec time = {.tv_nsec = 3 * MS}, rest = {.tv_sec = 1};
    uint64_t before = monotonic_ns();
    bool enabled;

    sleep_ns(5 * MS);
    check_sleep("sleep_ns", before, 5 * MS);
    before = monotonic_ns();
    sleep_until(before - MS);
    check_sleep("sleep_until in the past", before, 0);
    before = monotonic_ns();
    is(nanosleep(&time, &rest), 0, "nanosleep works");
    check_sleep("nanosleep", before, 3 * MS);
    ok(rest.tv_sec == 0 && rest.tv_nsec == 0, "and leaves nothing");
    before = monotonic_ns();
    is(usleep(2000), 0, "usleep works");
    check_sleep("usleep", before, 2 * MS);
    before = monotonic_ns();
    is(sleep(1), 0, "sleep works");
    check_sleep("sleep", before, NS_PER_SEC);
    enabled = events_disable();
    before = monotonic_ns();
    sleep_ns(MS);
    check_sleep("with events disabled, sleep_ns", before, MS);
    events_restore(enabled);
    time.tv_nsec = (long)NS_PER_SEC;
    errno = 0;
    ok(nanosleep(&time, NULL) == -1 && errno == EINVAL, "a second has 10^9 ns at most");
}

static void sleep_some(void *data)
{
    uint64_t before = monotonic_ns();

    for (unsigned i = 0; i < 20; i++)
        sleep_ns(MS / 2 * (1 + this_vcpu()));
    if (monotonic_ns() - before < 20 * (MS / 2) * (1 + this_vcpu()))
        __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static unsigned fired;
static uint64_t fired_at;
static unsigned fired_on;

/* Whoever waits for a timer gives it time: that of a busy machine may be late. */
static void await(const unsigned *count, unsigned wanted)
{
    uint64_t limit = monotonic_ns() + NS_PER_SEC;

    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted && monotonic_ns() < limit)
        sleep_ns(MS / 4);
}

static void note_timer(void *data)
{
    fired_at = monotonic_ns();
    fired_on = this_vcpu();
    __atomic_add_fetch(&fired, *(unsigned *)data, __ATOMIC_SEQ_CST);
}

static void test_timer(void)
{
    unsigned one = 1, ten = 10;
    uint64_t when = monotonic_ns() + 2 * MS;

    fired = 0;
    timer_set(when, note_timer, &one);
    await(&fired, 1);
    sleep_ns(2 * MS);
    is(fired, 1, "a timer fires once");
    ok(fired_at >= when, "not early");
    is(fired_on, this_vcpu(), "on the vCPU that set it");
    timer_set(monotonic_ns() - MS, note_timer, &one);
    await(&fired, 2);
    is(fired, 2, "one in the past fires at once");
    timer_set(monotonic_ns() + 2 * MS, note_timer, &one);
    timer_set(0, NULL, NULL);
    sleep_ns(4 * MS);
    is(fired, 2, "one that is cancelled does not fire");
    timer_set(monotonic_ns() + MS, note_timer, &one);
    timer_set(monotonic_ns() + 3 * MS, note_timer, &ten);
    await(&fired, 12);
    is(fired, 12, "the last setting counts");
}

static unsigned own_fired[MAX_VCPUS];

static void fire_on_own(void *data)
{
    if (data == &own_fired[this_vcpu()])
        __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

static void timer_each(void *data)
{
    unsigned *own = &own_fired[this_vcpu()];

    for (unsigned i = 1; i <= 10; i++) {
        timer_set(monotonic_ns() + MS, fire_on_own, own);
        await(own, i);
    }
    if (*own != 10)
        __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

/* ---- The C library --------------------------------------------------------------------------- */

static void test_c_library(void)
{
    struct timespec real, steady;
    struct timeval tv;
    struct tms used;
    time_t now = time(NULL);
    uint64_t ns = wallclock_ns();
    clock_t ran = clock();

    ok((uint64_t)now > YEAR_2020 && (uint64_t)now < YEAR_2200, "time() is of this century or next");
    is(gettimeofday(&tv, NULL), 0, "gettimeofday works");
    ok((uint64_t)tv.tv_sec - (uint64_t)now <= 1, "and says the same as time()");
    is(clock_gettime(CLOCK_REALTIME, &real), 0, "clock_gettime of CLOCK_REALTIME works");
    ok((uint64_t)real.tv_sec - ns / NS_PER_SEC <= 1, "and says the same as wallclock_ns()");
    is(clock_gettime(CLOCK_MONOTONIC, &steady), 0, "clock_gettime of CLOCK_MONOTONIC works");
    ok(steady.tv_sec <= real.tv_sec, "the machine did not start before 1970");
    errno = 0;
    ok(clock_gettime(99, &real) == -1 && errno == EINVAL, "there is no clock 99");
    is(clock_getres(CLOCK_MONOTONIC, &real), 0, "clock_getres works");
    is(real.tv_nsec, 1, "and says 1 ns");
    for (uint64_t until = monotonic_ns() + 20 * MS; monotonic_ns() < until;)
        cpu_relax();
    ok(clock() >= ran + CLOCKS_PER_SEC / 100, "20 ms of work are at least 10 ms of clock()");
    ok(times(&used) > 0 && used.tms_utime > 0, "times() tells of it, too");
}

int main(void)
{
    unsigned errors = 0;

    test_monotonic();
    test_sleep();
    vcpus_run(sleep_some, &errors);
    is(errors, 0, "all vCPUs sleep at once, each as long as it wants");
    test_timer();
    vcpus_run(timer_each, &errors);
    is(errors, 0, "each vCPU has a timer of its own");
    test_c_library();
    return done();
}
