/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: shares, caps, latencies, and that it costs nothing where nobody waits.
 *
 * links: tests/unit/host.c hypervisor/core/sched.c hypervisor/core/sched_params.c
 * links: hypervisor/core/sched_cap.c hypervisor/core/sched_keep.c hypervisor/core/runqueue.c
 * links: hypervisor/core/runstate.c hypervisor/core/timer.c hypervisor/core/softirq.c
 * links: hypervisor/core/lock.c hypervisor/core/vcpu.c
 */
#include "sched_world.h"

static struct vcpu *new_hog_of(struct domain *d, unsigned weight)
{
    struct vcpu *v = new_vcpu_of(d);

    is(sched_set_weight(v, weight), 0);
    is(vcpu_up(v), 0);
    return v;
}

static struct vcpu *new_hog(unsigned weight)
{
    return new_hog_of(&dom, weight);
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
            (void)new_hog(weight[i]);
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
    (void)new_hog(1);
    (void)new_hog(SCHED_WEIGHT_MAX);
    start = host_now;
    run_until(start + 3600 * NS_PER_SEC);
    ok(sched_vcpu_time(dom.vcpu[0]) > 0, "weight 1 runs beside weight %u", SCHED_WEIGHT_MAX);
    ok(off_by(sched_vcpu_time(dom.vcpu[1]), host_now - start, 1) < 0.1);
    is(sched_set_weight(dom.vcpu[0], 0), -XEN_EINVAL, "weight 0");
    is(sched_set_weight(dom.vcpu[0], SCHED_WEIGHT_MAX + 1), -XEN_EINVAL, "weight above");
    is(sched_set_share(&dom, ~0u, 0), -XEN_EINVAL, "weight -1");
    stop_machine();
}

/* A sleeper may not save up what it did not use. */
static void test_no_credit(void)
{
    struct vcpu *hog, *sleeper;
    ns_t start, before;

    start_machine(1);
    hog = new_hog(256);
    sleeper = new_hog(256);
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

/* By how many percent of the cap the run times of [first, first + count) are off; then all stop. */
static double off_cap(struct domain *d, unsigned first, unsigned count, unsigned cap)
{
    ns_t start = host_now, before = 0, ran = 0;

    for (unsigned i = 0; i < count; i++)
        before += sched_vcpu_time(d->vcpu[first + i]);
    run_until(start + 20 * NS_PER_SEC);
    for (unsigned i = 0; i < count; i++)
        ran += sched_vcpu_time(d->vcpu[first + i]);
    return off_by(ran - before, host_now - start, cap / 100.0);
}

static void test_caps(void)
{
    double worst = 0, off;

    for (unsigned cap = 1; cap <= 100; cap += 11) {
        start_machine(1);
        (void)new_hog(256);
        is(sched_set_share(&dom, 256, cap), 0);
        off = off_cap(&dom, 0, 1, cap);
        worst = off > worst ? off : worst;
        stop_machine();
    }
    ok(worst < 2, "alone, a cap is kept within 2 %% (%.2f %%)", worst);

    start_machine(2);
    (void)new_hog_of(&dom2, 256);
    for (unsigned i = 0; i < 3; i++)
        (void)new_hog(256);
    is(sched_set_share(&dom2, 256, 20), 0);
    off = off_cap(&dom2, 0, 1, 20);
    ok(off < 2, "and among others (%.2f %%)", off);
    stop_machine();
}

/* What a cap allows is for whoever of the domain needs it. */
static void test_cap_shared(void)
{
    static const struct {
        unsigned cpus, hogs, sleepers, cap, wanted;
    } cases[] = {{4, 1, 3, 100, 100}, {4, 4, 0, 100, 100}, {4, 2, 2, 150, 150},
                 {4, 4, 0, 250, 250}, {1, 4, 0, 50, 50},   {4, 1, 3, 200, 100},
                 {4, 8, 0, 3, 3},     {2, 4, 0, 900, 200}};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        double off;

        start_machine(cases[i].cpus);
        for (unsigned n = 0; n < cases[i].hogs; n++)
            (void)new_hog(256);
        for (unsigned n = 0; n < cases[i].sleepers; n++)
            (void)new_vcpu();
        is(sched_set_share(&dom, 256, cases[i].cap), 0);
        off = off_cap(&dom, 0, vcpus, cases[i].wanted);
        ok(off < 2, "%u busy vCPUs of %u on %u CPUs, cap %u: %u %% within 2 %% (%.2f %%)",
           cases[i].hogs, cases[i].hogs + cases[i].sleepers, cases[i].cpus, cases[i].cap,
           cases[i].wanted, off);
        stop_machine();
    }
}

/* A capped domain's vCPUs share the cap evenly, and what is capped costs nothing while it sleeps.
 */
static void test_cap_even(void)
{
    double worst = 0;
    ns_t start;

    start_machine(2);
    for (unsigned i = 0; i < 4; i++)
        (void)new_hog(256);
    is(sched_set_share(&dom, 256, 60), 0);
    start = host_now;
    run_until(start + 60 * NS_PER_SEC);
    for (unsigned i = 0; i < 4; i++) {
        double off = off_by(sched_vcpu_time(dom.vcpu[i]), host_now - start, 0.15);
        worst = off > worst ? off : worst;
    }
    ok(worst < 12, "each of four has its quarter of the cap (%.1f %% off)", worst);
    for (unsigned i = 0; i < 4; i++)
        vcpu_pause_nowait(dom.vcpu[i]);
    run_until(host_now + NS_PER_SEC);
    ok(!timer_is_set(&dom.sched.cap_timer), "no timer while all sleep");
    is(dom.sched.pool, 60 * NS_PER_MS, "and the pool is full");
    stop_machine();
}

static void test_cap_lifted(void)
{
    ns_t start, before;

    start_machine(1);
    (void)new_hog(256);
    is(sched_set_share(&dom, 256, 1), 0);
    run_until(host_now + 10 * NS_PER_SEC + 50 * NS_PER_MS);
    start = host_now;
    before = sched_vcpu_time(dom.vcpu[0]);
    is(sched_set_share(&dom, 256, 0), 0);
    run_until(start + NS_PER_SEC);
    is(sched_vcpu_time(dom.vcpu[0]) - before, NS_PER_SEC, "a cap lifted is lifted at once");
    stop_machine();
}

/* Between domains, on fewer CPUs than vCPUs, each CPU of a domain's own. */
static void test_domains_weights(void)
{
    ns_t time[2] = {0, 0};

    start_machine(2);
    for (unsigned i = 0; i < 4; i++)
        (void)new_hog_of(i % 2 ? &dom2 : &dom, 256);
    is(sched_set_share(&dom, 256, 0), 0);
    is(sched_set_share(&dom2, 512, 0), 0);
    run_until(host_now + 120 * NS_PER_SEC);
    for (unsigned i = 0; i < 4; i++)
        time[i % 2] += sched_vcpu_time(i % 2 ? dom2.vcpu[i] : dom.vcpu[i]);
    ok(off_by(time[1], time[0], 2) < 5, "two domains of weights 256 and 512 run 1 : %.3f",
       (double)time[1] / (double)time[0]);
    stop_machine();
}

static void test_soft_affinity(void)
{
    struct vcpu *v;

    start_machine(4);
    v = new_hog(256);
    settle();
    sched_set_soft_affinity(v, CPUMASK_OF(2));
    for (unsigned i = 0; i < 2; i++) {
        vcpu_pause_nowait(v);
        settle();
        vcpu_unpause(v);
        settle();
    }
    ok(current_of[2] == v, "it wakes on the CPU that it prefers");
    is(sched_set_affinity(new_hog(256), CPUMASK_OF(2)), 0);
    settle();
    vcpu_pause_nowait(v);
    settle();
    vcpu_unpause(v);
    settle();
    ok(current_of[v->cpu] == v && v->cpu != 2, "and on another rather than wait");
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
            (void)new_hog(256);
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
        (void)new_hog(256);
    sleeper = new_hog(256);
    for (unsigned i = 0; i < 200; i++) {
        run_until(host_now + (2 + random_below(30)) * NS_PER_MS);
        if (current_of[0] == sleeper) {
            block_on(0);
            settle();
        } else if (READ_ONCE(sleeper->pause_flags) & VPF_BLOCKED) {
            ns_t kept = current_of[0]->sched.chosen + NS_PER_MS;
            vcpu_raise_upcall(sleeper);
            settle();
            if (host_now < kept)
                run_until(kept);
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

/* Two that wake each other: each keeps the CPU for the least time, unless it has no more to do. */
static void test_ratelimit(void)
{
    struct vcpu *front, *back;
    unsigned gave_way = 0;

    start_machine(1);
    is(sched_set_ratelimit(99), -XEN_EINVAL, "less than Xen's interface allows");
    is(sched_set_ratelimit(500001), -XEN_EINVAL, "more");
    is(sched_get_ratelimit(), 1000, "nothing is changed by that");
    front = new_hog(256);
    back = new_hog(512);
    run_until(host_now + 50 * NS_PER_MS);
    while (current_of[0] != back)
        run_until(host_now + NS_PER_MS);
    block_on(0);
    settle();
    ok(current_of[0] == front, "the other has the CPU");
    host_now += 200 * NS_PER_US;
    vcpu_raise_upcall(back);
    settle();
    ok(current_of[0] == front, "it keeps it from one that wakes");
    run_until(front->sched.chosen + 999 * NS_PER_US);
    ok(current_of[0] == front, "for the least time");
    run_until(front->sched.chosen + 1000 * NS_PER_US);
    ok(current_of[0] == back, "and no longer");

    back->info->evtchn_upcall_pending = 0;
    block_on(0);
    settle();
    host_now += 10 * NS_PER_US;
    vcpu_raise_upcall(back);
    settle();
    ok(current_of[0] == front, "again");
    block_on(0);
    settle();
    ok(current_of[0] == back, "who blocks keeps nothing");

    /* Kept for no use that time: it had run for 10 us, and then blocked at once. */
    for (unsigned i = 0; i <= 32; i++) {
        back->info->evtchn_upcall_pending = 0;
        vcpu_raise_upcall(front);
        settle();
        front->info->evtchn_upcall_pending = 0;
        block_on(0);
        settle();
        host_now += 10 * NS_PER_US;
        vcpu_raise_upcall(back);
        settle();
        gave_way += current_of[0] == back;
        if (current_of[0] == front)
            block_on(0);
        settle();
    }
    is(gave_way, 32, "who only waits for the answer gives way the next 32 times");

    back->info->evtchn_upcall_pending = 0;
    vcpu_raise_upcall(front);
    settle();
    block_on(0);
    settle();
    front->info->evtchn_upcall_pending = 0;
    is(sched_set_ratelimit(0), 0);
    vcpu_raise_upcall(back);
    settle();
    ok(current_of[0] == back, "without a limit who wakes takes the CPU");
    back->info->evtchn_upcall_pending = 0;
    stop_machine();
}

static void test_no_cost(void)
{
    unsigned before, idle = 0;

    start_machine(2);
    (void)new_hog(256);
    (void)new_hog(256);
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
    v = new_hog(256);
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
    light = new_hog(1);
    is(sched_set_affinity(light, CPUMASK_OF(0)), 0);
    is(sched_set_affinity(new_hog(256), CPUMASK_OF(0)), 0);
    is(sched_set_affinity(new_hog(256), CPUMASK_OF(1)), 0);
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
    a = new_hog(256);
    b = new_hog(256);
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
    v = new_hog(256);
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

int main(void)
{
    dom.shared = dom2.shared = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(dom.shared, 0, PAGE_SIZE);
    host_now = NS_PER_SEC;
    sched_init();
    timer_subsystem_init();
    test_weights();
    test_extreme_weights();
    test_no_credit();
    test_caps();
    test_cap_shared();
    test_cap_even();
    test_cap_lifted();
    test_domains_weights();
    test_soft_affinity();
    test_balance();
    test_latency();
    test_ratelimit();
    test_no_cost();
    test_woken_in_switch();
    test_lag_moves_along();
    test_yield();
    test_affinity();
    free(dom.shared);
    return done();
}
