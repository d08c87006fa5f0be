/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's counters of CR3 loads, TLB flushes and IPIs (XEN_SYSCTL_perfc_op), summed over
 * all CPUs. The control domain's alone to read.
 */
#ifndef PERFC_H
#define PERFC_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <xencall.h>
#include <xen/xen.h>
#include <xen/sysctl.h>

#define PERFC_COUNTERS 16
#define PERFC_VALUES   (PERFC_COUNTERS * 64)

struct perfc {
    struct xen_sysctl op;
    xen_sysctl_perfc_desc_t desc[PERFC_COUNTERS];
    uint32_t values[PERFC_VALUES];
};

static struct perfc *perfc;

/* Sums of the counters, in their order. Returns how many there are; 0: none can be read. */
static inline unsigned perfc_read(uint32_t sums[PERFC_COUNTERS])
{
    static xencall_handle *calls;

    if (!calls && (calls = xencall_open(NULL, 0)))
        perfc = xencall_alloc_buffer(calls, sizeof(*perfc));
    if (!perfc)
        return 0;
    perfc->op = (struct xen_sysctl){.cmd = XEN_SYSCTL_perfc_op,
                                    .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    struct xen_sysctl_perfc_op *op = &perfc->op.u.perfc_op;
    op->cmd = XEN_SYSCTL_PERFCOP_query;
    op->desc.p = perfc->desc;
    op->val.p = perfc->values;
    if (xencall1(calls, __HYPERVISOR_sysctl, (uintptr_t)perfc) ||
        op->nr_counters > PERFC_COUNTERS || op->nr_vals > PERFC_VALUES)
        return 0;
    const uint32_t *value = perfc->values;
    for (unsigned i = 0; i < op->nr_counters; i++) {
        sums[i] = 0;
        for (unsigned n = perfc->desc[i].nr_vals; n > 0; n--)
            sums[i] += *value++;
    }
    return op->nr_counters;
}

/* "counts NAME HUNDREDTHS COUNTER" for each: for one of so many times since `before`. */
static inline void perfc_print(const char *name, uint32_t times,
                               const uint32_t before[PERFC_COUNTERS])
{
    uint32_t now[PERFC_COUNTERS];
    unsigned count = perfc_read(now);

    for (unsigned i = 0; i < count; i++)
        printf("counts %s %u %s\n", name, (unsigned)((uint64_t)(now[i] - before[i]) * 100 / times),
               perfc->desc[i].name);
}

#endif
