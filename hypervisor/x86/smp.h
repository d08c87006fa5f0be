/* SPDX-License-Identifier: BSD-2-Clause */
/* The other CPUs: starting them, running a function on them, stopping them. */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "core/cpumask.h"

/*
 * Boot CPU: start all CPUs that ACPI names, up to maxcpus. A CPU's number is its place in that
 * list. One that does not answer is named in a warning and left out.
 */
void smp_boot_all(void);

/*
 * Run fn(data) on the online CPUs of `mask`, this one too if it is in it, and wait until all are
 * through. Interrupts on; fn runs with interrupts off on the others. No lock held.
 */
void smp_call_function(cpumask_t mask, void (*fn)(void *data), void *data);
void smp_call_interrupt(void); /* the handler of VECTOR_CALL_FUNCTION */

/* For a panic: stop all other CPUs, whatever they do, by NMI. Does not wait for long. */
void smp_halt_others(void);
/* The NMI handler's first act: does not return if the machine is being stopped. */
void smp_halt_if_asked(void);

#endif
