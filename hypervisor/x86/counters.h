/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of what costs much on a machine and counts little as instructions. Each CPU counts its
 * own, without locks, modulo 2^32; the control domain reads and resets them by XEN_SYSCTL_perfc_op.
 */
#ifndef X86_COUNTERS_H
#define X86_COUNTERS_H

#include "core/percpu.h"

enum counter {
    COUNTER_CR3,      /* loads of CR3 but for those that COUNTER_SWITCHES has */
    COUNTER_FLUSH,    /* times all of a guest's translations were dropped */
    COUNTER_INVLPG,   /* and those of one page */
    COUNTER_IPI,      /* interrupts sent to other CPUs */
    COUNTER_SWITCHES, /* loads of CR3 between a guest's program and its kernel; mode_switches of
                         struct cpu_info, which entry code reaches by one instruction */
    COUNTERS
};

struct counters {
    uint32_t n[COUNTERS]; /* that of COUNTER_SWITCHES: what the one below was when it was reset */
    const uint32_t *switches;
};
DECLARE_PER_CPU(struct counters, counters);

#define count(counter) ((void)this_cpu(counters).n[counter]++)

/* On each CPU, before it counts for the first time. */
void counters_init_cpu(void);

#endif
