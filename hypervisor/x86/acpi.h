/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the firmware's ACPI tables say of the machine, read once at boot without trusting a length
 * or a checksum; and the power states that need their registers. ACPI 6.4 throughout.
 */
#ifndef X86_ACPI_H
#define X86_ACPI_H

#include "core/types.h"

#define ACPI_MAX_IOAPICS 16u
#define ACPI_MAX_MCFG    8u
#define ACPI_MAX_TABLES  128u
#define ACPI_ISA_IRQS    16u

struct acpi_cpu {
    uint32_t apic_id, acpi_id;
};

struct acpi_ioapic {
    uint64_t addr;
    uint32_t id, gsi_base;
};

/* Where an ISA interrupt really arrives (5.2.12.5); identity, edge, high without an entry. */
struct acpi_isa_irq {
    uint32_t gsi;
    bool level, active_low;
};

/* Generic Address Structure (5.2.3.2), as far as it is used. addr 0: absent. */
struct acpi_register {
    uint64_t addr;
    uint8_t space; /* ACPI_SPACE_* */
    uint8_t width;
};
#define ACPI_SPACE_MEMORY 0u
#define ACPI_SPACE_IO     1u
#define ACPI_SPACE_PCI    2u

struct acpi_mcfg {
    uint64_t addr; /* of bus 0, even when first_bus is above */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

struct acpi_info {
    unsigned nr_cpus; /* usable ones; the boot CPU first */
    unsigned cpus_dropped;
    struct acpi_cpu cpu[NR_CPUS];
    uint64_t lapic_addr;
    bool has_madt, has_pic;
    unsigned nr_ioapics;
    struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
    struct acpi_isa_irq isa[ACPI_ISA_IRQS];
    uint32_t lint_nmi; /* bit n: LINTn of every CPU is NMI */
    bool lint_nmi_low[2];

    uint8_t keyboard_flags; /* shift state at boot, of the BIOS data area */
    uint64_t hpet_addr;

    struct acpi_register pm_timer, pm1a_control, pm1b_control, reset;
    bool pm_timer_32bit;
    uint8_t reset_value;
    uint64_t dsdt;
    bool s5_known; /* \_S5's sleep types, found in the DSDT */
    uint8_t s5_type_a, s5_type_b;

    unsigned nr_mcfg;
    struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
};

extern struct acpi_info acpi_info;

/* Find and read the tables. Broken ones are named in a warning and left out. After paging_init().
 */
void acpi_init(void);

unsigned acpi_cpu_count(void); /* at least 1 */
uint32_t acpi_cpu_apic_id(unsigned index);
uint32_t acpi_cpu_acpi_id(unsigned index);

/*
 * Enter a sleep state with the values for the PM1 control registers that the control domain's AML
 * gave. Only S5: shuts the control domain down, and then the machine goes off. -XEN_EINVAL,
 * -XEN_EOPNOTSUPP, -XEN_ENODEV.
 */
int acpi_enter_sleep(unsigned state, uint16_t pm1a_value, uint16_t pm1b_value) must_check;

/* ---- The reader proper (acpi_tables.c), free of the machine for the sake of its tests ------ */

/*
 * `bytes` bytes of physical memory at `addr`, or NULL. At most one mapping is in use at a time per
 * nesting; each is given back. From the machine layer, or from a test.
 */
const void *acpi_map(uint64_t addr, size_t bytes);
void acpi_unmap(const void *va, size_t bytes);

/* Fill *info from the tables behind the RSDP at `rsdp`. False: no table list could be read. */
bool acpi_read_tables(struct acpi_info *info, uint64_t rsdp, uint32_t boot_apic_id) must_check;
/* Is this a valid RSDP (5.2.5.3)? `room`: readable bytes, at least 20. */
bool acpi_rsdp_valid(const void *p, size_t room);
void acpi_defaults(struct acpi_info *info, uint32_t boot_apic_id);

#endif
