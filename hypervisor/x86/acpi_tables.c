/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading ACPI tables (ACPI 6.4, section 5.2) into struct acpi_info.
 *
 * Invariant: no byte is used that lies outside a table whose length and checksum were verified, and
 * nothing found in a table is believed to be a valid index. A broken table is named and left out.
 */
#include "x86/acpi.h"

#include "core/lib.h"
#include "core/log.h"

#define HEADER_BYTES 36u
#define TABLE_MAX    (4u << 20) /* larger than any real DSDT: a length beyond it is rubble */

#define MADT_ENTRIES       44u
#define MADT_LAPIC         0u
#define MADT_IOAPIC        1u
#define MADT_OVERRIDE      2u
#define MADT_LAPIC_NMI     4u
#define MADT_LAPIC_ADDRESS 5u
#define MADT_X2APIC        9u
#define MADT_X2APIC_NMI    10u
#define MPS_POLARITY_LOW   3u /* MPS INTI flags, table 5.24 */
#define MPS_TRIGGER_LEVEL  3u

#define FADT_TIMER_32BIT     (1u << 8)
#define FADT_RESET_SUPPORTED (1u << 10)

struct table {
    const uint8_t *p;
    uint32_t length;
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool checksum_ok(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

bool acpi_rsdp_valid(const void *p, size_t room)
{
    const uint8_t *r = p;

    if (room < 20 || memcmp(r, "RSD PTR ", 8) != 0 || !checksum_ok(r, 20))
        return false;
    if (r[15] < 2)
        return true;
    return room >= 36 && get32(r + 20) >= 36 && get32(r + 20) <= room &&
           checksum_ok(r, get32(r + 20));
}

/* Map and verify the table at addr. Its name goes to sig (5 bytes) as far as it is printable. */
static bool table_open(struct table *t, uint64_t addr, char *sig)
{
    const uint8_t *header = acpi_map(addr, HEADER_BYTES);

    str_copy(sig, "?", 5);
    if (header == NULL) {
        log_warning("ACPI: a table is said to be at %#lx, where none can be", (unsigned long)addr);
        return false;
    }
    t->length = get32(header + 4);
    for (unsigned i = 0; i < 4; i++)
        sig[i] = header[i] >= ' ' && header[i] <= '~' ? (char)header[i] : '?';
    sig[4] = '\0';
    acpi_unmap(header, HEADER_BYTES);
    if (t->length < HEADER_BYTES || t->length > TABLE_MAX) {
        log_warning("ACPI: table %s at %#lx has the impossible length %u: ignored", sig,
                    (unsigned long)addr, t->length);
        return false;
    }
    t->p = acpi_map(addr, t->length);
    if (t->p == NULL) {
        log_warning("ACPI: table %s at %#lx reaches beyond memory: ignored", sig,
                    (unsigned long)addr);
        return false;
    }
    if (get32(t->p + 4) == t->length && checksum_ok(t->p, t->length))
        return true;
    log_warning("ACPI: table %s at %#lx has a bad checksum: ignored", sig, (unsigned long)addr);
    acpi_unmap(t->p, t->length);
    return false;
}

static void table_close(struct table *t)
{
    acpi_unmap(t->p, t->length);
}

/* ---- MADT (5.2.12) -------------------------------------------------------------------------- */

static void madt_add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t acpi_id, uint32_t flags)
{
    if (!(flags & 1)) /* not enabled */
        return;
    for (unsigned i = 0; i < info->nr_cpus; i++)
        if (info->cpu[i].apic_id == apic_id)
            return;
    if (info->nr_cpus == NR_CPUS) {
        info->cpus_dropped++;
        return;
    }
    info->cpu[info->nr_cpus++] = (struct acpi_cpu){.apic_id = apic_id, .acpi_id = acpi_id};
}

static void madt_add_ioapic(struct acpi_info *info, const uint8_t *e)
{
    uint32_t addr = get32(e + 4);

    if (addr == 0 || info->nr_ioapics == ACPI_MAX_IOAPICS) {
        log_warning("ACPI: IOAPIC %u at %#x ignored: %s", e[2], addr,
                    addr == 0 ? "no address" : "there are too many");
        return;
    }
    info->ioapic[info->nr_ioapics++] =
        (struct acpi_ioapic){.addr = addr, .id = e[2], .gsi_base = get32(e + 8)};
}

static void madt_override(struct acpi_info *info, const uint8_t *e)
{
    unsigned irq = e[3];
    uint16_t flags = get16(e + 8);

    if (e[2] != 0 || irq >= ACPI_ISA_IRQS) {
        log_warning("ACPI: interrupt override for bus %u, interrupt %u ignored", e[2], irq);
        return;
    }
    info->isa[irq] = (struct acpi_isa_irq){.gsi = get32(e + 4),
                                           .active_low = (flags & 3) == MPS_POLARITY_LOW,
                                           .level = (flags >> 2 & 3) == MPS_TRIGGER_LEVEL};
}

/* Every CPU's LINTs are wired alike on all machines there are: one entry speaks for all. */
static void madt_nmi(struct acpi_info *info, unsigned lint, uint16_t flags)
{
    if (lint > 1)
        return;
    info->lint_nmi |= 1u << lint;
    info->lint_nmi_low[lint] = (flags & 3) == MPS_POLARITY_LOW;
}

/* Shortest length at which each entry type is used; 0: the type is not. */
static const uint8_t madt_length[] = {
    [MADT_LAPIC] = 8,          [MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10,   [MADT_LAPIC_NMI] = 6,
    [MADT_LAPIC_ADDRESS] = 12, [MADT_X2APIC] = 16, [MADT_X2APIC_NMI] = 12,
};

static void madt_entry(struct acpi_info *info, const uint8_t *e)
{
    switch (e[0]) {
    case MADT_LAPIC:
        if (e[3] != 0xff)
            madt_add_cpu(info, e[3], e[2], get32(e + 4));
        break;
    case MADT_X2APIC:
        if (get32(e + 4) != ~0u)
            madt_add_cpu(info, get32(e + 4), get32(e + 12), get32(e + 8));
        break;
    case MADT_IOAPIC:
        madt_add_ioapic(info, e);
        break;
    case MADT_OVERRIDE:
        madt_override(info, e);
        break;
    case MADT_LAPIC_NMI:
        madt_nmi(info, e[5], get16(e + 3));
        break;
    case MADT_X2APIC_NMI:
        madt_nmi(info, e[8], get16(e + 2));
        break;
    case MADT_LAPIC_ADDRESS:
        info->lapic_addr = get64(e + 4);
        break;
    }
}

static void read_madt(struct acpi_info *info, const struct table *t)
{
    if (info->has_madt || t->length < MADT_ENTRIES)
        return;
    info->has_madt = true;
    info->lapic_addr = get32(t->p + 36);
    info->has_pic = get32(t->p + 40) & 1;
    for (uint32_t at = MADT_ENTRIES; t->length - at >= 2; at += t->p[at + 1]) {
        const uint8_t *e = t->p + at;

        if (e[1] < 2 || e[1] > t->length - at) {
            log_warning("ACPI: MADT entry of type %u at %u has the impossible length %u: "
                        "the rest is ignored",
                        e[0], at, e[1]);
            return;
        }
        if (e[0] >= ARRAY_SIZE(madt_length) || madt_length[e[0]] == 0)
            continue;
        if (e[1] < madt_length[e[0]])
            log_warning("ACPI: MADT entry of type %u at %u is too short: ignored", e[0], at);
        else
            madt_entry(info, e);
    }
}

/* ---- HPET, MCFG, FADT ----------------------------------------------------------------------- */

static void read_hpet(struct acpi_info *info, const struct table *t)
{
    if (t->length >= 56 && t->p[40] == ACPI_SPACE_MEMORY && info->hpet_addr == 0)
        info->hpet_addr = get64(t->p + 44);
}

static void read_mcfg(struct acpi_info *info, const struct table *t)
{
    for (uint32_t at = HEADER_BYTES + 8; t->length >= 16 && at <= t->length - 16; at += 16) {
        const uint8_t *e = t->p + at;
        struct acpi_mcfg m = {
            .addr = get64(e), .segment = get16(e + 8), .first_bus = e[10], .last_bus = e[11]};

        if (m.addr == 0 || (m.addr & 0xfffff) || m.first_bus > m.last_bus ||
            info->nr_mcfg == ACPI_MAX_MCFG) {
            log_warning("ACPI: MCFG window at %#lx for buses %u-%u ignored", (unsigned long)m.addr,
                        m.first_bus, m.last_bus);
            continue;
        }
        info->mcfg[info->nr_mcfg++] = m;
    }
}

/* A Generic Address Structure at offset `at`; addr 0 when the table has none there. */
static struct acpi_register fadt_gas(const struct table *t, uint32_t at)
{
    struct acpi_register r = {.addr = 0};

    if (t->length < at + 12)
        return r;
    r = (struct acpi_register){
        .space = t->p[at], .width = t->p[at + 1], .addr = get64(t->p + at + 4)};
    if (r.space > ACPI_SPACE_PCI || (r.space == ACPI_SPACE_IO && r.addr > 0xffff))
        r.addr = 0;
    return r;
}

/* The register at offset `gas` where the table has it, else the I/O port at offset `port`. */
static struct acpi_register fadt_register(const struct table *t, uint32_t port, uint8_t bytes,
                                          uint32_t gas)
{
    struct acpi_register r = fadt_gas(t, gas);

    if (r.addr == 0 && get32(t->p + port) <= 0xffff)
        r = (struct acpi_register){
            .space = ACPI_SPACE_IO, .width = (uint8_t)(bytes * 8), .addr = get32(t->p + port)};
    return r;
}

static void read_fadt(struct acpi_info *info, const struct table *t)
{
    uint32_t flags;

    if (t->length < 116) {
        log_warning("ACPI: the FADT is too short (%u bytes): ignored", t->length);
        return;
    }
    flags = get32(t->p + 112);
    info->pm1a_control = fadt_register(t, 64, 2, 172);
    info->pm1b_control = fadt_register(t, 68, 2, 184);
    info->pm_timer = fadt_register(t, 76, 4, 208);
    info->pm_timer_32bit = flags & FADT_TIMER_32BIT;
    if (t->length >= 129 && (flags & FADT_RESET_SUPPORTED)) {
        info->reset = fadt_gas(t, 116);
        info->reset_value = t->p[128];
    }
    info->dsdt = t->length >= 148 ? get64(t->p + 140) : 0;
    if (info->dsdt == 0)
        info->dsdt = get32(t->p + 40);
}

/* ---- \_S5 (7.4.2) --------------------------------------------------------------------------- */

/* One small integer of AML (20.2.3). Returns its length in bytes, 0 when it is none. */
static unsigned aml_integer(const uint8_t *p, size_t room, uint8_t *val)
{
    if (room >= 1 && (p[0] == 0 || p[0] == 1)) {
        *val = p[0];
        return 1;
    }
    for (unsigned bytes = 1, prefix = 0x0a; prefix <= 0x0c; prefix++, bytes *= 2)
        if (room >= 1 + bytes && p[0] == prefix) {
            *val = p[1];
            return 1 + bytes;
        }
    return 0;
}

/* Package { typ_a, typ_b, .. } at p. */
static bool aml_sleep_package(const uint8_t *p, size_t room, uint8_t *a, uint8_t *b)
{
    size_t at, n;

    if (room < 3 || p[0] != 0x12)
        return false;
    at = 2 + (p[1] >> 6); /* PkgLength's own bytes (20.2.4) */
    if (at >= room || p[at] < 2)
        return false;
    at++;
    n = aml_integer(p + at, room - at, a);
    if (n == 0)
        return false;
    at += n;
    return aml_integer(p + at, room - at, b) != 0;
}

/*
 * The sleep types of S5 are data in the DSDT: Name(\_S5_, Package..). Only this one pattern is
 * looked for; a DSDT that computes them is the control domain's to interpret.
 */
static void read_dsdt(struct acpi_info *info)
{
    struct table t;
    char sig[5];

    if (info->dsdt == 0 || !table_open(&t, info->dsdt, sig))
        return;
    for (uint32_t at = HEADER_BYTES + 2; at + 4 <= t.length && !info->s5_known; at++) {
        const uint8_t *p = t.p + at;
        bool named = p[-1] == 0x08 || (p[-1] == '\\' && p[-2] == 0x08);

        if (p[0] == '_' && named && memcmp(p, "_S5_", 4) == 0)
            info->s5_known =
                aml_sleep_package(p + 4, t.length - at - 4, &info->s5_type_a, &info->s5_type_b);
    }
    table_close(&t);
}

/* ---- The list of tables --------------------------------------------------------------------- */

static const struct {
    char sig[5];
    void (*read)(struct acpi_info *info, const struct table *t);
} readers[] = {
    {"APIC", read_madt},
    {"HPET", read_hpet},
    {"MCFG", read_mcfg},
    {"FACP", read_fadt},
};

static void read_table(struct acpi_info *info, uint64_t addr)
{
    const uint8_t *header = acpi_map(addr, HEADER_BYTES);
    struct table t;
    char sig[5];

    for (unsigned i = 0; header != NULL && i < ARRAY_SIZE(readers); i++) {
        if (memcmp(header, readers[i].sig, 4) != 0)
            continue;
        if (table_open(&t, addr, sig)) {
            readers[i].read(info, &t);
            table_close(&t);
        }
        break;
    }
    if (header != NULL)
        acpi_unmap(header, HEADER_BYTES);
    else
        log_warning("ACPI: a table is said to be at %#lx, where none can be", (unsigned long)addr);
}

static bool read_list(struct acpi_info *info, uint64_t addr, const char *want, unsigned entry_bytes)
{
    struct table t;
    char sig[5];
    unsigned n;

    if (addr == 0 || !table_open(&t, addr, sig))
        return false;
    if (strcmp(sig, want) != 0) {
        log_warning("ACPI: %s expected at %#lx, found %s", want, (unsigned long)addr, sig);
        table_close(&t);
        return false;
    }
    n = MIN((t.length - HEADER_BYTES) / entry_bytes, ACPI_MAX_TABLES);
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *e = t.p + HEADER_BYTES + i * entry_bytes;

        read_table(info, entry_bytes == 8 ? get64(e) : get32(e));
    }
    table_close(&t);
    return true;
}

void acpi_defaults(struct acpi_info *info, uint32_t boot_apic_id)
{
    memset(info, 0, sizeof(*info));
    info->nr_cpus = 1;
    info->cpu[0].apic_id = boot_apic_id;
    info->has_pic = true;
    for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
        info->isa[i].gsi = i;
}

static void boot_cpu_first(struct acpi_info *info, uint32_t boot_apic_id)
{
    struct acpi_cpu boot = {.apic_id = boot_apic_id};
    unsigned i = 0;

    while (i < info->nr_cpus && info->cpu[i].apic_id != boot_apic_id)
        i++;
    if (i < info->nr_cpus) {
        boot = info->cpu[i];
    } else {
        log_warning("ACPI: the boot CPU (APIC identifier %u) is not listed", boot_apic_id);
        if (info->nr_cpus < NR_CPUS) {
            info->nr_cpus++;
        } else {
            info->cpus_dropped++;
            i = NR_CPUS - 1;
        }
    }
    memmove(&info->cpu[1], &info->cpu[0], i * sizeof(info->cpu[0]));
    info->cpu[0] = boot;
}

bool acpi_read_tables(struct acpi_info *info, uint64_t rsdp, uint32_t boot_apic_id)
{
    const uint8_t *r = acpi_map(rsdp, HEADER_BYTES);
    uint64_t xsdt = 0, rsdt;
    bool valid, found;

    acpi_defaults(info, boot_apic_id);
    if (r == NULL)
        return false;
    valid = acpi_rsdp_valid(r, HEADER_BYTES);
    rsdt = get32(r + 16);
    if (r[15] >= 2)
        xsdt = get64(r + 24);
    acpi_unmap(r, HEADER_BYTES);
    if (!valid) {
        log_warning("ACPI: the root pointer at %#lx is damaged", (unsigned long)rsdp);
        return false;
    }
    info->nr_cpus = 0;
    found = read_list(info, xsdt, "XSDT", 8) || read_list(info, rsdt, "RSDT", 4);
    if (info->has_madt)
        boot_cpu_first(info, boot_apic_id);
    else
        info->nr_cpus = 1;
    info->cpu[0].apic_id = boot_apic_id;
    read_dsdt(info);
    return found;
}
