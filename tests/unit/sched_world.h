/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler in a simulated machine: time advances from one event to the next, each CPU takes
 * its timer interrupt and runs its softirqs. Include it in one file of a test program.
 */
#ifndef SCHED_WORLD_H
#define SCHED_WORLD_H

#include <time.h>
#include <unistd.h>

#include "host.h"

#include "core/runqueue.h"
#include "core/softirq.h"

#define MAX_TEST_CPUS 4u

cpumask_t cpu_online_mask = {1};
struct domain idle_domain = {.id = {DOMID_IDLE}, .is_idle = true, .max_vcpus = NR_CPUS};

/* Two domains, whose vCPUs have different numbers. */
static struct domain dom = {.id = {1}, .max_vcpus = MAX_VCPUS};
static struct domain dom2 = {.id = {2}, .max_vcpus = MAX_VCPUS};
static struct vcpu *current_of[NR_CPUS]; /* what runs on each CPU */
static ns_t deadline[NR_CPUS];
static unsigned programmed, kicked;
static bool use_clock; /* threads: real time */

ns_t now(void)
{
    struct timespec t;

    if (!use_clock)
        return host_now;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ns_t)t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

void arch_timer_program(ns_t at)
{
    deadline[cpu_id()] = at;
    atomic_fetch_add(&programmed, 1u);
}

void arch_vcpu_exit_work(struct vcpu *v)
{
    (void)v;
}

void arch_kick_cpu(unsigned cpu)
{
    (void)cpu;
    atomic_fetch_add(&kicked, 1u);
}

static uint32_t on_cpus[MAX_VCPUS], twice;
static struct vcpu *wake_in_switch; /* to be woken while its state is being saved */

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    if (irq_enabled())
        bail_out("switched with interrupts on");
    if (host_locks_held)
        bail_out("switched with a lock held");
    current_of[cpu_id()] = next;
    host_current = next;
    if (!next->domain->is_idle && atomic_fetch_add(&on_cpus[next->id], 1u) != 0)
        atomic_fetch_add(&twice, 1u);
    if (use_clock) /* the state of prev is being saved */
        for (volatile int i = 0; i < 200; i++)
            ;
    if (!prev->domain->is_idle)
        atomic_fetch_sub(&on_cpus[prev->id], 1u);
    if (prev == wake_in_switch) {
        wake_in_switch = NULL;
        vcpu_raise_upcall(prev);
    }
    sched_switched(prev);
}

void *hv_alloc(struct domain *d, size_t size)
{
    (void)d;
    return calloc(1, size);
}

void hv_free(struct domain *d, void *ptr, size_t size)
{
    (void)d;
    (void)size;
    free(ptr);
}

size_t arch_vcpu_bytes(void)
{
    return sizeof(struct vcpu);
}

int arch_vcpu_create(struct vcpu *v)
{
    (void)v;
    return 0;
}

void arch_vcpu_free(struct vcpu *v)
{
    (void)v;
}

void vcpu_timers_init(struct vcpu *v)
{
    (void)v;
}

void vcpu_timers_kill(struct vcpu *v)
{
    (void)v;
}

void evtchn_poll_stop(struct vcpu *v)
{
    (void)v;
}

void frame_put_both(mfn_t mfn)
{
    bail_out("frame %#lx put", mfn.v);
}

/* ---- The simulated machine ---------------------------------------------------------------- */

static unsigned cpus, vcpus;
static unsigned seed = 1;

static unsigned random_below(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

static void on_cpu(unsigned cpu)
{
    host_cpu = cpu;
    host_current = current_of[cpu];
}

static void run_one_cpu(unsigned cpu)
{
    on_cpu(cpu);
    if (deadline[cpu] <= now()) {
        unsigned long flags = irq_save();
        deadline[cpu] = NS_NEVER;
        timer_interrupt();
        irq_restore(flags);
    }
    softirq_run();
}

static bool anything_pending(void)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        if (per_cpu(softirq_pending, cpu) != 0 || deadline[cpu] <= now())
            return true;
    }
    return false;
}

static void settle(void)
{
    unsigned rounds = 0;

    do {
        unsigned first = random_below(cpus);
        for (unsigned i = 0; i < cpus; i++)
            run_one_cpu((first + i) % cpus);
        if (++rounds > 1000)
            bail_out("the CPUs never come to rest");
    } while (anything_pending());
}

static ns_t next_deadline(void)
{
    ns_t next = NS_NEVER;

    for (unsigned cpu = 0; cpu < cpus; cpu++)
        next = MIN(next, deadline[cpu]);
    return next;
}

static void run_until(ns_t end)
{
    settle();
    while (next_deadline() <= end) {
        host_now = MAX(host_now, next_deadline());
        settle();
    }
    host_now = end;
    settle();
}

static struct vcpu *new_vcpu_of(struct domain *d)
{
    struct vcpu *v;

    if (vcpu_create(d, vcpus, 0) != 0)
        bail_out("no vCPU");
    v = d->vcpu[vcpus++];
    v->initialised = true;
    return v;
}

static struct vcpu *new_vcpu(void)
{
    return new_vcpu_of(&dom);
}

static void start_machine(unsigned nr_cpus)
{
    cpus = nr_cpus;
    cpu_online_mask.bits = (1ull << nr_cpus) - 1;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        deadline[cpu] = NS_NEVER;
        per_cpu(softirq_pending, cpu) = 0;
        memset(&per_cpu(runqueue, cpu), 0, sizeof(struct runqueue));
        timer_cpu_init(cpu);
        sched_cpu_init(cpu);
        current_of[cpu] = idle_domain.vcpu[cpu];
    }
    on_cpu(0);
    memset(&dom.sched, 0, sizeof(dom.sched));
    memset(&dom2.sched, 0, sizeof(dom2.sched));
    sched_domain_init(&dom, SCHED_WEIGHT_DEFAULT);
    sched_domain_init(&dom2, SCHED_WEIGHT_DEFAULT);
    sched_ratelimit = NS_PER_MS;
    settle();
}

static void stop_machine(void)
{
    for (unsigned i = 0; i < vcpus; i++) {
        struct domain *d = dom.vcpu[i] != NULL ? &dom : &dom2;
        vcpu_pause_nowait(d->vcpu[i]);
        settle();
        sched_vcpu_remove(d->vcpu[i]);
        vcpu_free(d->vcpu[i]);
        d->vcpu[i] = NULL;
    }
    vcpus = 0;
    sched_domain_remove(&dom);
    sched_domain_remove(&dom2);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        is(per_cpu(runqueue, cpu).count, 0, "nobody waits on CPU %u in the end", cpu);
        is(per_cpu(runqueue, cpu).load, 0, "and its load is none");
        timer_kill(&per_cpu(runqueue, cpu).slice);
        free(idle_domain.vcpu[cpu]);
    }
    is(sched_waiting, 0);
}

#endif
