/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU variables live in section .percpu; the boot CPU uses the section itself, each other CPU a
 * copy of it, at a distance that struct cpu_info at the top of the CPU's stack records.
 */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include <arch/current.h>

#include "core/types.h"

#define DEFINE_PER_CPU(type, name)                                                                 \
    __attribute__((section(".percpu"))) __typeof__(type) percpu_##name
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu_##name

extern uint64_t percpu_offset[NR_CPUS];

#define this_cpu(name)         (*percpu_at(&percpu_##name, cpu_info()->percpu_offset))
#define per_cpu(name, cpu)     (*percpu_at(&percpu_##name, percpu_offset[cpu]))
#define percpu_at(ptr, offset) ((__typeof__(ptr))((uintptr_t)(ptr) + (offset)))

#endif
