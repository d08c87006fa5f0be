/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deferred work. A kind's bit is cleared before its handler runs, so that work raised while the
 * handler looks is looked at again. Tasklets: a list a CPU without a lock, pushed by any CPU, taken
 * as a whole by the owner.
 */
#include "core/softirq.h"

#include <arch/cpu.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/lib.h"
#include "core/lock.h"

DEFINE_PER_CPU(uint64_t, softirq_pending);

static void (*handlers[NR_SOFTIRQS])(void);
static DEFINE_PER_CPU(struct tasklet *, tasklets); /* last scheduled first */

static void tasklets_run(void);

void softirq_open(enum softirq nr, void (*handler)(void))
{
    BUG_ON(nr >= NR_SOFTIRQS);
    handlers[nr] = handler;
}

void softirq_raise(enum softirq nr)
{
    atomic_fetch_or(&this_cpu(softirq_pending), 1ull << nr);
}

void softirq_raise_on(unsigned cpu, enum softirq nr)
{
    uint64_t bit = 1ull << nr;

    /* Whoever found the bit clear has sent, or is about to send, the interrupt. */
    if (!(atomic_fetch_or(&per_cpu(softirq_pending, cpu), bit) & bit) && cpu != cpu_id())
        arch_kick_cpu(cpu);
}

/*
 * The scheduler comes last: it may switch to another vCPU and not return, and what is left then
 * waits for that vCPU's way out.
 */
static unsigned softirq_next(uint64_t pending)
{
    uint64_t others = pending & ~(1ull << SOFTIRQ_SCHEDULE);
    return (unsigned)__builtin_ctzll(others != 0 ? others : pending);
}

void softirq_run(void)
{
    uint64_t pending;

    while ((pending = atomic_load(&this_cpu(softirq_pending))) != 0) {
        unsigned nr = softirq_next(pending);
        atomic_fetch_and(&this_cpu(softirq_pending), ~(1ull << nr));
        if (nr == SOFTIRQ_TASKLET)
            tasklets_run();
        else if (handlers[nr] != NULL)
            handlers[nr]();
    }
    lock_assert_none();
}

void tasklet_schedule_on(struct tasklet *t, unsigned cpu)
{
    struct tasklet *head;

    if (atomic_swap(&t->queued, 1u) != 0)
        return;
    head = atomic_load(&per_cpu(tasklets, cpu));
    do {
        t->next = head;
    } while (!atomic_cas(&per_cpu(tasklets, cpu), &head, t));
    softirq_raise_on(cpu, SOFTIRQ_TASKLET);
}

/* Run what was scheduled up to now, first come first. A tasklet may schedule or free itself. */
static void tasklets_run(void)
{
    struct tasklet *t = atomic_swap(&this_cpu(tasklets), NULL), *ordered = NULL;

    while (t != NULL) {
        struct tasklet *next = t->next;
        t->next = ordered;
        ordered = t;
        t = next;
    }
    while (ordered != NULL) {
        struct tasklet *next = ordered->next;
        void (*fn)(void *) = ordered->fn;
        void *data = ordered->data;
        atomic_store(&ordered->queued, 0u);
        fn(data);
        ordered = next;
    }
}
