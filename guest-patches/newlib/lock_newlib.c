/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C library's locks (newlib's sys/lock.h, "retargetable locking"). A recursive lock belongs to
 * a vCPU, which may take it again; the others as well, as a handler that meets its own vCPU's lock
 * would else wait for ever.
 */
#include "internal.h"

#include <stdlib.h>
#include <sys/lock.h>

#include <pv/hypercall.h>

/*
 * One word, which changes at once: a handler on the owner's vCPU finds the lock taken or free, and
 * leaves it as it was.
 */
struct __lock {
    unsigned
        word; /* 0: free; else the owner's vCPU + 1, and in the low bits how often it took it */
};
#define OWNER_SHIFT 16

struct __lock __lock___sinit_recursive_mutex, __lock___sfp_recursive_mutex;
struct __lock __lock___atexit_recursive_mutex, __lock___malloc_recursive_mutex;
struct __lock __lock___env_recursive_mutex, __lock___at_quick_exit_mutex;
struct __lock __lock___tz_mutex, __lock___dd_hash_mutex, __lock___arc4random_mutex;

static bool lock_change(struct __lock *lock, unsigned from, unsigned to)
{
    return __atomic_compare_exchange_n(&lock->word, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static bool lock_try(struct __lock *lock)
{
    unsigned me = (this_vcpu() + 1) << OWNER_SHIFT;
    unsigned word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);

    if (word >> OWNER_SHIFT == me >> OWNER_SHIFT)
        return lock_change(lock, word, word + 1);
    return word == 0 && lock_change(lock, 0, me | 1);
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof(struct __lock));
    if (*lock == NULL)
        fatal("no memory for a lock of the C library");
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    while (!lock_try(lock))
        vcpu_give_way();
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    return lock_try(lock);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    unsigned word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
    unsigned depth = word & ((1u << OWNER_SHIFT) - 1);

    (void)lock_change(lock, word, depth == 1 ? 0 : word - 1);
}

void __retarget_lock_init(_LOCK_T *lock)
{
    __retarget_lock_init_recursive(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    __retarget_lock_close_recursive(lock);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    __retarget_lock_acquire_recursive(lock);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return __retarget_lock_try_acquire_recursive(lock);
}

void __retarget_lock_release(_LOCK_T lock)
{
    __retarget_lock_release_recursive(lock);
}
