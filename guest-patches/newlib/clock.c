/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clocks, sleeping and one timer a vCPU.
 *
 * The hypervisor publishes for each vCPU how system time follows from the TSC (vcpu_time_info,
 * xen/xen.h), with a version that is odd while it writes. Different vCPUs' parameters may differ by
 * some ns, so the latest time ever given out is kept, and no vCPU gives an earlier one.
 *
 * Sleeping is SCHEDOP_poll for no port but with a timeout: it needs no event channel, and so works
 * with events disabled, in a program that has closed every port, and beside timer_set().
 */
#include "internal.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/start.h>

#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

/* ---- Clocks -------------------------------------------------------------------------------- */

/* (ticks << shift) * multiplier >> 32, and what the multiplication needs above 64 bits. */
static uint64_t scale(uint64_t ticks, int shift, uint32_t multiplier)
{
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (uint64_t)((unsigned __int128)ticks * multiplier >> 32);
}

/* By this vCPU's parameters. */
static uint64_t local_ns(void)
{
    const volatile struct vcpu_time_info *t = &vcpu_local()->info->time;
    uint32_t version;
    uint64_t ns;

    do {
        version = __atomic_load_n(&t->version, __ATOMIC_ACQUIRE) & ~1u;
        ns = t->system_time + scale(rdtsc() - t->tsc_timestamp, t->tsc_shift, t->tsc_to_system_mul);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&t->version, __ATOMIC_RELAXED) != version);
    return ns;
}

uint64_t monotonic_ns(void)
{
    static uint64_t latest;
    uint64_t ns = local_ns(), seen = __atomic_load_n(&latest, __ATOMIC_RELAXED);

    while (ns > seen) {
        if (__atomic_compare_exchange_n(&latest, &seen, ns, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
            return ns;
    }
    return seen;
}

/* The shared page has the time of day at system time 0. */
uint64_t wallclock_ns(void)
{
    const volatile struct shared_info *s = shared_info;
    uint32_t version;
    uint64_t start;

    do {
        version = __atomic_load_n(&s->wc_version, __ATOMIC_ACQUIRE) & ~1u;
        start = ((uint64_t)s->wc_sec_hi << 32 | s->wc_sec) * NS_PER_SEC + s->wc_nsec;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&s->wc_version, __ATOMIC_RELAXED) != version);
    return start + monotonic_ns();
}

/* ---- Sleeping ------------------------------------------------------------------------------ */

/* A poll ends for other reasons, too: an upcall, a port of another's interest. */
void sleep_until(uint64_t when)
{
    struct sched_poll poll = {.nr_ports = 0, .timeout = when};

    while (monotonic_ns() < when)
        (void)HYPERVISOR_sched_op(SCHEDOP_poll, &poll);
}

/* ---- The timer of a vCPU ------------------------------------------------------------------- */

struct timer {
    evtchn_port_t port; /* of VIRQ_TIMER; 0: not bound yet */
    uint64_t when;
    void (*function)(void *data); /* NULL: not set */
    void *data;
};

static struct timer timers[MAX_VCPUS]; /* each used by its vCPU alone, with events disabled */

/* The single-shot timer of the vCPU; without VCPU_SSHOTTMR_future a past time fires at once. */
static void arm(uint64_t when)
{
    struct vcpu_set_singleshot_timer op = {.timeout_abs_ns = when};

    if (HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, this_vcpu(), &op) != 0)
        fatal("the timer of vCPU %u cannot be set", this_vcpu());
}

/* May come early: from an earlier setting, or because the program sets the timer by hand, too. */
static void timer_event(evtchn_port_t port, void *data)
{
    struct timer *timer = data;
    void (*function)(void *) = timer->function;

    (void)port;
    if (!function)
        return;
    if (monotonic_ns() < timer->when) {
        arm(timer->when);
        return;
    }
    timer->function = NULL;
    function(timer->data);
}

static bool is_timer_port(evtchn_port_t port)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    return port != 0 && HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) == 0 &&
           status.status == EVTCHNSTAT_virq && status.u.virq == VIRQ_TIMER &&
           status.vcpu == this_vcpu();
}

/* Bound at first use, so that a program may have VIRQ_TIMER for itself; and again after a reset. */
static void bind_timer(struct timer *timer)
{
    long port;

    if (is_timer_port(timer->port))
        return;
    port = event_bind_virq(VIRQ_TIMER, this_vcpu(), timer_event, timer);
    if (port < 0)
        fatal("VIRQ_TIMER of vCPU %u cannot be bound: %s", this_vcpu(), xen_error(port));
    timer->port = (evtchn_port_t)port;
}

void timer_set(uint64_t when, void (*function)(void *data), void *data)
{
    bool enabled = events_disable();
    struct timer *timer = &timers[this_vcpu()];

    timer->when = when;
    timer->data = data;
    timer->function = function;
    if (function) {
        bind_timer(timer);
        arm(when);
    } else {
        (void)HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, this_vcpu(), NULL);
    }
    events_restore(enabled);
}

/* ---- Start --------------------------------------------------------------------------------- */

void clock_init(void)
{
    if (vcpu_local()->info->time.tsc_to_system_mul == 0)
        fatal("the hypervisor does not say what time it is");
}

/* What was set before the vCPU went down is not for whom it runs next. */
void clock_init_vcpu(void)
{
    timer_set(0, NULL, NULL);
}

/* ---- The C library's ----------------------------------------------------------------------- */

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = ns % NS_PER_SEC};
}

int gettimeofday(struct timeval *tv, void *zone)
{
    uint64_t ns = wallclock_ns();

    (void)zone;
    if (tv) {
        tv->tv_sec = (time_t)(ns / NS_PER_SEC);
        tv->tv_usec = (suseconds_t)(ns % NS_PER_SEC / 1000);
    }
    return 0;
}

static bool is_clock(clockid_t id)
{
    return id == CLOCK_REALTIME || id == CLOCK_MONOTONIC;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (!is_clock(id)) {
        errno = EINVAL;
        return -1;
    }
    *now = to_timespec(id == CLOCK_REALTIME ? wallclock_ns() : monotonic_ns());
    return 0;
}

int clock_getres(clockid_t id, struct timespec *resolution)
{
    if (!is_clock(id)) {
        errno = EINVAL;
        return -1;
    }
    if (resolution)
        *resolution = (struct timespec){.tv_nsec = 1};
    return 0;
}

/* There are no signals, so nothing interrupts it and nothing remains. */
int nanosleep(const struct timespec *time, struct timespec *rest)
{
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= (long)NS_PER_SEC) {
        errno = EINVAL;
        return -1;
    }
    sleep_ns((uint64_t)time->tv_sec * NS_PER_SEC + (uint64_t)time->tv_nsec);
    if (rest)
        *rest = (struct timespec){0};
    return 0;
}

int usleep(useconds_t microseconds)
{
    sleep_ns((uint64_t)microseconds * 1000);
    return 0;
}

unsigned sleep(unsigned seconds)
{
    sleep_ns(seconds * NS_PER_SEC);
    return 0;
}

/* The time that the vCPUs that are up have run, all of it as user time. */
clock_t times(struct tms *buffer)
{
    uint64_t ran = 0;

    for (unsigned i = 0; i < nr_vcpus(); i++) {
        struct vcpu_runstate_info info;

        if (HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, i, &info) == 0)
            ran += info.time[RUNSTATE_running];
    }
    *buffer = (struct tms){.tms_utime = (clock_t)(ran / (NS_PER_SEC / CLOCKS_PER_SEC))};
    return (clock_t)(monotonic_ns() / (NS_PER_SEC / CLOCKS_PER_SEC));
}
