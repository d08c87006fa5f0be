/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the machine comes up. Owns nothing: each step belongs to the module named.
 */
#include "x86/setup.h"

#include "core/boot.h"
#include "core/cmdline.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/e820.h"
#include "core/heap.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/timer.h"
#include "x86/acpi.h"
#include "x86/alternative.h"
#include "x86/apic.h"
#include "x86/boot/boot.h"
#include "x86/bootmem.h"
#include "x86/cpu.h"
#include "x86/desc.h"
#include "x86/dom0.h"
#include "x86/fpu.h"
#include "x86/irq.h"
#include "x86/mm/segdesc.h"
#include "x86/paging.h"
#include "x86/panic.h"
#include "x86/smp.h"
#include "x86/spec_ctrl.h"
#include "x86/time.h"
#include "x86/traps.h"

static void log_memory_map(void)
{
    static const char *const name[] = {"unknown", "RAM",      "reserved",
                                       "ACPI",    "ACPI NVS", "unusable"};
    for (unsigned i = 0; i < e820.count; i++) {
        const struct e820_entry *e = &e820.entry[i];
        log_debug("  %#018lx-%#018lx %s", e->addr, (e->addr + e->size - 1),
                  name[e->type < ARRAY_SIZE(name) ? e->type : 0]);
    }
}

/* What the loader knows: who we are, what we were told, which memory there is. */
static void read_loader(uint32_t magic, uint32_t info)
{
    const char *why;
    console_init_early();
    if (!multiboot_parse(magic, info, &why))
        boot_stop("%s", why);
    cmdline_parse(&options, boot_info.cmdline);
    if (!e820_sanitize(&e820))
        boot_stop("the boot loader's memory map has no RAM");
    log_info("Loaded at %#lx by %s; command line: %s", image_phys,
             boot_info.loader[0] ? boot_info.loader : "an unnamed loader", boot_info.cmdline);
    log_memory_map();
}

/* Before paging_init(): it maps the code read-only. */
static void adapt_to_cpu(void)
{
    cpu_init();
    fpu_cpu_init();
    alternatives_apply((cpu_features.smap ? 1u << ALT_SMAP : 0) |
                       (spec_ctrl.verw ? 1u << ALT_VERW : 0) |
                       (spec_ctrl.rsb_stuff ? 1u << ALT_RSB : 0));
}

static void init_memory(void)
{
    bootmem_init();
    paging_init();
    bootmem_to_heap();
    uint64_t ram = e820_ram_bytes(&e820) >> PAGE_SHIFT;
    log_info("Memory: %lu MiB of RAM, %lu MiB free", ram >> 8, heap_free_count() >> 8);
}

static void init_traps(void)
{
    desc_init_cpu(0);
    segdesc_init_cpu();
    traps_init();
    syscall_init_cpu();
}

static void init_devices(void)
{
    acpi_init();
    apic_init();
    apic_cpu_init();
    irq_init();
    time_init();
    apic_timer_init();
}

static void init_scheduling(void)
{
    hypercall_init();
    timer_subsystem_init();
    timer_cpu_init(0);
    sched_init();
    BUG_ON(sched_set_ratelimit(options.sched_ratelimit_us) != 0);
    sched_cpu_init(0);
}

void start_hypervisor(uint32_t magic, uint32_t info, uint64_t load_address)
{
    image_phys = load_address;
    read_loader(magic, info);
    adapt_to_cpu();
    init_memory();
    init_traps();
    console_init();
    init_devices();
    init_scheduling();
    irq_enable();
    smp_boot_all();
    console_late_init();

    struct domain *d = dom0_build(&boot_info);
    console_endboot();
    if (domain_controller_unpause(d))
        panic("the control domain cannot be started");
    idle_loop();
}
