/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfc_op: the counters of all CPUs, as Xen's are read (xen/sysctl.h). Owns them; a CPU's are
 * written by itself alone, and by a reset, which may lose what is counted at that moment.
 */
#include "x86/counters.h"

#include "core/domctl.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "x86/cpu.h"
#include "x86/x86.h"

DEFINE_PER_CPU(struct counters, counters);

static const char *const names[COUNTERS] = {
    [COUNTER_CR3] = "cr3 loads",
    [COUNTER_FLUSH] = "tlb flushes",
    [COUNTER_INVLPG] = "tlb flushes of a page",
    [COUNTER_IPI] = "ipis sent",
    [COUNTER_SWITCHES] = "cr3 loads between program and kernel",
};

void counters_init_cpu(void)
{
    this_cpu(counters).switches = &cpu_info()->mode_switches;
}

static uint32_t value(const struct counters *of, unsigned counter)
{
    uint32_t n = READ_ONCE(of->n[counter]);

    return counter == COUNTER_SWITCHES ? READ_ONCE(*of->switches) - n : n;
}

static void reset(void)
{
    for_each_cpu (cpu, cpu_online_mask) {
        struct counters *of = &per_cpu(counters, cpu);
        for (unsigned i = 0; i < COUNTERS; i++)
            WRITE_ONCE(of->n[i], i == COUNTER_SWITCHES ? READ_ONCE(*of->switches) : 0);
    }
}

/* One description, and its values: those of each CPU, 0 for one that is not there. */
static long write_counter(const struct xen_sysctl_perfc_op *p, unsigned counter, uint32_t cpus)
{
    struct xen_sysctl_perfc_desc desc = {.nr_vals = cpus};
    vaddr_t to = HANDLE_VA(p->desc), values = HANDLE_VA(p->val);

    memcpy(desc.name, names[counter], strlen(names[counter]));
    if (to.v != 0 && guest_write(VADDR(to.v + counter * sizeof(desc)), &desc))
        return -XEN_EFAULT;
    for (uint32_t cpu = 0; values.v != 0 && cpu < cpus; cpu++) {
        uint32_t n =
            cpumask_has(cpu_online_mask, cpu) ? value(&per_cpu(counters, cpu), counter) : 0;
        if (guest_write(VADDR(values.v + (counter * cpus + cpu) * sizeof(n)), &n))
            return -XEN_EFAULT;
    }
    return 0;
}

long sysctl_perfc_op(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_perfc_op *p = &op->u.perfc_op;
    uint32_t cpus = 64u - (uint32_t)__builtin_clzll(cpu_online_mask.bits);
    long rc = 0;

    (void)v;
    if (p->cmd != XEN_SYSCTL_PERFCOP_reset && p->cmd != XEN_SYSCTL_PERFCOP_query)
        return -XEN_EINVAL;
    for (unsigned i = 0; rc == 0 && i < COUNTERS; i++)
        rc = write_counter(p, i, cpus);
    if (p->cmd == XEN_SYSCTL_PERFCOP_reset)
        reset();
    p->nr_counters = COUNTERS;
    p->nr_vals = COUNTERS * cpus;
    return rc;
}
