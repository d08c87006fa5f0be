/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket locks, and the proof that they are taken in order: a debug build keeps the locks that each
 * CPU holds, and panics at the first lock() that could be part of a deadlock, whether or not
 * one happens.
 */
#include "core/lock.h"

#include <arch/cpu.h>
#include <arch/current.h>

#include "core/atomic.h"
#include "core/lib.h"
#include "core/percpu.h"

/* Set once, by a panic. */
static bool broken;

/* About a second on a machine of some GHz: far longer than any lock is held. */
#define BROKEN_WAIT_SPINS 20000000u

#ifdef PARAVANE_DEBUG

#define MAX_HELD 16u

struct held_locks {
    unsigned count;
    struct spinlock *lock[MAX_HELD];
};

static DEFINE_PER_CPU(struct held_locks, held_locks);

/* `pair`: the second lock of lock_pair() may equal the rank of the first. */
static void check_order(const struct spinlock *l, bool pair)
{
    const struct held_locks *held = &this_cpu(held_locks);

    if (READ_ONCE(broken))
        return;
    if ((l->rank & LOCK_IRQ) && irq_enabled())
        panic("lock of rank %#x taken with interrupts on", l->rank);
    for (unsigned i = 0; i < held->count; i++) {
        unsigned rank = held->lock[i]->rank;

        if (held->lock[i] == l)
            panic("lock of rank %#x taken twice", l->rank);
        if (rank > l->rank || (rank == l->rank && !pair))
            panic("lock of rank %#x taken while holding one of rank %#x", l->rank, rank);
    }
}

static void note_taken(struct spinlock *l)
{
    struct held_locks *held = &this_cpu(held_locks);

    WRITE_ONCE(l->owner, (uint16_t)(cpu_id() + 1));
    if (held->count < MAX_HELD)
        held->lock[held->count++] = l;
    else if (!READ_ONCE(broken))
        panic("more than %u locks held", MAX_HELD);
}

static void note_released(struct spinlock *l)
{
    struct held_locks *held = &this_cpu(held_locks);
    unsigned i = 0;

    if (l->owner != cpu_id() + 1 && !READ_ONCE(broken))
        panic("lock of rank %#x released by a CPU that does not hold it", l->rank);
    WRITE_ONCE(l->owner, 0);
    while (i < held->count && held->lock[i] != l)
        i++;
    if (i == held->count)
        return;
    held->count--;
    for (; i < held->count; i++)
        held->lock[i] = held->lock[i + 1];
}

bool lock_held(const struct spinlock *l)
{
    return READ_ONCE(l->owner) == cpu_id() + 1;
}

void lock_assert_none(void)
{
    const struct held_locks *held = &this_cpu(held_locks);

    if (unlikely(held->count != 0) && !READ_ONCE(broken))
        panic("a lock of rank %#x is held on the way to a guest",
              held->lock[held->count - 1]->rank);
}

#else

static inline void check_order(const struct spinlock *l, bool pair)
{
    (void)l;
    (void)pair;
}

static inline void note_taken(struct spinlock *l)
{
    (void)l;
}

bool lock_held(const struct spinlock *l)
{
    return atomic_load(&l->serving) != atomic_load(&l->next);
}

#endif

void lock_init(struct spinlock *l, enum lock_rank rank)
{
    *l = SPINLOCK_INIT((uint16_t)rank);
}

void lock_break_all(void)
{
    WRITE_ONCE(broken, true);
}

static inline void wait_for_turn(struct spinlock *l, uint16_t ticket)
{
    unsigned spins = 0;

    /* The acquire load pairs with the release store of unlock(). */
    while (atomic_load(&l->serving) != ticket) {
        cpu_relax();
        if (unlikely(READ_ONCE(broken)) && ++spins > BROKEN_WAIT_SPINS)
            break;
    }
}

static inline void acquire(struct spinlock *l)
{
    wait_for_turn(l, atomic_fetch_add(&l->next, 1));
    note_taken(l);
}

void lock(struct spinlock *l)
{
    check_order(l, false);
    acquire(l);
}

/* A try cannot deadlock, so any order is allowed. */
bool trylock(struct spinlock *l)
{
    struct spinlock old = {.tickets = atomic_load(&l->tickets)};
    struct spinlock taken = {.tickets = old.tickets};

    if (old.serving != old.next)
        return false;
    taken.next++;
    if (!atomic_cas(&l->tickets, &old.tickets, taken.tickets))
        return false;
    note_taken(l);
    return true;
}

#ifdef PARAVANE_DEBUG
void unlock(struct spinlock *l)
{
    note_released(l);
    /* Only the holder writes this half. */
    atomic_store(&l->serving, (uint16_t)(l->serving + 1));
}
#else
void lock_wait(struct spinlock *l, uint16_t ticket)
{
    wait_for_turn(l, ticket);
}
#endif

unsigned long lock_irqsave(struct spinlock *l)
{
    unsigned long flags = irq_save();

    lock(l);
    return flags;
}

void unlock_irqrestore(struct spinlock *l, unsigned long flags)
{
    unlock(l);
    irq_restore(flags);
}

void lock_pair(struct spinlock *a, struct spinlock *b)
{
    struct spinlock *first = a < b ? a : b;
    struct spinlock *second = a < b ? b : a;

    lock(first);
    if (second != first) {
        check_order(second, true);
        acquire(second);
    }
}

void unlock_pair(struct spinlock *a, struct spinlock *b)
{
    if (a != b)
        unlock(a < b ? b : a);
    unlock(a < b ? a : b);
}
