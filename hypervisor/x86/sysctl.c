/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysctl: what the x86 machine is made of. CPUs of a machine are alike, so this one's answer tells
 * the shape; a CPU's place is in its APIC identifier (Intel SDM 3A 9.9.3).
 */
#include "core/cpumask.h"
#include "core/domctl.h"
#include "core/e820.h"
#include "core/lib.h"
#include "x86/acpi.h"
#include "x86/time.h"
#include "x86/x86.h"

#define LEAF_TOPOLOGY 0xbu
#define LEVEL_THREAD  1u
#define LEVEL_CORE    2u

/* Bits of an APIC identifier below the core's, and below the socket's. */
struct id_widths {
    unsigned core, socket;
};

static struct id_widths id_widths(void)
{
    struct id_widths w = {0, 0};

    if (cpuid(0).a < LEAF_TOPOLOGY)
        return w;
    for (uint32_t level = 0; level < 8; level++) {
        struct cpuid_regs r = cpuid_count(LEAF_TOPOLOGY, level);
        unsigned kind = r.c >> 8 & 0xff, shift = r.a & 31;

        if (kind == 0)
            break;
        if (kind == LEVEL_THREAD)
            w.core = shift;
        w.socket = MAX(w.socket, shift);
    }
    return w;
}

void arch_cpu_topology(unsigned cpu, struct xen_sysctl_cputopo *topo)
{
    struct id_widths w = id_widths();
    uint32_t id = acpi_cpu_apic_id(cpu);

    topo->socket = id >> w.socket;
    topo->core = (id & ((1u << w.socket) - 1)) >> w.core;
    topo->node = 0;
}

/* How many CPUs that are online share the boot CPU's identifier above `bits`. */
static uint32_t alike(unsigned bits)
{
    uint32_t own = acpi_cpu_apic_id(0) >> bits, count = 0;

    for_each_cpu (cpu, cpu_online_mask)
        count += acpi_cpu_apic_id(cpu) >> bits == own;
    return MAX(count, 1u);
}

void arch_physinfo(struct xen_sysctl_physinfo *info)
{
    struct id_widths w = id_widths();
    uint32_t extended = cpuid(0x80000000).a;

    info->threads_per_core = alike(w.core);
    info->cores_per_socket = alike(w.socket) / info->threads_per_core;
    info->cpu_khz = time_tsc_khz();
    info->total_pages = e820_ram_bytes(&e820) >> PAGE_SHIFT;
    /* Words of features in the order that tools print them in. */
    info->hw_cap[0] = cpuid(1).d;
    info->hw_cap[1] = cpuid(1).c;
    if (extended >= 0x80000001) {
        info->hw_cap[2] = cpuid(0x80000001).d;
        info->hw_cap[3] = cpuid(0x80000001).c;
    }
    if (cpuid(0).a >= 0xd)
        info->hw_cap[4] = cpuid_count(0xd, 1).a;
    if (cpuid(0).a >= 7)
        info->hw_cap[5] = cpuid_count(7, 0).b;
}
