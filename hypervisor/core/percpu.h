/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU variables. DEFINE_PER_CPU(type, name) in one file, DECLARE_PER_CPU in a header;
 * this_cpu(name) and per_cpu(name, cpu) are lvalues. All start as zero.
 * The machine layer says how an instance is found (arch/percpu.h).
 */
#ifndef CORE_PERCPU_H
#define CORE_PERCPU_H

#include <arch/percpu.h>

#include "core/types.h"

#endif
