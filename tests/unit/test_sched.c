/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler in a simulated machine: time advances from one event to the next, each CPU takes
 * its timer interrupt and runs its softirqs. First shares, caps and latencies; then random
 * operations with the invariants checked after each; then threads as CPUs, for lost wake-ups and
 * for a vCPU run by two CPUs at once.
 *
 * links: tests/unit/host.c hypervisor/core/sched.c hypervisor/core/sched_params.c
 * links: hypervisor/core/runqueue.c hypervisor/core/runstate.c hypervisor/core/timer.c
 * links: hypervisor/core/softirq.c hypervisor/core/lock.c hypervisor/core/vcpu.c
 * libs: -pthread
 */
#include <time.h>
#include <unistd.h>

#include "host.h"

#include "core/runqueue.h"
#include "core/softirq.h"

#define MAX_TEST_CPUS 4u

cpumask_t cpu_online_mask = {1};
struct domain idle_domain = {.id = {DOMID_IDLE}, .is_idle = true, .max_vcpus = NR_CPUS};

static struct domain dom = {.id = {1}, .max_vcpus = MAX_VCPUS};
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

static struct vcpu *new_vcpu(void)
{
    struct vcpu *v;

    if (vcpu_create(&dom, vcpus, 0) != 0)
        bail_out("no vCPU");
    v = dom.vcpu[vcpus++];
    v->initialised = true;
    return v;
}

static struct vcpu *new_hog(unsigned weight, unsigned cap)
{
    struct vcpu *v = new_vcpu();

    is(sched_set_params(v, weight, cap), 0);
    is(vcpu_up(v), 0);
    return v;
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
    settle();
}

static void stop_machine(void)
{
    for (unsigned i = 0; i < vcpus; i++) {
        vcpu_pause_nowait(dom.vcpu[i]);
        settle();
        sched_vcpu_remove(dom.vcpu[i]);
        vcpu_free(dom.vcpu[i]);
        dom.vcpu[i] = NULL;
    }
    vcpus = 0;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        is(per_cpu(runqueue, cpu).count, 0, "nobody waits on CPU %u in the end", cpu);
        is(per_cpu(runqueue, cpu).load, 0, "and its load is none");
        timer_kill(&per_cpu(runqueue, cpu).slice);
        free(idle_domain.vcpu[cpu]);
    }
    is(sched_waiting, 0);
}

/* ---- Shares ------------------------------------------------------------------------------- */

/* |part / whole - want| in percent of `want`. */
static double off_by(ns_t part, ns_t whole, double want)
{
    double share = (double)part / (double)whole, off = (share - want) / want * 100;

    return off < 0 ? -off : off;
}

static void test_weights(void)
{
    double worst = 0;

    for (unsigned round = 0; round < 30; round++) {
        unsigned weight[6], sum = 0, n = 2 + random_below(5);
        ns_t start;

        start_machine(1);
        for (unsigned i = 0; i < n; i++) {
            weight[i] = round == 0 ? 256 : 32 + random_below(1000);
            sum += weight[i];
            (void)new_hog(weight[i], 0);
        }
        start = host_now;
        run_until(start + 60 * NS_PER_SEC);
        for (unsigned i = 0; i < n; i++) {
            double off = off_by(sched_vcpu_time(dom.vcpu[i]), host_now - start,
                                (double)weight[i] / (double)sum);
            worst = off > worst ? off : worst;
        }
        stop_machine();
    }
    ok(worst < 2, "shares are within 2 %% of the weights' (%.2f %%)", worst);
}

static void test_extreme_weights(void)
{
    ns_t start;

    start_machine(1);
    (void)new_hog(1, 0);
    (void)new_hog(SCHED_WEIGHT_MAX, 0);
    start = host_now;
    run_until(start + 3600 * NS_PER_SEC);
    ok(sched_vcpu_time(dom.vcpu[0]) > 0, "weight 1 runs beside weight %u", SCHED_WEIGHT_MAX);
    ok(off_by(sched_vcpu_time(dom.vcpu[1]), host_now - start, 1) < 0.1);
    is(sched_set_params(dom.vcpu[0], 0, 0), -XEN_EINVAL, "weight 0");
    is(sched_set_params(dom.vcpu[0], SCHED_WEIGHT_MAX + 1, 0), -XEN_EINVAL, "weight above");
    is(sched_set_params(dom.vcpu[0], ~0u, 0), -XEN_EINVAL, "weight -1");
    is(sched_set_params(dom.vcpu[0], 256, 101), -XEN_EINVAL, "cap above 100");
    is(sched_set_params(dom.vcpu[0], 256, 100), 0, "cap 100");
    stop_machine();
}

/* A sleeper may not save up what it did not use. */
static void test_no_credit(void)
{
    struct vcpu *hog, *sleeper;
    ns_t start, before;

    start_machine(1);
    hog = new_hog(256, 0);
    sleeper = new_hog(256, 0);
    atomic_fetch_or(&sleeper->pause_flags, VPF_BLOCKED);
    vcpu_sleep(sleeper);
    run_until(host_now + 100 * NS_PER_SEC);
    start = host_now;
    before = sched_vcpu_time(hog);
    ok(vcpu_unblock(sleeper));
    run_until(start + 2 * NS_PER_SEC);
    ok(off_by(sched_vcpu_time(hog) - before, host_now - start, 0.5) < 2,
       "after a long sleep the two share evenly at once (%.2f %%)",
       off_by(sched_vcpu_time(hog) - before, host_now - start, 0.5));
    stop_machine();
}

static void test_caps(void)
{
    double worst = 0;
    ns_t start;

    for (unsigned cap = 1; cap <= 100; cap += 11) {
        start_machine(1);
        (void)new_hog(256, cap);
        start = host_now;
        run_until(start + 20 * NS_PER_SEC);
        double off = off_by(sched_vcpu_time(dom.vcpu[0]), host_now - start, cap / 100.0);
        worst = off > worst ? off : worst;
        stop_machine();
    }
    ok(worst < 2, "alone, a cap is kept within 2 %% (%.2f %%)", worst);

    start_machine(2);
    for (unsigned i = 0; i < 4; i++)
        (void)new_hog(256, i == 0 ? 20 : 0);
    start = host_now;
    run_until(start + 60 * NS_PER_SEC);
    ok(off_by(sched_vcpu_time(dom.vcpu[0]), host_now - start, 0.20) < 2, "and among others");
    stop_machine();
}

static void test_cap_lifted(void)
{
    ns_t start, before;

    start_machine(1);
    (void)new_hog(256, 1);
    run_until(host_now + 10 * NS_PER_SEC + 50 * NS_PER_MS);
    start = host_now;
    before = sched_vcpu_time(dom.vcpu[0]);
    is(sched_set_params(dom.vcpu[0], 256, 0), 0);
    run_until(start + NS_PER_SEC);
    is(sched_vcpu_time(dom.vcpu[0]) - before, NS_PER_SEC, "a cap lifted is lifted at once");
    stop_machine();
}

/* Three on two CPUs: two thirds each. Seven on four. */
static void test_balance(void)
{
    static const unsigned shape[][2] = {{2, 3}, {4, 7}, {2, 5}, {3, 4}};

    for (unsigned s = 0; s < ARRAY_SIZE(shape); s++) {
        double worst = 0;
        ns_t start;

        start_machine(shape[s][0]);
        for (unsigned i = 0; i < shape[s][1]; i++)
            (void)new_hog(256, 0);
        start = host_now;
        run_until(start + 120 * NS_PER_SEC);
        for (unsigned i = 0; i < vcpus; i++) {
            double off = off_by(sched_vcpu_time(dom.vcpu[i]), host_now - start,
                                (double)cpus / (double)vcpus);
            worst = off > worst ? off : worst;
        }
        ok(worst < 10, "%u vCPUs on %u CPUs have about the same (%.1f %%)", vcpus, cpus, worst);
        stop_machine();
    }
}

/* ---- Latency and cost --------------------------------------------------------------------- */

static void block_on(unsigned cpu)
{
    on_cpu(cpu);
    vcpu_block();
}

static void test_latency(void)
{
    struct vcpu *sleeper;
    unsigned late = 0;

    start_machine(1);
    for (unsigned i = 0; i < 4; i++)
        (void)new_hog(256, 0);
    sleeper = new_hog(256, 0);
    for (unsigned i = 0; i < 200; i++) {
        run_until(host_now + (2 + random_below(30)) * NS_PER_MS);
        if (current_of[0] == sleeper) {
            block_on(0);
            settle();
        } else if (READ_ONCE(sleeper->pause_flags) & VPF_BLOCKED) {
            vcpu_raise_upcall(sleeper);
            settle();
            late += current_of[0] != sleeper;
            sleeper->info->evtchn_upcall_pending = 0;
            host_now += 50 * NS_PER_US;
            block_on(0);
            settle();
        }
    }
    is(late, 0, "who sleeps most of the time runs as soon as it is woken");
    stop_machine();
}

static void test_no_cost(void)
{
    unsigned before, idle = 0;

    start_machine(2);
    (void)new_hog(256, 0);
    (void)new_hog(256, 0);
    settle();
    ok(!current_of[0]->domain->is_idle && !current_of[1]->domain->is_idle, "each has a CPU");
    before = programmed;
    for (unsigned i = 0; i < 1000; i++) {
        struct vcpu *v = current_of[i % 2];
        block_on(i % 2);
        settle();
        idle += current_of[i % 2]->domain->is_idle;
        host_now += 10 * NS_PER_US;
        vcpu_raise_upcall(v);
        settle();
        v->info->evtchn_upcall_pending = 0;
        if (current_of[i % 2] != v)
            bail_out("it did not return to its CPU");
        host_now += 10 * NS_PER_US;
    }
    is(idle, 1000, "who blocks leaves an idle CPU");
    is(programmed, before, "with no more vCPUs than CPUs no timer is set");
    stop_machine();
}

static void test_woken_in_switch(void)
{
    struct vcpu *v;

    start_machine(2);
    v = new_hog(256, 0);
    settle();
    for (unsigned i = 0; i < 2; i++) {
        unsigned cpu = v->cpu;
        wake_in_switch = v;
        block_on(cpu);
        settle();
        ok(wake_in_switch == NULL && current_of[v->cpu] == v,
           "a wake-up while the state is being saved is not lost");
        v->info->evtchn_upcall_pending = 0;
    }
    stop_machine();
}

/* Who has run ahead of its share does not get rid of that by changing queues. */
static void test_lag_moves_along(void)
{
    struct vcpu *light;
    ns_t before;

    start_machine(2);
    light = new_hog(1, 0);
    is(sched_set_affinity(light, CPUMASK_OF(0)), 0);
    is(sched_set_affinity(new_hog(256, 0), CPUMASK_OF(0)), 0);
    is(sched_set_affinity(new_hog(256, 0), CPUMASK_OF(1)), 0);
    run_until(host_now + 10 * NS_PER_SEC);
    while (current_of[0] != light)
        run_until(host_now + NS_PER_MS);
    while (current_of[0] == light)
        run_until(host_now + NS_PER_MS);
    before = sched_vcpu_time(light);
    is(sched_set_affinity(light, CPUMASK_OF(1)), 0);
    run_until(host_now + NS_PER_SEC);
    is(sched_vcpu_time(light) - before, 0, "it waits for its turn on the other CPU too");
    run_until(host_now + 10 * NS_PER_SEC);
    ok(sched_vcpu_time(light) > before, "which comes");
    stop_machine();
}

static void test_yield(void)
{
    struct vcpu *a, *b;
    unsigned stayed = 0;

    start_machine(1);
    a = new_hog(256, 0);
    b = new_hog(256, 0);
    settle();
    for (unsigned i = 0; i < 100; i++) {
        struct vcpu *was = current_of[0];
        host_now += 10 * NS_PER_US;
        on_cpu(0);
        vcpu_yield();
        settle();
        stayed += current_of[0] == was;
    }
    is(stayed, 0, "who yields gives way");
    vcpu_pause_nowait(current_of[0] == a ? b : a);
    on_cpu(0);
    vcpu_yield();
    settle();
    ok(!current_of[0]->domain->is_idle, "unless nobody waits");
    stop_machine();
}

static void test_affinity(void)
{
    struct vcpu *v;

    start_machine(4);
    v = new_hog(256, 0);
    is(sched_set_affinity(v, CPUMASK_NONE), -XEN_EINVAL, "no CPU at all");
    is(sched_set_affinity(v, CPUMASK_OF(4)), -XEN_EINVAL, "a CPU that is not online");
    is(sched_set_affinity(v, CPUMASK_OF(3)), 0);
    settle();
    is_str(current_of[3] == v ? "CPU 3" : "elsewhere", "CPU 3", "moves at once");
    is(sched_pin(v, 64), -XEN_EINVAL);
    is(sched_pin(v, 4), -XEN_EINVAL, "a CPU that is not online");
    is(sched_unpin(v), -XEN_EINVAL, "not pinned");
    is(sched_pin(v, 1), 0);
    settle();
    ok(current_of[1] == v, "pinned to another");
    is(sched_pin(v, 2), -XEN_EBUSY, "already");
    is(sched_set_affinity(v, CPUMASK_ALL), -XEN_EBUSY);
    is(sched_unpin(v), 0);
    settle();
    ok(current_of[3] == v, "and back where it may be");
    stop_machine();
}

/* ---- Random operations, and what must hold after each ------------------------------------- */

static ns_t born[MAX_VCPUS];

static const char *broken_vcpu(const struct vcpu *v)
{
    const struct vcpu_runstate_info *r = &v->runstate;
    bool current = current_of[v->cpu] == v;
    ns_t sum = host_now - (ns_t)r->state_entry_time;

    for (unsigned i = 0; i < 4; i++)
        sum += (ns_t)r->time[i];
    if (sum != host_now - born[v->id])
        return "its run-state times do not add up";
    if (v->running != current)
        return "running is wrong";
    if (v->sched.queued && current)
        return "it waits and runs";
    if (vcpu_runnable(v) && !v->sched.parked && !current && !v->sched.queued)
        return "it is lost";
    if (!vcpu_runnable(v) && (current || v->sched.queued))
        return "it may not run";
    if ((current || v->sched.queued) && !cpumask_has(v->sched.affinity, v->cpu))
        return "it is where it may not be";
    if ((r->state == RUNSTATE_running) != current)
        return "its run state is not running";
    if (vcpu_runnable(v) && !current && r->state != RUNSTATE_runnable)
        return "its run state is not runnable";
    if (!vcpu_runnable(v) &&
        r->state != (v->pause_flags & VPF_BLOCKED ? RUNSTATE_blocked : RUNSTATE_offline))
        return "its run state is not blocked or offline";
    return NULL;
}

static const char *broken_cpu(unsigned cpu)
{
    const struct runqueue *q = &per_cpu(runqueue, cpu);
    uint64_t load = q->current->domain->is_idle ? 0 : q->current->sched.weight;
    unsigned count = 0;

    if (q->current != current_of[cpu])
        return "current is wrong";
    for (const struct vcpu *v = q->head; v != NULL; v = v->sched.next) {
        load += v->sched.weight;
        count++;
        if (v->cpu != cpu || !v->sched.queued)
            return "a stranger is in the queue";
        if (v->sched.next && vtime_before(v->sched.next->sched.vtime, v->sched.vtime))
            return "the queue is out of order";
        if (v->sched.next && v->sched.next->sched.prev != v)
            return "the queue's links are wrong";
        for (unsigned other = 0; other < cpus; other++) {
            if (current_of[other]->domain->is_idle && cpumask_has(v->sched.affinity, other))
                return "someone waits though a CPU is idle";
        }
    }
    if (count != q->count || load != q->load)
        return "count or load is wrong";
    if (count > 0 && !timer_is_set(&q->slice))
        return "someone waits and no turn will end";
    return NULL;
}

static const char *broken(void)
{
    const char *what = NULL;

    for (unsigned i = 0; i < vcpus && !what; i++)
        what = broken_vcpu(dom.vcpu[i]);
    for (unsigned cpu = 0; cpu < cpus && !what; cpu++)
        what = broken_cpu(cpu);
    return what;
}

static int paused[MAX_VCPUS], domain_paused;

static void random_pause(struct vcpu *v)
{
    if (paused[v->id] < 2 && random_below(2)) {
        paused[v->id]++;
        vcpu_pause_nowait(v);
    } else if (paused[v->id] > 0) {
        paused[v->id]--;
        vcpu_unpause(v);
    }
}

static void random_domain_pause(void)
{
    if (!domain_paused && random_below(4) == 0) {
        domain_paused = 1;
        dom.pause_count++;
        for (unsigned i = 0; i < vcpus; i++)
            vcpu_sleep(dom.vcpu[i]);
    } else if (domain_paused) {
        domain_paused = 0;
        dom.pause_count--;
        for (unsigned i = 0; i < vcpus; i++)
            vcpu_wake(dom.vcpu[i]);
    }
}

static void random_operation(void)
{
    struct vcpu *v = dom.vcpu[random_below(vcpus)];
    unsigned cpu = random_below(cpus);

    on_cpu(cpu);
    switch (random_below(12)) {
    case 0:
        random_pause(v);
        break;
    case 1:
        (void)!sched_set_affinity(v, (cpumask_t){random_below(1u << cpus)});
        break;
    case 2:
        (void)!sched_set_params(v, 1 + random_below(1000),
                                random_below(2) ? 0 : 1 + random_below(100));
        break;
    case 3:
        random_domain_pause();
        break;
    case 4:
        if (random_below(2))
            vcpu_down(v);
        else
            (void)!vcpu_up(v);
        break;
    case 5:
        if (!host_current->domain->is_idle)
            vcpu_yield();
        break;
    case 6:
    case 7:
        if (!host_current->domain->is_idle) {
            host_current->info->evtchn_upcall_pending = 0;
            vcpu_block();
        }
        break;
    case 8:
    case 9:
        vcpu_raise_upcall(v);
        break;
    case 10:
        vcpu_send_nmi(v);
        v->nmi_pending = false;
        break;
    default:
        run_until(host_now + random_below(30) * NS_PER_MS);
    }
}

static void test_random(void)
{
    const char *what = NULL;

    for (unsigned round = 0; round < 60 && !what; round++) {
        start_machine(1 + random_below(MAX_TEST_CPUS));
        for (unsigned n = 1 + random_below(8); n > 0; n--) {
            born[vcpus] = host_now;
            (void)new_vcpu();
        }
        memset(paused, 0, sizeof(paused));
        for (unsigned step = 0; step < 600 && !what; step++) {
            random_operation();
            if (random_below(3))
                continue; /* several at once */
            settle();
            what = broken();
            if (what)
                diag("round %u step %u: %s", round, step, what);
        }
        if (domain_paused)
            random_domain_pause();
        stop_machine();
    }
    is_str(what, NULL, "after every operation all invariants hold");
}

/* ---- Threads as CPUs ---------------------------------------------------------------------- */

#define RACE_CPUS  3u
#define RACE_VCPUS 5u
#define RACE_SENDS 30000u

static uint32_t posted[RACE_VCPUS], handled[RACE_VCPUS];
static uint32_t senders_done, stop_cpus;

/* The guest: take what is pending; block when there is nothing. */
static void guest_step(struct vcpu *v)
{
    if (atomic_swap(&v->info->evtchn_upcall_pending, 0))
        atomic_store(&handled[v->id], atomic_load(&posted[v->id]));
    else
        vcpu_block();
}

static void *race_cpu(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg, n = 0;

    on_cpu(cpu);
    while (!atomic_load(&stop_cpus)) {
        run_one_cpu(cpu);
        if (!host_current->domain->is_idle)
            guest_step(host_current);
        else if (++n % 4 == 0)
            usleep(0);
    }
    return NULL;
}

/* Posts from a CPU of its own, that has no queue, as an interrupt would. */
static void *race_sender(void *arg)
{
    unsigned own_seed = (unsigned)(uintptr_t)arg;

    host_cpu = 60 + own_seed;
    host_current = idle_domain.vcpu[0];
    for (unsigned n = 0; n < RACE_SENDS; n++) {
        struct vcpu *v = dom.vcpu[(unsigned)rand_r(&own_seed) % RACE_VCPUS];
        atomic_fetch_add(&posted[v->id], 1u);
        vcpu_raise_upcall(v);
        if (rand_r(&own_seed) % 64 == 0) {
            vcpu_pause(v);
            if (atomic_load(&on_cpus[v->id]) != 0)
                atomic_fetch_add(&twice, 1u);
            vcpu_unpause(v);
        }
        if (rand_r(&own_seed) % 128 == 0)
            (void)!sched_set_affinity(v, (cpumask_t){1 + (unsigned)rand_r(&own_seed) % 7});
        if (rand_r(&own_seed) % 8 == 0)
            usleep(0);
    }
    atomic_fetch_add(&senders_done, 1u);
    return NULL;
}

static bool all_handled(void)
{
    for (unsigned i = 0; i < RACE_VCPUS; i++) {
        if (atomic_load(&handled[i]) != atomic_load(&posted[i]))
            return false;
    }
    return true;
}

static void test_race(void)
{
    pthread_t thread[RACE_CPUS + 2];
    unsigned wait = 0;

    start_machine(RACE_CPUS);
    use_clock = true;
    memset(on_cpus, 0, sizeof(on_cpus));
    twice = 0;
    for (unsigned i = 0; i < RACE_VCPUS; i++)
        is(vcpu_up(new_vcpu()), 0);
    for (unsigned i = 0; i < RACE_CPUS; i++)
        pthread_create(&thread[i], NULL, race_cpu, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&thread[RACE_CPUS + i], NULL, race_sender, (void *)(uintptr_t)(i + 1));
    while (atomic_load(&senders_done) < 2 || (!all_handled() && wait++ < 5000))
        usleep(1000);
    ok(all_handled(), "no wake-up is lost among %u CPUs", RACE_CPUS);
    atomic_store(&stop_cpus, 1u);
    for (unsigned i = 0; i < RACE_CPUS + 2; i++)
        pthread_join(thread[i], NULL);
    is(twice, 0, "no vCPU runs twice at once, nor while it is paused");
    host_now = now() + 1000 * NS_PER_SEC;
    use_clock = false;
    stop_machine();
}

int main(void)
{
    dom.shared = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(dom.shared, 0, PAGE_SIZE);
    host_now = NS_PER_SEC;
    sched_init();
    timer_subsystem_init();
    test_weights();
    test_extreme_weights();
    test_no_credit();
    test_caps();
    test_cap_lifted();
    test_balance();
    test_latency();
    test_no_cost();
    test_woken_in_switch();
    test_lag_moves_along();
    test_yield();
    test_affinity();
    test_random();
    test_race();
    free(dom.shared);
    return done();
}
