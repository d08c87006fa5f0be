/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System time from the TSC, calibrated at boot against a timer of known rate; its publication to
 * guests (vcpu_time_info); and the wall clock.
 *
 * now() is computed exactly as guests compute it from vcpu_time_info: scale(tsc - base), so that
 * the hypervisor and its guests never disagree.
 */
#ifndef X86_TIME_H
#define X86_TIME_H

#include "core/types.h"

/* Boot CPU, once, after acpi_init(): calibrate; read the wall clock. Stops when there is no timer.
 */
void time_init(void);
/*
 * Compare the TSCs of the boot CPU and of a CPU that came up: both sides call at about the same
 * time, interrupts on or off; each gives up after some seconds. Differences are corrected and
 * logged.
 */
void time_sync_boot_cpu(unsigned cpu);
void time_sync_new_cpu(void);

uint32_t time_tsc_khz(void);
/* Are all TSCs in step, and constant in rate (or believed so)? */
bool time_tsc_stable(void);
/* TSC ticks of this CPU in a span of time, rounded up; spans beyond an hour count as an hour. */
uint64_t time_ns_to_tsc(ns_t span);
/* Wait without any other help than the TSC. After time_init(). */
void time_delay_us(unsigned us);

/* Wall clock: nanoseconds since 1970 at system time 0. */
uint64_t time_wallclock_base(void);
/* From the control domain: it was secs.nsecs at system time `at`. Updates every domain. */
void time_set_wallclock(uint64_t secs, uint32_t nsecs, uint64_t at);

/* ---- Arithmetic without the machine (time_scale.c) ----------------------------------------- */

/* ns = (delta << shift) * mul >> 32, shift negative for a right shift: vcpu_time_info's own form.
 */
struct time_scale {
    uint32_t mul;
    int8_t shift;
    uint64_t inverse; /* ceil-ish 2^63 / mul, for the way back */
};
void time_scale_set(struct time_scale *s, uint64_t hz); /* 1 MHz .. 100 GHz */
uint64_t time_scale_ns(const struct time_scale *s, uint64_t ticks);
uint64_t time_scale_ticks(const struct time_scale *s, uint64_t ns); /* never too few */
/* Seconds since 1970 of a UTC date. year >= 1970, month and day from 1. */
uint64_t time_from_date(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned min,
                        unsigned sec);

#endif
