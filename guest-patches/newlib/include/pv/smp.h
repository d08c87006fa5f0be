/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs, locks and what is private to a vCPU. vCPU 0 runs main(); the others wait until they are
 * started. C library state (errno and the like) is per vCPU; stdio and malloc lock.
 */
#ifndef PV_SMP_H
#define PV_SMP_H

#include <pv/hypercall.h>

#define MAX_VCPUS  128
#define STACK_SIZE (64 * 1024ul)

struct vcpu_local;
unsigned this_vcpu(void);
unsigned nr_vcpus(void); /* that the domain has, started or not */

/*
 * Starts a vCPU that is down: it runs function(data) with events enabled, and goes down when that
 * returns. 0, -XEN_EBUSY when it runs already, or another XEN_E*.
 */
long vcpu_start(unsigned vcpu, void (*function)(void *data), void *data);
/* Waits until it is down. */
void vcpu_join(unsigned vcpu);
bool vcpu_is_running(unsigned vcpu);
/* Runs function(data) on all vCPUs, this one too, and waits for all. */
void vcpus_run(void (*function)(void *data), void *data);

/* Registers of a vCPU as vcpu_start() would set them, for VCPUOP_initialise by hand. The caller
 * changes what it tests. */
void vcpu_context_make(struct vcpu_guest_context *context, unsigned vcpu,
                       void (*function)(void *data), void *data);

/* Moves a vCPU's vcpu_info to `to`, in the direct map (VCPUOP_register_vcpu_info: once a vCPU, by
 * itself or while it is down). The library uses it there from then on. */
long vcpu_info_move(unsigned vcpu, struct vcpu_info *to);

/* A lock that spins, yielding to the hypervisor; events stay as they are. Zero is unlocked. */
struct spinlock {
    unsigned locked;
};
void spin_lock(struct spinlock *lock);
bool spin_try_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/* Waits until `count` vCPUs are here; may be used again at once. Zeroed is ready. */
struct barrier {
    unsigned waiting, round;
};
void barrier_wait(struct barrier *barrier, unsigned count);

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/*
 * Gives way to other vCPUs in a loop that waits. PAUSE too: QEMU before 8.1, counting instructions,
 * lets a CPU that sets timers run from one to the next, and others not at all, but for PAUSE and
 * HLT.
 */
static inline void vcpu_give_way(void)
{
    cpu_relax();
    (void)HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
}

#endif
