/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler under load: random operations with the invariants checked after each; then threads
 * as CPUs, for lost wake-ups and for a vCPU run by two CPUs at once.
 *
 * links: tests/unit/host.c hypervisor/core/sched.c hypervisor/core/sched_params.c
 * links: hypervisor/core/sched_cap.c hypervisor/core/sched_keep.c hypervisor/core/runqueue.c
 * links: hypervisor/core/runstate.c
 * links: hypervisor/core/timer.c hypervisor/core/softirq.c hypervisor/core/lock.c
 * links: hypervisor/core/vcpu.c
 * libs: -pthread
 */
#include "sched_world.h"

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
        if (random_below(2))
            (void)!sched_set_weight(v, 1 + random_below(1000));
        else
            (void)!sched_set_share(&dom, 1 + random_below(1000),
                                   random_below(2) ? 0 : 1 + random_below(300));
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
    test_random();
    test_race();
    free(dom.shared);
    return done();
}
