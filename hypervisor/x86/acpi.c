/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI on the running machine: finding the tables, power-off and restart. What the tables say is
 * read by acpi_tables.c into acpi_info, which never changes after boot.
 */
#include "x86/acpi.h"

#include "core/abi.h"
#include "core/boot.h"
#include "core/domain.h"
#include "core/e820.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/apic.h"
#include "x86/panic.h"
#include "x86/paging.h"
#include "x86/pci.h"
#include "x86/time.h"
#include "x86/x86.h"

#define BIOS_DATA_AREA     0x400u
#define BDA_EBDA_SEGMENT   0x0eu
#define BDA_KEYBOARD_FLAGS 0x17u
#define BDA_BYTES          0x100u
#define EBDA_BYTES         1024u
#define BIOS_DATA_END      0xa0000u
#define BIOS_START         0xe0000u
#define BIOS_BYTES         0x20000u
#define RSDP_ALIGN         16u

/* PM1 control register (ACPI 6.4, table 4.20) */
#define PM1_SLEEP_TYPE       (7u << 10)
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_ENABLE     (1u << 13)

struct acpi_info acpi_info;

const void *acpi_map(uint64_t addr, size_t bytes)
{
    unsigned address_bits = 36;

    if (cpuid(0x80000000).a >= 0x80000008)
        address_bits = cpuid(0x80000008).a & 0xff;
    if (addr == 0 || addr + bytes < addr || (addr + bytes - 1) >> address_bits != 0)
        return NULL;
    if (e820_all(&e820, addr, addr + bytes, E820_RAM))
        return maddr_to_virt(MADDR(addr));
    return map_device(MADDR(addr), bytes);
}

void acpi_unmap(const void *va, size_t bytes)
{
    if ((uint64_t)va >= VMAP_START && (uint64_t)va < VMAP_END)
        unmap_device((void *)(uintptr_t)va, bytes);
}

/* ---- Finding the root pointer (5.2.5.1) ----------------------------------------------------- */

static uint64_t search_rsdp(uint64_t start, size_t bytes)
{
    const char *p = acpi_map(start, bytes);
    uint64_t found = 0;

    if (p == NULL)
        return 0;
    for (size_t at = 0; at + 20 <= bytes && found == 0; at += RSDP_ALIGN)
        if (p[at] == 'R' && acpi_rsdp_valid(p + at, bytes - at))
            found = start + at;
    acpi_unmap(p, bytes);
    return found;
}

/* On a BIOS machine: what its data area says, before anybody reuses the page. */
static uint64_t read_bios_data(uint8_t *keyboard_flags)
{
    const uint8_t *bda = acpi_map(BIOS_DATA_AREA, BDA_BYTES);
    uint64_t ebda;

    if (bda == NULL)
        return 0;
    ebda = (uint64_t)(bda[BDA_EBDA_SEGMENT] | bda[BDA_EBDA_SEGMENT + 1] << 8) << 4;
    *keyboard_flags = bda[BDA_KEYBOARD_FLAGS];
    acpi_unmap(bda, BDA_BYTES);
    return ebda;
}

static uint64_t find_rsdp(uint64_t ebda)
{
    uint64_t rsdp = 0;

    if (boot_info.acpi_rsdp != 0)
        return boot_info.acpi_rsdp;
    if (ebda >= BIOS_DATA_AREA && ebda < BIOS_DATA_END)
        rsdp = search_rsdp(ebda, EBDA_BYTES);
    return rsdp != 0 ? rsdp : search_rsdp(BIOS_START, BIOS_BYTES);
}

void acpi_init(void)
{
    uint32_t boot_id = cpuid(1).b >> 24;
    uint8_t keyboard_flags = 0;
    uint64_t ebda = boot_info.efi ? 0 : read_bios_data(&keyboard_flags), rsdp = find_rsdp(ebda);

    if (cpuid(0).a >= 0xb && cpuid_count(0xb, 0).b != 0)
        boot_id = cpuid_count(0xb, 0).d;
    acpi_defaults(&acpi_info, boot_id);
    if (rsdp == 0 || !acpi_read_tables(&acpi_info, rsdp, boot_id))
        log_warning("ACPI: no tables found: one CPU, and no interrupts of devices");
    else if (!acpi_info.has_madt)
        log_warning("ACPI: there is no MADT: one CPU, and no interrupts of devices");
    if (acpi_info.cpus_dropped != 0)
        log_warning("ACPI: %u CPUs beyond the limit of %u are not used", acpi_info.cpus_dropped,
                    NR_CPUS);
    acpi_info.keyboard_flags = keyboard_flags;
    log_info("ACPI: root %#lx, %u CPUs, %u IOAPICs%s%s", (unsigned long)rsdp, acpi_info.nr_cpus,
             acpi_info.nr_ioapics, acpi_info.hpet_addr != 0 ? ", HPET" : "",
             acpi_info.nr_mcfg != 0 ? ", MMCONFIG" : "");
}

unsigned acpi_cpu_count(void)
{
    return acpi_info.nr_cpus;
}

uint32_t acpi_cpu_apic_id(unsigned index)
{
    return acpi_info.cpu[index].apic_id;
}

uint32_t acpi_cpu_acpi_id(unsigned index)
{
    return acpi_info.cpu[index].acpi_id;
}

/* ---- Registers ------------------------------------------------------------------------------ */

static uint16_t pm1_read(const struct acpi_register *r)
{
    volatile uint16_t *p;
    uint16_t val;

    if (r->space == ACPI_SPACE_IO)
        return inw((uint16_t)r->addr);
    p = map_device(MADDR(r->addr), sizeof(*p));
    if (p == NULL)
        return 0;
    val = *p;
    unmap_device((void *)(uintptr_t)p, sizeof(*p));
    return val;
}

static void pm1_write(const struct acpi_register *r, uint16_t val)
{
    volatile uint16_t *p;

    if (r->space == ACPI_SPACE_IO) {
        outw((uint16_t)r->addr, val);
        return;
    }
    p = map_device(MADDR(r->addr), sizeof(*p));
    if (p == NULL)
        return;
    *p = val;
    unmap_device((void *)(uintptr_t)p, sizeof(*p));
}

static bool pm1_present(const struct acpi_register *r)
{
    return r->addr != 0 && r->space <= ACPI_SPACE_IO;
}

/* What the control domain's AML said of S5; it knows better than a search of the DSDT. */
static struct {
    bool known;
    uint16_t type_a, type_b; /* for the PM1 control registers */
} guest_s5;

/* 16.1.7: the sleep type in both registers first, then the enable bit. */
static void enter_s5(uint16_t type_a, uint16_t type_b)
{
    const struct acpi_register *reg[2] = {&acpi_info.pm1a_control, &acpi_info.pm1b_control};
    uint16_t val[2] = {0, 0};

    for (unsigned i = 0; i < 2; i++) {
        if (!pm1_present(reg[i]))
            continue;
        val[i] = pm1_read(reg[i]);
        val[i] &= (uint16_t) ~(PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE);
        val[i] |= (uint16_t)((i == 0 ? type_a : type_b) & PM1_SLEEP_TYPE);
        pm1_write(reg[i], val[i]);
    }
    __asm__ volatile("wbinvd" ::: "memory");
    for (unsigned i = 0; i < 2; i++)
        if (pm1_present(reg[i]))
            pm1_write(reg[i], val[i] | PM1_SLEEP_ENABLE);
    time_delay_us(100000);
}

int acpi_enter_sleep(unsigned state, uint16_t pm1a_value, uint16_t pm1b_value)
{
    if (state < 1 || state > 5)
        return -XEN_EINVAL;
    if (state != 5) {
        log_warning("ACPI: sleep state S%u is not supported", state);
        return -XEN_EOPNOTSUPP;
    }
    if (!pm1_present(&acpi_info.pm1a_control))
        return -XEN_ENODEV;
    guest_s5.type_a = pm1a_value;
    guest_s5.type_b = pm1b_value;
    guest_s5.known = true;
    domain_shutdown(control_domain, SHUTDOWN_poweroff);
    return 0;
}

/* ---- The end -------------------------------------------------------------------------------- */

static void reset_by_acpi(void)
{
    const struct acpi_register *r = &acpi_info.reset;
    volatile uint8_t *p;

    if (r->addr == 0)
        return;
    switch (r->space) {
    case ACPI_SPACE_IO:
        outb((uint16_t)r->addr, acpi_info.reset_value);
        break;
    case ACPI_SPACE_MEMORY:
        p = map_device(MADDR(r->addr), 1);
        if (p != NULL)
            *p = acpi_info.reset_value;
        break;
    case ACPI_SPACE_PCI: /* bus 0: device in bits 47-32, function in 31-16, register in 15-0 */
        pci_config_write(0, 0, (unsigned)((r->addr >> 32 & 0x1f) << 3 | (r->addr >> 16 & 7)),
                         r->addr & 0xff, 1, acpi_info.reset_value);
        break;
    }
    time_delay_us(50000);
}

/* Pulse the reset line through the keyboard controller (8042 command 0xfe). */
static void reset_by_keyboard(void)
{
    for (unsigned i = 0; i < 1000 && (inb(0x64) & 2); i++)
        time_delay_us(10);
    outb(0x64, 0xfe);
    time_delay_us(50000);
}

/* The chip set's reset control register: hard reset, then the pulse. */
static void reset_by_chipset(void)
{
    outb(0xcf9, 0x02);
    time_delay_us(50);
    outb(0xcf9, 0x06);
    time_delay_us(50000);
}

static void reset_by_triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = {0, 0};

    __asm__ volatile("lidt %0; int3" ::"m"(none));
}

static void noreturn_fn halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void arch_machine_end(enum machine_end how)
{
    irq_disable();
    if (how == MACHINE_FAILED)
        machine_failed();
    if (how == MACHINE_RESTART) {
        log_info("Restarting the machine");
        reset_by_acpi();
        reset_by_keyboard();
        reset_by_chipset();
        reset_by_triple_fault();
    }
    if (guest_s5.known) {
        log_info("Powering off, by ACPI as the control domain says");
        enter_s5(guest_s5.type_a, guest_s5.type_b);
    } else if (acpi_info.s5_known && pm1_present(&acpi_info.pm1a_control)) {
        log_info("Powering off, by ACPI");
        enter_s5((uint16_t)(acpi_info.s5_type_a << PM1_SLEEP_TYPE_SHIFT),
                 (uint16_t)(acpi_info.s5_type_b << PM1_SLEEP_TYPE_SHIFT));
    }
    log_info("Halted: it is safe to turn the machine off");
    halt_forever();
}
