/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of CPUs. NR_CPUS is at most one word, so that a set is a value. */
#ifndef CORE_CPUMASK_H
#define CORE_CPUMASK_H

#include "core/atomic.h"

typedef struct {
    uint64_t bits;
} cpumask_t;
static_assert(NR_CPUS <= 64, "cpumask_t is one word");

#define CPUMASK_NONE    ((cpumask_t){0})
#define CPUMASK_ALL     ((cpumask_t){~0ull})
#define CPUMASK_OF(cpu) ((cpumask_t){1ull << (cpu)})

extern cpumask_t cpu_online_mask; /* set by the machine layer as CPUs come up */

static inline bool cpumask_has(cpumask_t m, unsigned cpu)
{
    return (m.bits >> cpu) & 1;
}

static inline bool cpumask_empty(cpumask_t m)
{
    return m.bits == 0;
}

static inline cpumask_t cpumask_and(cpumask_t a, cpumask_t b)
{
    return (cpumask_t){a.bits & b.bits};
}

static inline unsigned cpumask_count(cpumask_t m)
{
    /* Not __builtin_popcountll(): without the instruction it calls a library that is not here. */
    unsigned n = 0;
    for (uint64_t left = m.bits; left != 0; left &= left - 1)
        n++;
    return n;
}

/* The lowest member; the mask must not be empty. */
static inline unsigned cpumask_first(cpumask_t m)
{
    return (unsigned)__builtin_ctzll(m.bits);
}

static inline void cpumask_set_atomic(cpumask_t *m, unsigned cpu)
{
    atomic_fetch_or(&m->bits, 1ull << cpu);
}

static inline void cpumask_clear_atomic(cpumask_t *m, unsigned cpu)
{
    atomic_fetch_and(&m->bits, ~(1ull << cpu));
}

#define for_each_cpu(cpu, mask)                                                                    \
    for (uint64_t left_##cpu = (mask).bits; left_##cpu != 0; left_##cpu &= left_##cpu - 1)         \
        for (unsigned cpu = (unsigned)__builtin_ctzll(left_##cpu), once_##cpu = 1; once_##cpu;     \
             once_##cpu = 0)

#endif
