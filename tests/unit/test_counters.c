/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfc_op: counters of each CPU, read, reset, and where the answer cannot be written.
 *
 * links: tests/unit/host.c
 */
#include "host.h"

#include "core/percpu.h"

static struct cpu_info {
    uint32_t mode_switches;
} infos[NR_CPUS];
#define cpu_info() (&infos[cpu_id()])
#include "hypervisor/x86/counters.c"

#define CPUS 3u /* and one among them that is not there */
#define AWAY 1u

static struct xen_sysctl_perfc_desc descs[COUNTERS];
static uint32_t values[COUNTERS][CPUS];

static long perfc(uint32_t cmd, void *desc, void *val, struct xen_sysctl_perfc_op *answer)
{
    struct xen_sysctl op = {.u.perfc_op = {.cmd = cmd}};

    op.u.perfc_op.desc.p = desc;
    op.u.perfc_op.val.p = val;
    memset(descs, 0xff, sizeof(descs));
    memset(values, 0xff, sizeof(values));
    long rc = sysctl_perfc_op(NULL, &op);
    *answer = op.u.perfc_op;
    return rc;
}

static void count_some(void)
{
    for (host_cpu = 0; host_cpu < CPUS; host_cpu++) {
        counters_init_cpu();
        infos[host_cpu].mode_switches += 100 + host_cpu;
        for (unsigned i = 0; i < host_cpu + 2; i++)
            count(COUNTER_CR3);
        count(COUNTER_IPI);
    }
    host_cpu = 0;
}

static void test_query(void)
{
    struct xen_sysctl_perfc_op p;

    is(perfc(XEN_SYSCTL_PERFCOP_query, NULL, NULL, &p), 0, "asked for sizes alone");
    is(p.nr_counters, COUNTERS, "how many counters there are");
    is(p.nr_vals, COUNTERS * CPUS, "and values of all CPUs up to the last");
    is(perfc(XEN_SYSCTL_PERFCOP_query, descs, values, &p), 0, "asked for all");
    ok(strcmp(descs[COUNTER_IPI].name, "ipis sent") == 0, "a counter has its name");
    is(descs[COUNTER_IPI].nr_vals, CPUS, "and a value for each CPU");
    is(values[COUNTER_CR3][0], 2, "CPU 0's loads of CR3");
    is(values[COUNTER_CR3][2], 4, "and CPU 2's");
    is(values[COUNTER_SWITCHES][2], 102, "entry code's are told apart");
    is(values[COUNTER_CR3][AWAY], 0, "a CPU that is not there counts nothing");
    is(values[COUNTER_FLUSH][0], 0, "what did not happen is 0");
}

static void test_reset(void)
{
    struct xen_sysctl_perfc_op p;

    is(perfc(XEN_SYSCTL_PERFCOP_reset, NULL, values, &p), 0, "a reset");
    is(values[COUNTER_IPI][0], 1, "tells what was counted before");
    infos[2].mode_switches += 5;
    is(perfc(XEN_SYSCTL_PERFCOP_query, NULL, values, &p), 0, "asked again");
    is(values[COUNTER_IPI][0], 0, "it counts from 0 again");
    is(values[COUNTER_SWITCHES][2], 5, "so does entry code's counter");
}

static void test_refused(void)
{
    struct xen_sysctl_perfc_op p;

    is(perfc(0, NULL, NULL, &p), -XEN_EINVAL, "no such command");
    is(perfc(3, NULL, NULL, &p), -XEN_EINVAL, "nor this");
    is(perfc(XEN_SYSCTL_PERFCOP_query, (void *)16, values, &p), -XEN_EFAULT,
       "descriptions to where nothing is");
    is(perfc(XEN_SYSCTL_PERFCOP_query, descs, (void *)16, &p), -XEN_EFAULT, "values to there");
    long writes = 0;
    do
        host_fault_after = writes;
    while (perfc(XEN_SYSCTL_PERFCOP_query, descs, values, &p) == -XEN_EFAULT && writes++ < 100);
    is(writes, COUNTERS * (1 + CPUS), "every write is checked");
    host_fault_after = -1;
}

int main(void)
{
    cpu_online_mask = (cpumask_t){5};
    count_some();
    test_query();
    test_reset();
    test_refused();
    return done();
}
