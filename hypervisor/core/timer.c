/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: a pairing heap a CPU, its links inside the timers, under the queue's lock (RANK_TIMER).
 * (Fredman, Sedgewick, Sleator, Tarjan: The pairing heap, Algorithmica 1986.)
 *
 * In the heap a parent expires no later than its children. `prev` leads to the elder sibling or,
 * for the eldest, to the parent. t->set says that t is in the heap of t->cpu; both change under
 * that queue's lock, t->cpu under both queues'.
 *
 * The machine's timer is programmed on its own CPU only, and never later than the heap's root. It
 * is not moved when the root moves away: one interrupt too many is cheaper than programming it each
 * time that a guest pushes its timeout on.
 */
#include "core/timer.h"

#include <arch/cpu.h>

#include "core/cpumask.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/softirq.h"

struct timer_queue {
    struct spinlock lock;
    struct timer *root;
    struct timer *running; /* whose handler this CPU is in; only compared, never followed */
    ns_t programmed;       /* of this CPU's machine timer; touched by this CPU only */
};

static DEFINE_PER_CPU(struct timer_queue, timer_queue);

/* ---- The heap ----------------------------------------------------------------------------- */

/* Join two heaps (roots without siblings). Equal times: `a` stays above, so it runs first. */
static struct timer *heap_meld(struct timer *a, struct timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->expires < a->expires) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

static struct timer *heap_detach(struct timer *t)
{
    t->next = NULL;
    t->prev = NULL;
    return t;
}

/* Make one heap of a list of siblings: meld pairs, then all pairs from the last one on. */
static struct timer *heap_merge_list(struct timer *list)
{
    struct timer *pairs = NULL, *all = NULL;

    while (list != NULL) {
        struct timer *a = list, *b = a->next, *pair;
        list = b != NULL ? b->next : NULL;
        heap_detach(a);
        pair = heap_meld(a, b != NULL ? heap_detach(b) : NULL);
        pair->next = pairs; /* a root's `next` is free to chain the pairs */
        pairs = pair;
    }
    while (pairs != NULL) {
        struct timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        all = heap_meld(all, pair);
    }
    return all;
}

static void heap_insert(struct timer_queue *q, struct timer *t)
{
    t->child = NULL;
    q->root = heap_meld(q->root, heap_detach(t));
    t->set = true;
}

static void heap_remove(struct timer_queue *q, struct timer *t)
{
    struct timer *below = heap_merge_list(t->child);

    t->child = NULL;
    t->set = false;
    if (t == q->root) {
        q->root = below;
        return;
    }
    if (t->prev->child == t)
        t->prev->child = t->next;
    else
        t->prev->next = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    heap_detach(t);
    q->root = heap_meld(q->root, below);
}

/* ---- Setting and stopping ----------------------------------------------------------------- */

static struct timer_queue *queue_lock(struct timer *t, unsigned long *flags)
{
    for (;;) {
        unsigned cpu = READ_ONCE(t->cpu);
        struct timer_queue *q = &per_cpu(timer_queue, cpu);
        *flags = lock_irqsave(&q->lock);
        if (t->cpu == cpu)
            return q;
        unlock_irqrestore(&q->lock, *flags);
    }
}

/* See to it that `cpu` is interrupted in time for its root. Its queue's lock is held. */
static void queue_program(struct timer_queue *q, unsigned cpu)
{
    if (q->root == NULL)
        return;
    if (cpu != cpu_id()) {
        softirq_raise_on(cpu, SOFTIRQ_TIMER); /* its handler programs its timer */
    } else if (q->root->expires < q->programmed) {
        q->programmed = q->root->expires;
        arch_timer_program(q->programmed);
    }
}

void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu)
{
    *t = (struct timer){.fn = fn, .data = data, .cpu = (uint16_t)cpu};
}

void timer_set(struct timer *t, ns_t expires)
{
    unsigned long flags;
    struct timer_queue *q = queue_lock(t, &flags);

    if (!t->killed && !(t->set && t->expires == expires)) {
        if (t->set)
            heap_remove(q, t);
        t->expires = expires;
        heap_insert(q, t);
        if (q->root == t)
            queue_program(q, t->cpu);
    }
    unlock_irqrestore(&q->lock, flags);
}

void timer_stop(struct timer *t)
{
    unsigned long flags;
    struct timer_queue *q = queue_lock(t, &flags);

    if (t->set)
        heap_remove(q, t);
    unlock_irqrestore(&q->lock, flags);
}

void timer_kill(struct timer *t)
{
    unsigned long flags;
    struct timer_queue *q;

    if (t->fn == NULL) /* never initialised */
        return;
    q = queue_lock(t, &flags);
    if (t->set)
        heap_remove(q, t);
    t->killed = true;
    unlock_irqrestore(&q->lock, flags);

    /*
     * A handler runs where the timer was when it expired, which timer_migrate() may have left
     * since: look at every CPU. `running` is set under the lock in which the timer left the heap,
     * so that a handler which began before the stop above is seen here.
     */
    for_each_cpu (cpu, cpu_online_mask) {
        while (cpu != cpu_id() && atomic_load(&per_cpu(timer_queue, cpu).running) == t)
            cpu_relax();
    }
}

void timer_migrate(struct timer *t, unsigned cpu)
{
    struct timer_queue *to = &per_cpu(timer_queue, cpu);
    unsigned long flags = irq_save();

    for (;;) {
        unsigned old = READ_ONCE(t->cpu);
        struct timer_queue *from = &per_cpu(timer_queue, old);
        bool done;

        lock_pair(&from->lock, &to->lock);
        done = t->cpu == old;
        if (done && old != cpu) {
            bool was_set = t->set;
            if (was_set)
                heap_remove(from, t);
            t->cpu = (uint16_t)cpu;
            if (was_set)
                heap_insert(to, t);
            if (to->root == t)
                queue_program(to, cpu);
        }
        unlock_pair(&from->lock, &to->lock);
        if (done)
            break;
    }
    irq_restore(flags);
}

/* ---- Expiry ------------------------------------------------------------------------------- */

void timer_interrupt(void)
{
    this_cpu(timer_queue).programmed = NS_NEVER; /* one shot: spent */
    softirq_raise(SOFTIRQ_TIMER);
}

static void timer_softirq(void)
{
    struct timer_queue *q = &this_cpu(timer_queue);
    unsigned long flags = lock_irqsave(&q->lock);
    struct timer *t;

    while ((t = q->root) != NULL && t->expires <= now()) {
        void (*fn)(void *) = t->fn;
        void *data = t->data;

        heap_remove(q, t);
        q->running = t;
        unlock_irqrestore(&q->lock, flags);
        fn(data); /* may set, kill or free t */
        flags = lock_irqsave(&q->lock);
        atomic_store(&q->running, NULL);
    }
    queue_program(q, cpu_id());
    unlock_irqrestore(&q->lock, flags);
}

void timer_next(unsigned cpu, ns_t *expires, ns_t *programmed)
{
    struct timer_queue *q = &per_cpu(timer_queue, cpu);
    unsigned long flags = lock_irqsave(&q->lock);

    *expires = q->root != NULL ? q->root->expires : NS_NEVER;
    *programmed = q->programmed;
    unlock_irqrestore(&q->lock, flags);
}

void timer_subsystem_init(void)
{
    softirq_open(SOFTIRQ_TIMER, timer_softirq);
}

void timer_cpu_init(unsigned cpu)
{
    struct timer_queue *q = &per_cpu(timer_queue, cpu);

    lock_init(&q->lock, RANK_TIMER);
    q->programmed = NS_NEVER;
}
