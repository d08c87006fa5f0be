/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks and barriers. vCPUs can be more than CPUs, and one that is waited for may not be running:
 * whoever waits gives its CPU away after a short while.
 */
#include <pv/hypercall.h>
#include <pv/smp.h>

#define SPINS_PER_YIELD 64u

/* One step of waiting; *spins counts those made. */
static void wait_step(unsigned *spins)
{
    if (++*spins % SPINS_PER_YIELD == 0)
        vcpu_give_way();
    else
        cpu_relax();
}

bool spin_try_lock(struct spinlock *lock)
{
    return __atomic_load_n(&lock->locked, __ATOMIC_RELAXED) == 0 &&
           __atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) == 0;
}

void spin_lock(struct spinlock *lock)
{
    unsigned spins = 0;

    while (!spin_try_lock(lock))
        wait_step(&spins);
}

void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

/* The last one in opens the next round, having emptied the barrier before. */
void barrier_wait(struct barrier *barrier, unsigned count)
{
    unsigned round = __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE), spins = 0;

    if (__atomic_add_fetch(&barrier->waiting, 1, __ATOMIC_ACQ_REL) == count) {
        __atomic_store_n(&barrier->waiting, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier->round, round + 1, __ATOMIC_RELEASE);
        return;
    }
    while (__atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round)
        wait_step(&spins);
}
