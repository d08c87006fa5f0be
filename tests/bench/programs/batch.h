/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an operation is measured, in Linux and in a newlib guest: it is repeated in batches; one that
 * is not counted comes first. All is done in two passes: what differs between them is not to be
 * compared with anything.
 *
 *   bench NAME PASS MEDIAN REPETITIONS      MEDIAN in hundredths of an instruction
 *
 * The median printed is of the time stamp counter, idle time in it; the harness takes its figures
 * from the plugin's sections, and repetitions from here.
 *
 * Under -icount shift=1 every executed instruction takes 2 ns, and QEMU's TSC runs at 1 GHz: two
 * ticks are one instruction.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "mark.h"
/* A variant of a program tells the hypervisor's counters, too. */
#ifdef BATCH_COUNTED
#include "counted.h"
#endif

#define PASSES 2
/* What is counted by the hypervisor does not need many, on a machine of two CPUs, which is slow. */
#ifdef BATCH_COUNTED
#define BATCHES 3
#else
#define BATCHES 15
#endif
#define TICKS_PER_INSTRUCTION 2

struct operation {
    const char *name;
    void (*run)(unsigned n);
    unsigned repetitions;
};
#define MEASURED(name, repetitions)                                                                \
    {                                                                                              \
#name, op_##name, repetitions                                                              \
    }

static inline uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static int batch_ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static inline uint64_t batch_median(const struct operation *op)
{
    uint64_t batches[BATCHES];

#ifdef BATCH_COUNTED
    uint32_t before[PERFC_COUNTERS] = {0};
    counted_begin(before);
#endif
    op->run(op->repetitions);
    for (unsigned i = 0; i < BATCHES; i++) {
        uint64_t start = ticks();

        op->run(op->repetitions);
        batches[i] = ticks() - start;
    }
#ifdef BATCH_COUNTED
    counted_end(op->name, (BATCHES + 1) * op->repetitions, before);
#endif
    qsort(batches, BATCHES, sizeof(batches[0]), batch_ascending);
    return batches[BATCHES / 2] * 100 / TICKS_PER_INSTRUCTION / op->repetitions;
}

static inline void batch_all(const struct operation *operations, unsigned count)
{
    for (int pass = 1; pass <= PASSES; pass++)
        for (unsigned i = 0; i < count; i++)
            printf("bench %s %d %llu %u\n", operations[i].name, pass,
                   (unsigned long long)batch_median(&operations[i]), operations[i].repetitions);
}

#endif
