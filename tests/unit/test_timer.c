/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers against a model that looks at every timer each time: what is set runs once, at its time
 * and not before, the earliest first; and the machine's timer is never programmed too late.
 *
 * links: tests/unit/host.c hypervisor/core/timer.c hypervisor/core/softirq.c
 * links: hypervisor/core/lock.c
 * libs: -pthread
 */
#include <unistd.h>

#include "host.h"

#include "core/domain.h"
#include "core/softirq.h"
#include "core/timer.h"

#define CPUS   3u
#define TIMERS 200u
#define STEPS  60000u

static ns_t deadline[NR_CPUS]; /* of each CPU's machine timer */
static unsigned programmed;    /* times that one was */

cpumask_t cpu_online_mask = {(1u << CPUS) - 1};

void arch_kick_cpu(unsigned cpu)
{
    (void)cpu;
}

void arch_timer_program(ns_t at)
{
    if (irq_enabled())
        bail_out("the timer is programmed with interrupts on");
    deadline[cpu_id()] = at;
    programmed++;
}

/* ---- The model ---------------------------------------------------------------------------- */

static struct model {
    struct timer timer;
    ns_t expires; /* NS_NEVER: not set */
    unsigned cpu;
    bool killed;
    unsigned fired, expected;
} model[TIMERS];

static ns_t last_fired[NR_CPUS];
static unsigned disorder, early, on_wrong_cpu, unexpected;
static unsigned seed = 4711;

static unsigned random_below(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

static void fired(void *data)
{
    struct model *m = data;

    m->fired++;
    unexpected += m->expires == NS_NEVER;
    early += m->expires > host_now;
    on_wrong_cpu += m->cpu != cpu_id();
    disorder += m->expires < last_fired[cpu_id()];
    last_fired[cpu_id()] = m->expires;
    m->expires = NS_NEVER;
    if (random_below(8) == 0) { /* a handler may set its timer again, not before now */
        m->expires = host_now + 1 + random_below(500);
        timer_set(&m->timer, m->expires);
    }
}

/* The machine: interrupt each CPU whose time has come, and run what is pending. */
static void run_cpus(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_cpu = cpu;
        last_fired[cpu] = INT64_MIN;
        if (deadline[cpu] <= host_now) {
            unsigned long flags = irq_save();
            deadline[cpu] = NS_NEVER;
            timer_interrupt();
            irq_restore(flags);
        }
        softirq_run();
    }
    host_cpu = random_below(CPUS);
}

/* After run_cpus(): nothing that is due is left, and what is to come has been programmed. */
static bool settled(void)
{
    ns_t next[CPUS] = {NS_NEVER, NS_NEVER, NS_NEVER};

    for (unsigned i = 0; i < TIMERS; i++) {
        if (timer_is_set(&model[i].timer) != (model[i].expires != NS_NEVER) ||
            (model[i].expires != NS_NEVER && model[i].expires <= host_now))
            return false;
        next[model[i].cpu] = MIN(next[model[i].cpu], model[i].expires);
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (deadline[cpu] > next[cpu])
            return false;
    }
    return true;
}

static void random_step(void)
{
    struct model *m = &model[random_below(TIMERS)];

    switch (random_below(10)) {
    case 0:
        timer_stop(&m->timer);
        m->expires = NS_NEVER;
        break;
    case 1:
        m->cpu = random_below(CPUS);
        timer_migrate(&m->timer, m->cpu);
        break;
    case 2:
        if (random_below(50) == 0) {
            timer_kill(&m->timer);
            m->expires = NS_NEVER;
            m->killed = true;
        }
        break;
    case 3:
        host_now += random_below(200);
        run_cpus();
        break;
    default: {
        /* Few different times, so that many are equal; some in the past; one in a while never. */
        ns_t at = random_below(40) == 0 ? NS_NEVER - 1 : host_now - 20 + 4 * random_below(500);
        timer_set(&m->timer, at);
        if (!m->killed)
            m->expires = at;
    }
    }
}

static void test_model(void)
{
    unsigned bad = 0, total = 0;

    for (unsigned i = 0; i < TIMERS; i++) {
        model[i].cpu = i % CPUS;
        model[i].expires = NS_NEVER;
        timer_init(&model[i].timer, fired, &model[i], i % CPUS);
    }
    for (unsigned step = 0; step < STEPS && bad == 0; step++) {
        random_step();
        if (step % 16 == 0) {
            run_cpus();
            bad += !settled();
        }
    }
    for (unsigned i = 0; i < TIMERS; i++)
        total += model[i].fired;
    is(bad, 0, "timers and model agree in %u steps", STEPS);
    ok(total > STEPS / 20, "many have fired (%u)", total);
    is(unexpected, 0, "none that was not set, or was stopped");
    is(early, 0, "none before its time");
    is(on_wrong_cpu, 0, "each on its CPU");
    is(disorder, 0, "the earliest first");
    for (unsigned i = 0; i < TIMERS; i++)
        timer_kill(&model[i].timer);
    timer_set(&model[0].timer, host_now);
    ok(!timer_is_set(&model[0].timer), "a killed timer stays so");
}

/* ---- By hand ------------------------------------------------------------------------------ */

static unsigned count;

static void counts(void *data)
{
    (void)data;
    count++;
}

static void kills_itself(void *data)
{
    count++;
    timer_kill(data);
    free(data);
}

static void test_programming(void)
{
    struct timer a, b;

    host_cpu = 0;
    run_cpus();
    host_cpu = 0;
    deadline[0] = NS_NEVER;
    timer_init(&a, counts, NULL, 0);
    timer_init(&b, counts, NULL, 0);
    timer_interrupt(); /* forget what was programmed */
    softirq_run();
    programmed = 0;
    timer_set(&a, host_now + 1000);
    is(programmed, 1, "the first timer is programmed");
    timer_set(&b, host_now + 2000);
    is(programmed, 1, "a later one is not");
    timer_set(&a, host_now + 1500);
    timer_set(&a, host_now + 3000);
    is(programmed, 1, "nor is one put off");
    timer_set(&a, host_now + 500);
    is(programmed, 2, "an earlier one is");
    is(deadline[0], host_now + 500);
    timer_set(&a, host_now + 500);
    is(programmed, 2, "the same again is not");
    timer_stop(&a);
    timer_stop(&b);
    timer_stop(&b);
    is(programmed, 2, "nor does stopping");
    host_now += 500;
    count = 0;
    run_cpus();
    is(count, 0, "an interrupt for nothing runs nothing");

    host_cpu = 1;
    programmed = 0;
    timer_set(&a, host_now + 10);
    is(programmed, 0, "another CPU's timer is not ours to program");
    ok(per_cpu(softirq_pending, 0) & (1u << SOFTIRQ_TIMER), "that CPU is told");
    host_now += 10;
    host_cpu = 0;
    run_cpus();
    is(count, 1, "and runs it");
    timer_kill(&a);
    timer_kill(&b);
}

static void test_own_end(void)
{
    struct timer *t = malloc(sizeof(*t)), never = {0};

    host_cpu = 0;
    count = 0;
    timer_init(t, kills_itself, t, 0);
    timer_set(t, host_now);
    run_cpus();
    is(count, 1, "a handler may kill and free its own timer");
    timer_kill(&never);
    pass("a timer never initialised may be killed");
}

/* ---- Killing while the handler runs elsewhere --------------------------------------------- */

static uint32_t in_handler, leave_handler;
static bool handler_done;

static void slow(void *data)
{
    (void)data;
    atomic_store(&in_handler, 1u);
    while (!atomic_load(&leave_handler))
        ;
    atomic_store(&handler_done, true);
}

static void *cpu_two(void *arg)
{
    (void)arg;
    host_cpu = 2;
    softirq_run();
    return NULL;
}

static void *let_go(void *arg)
{
    (void)arg;
    usleep(20000);
    atomic_store(&leave_handler, 1u);
    return NULL;
}

static void test_kill_waits(void)
{
    struct timer t;
    pthread_t runner, releaser;

    host_cpu = 0;
    timer_init(&t, slow, NULL, 2);
    timer_set(&t, host_now);
    pthread_create(&runner, NULL, cpu_two, NULL);
    while (!atomic_load(&in_handler))
        ;
    timer_migrate(&t, 0); /* away from where the handler runs */
    pthread_create(&releaser, NULL, let_go, NULL);
    timer_kill(&t);
    ok(atomic_load(&handler_done), "timer_kill() waits for the handler, wherever it runs");
    pthread_join(runner, NULL);
    pthread_join(releaser, NULL);
}

int main(void)
{
    for (unsigned cpu = 0; cpu < NR_CPUS; cpu++) {
        deadline[cpu] = NS_NEVER;
        timer_cpu_init(cpu);
    }
    timer_subsystem_init();
    host_now = NS_PER_SEC;
    test_model();
    test_programming();
    test_own_end();
    test_kill_waits();
    return done();
}
