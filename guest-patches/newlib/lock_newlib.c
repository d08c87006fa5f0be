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

struct __lock {
    unsigned owner; /* vCPU + 1; 0: free */
    unsigned depth;
};

struct __lock __lock___sinit_recursive_mutex, __lock___sfp_recursive_mutex;
struct __lock __lock___atexit_recursive_mutex, __lock___malloc_recursive_mutex;
struct __lock __lock___env_recursive_mutex, __lock___at_quick_exit_mutex;
struct __lock __lock___tz_mutex, __lock___dd_hash_mutex, __lock___arc4random_mutex;

static bool lock_try(struct __lock *lock)
{
    unsigned me = this_vcpu() + 1, free = 0;

    if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != me &&
        !__atomic_compare_exchange_n(&lock->owner, &free, me, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
    lock->depth++;
    return true;
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
    if (--lock->depth == 0)
        __atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
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
