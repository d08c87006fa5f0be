/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket locks: exclusion among threads, and that every breach of the order is found where it is
 * made, without a deadlock having to happen. A breach panics, which ends the use of a CPU here:
 * each one is made on a CPU of its own.
 *
 * links: tests/unit/host.c hypervisor/core/lock.c
 * libs: -pthread
 */
#include <pthread.h>

#include "core/lock.h"
#include "host.h"

#define THREADS 3u
#define ROUNDS  20000u

static struct spinlock counter_lock = SPINLOCK_INIT(RANK_DOMAIN);
static unsigned counter, inside, overlaps;

static void *count(void *arg)
{
    host_cpu = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        lock(&counter_lock);
        overlaps += inside++ != 0;
        counter++;
        inside--;
        unlock(&counter_lock);
        if (i % 16 == 0 && trylock(&counter_lock))
            unlock(&counter_lock);
    }
    return NULL;
}

static void test_exclusion(void)
{
    pthread_t thread[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, count, (void *)(uintptr_t)(i + 40));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    is(counter, THREADS * ROUNDS, "no increment is lost");
    is(overlaps, 0, "never two at once");
    ok(!lock_held(&counter_lock), "and free in the end");
}

static void test_wrap(void)
{
    struct spinlock l = {.serving = 0xffff, .next = 0xffff, .rank = RANK_DOMAIN};

    ok(trylock(&l), "the last ticket before the wrap");
    is(l.next, 0, "the next ticket wraps");
    is(l.serving, 0xffff, "and leaves the other half alone");
    ok(!trylock(&l), "taken");
    unlock(&l);
    is(l.serving, 0, "served wraps too");
    is(l.next, 0);
    lock(&l);
    unlock(&l);
    is(l.tickets, 0x00010001, "and on it goes");
}

static void test_states(void)
{
    struct spinlock l;
    unsigned long flags;

    lock_init(&l, RANK_HEAP);
    is(l.rank, RANK_HEAP, "rank");
    flags = lock_irqsave(&l);
    ok(!irq_enabled(), "interrupts are off while it is held");
    ok(lock_held(&l), "held");
    host_cpu++;
    ok(!lock_held(&l), "not by another CPU");
    host_cpu--;
    ok(!trylock(&l), "not twice");
    unlock_irqrestore(&l, flags);
    ok(irq_enabled(), "interrupts are on again");
    ok(!lock_held(&l), "free");
    lock_assert_none();
    pass("no lock is left");
}

static void test_pair(void)
{
    struct spinlock two[2];

    lock_init(&two[0], RANK_EVTCHN);
    lock_init(&two[1], RANK_EVTCHN);
    for (unsigned i = 0; i < 4; i++) {
        struct spinlock *a = &two[i & 1], *b = &two[i >> 1];

        lock_pair(a, b);
        ok(lock_held(a) && lock_held(b), "pair %u: both held", i);
        unlock_pair(a, b);
        ok(!lock_held(&two[0]) && !lock_held(&two[1]), "pair %u: both free", i);
    }
    lock_assert_none();
}

/* Orders that are right, releases out of order included. */
static void test_order_kept(void)
{
    struct spinlock a, b, c;

    lock_init(&a, RANK_DOMLIST);
    lock_init(&b, RANK_DOMAIN);
    lock_init(&c, RANK_PAGES);
    lock(&a);
    lock(&b);
    unlock(&a);
    lock(&c);
    unlock(&b);
    unlock(&c);
    lock(&b);
    ok(trylock(&a), "a try may go against the order");
    unlock(&a);
    unlock(&b);
    lock_assert_none();
    pass("rising ranks, released in any order");
}

static void test_order_broken(void)
{
    static struct spinlock low, high, high2, irq, extra;

    lock_init(&low, RANK_DOMAIN);
    lock_init(&high, RANK_PAGES);
    lock_init(&high2, RANK_PAGES);
    lock_init(&irq, RANK_HEAP);
    lock_init(&extra, RANK_VCPU);

    host_cpu = 1;
    lock(&high);
    ok(panics(lock(&low)), "falling rank");
    host_cpu = 2;
    lock(&low);
    ok(panics(lock(&low)), "the same lock twice");
    host_cpu = 3;
    lock(&high2);
    host_cpu = 4;
    ok(panics(unlock(&high2)), "released by another CPU");
    ok(panics(unlock(&extra)), "released without being held");
    host_cpu = 3;
    lock_init(&high, RANK_PAGES);
    ok(panics(lock(&high)), "two of one rank but not as a pair");
    host_cpu = 5;
    ok(panics(lock(&irq)), "an interrupt lock with interrupts on");
    host_cpu = 6;
    lock_init(&low, RANK_DOMAIN);
    lock(&low);
    ok(panics(lock_assert_none()), "a guest is entered with a lock held");
    host_cpu = 0;
}

/* The last test: it cannot be undone. */
static void test_break(void)
{
    static struct spinlock l;

    lock_init(&l, RANK_CONSOLE);
    host_cpu = 7;
    ok(trylock(&l), "held by a CPU that is stopped for good");
    host_cpu = 8;
    lock_break_all();
    lock(&l);
    pass("after a panic the wait for a lock ends");
    unlock(&l);
    lock(&l);
    unlock(&l);
    pass("and the lock works again");
}

int main(void)
{
    test_exclusion();
    test_wrap();
    test_states();
    test_pair();
    test_order_kept();
    test_order_broken();
    test_break();
    return done();
}
