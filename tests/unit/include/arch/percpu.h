/* SPDX-License-Identifier: BSD-2-Clause */
/* Host version: per-CPU variables are arrays, indexed by the CPU that a test says it is on. */
#ifndef HOST_ARCH_PERCPU_H
#define HOST_ARCH_PERCPU_H

#include <arch/current.h>

#include "core/types.h"

#define DEFINE_PER_CPU(type, name)  __typeof__(type) percpu_##name[NR_CPUS]
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu_##name[NR_CPUS]

#define this_cpu(name)     (percpu_##name[cpu_id()])
#define per_cpu(name, cpu) (percpu_##name[cpu])

#endif
