/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System time and wall clock.
 *
 * Invariant: system time is one linear function of the boot CPU's TSC, fixed at boot; a CPU whose
 * TSC differs has the difference on record. So vcpu_time_info never changes while a vCPU stays on
 * its CPU, and on machines whose TSCs agree it never changes at all.
 */
#include "x86/time.h"

#include <arch/cpu.h>

#include "core/cmdline.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "x86/clocksource.h"
#include "x86/panic.h"
#include "x86/x86.h"

#define TSC_HZ_MIN          10000000ull
#define CPUID_TSC_TOLERANCE 2000u /* believe CPUID when it agrees to one part in this */
#define SPAN_MAX            (3600 * NS_PER_SEC)

static struct time_scale scale;
static uint64_t tsc_base; /* of the boot CPU, at system time 0 */
static uint32_t tsc_khz;
static bool tsc_in_step = true;
static DEFINE_PER_CPU(uint64_t, tsc_ahead); /* this CPU's TSC minus the boot CPU's */

static struct spinlock wallclock_lock = SPINLOCK_INIT(RANK_TIME);
static uint64_t wallclock_base; /* ns since 1970 at system time 0 */

/* ---- Calibration ---------------------------------------------------------------------------- */

/* What CPUID says of the TSC's rate (SDM 2A, leaf 0x15); 0: nothing. */
static uint64_t cpuid_tsc_hz(void)
{
    struct cpuid_regs r;

    if (cpuid(0).a < 0x15)
        return 0;
    r = cpuid(0x15);
    return r.a != 0 && r.b != 0 ? (uint64_t)r.c * r.b / r.a : 0;
}

static uint64_t calibrate(const char **how)
{
    const struct clocksource *c = clocksource_choose(options.clocksource);
    uint64_t hz, exact = cpuid_tsc_hz();

    if (c == NULL)
        boot_stop("no usable timer: this machine has neither HPET, ACPI PM timer nor PIT");
    hz = clocksource_measure_tsc(c);
    *how = c->name;
    if (exact + hz / CPUID_TSC_TOLERANCE > hz && hz + hz / CPUID_TSC_TOLERANCE > exact) {
        *how = "cpuid";
        return exact;
    }
    return hz;
}

void time_init(void)
{
    const char *how;
    uint64_t hz = calibrate(&how), seconds;
    bool invariant = cpuid(0x80000000).a >= 0x80000007 && (cpuid(0x80000007).d & 1u << 8);

    if (hz < TSC_HZ_MIN)
        boot_stop("no usable timer: the TSC counts at %lu Hz only", (unsigned long)hz);
    tsc_khz = (uint32_t)((hz + 500) / 1000);
    time_scale_set(&scale, hz);
    tsc_base = rdtsc();
    log_info("Time: TSC at %u.%03u MHz (%s)%s", tsc_khz / 1000, tsc_khz % 1000, how,
             invariant ? "" : ", not said to be invariant");
    seconds = rtc_read();
    if (seconds == 0)
        log_warning("Time: the real-time clock has no sensible time");
    wallclock_base = seconds * NS_PER_SEC - (uint64_t)now();
}

uint32_t time_tsc_khz(void)
{
    return tsc_khz;
}

bool time_tsc_stable(void)
{
    return READ_ONCE(tsc_in_step);
}

/* ---- System time ---------------------------------------------------------------------------- */

/* Loads and stores before this cannot be overtaken by it (SDM 2B, RDTSC). */
static uint64_t rdtsc_ordered(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return rdtsc();
}

ns_t now(void)
{
    static ns_t latest; /* only used when TSCs differ, and corrections cannot be exact */
    ns_t t = (ns_t)time_scale_ns(&scale, rdtsc_ordered() - this_cpu(tsc_ahead) - tsc_base);
    ns_t seen;

    if (likely(tsc_in_step))
        return t;
    seen = atomic_load(&latest);
    while (t > seen)
        if (atomic_cas(&latest, &seen, t))
            return t;
    return seen;
}

uint64_t time_ns_to_tsc(ns_t span)
{
    return time_scale_ticks(&scale, (uint64_t)MIN(MAX(span, 0ll), SPAN_MAX));
}

void time_delay_us(unsigned us)
{
    uint64_t start = rdtsc(), ticks = time_ns_to_tsc(us * NS_PER_US);

    while (rdtsc() - start < ticks)
        cpu_relax();
}

/* ---- Comparison of TSCs --------------------------------------------------------------------- */

#define SYNC_ROUNDS     16u
#define SYNC_TIMEOUT_US 5000000u /* emulators run CPUs in turns, and busy ones take long ones */

/*
 * The boot CPU asks by making `turn` odd, the new one answers with its TSC and the next even
 * number. `turn` is 0 between comparisons.
 */
static struct {
    uint32_t turn;
    uint64_t answer;
} sync;

static bool sync_wait(uint32_t turn)
{
    uint64_t start = rdtsc(), limit = time_ns_to_tsc(SYNC_TIMEOUT_US * NS_PER_US);

    while (atomic_load(&sync.turn) != turn) {
        if (rdtsc() - start > limit)
            return false;
        cpu_relax();
    }
    return true;
}

void time_sync_new_cpu(void)
{
    for (uint32_t i = 0; i < SYNC_ROUNDS; i++) {
        if (!sync_wait(2 * i + 1))
            return;
        sync.answer = rdtsc_ordered();
        atomic_store(&sync.turn, 2 * i + 2);
    }
    (void)sync_wait(0);
}

/* Ask once: was the answer impossible between question and return? Keep the shortest exchange. */
static bool sync_ask(uint32_t i, uint64_t *shortest, int64_t *ahead, bool *warped)
{
    uint64_t asked = rdtsc_ordered(), back, answer;

    atomic_store(&sync.turn, 2 * i + 1);
    if (!sync_wait(2 * i + 2))
        return false;
    answer = sync.answer;
    back = rdtsc_ordered();
    if ((int64_t)(answer - asked) < 0 || (int64_t)(back - answer) < 0)
        *warped = true;
    if (back - asked < *shortest) {
        *shortest = back - asked;
        *ahead = (int64_t)(answer - asked) - (int64_t)(*shortest / 2);
    }
    return true;
}

void time_sync_boot_cpu(unsigned cpu)
{
    uint64_t shortest = UINT64_MAX;
    int64_t ahead = 0;
    bool warped = false, answered = true;

    for (uint32_t i = 0; i < SYNC_ROUNDS && answered; i++)
        answered = sync_ask(i, &shortest, &ahead, &warped);
    if (!answered) {
        WRITE_ONCE(tsc_in_step, false);
        log_warning("Time: CPU %u did not take part in the comparison of TSCs", cpu);
    }
    if (warped) {
        per_cpu(tsc_ahead, cpu) = (uint64_t)ahead;
        WRITE_ONCE(tsc_in_step, false);
        log_warning("Time: the TSC of CPU %u is %ld ticks ahead: corrected, but time costs more",
                    cpu, (long)ahead);
    }
    atomic_store(&sync.turn, 0u);
}

/* ---- vcpu_time_info ------------------------------------------------------------------------- */

static struct vcpu_time_info time_info_for(unsigned cpu)
{
    return (struct vcpu_time_info){
        .tsc_timestamp = tsc_base + per_cpu(tsc_ahead, cpu),
        .tsc_to_system_mul = scale.mul,
        .tsc_shift = scale.shift,
        .flags = time_tsc_stable() ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
    };
}

static bool same_time_info(const struct vcpu_time_info *a, const struct vcpu_time_info *b)
{
    return a->tsc_timestamp == b->tsc_timestamp && a->system_time == b->system_time &&
           a->tsc_to_system_mul == b->tsc_to_system_mul && a->tsc_shift == b->tsc_shift &&
           a->flags == b->flags;
}

/* The version is odd while the rest changes; readers on other CPUs try again (xen/xen.h). */
static void publish_shared(struct vcpu_time_info *shared, const struct vcpu_time_info *t)
{
    uint32_t version = READ_ONCE(shared->version) | 1;

    WRITE_ONCE(shared->version, version);
    memory_barrier();
    shared->tsc_timestamp = t->tsc_timestamp;
    shared->system_time = t->system_time;
    shared->tsc_to_system_mul = t->tsc_to_system_mul;
    shared->tsc_shift = t->tsc_shift;
    shared->flags = t->flags;
    memory_barrier();
    WRITE_ONCE(shared->version, version + 1);
}

/* The same, into the guest's own area; it may be out of reach (in user mode): then later. */
static bool publish_area(vaddr_t area, const struct vcpu_time_info *t)
{
    struct vcpu_time_info copy = *t;
    uint32_t version;

    if (guest_read(&version, area))
        return false;
    copy.version = version | 1;
    if (guest_copy_out(area, &copy.version, sizeof(copy.version)))
        return false;
    memory_barrier();
    if (guest_write(area, &copy))
        return false;
    memory_barrier();
    copy.version++;
    return guest_copy_out(area, &copy.version, sizeof(copy.version)) == 0;
}

void arch_update_vcpu_time(struct vcpu *v)
{
    struct vcpu_time_info t = time_info_for(v == current_vcpu() ? cpu_id() : v->cpu);
    struct arch_vcpu *a = &v->arch;

    if (v->domain->is_idle)
        return;
    if (!same_time_info(&v->info->time, &t))
        publish_shared(&v->info->time, &t);
    if (v->time_guest.v == 0 || v != current_vcpu())
        return;
    if (!READ_ONCE(v->time_guest_stale) && a->time_area_tsc == t.tsc_timestamp)
        return;
    WRITE_ONCE(v->time_guest_stale, false);
    memory_barrier(); /* if it is registered anew meanwhile, this is made again */
    a->time_area_tsc = t.tsc_timestamp;
    if (!publish_area(v->time_guest, &t))
        WRITE_ONCE(v->time_guest_stale, true);
}

/* ---- Wall clock ----------------------------------------------------------------------------- */

uint64_t time_wallclock_base(void)
{
    uint64_t base;

    lock(&wallclock_lock);
    base = wallclock_base;
    unlock(&wallclock_lock);
    return base;
}

void arch_update_wallclock(struct domain *d)
{
    struct shared_info *s = d->shared;
    uint64_t seconds;
    uint32_t version;

    if (s == NULL)
        return;
    lock(&wallclock_lock); /* two writers would spoil the version */
    seconds = wallclock_base / NS_PER_SEC + (uint64_t)d->time_offset_s;
    version = READ_ONCE(s->wc_version) | 1;
    WRITE_ONCE(s->wc_version, version);
    memory_barrier();
    s->wc_sec = (uint32_t)seconds;
    s->wc_sec_hi = (uint32_t)(seconds >> 32);
    s->wc_nsec = (uint32_t)(wallclock_base % NS_PER_SEC);
    memory_barrier();
    WRITE_ONCE(s->wc_version, version + 1);
    unlock(&wallclock_lock);
}

void time_set_wallclock(uint64_t secs, uint32_t nsecs, uint64_t at)
{
    lock(&domain_list_lock);
    lock(&wallclock_lock);
    wallclock_base = secs * NS_PER_SEC + nsecs - at;
    unlock(&wallclock_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next)
        arch_update_wallclock(d);
    unlock(&domain_list_lock);
}
