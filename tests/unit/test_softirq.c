/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deferred work: what is raised runs once, on its CPU, and nothing raised meanwhile is lost.
 *
 * links: tests/unit/host.c hypervisor/core/softirq.c
 * libs: -pthread
 */
#include "host.h"

#include "core/domain.h"
#include "core/softirq.h"

static char order[64];
static unsigned kicks[NR_CPUS];
static int again;

void arch_kick_cpu(unsigned cpu)
{
    atomic_fetch_add(&kicks[cpu], 1u);
}

static void note(char c)
{
    size_t n = strlen(order);

    if (n + 1 < sizeof(order)) {
        order[n] = c;
        order[n + 1] = 0;
    }
}

static void on_timer(void)
{
    note('t');
    if (again > 0) {
        again--;
        softirq_raise(SOFTIRQ_TIMER);
    }
}

static void on_schedule(void)
{
    note('s');
}

static void on_rendezvous(void)
{
    note('r');
}

static void test_order(void)
{
    softirq_open(SOFTIRQ_TIMER, on_timer);
    softirq_open(SOFTIRQ_SCHEDULE, on_schedule);
    softirq_open(SOFTIRQ_RENDEZVOUS, on_rendezvous);
    ok(!preempt_wanted(), "nothing is pending at first");
    softirq_run();
    is_str(order, "", "and nothing runs");

    softirq_raise(SOFTIRQ_SCHEDULE);
    softirq_raise(SOFTIRQ_RENDEZVOUS);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_raise(SOFTIRQ_TIMER);
    ok(preempt_wanted(), "long operations are told");
    again = 1;
    softirq_run();
    is_str(order, "ttrs", "each once, once more if raised meanwhile, the scheduler last");
    ok(!preempt_wanted(), "all done");
}

static void test_other_cpu(void)
{
    softirq_raise_on(0, SOFTIRQ_TIMER);
    is(kicks[0], 0, "no interrupt to oneself");
    softirq_raise_on(63, SOFTIRQ_TIMER);
    softirq_raise_on(63, SOFTIRQ_TIMER);
    is(kicks[63], 1, "one interrupt for what is pending already");
    softirq_raise_on(63, SOFTIRQ_SCHEDULE);
    is(kicks[63], 2, "another for another kind");
    order[0] = 0;
    softirq_run();
    is_str(order, "t", "each CPU runs its own");
    host_cpu = 63;
    softirq_run();
    is_str(order, "tts");
    host_cpu = 0;
}

/* ---- Tasklets ----------------------------------------------------------------------------- */

static struct tasklet t1, t2, t3;

static void note_data(void *data)
{
    note(*(const char *)data);
}

static void reschedule(void *data)
{
    note('x');
    if (again-- > 0)
        tasklet_schedule_on(data, cpu_id());
}

static void free_itself(void *data)
{
    free(data);
    note('f');
}

static void test_tasklets(void)
{
    struct tasklet *own = calloc(1, sizeof(*own));

    t1 = (struct tasklet){.fn = note_data, .data = (void *)"1"};
    t2 = (struct tasklet){.fn = note_data, .data = (void *)"2"};
    t3 = (struct tasklet){.fn = reschedule, .data = &t3};
    *own = (struct tasklet){.fn = free_itself, .data = own};
    order[0] = 0;
    again = 2;
    tasklet_schedule_on(&t2, 0);
    tasklet_schedule_on(&t1, 0);
    tasklet_schedule_on(&t2, 0);
    tasklet_schedule_on(&t3, 0);
    tasklet_schedule_on(own, 0);
    softirq_run();
    is_str(order, "21xfxx", "in order, each once; it may schedule or free itself");

    kicks[5] = 0;
    tasklet_schedule_on(&t1, 5);
    is(kicks[5], 1, "another CPU is told");
    order[0] = 0;
    softirq_run();
    is_str(order, "", "and runs it itself");
    host_cpu = 5;
    softirq_run();
    is_str(order, "1");
    host_cpu = 0;
}

/* Several CPUs schedule onto one: every scheduling is followed by a run. */

#define SENDERS  3
#define TASKLETS 16
#define ROUNDS   20000

static struct tasklet many[TASKLETS];
static unsigned wanted[TASKLETS], seen[TASKLETS];
static int senders_left = SENDERS;

static void catch_up(void *data)
{
    unsigned i = (unsigned)(uintptr_t)data;

    seen[i] = atomic_load(&wanted[i]);
}

static void *sender(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    host_cpu = seed + 1;
    for (unsigned n = 0; n < ROUNDS; n++) {
        unsigned i = (unsigned)rand_r(&seed) % TASKLETS;
        atomic_fetch_add(&wanted[i], 1u);
        tasklet_schedule_on(&many[i], 0);
    }
    atomic_fetch_sub(&senders_left, 1);
    return NULL;
}

static void test_race(void)
{
    pthread_t thread[SENDERS];
    unsigned missed = 0, total = 0;

    for (unsigned i = 0; i < TASKLETS; i++)
        many[i] = (struct tasklet){.fn = catch_up, .data = (void *)(uintptr_t)i};
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_create(&thread[i], NULL, sender, (void *)(uintptr_t)i);
    while (atomic_load(&senders_left) > 0)
        softirq_run();
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(thread[i], NULL);
    softirq_run();
    for (unsigned i = 0; i < TASKLETS; i++) {
        missed += seen[i] != wanted[i];
        total += seen[i];
    }
    is(missed, 0, "no scheduling of a tasklet is lost among %d CPUs", SENDERS + 1);
    is(total, SENDERS * ROUNDS);
}

int main(void)
{
    test_order();
    test_other_cpu();
    test_tasklets();
    test_race();
    return done();
}
