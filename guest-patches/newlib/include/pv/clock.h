/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clocks and timers, from vcpu_time_info of the shared page (xen/xen.h). gettimeofday(), time(),
 * clock_gettime(), nanosleep(), usleep() and sleep() work as the C library says.
 */
#ifndef PV_CLOCK_H
#define PV_CLOCK_H

#include <pv/abi.h>

#define NS_PER_SEC 1000000000ull

/* System time: ns since the hypervisor's start, the same on every vCPU. */
uint64_t monotonic_ns(void);
/* ns since 1970, UTC. */
uint64_t wallclock_ns(void);
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Sleeps (the vCPU blocks) until monotonic_ns() is at least `when`. Events are handled. */
void sleep_until(uint64_t when);
static inline void sleep_ns(uint64_t ns)
{
    sleep_until(monotonic_ns() + ns);
}

/* Calls function(data) on this vCPU in its timer upcall at or after `when`, once; NULL cancels.
 * One a vCPU, beside what sleep_until() uses. */
void timer_set(uint64_t when, void (*function)(void *data), void *data);

#endif
