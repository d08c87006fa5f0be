/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/x86/acpi_tables.c hypervisor/core/fmt.c hypervisor/core/lib.c tests/unit/host.c
 */
/*
 * Reading ACPI tables: a good machine, and every way in which a firmware's tables can be broken.
 * Each mapping is a copy of exactly the bytes asked for, so that the sanitizer sees any byte too
 * many.
 */
#include "x86/acpi.h"

#include "host.h"

#define MEM_BASE  0x10000u
#define MEM_BYTES 0x10000u

static uint8_t mem[MEM_BYTES];
static int maps;

const void *acpi_map(uint64_t addr, size_t bytes)
{
    uint8_t *copy;

    if (addr < MEM_BASE || bytes > MEM_BYTES || addr - MEM_BASE > MEM_BYTES - bytes)
        return NULL;
    copy = malloc(bytes);
    memcpy(copy, mem + (addr - MEM_BASE), bytes);
    maps++;
    return copy;
}

void acpi_unmap(const void *va, size_t bytes)
{
    (void)bytes;
    maps--;
    free((void *)(uintptr_t)va);
}

/* ---- Building tables ------------------------------------------------------------------------ */

#define RSDP 0x10000u
#define XSDT 0x10100u
#define RSDT 0x10200u
#define MADT 0x10300u
#define HPET 0x10800u
#define FADT 0x10900u
#define MCFG 0x10b00u
#define DSDT 0x10c00u

static uint8_t *at(uint64_t addr)
{
    return mem + (addr - MEM_BASE);
}

static void put(uint64_t addr, uint64_t val, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at(addr)[i] = (uint8_t)(val >> i * 8);
}

static void put_bytes(uint64_t addr, const char *bytes, size_t n)
{
    memcpy(at(addr), bytes, n);
}

static void fix_sum(uint64_t addr, size_t bytes, unsigned where)
{
    uint8_t sum = 0;

    at(addr)[where] = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + at(addr)[i]);
    at(addr)[where] = (uint8_t)-sum;
}

static void header(uint64_t addr, const char *sig, uint32_t length)
{
    put_bytes(addr, sig, 4);
    put(addr + 4, length, 4);
    fix_sum(addr, length, 9);
}

static void rsdp(uint8_t revision, uint64_t rsdt, uint64_t xsdt)
{
    memset(at(RSDP), 0, 36);
    put_bytes(RSDP, "RSD PTR ", 8);
    put(RSDP + 15, revision, 1);
    put(RSDP + 16, rsdt, 4);
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, xsdt, 8);
    fix_sum(RSDP, 20, 8);
    fix_sum(RSDP, 36, 32);
}

static uint32_t madt_end;

static void madt_begin(void)
{
    memset(at(MADT), 0, 0x500);
    put(MADT + 36, 0xfee00000, 4);
    put(MADT + 40, 1, 4);
    madt_end = 44;
}

static void madt_add(const char *entry, uint8_t length)
{
    put_bytes(MADT + madt_end, entry, length);
    madt_end += length;
    header(MADT, "APIC", madt_end);
}
#define MADT_ADD(s) madt_add(s, sizeof(s) - 1)

/* The tables of QEMU's PC, in small. */
static void good_machine(void)
{
    memset(mem, 0, sizeof(mem));
    rsdp(2, RSDT, XSDT);
    put(XSDT + 36, MADT, 8);
    put(XSDT + 44, HPET, 8);
    put(XSDT + 52, FADT, 8);
    put(XSDT + 60, MCFG, 8);
    header(XSDT, "XSDT", 68);
    put(RSDT + 36, MADT, 4);
    header(RSDT, "RSDT", 40);

    madt_begin();
    MADT_ADD("\x00\x08\x00\x00\x01\x00\x00\x00");                 /* CPU 0, APIC 0 */
    MADT_ADD("\x00\x08\x01\x02\x01\x00\x00\x00");                 /* CPU 1, APIC 2 */
    MADT_ADD("\x00\x08\x02\x04\x00\x00\x00\x00");                 /* CPU 2, disabled */
    MADT_ADD("\x01\x0c\x00\x00\x00\x00\xc0\xfe\x00\x00\x00\x00"); /* IOAPIC */
    MADT_ADD("\x02\x0a\x00\x00\x02\x00\x00\x00\x00\x00");         /* IRQ 0 is GSI 2 */
    MADT_ADD("\x02\x0a\x00\x09\x09\x00\x00\x00\x0d\x00");         /* IRQ 9 level, high */
    MADT_ADD("\x02\x0a\x00\x05\x05\x00\x00\x00\x0f\x00");         /* IRQ 5 level, low */
    MADT_ADD("\x04\x06\xff\x00\x00\x01");                         /* LINT1 is NMI */
    MADT_ADD("\x09\x10\x00\x00\x00\x01\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00"); /* x2APIC 256 */

    put(HPET + 44, 0xfed00000, 8);
    header(HPET, "HPET", 56);

    put(FADT + 40, DSDT, 4);
    put(FADT + 46, 9, 2);
    put(FADT + 64, 0x604, 4);
    put(FADT + 76, 0x608, 4);
    put(FADT + 112, 1u << 8 | 1u << 10, 4);
    put(FADT + 116, 1, 1); /* reset register: port 0xcf9 */
    put(FADT + 120, 0xcf9, 8);
    put(FADT + 128, 0x0f, 1);
    header(FADT, "FACP", 244);

    put(MCFG + 44, 0xb0000000, 8);
    put(MCFG + 55, 0xff, 1);
    header(MCFG, "MCFG", 60);

    put_bytes(DSDT + 40, "\x08_S5_\x12\x06\x04\x0a\x05\x01\x00\x00", 12);
    header(DSDT, "DSDT", 64);
}

static struct acpi_info info;

static bool read_all(void)
{
    bool good;

    host_log_reset();
    good = acpi_read_tables(&info, RSDP, 2);
    is(maps, 0, "every mapping was given back");
    return good;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_good(void)
{
    good_machine();
    ok(read_all(), "a good machine");
    is(info.nr_cpus, 3);
    is(info.cpu[0].apic_id, 2, "the boot CPU comes first");
    is(info.cpu[0].acpi_id, 1);
    is(info.cpu[1].apic_id, 0);
    is(info.cpu[2].apic_id, 256, "an x2APIC");
    is(info.cpu[2].acpi_id, 7);
    is(info.nr_ioapics, 1);
    is(info.ioapic[0].addr, 0xfec00000);
    is(info.isa[0].gsi, 2);
    is(info.isa[1].gsi, 1, "identity without an entry");
    ok(info.isa[9].level && !info.isa[9].active_low, "interrupt 9");
    ok(info.isa[5].level && info.isa[5].active_low, "interrupt 5");
    ok(!info.isa[0].level && !info.isa[0].active_low, "an ISA interrupt conforms to its bus");
    is(info.lint_nmi, 2);
    is(info.hpet_addr, 0xfed00000);
    is(info.pm_timer.addr, 0x608);
    is(info.pm_timer.space, ACPI_SPACE_IO);
    ok(info.pm_timer_32bit);
    is(info.pm1a_control.addr, 0x604);
    is(info.pm1b_control.addr, 0);
    is(info.reset.addr, 0xcf9);
    is(info.reset_value, 0x0f);
    is(info.nr_mcfg, 1);
    is(info.mcfg[0].last_bus, 255);
    ok(info.s5_known && info.s5_type_a == 5 && info.s5_type_b == 1, "S5's sleep types");
    is_str(host_log, "", "nothing to complain of");
}

static void test_root(void)
{
    good_machine();
    at(RSDP)[8] ^= 1;
    ok(!read_all() && host_logged("damaged"), "a bad sum in the root pointer");
    is(info.nr_cpus, 1, "leaves the boot CPU");
    is(info.cpu[0].apic_id, 2);

    good_machine();
    at(RSDP)[33] ^= 1;
    ok(!read_all(), "a bad sum in its extension");

    good_machine();
    rsdp(0, RSDT, XSDT);
    ok(read_all() && info.has_madt && info.hpet_addr == 0, "revision 0 has only the RSDT");

    good_machine();
    at(XSDT)[40] ^= 1;
    ok(read_all() && host_logged("XSDT"), "the RSDT serves when the XSDT is broken");

    good_machine();
    rsdp(2, 0, MEM_BASE + MEM_BYTES - 35);
    ok(!read_all(), "a list that begins in memory and ends outside");

    good_machine();
    rsdp(2, 0, MADT);
    ok(!read_all() && host_logged("expected"), "another table in the list's place");
    ok(!acpi_read_tables(&info, 0, 0), "no root pointer");
}

static void test_lengths(void)
{
    static const uint32_t bad[] = {0, 35, 0x10001, 0x7fffffff, 0xffffffff};

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        good_machine();
        put(MADT + 4, bad[i], 4);
        ok(read_all() && !info.has_madt && info.nr_cpus == 1, "MADT of %u bytes", bad[i]);
        ok(host_logged("APIC"), "it is named");
    }
    good_machine();
    header(MADT, "APIC", 36);
    ok(read_all() && !info.has_madt, "an MADT without its own fields");
    header(MADT, "APIC", 45);
    ok(read_all() && info.has_madt && info.nr_cpus == 1, "one with a single odd byte");
    is(info.cpu[0].apic_id, 2);

    for (uint32_t length = 36; length < 256; length++) {
        good_machine();
        header(FADT, "FACP", length);
        header(HPET, "HPET", length < 60 ? length : 60);
        header(MCFG, "MCFG", length < 80 ? length : 80);
        header(DSDT, "DSDT", length < 64 ? length : 64);
        if (!read_all())
            fail("tables of %u bytes", length);
    }
    pass("tables of every length");
}

static void test_madt_entries(void)
{
    good_machine();
    madt_begin();
    MADT_ADD("\x00\x08\x00\x02\x01\x00\x00\x00");
    MADT_ADD("\x00\x00");
    MADT_ADD("\x00\x08\x01\x03\x01\x00\x00\x00");
    ok(read_all() && host_logged("impossible length 0"), "an entry of length 0 ends the list");
    is(info.nr_cpus, 1);

    madt_begin();
    MADT_ADD("\x00\x08\x00\x02\x01\x00\x00\x00");
    MADT_ADD("\x01\xff");
    ok(read_all() && host_logged("impossible length 255"), "so does one that is too long");

    madt_begin();
    MADT_ADD("\x00\x08\x00\x02\x01\x00\x00\x00");
    MADT_ADD("\x01\x04\x00\x00");
    MADT_ADD("\x80\x03\x00");
    MADT_ADD("\x00\x08\x01\x03\x01\x00\x00\x00");
    MADT_ADD("\x02\x0a\x00\x10\x02\x00\x00\x00\x00\x00");
    MADT_ADD("\x04\x06\xff\x00\x00\x02");
    ok(read_all() && host_logged("too short"), "one too short for its type is skipped");
    is(info.nr_cpus, 2, "an unknown one too");
    is(info.nr_ioapics, 0);
    ok(host_logged("interrupt 16"), "an override of interrupt 16 is refused");
    is(info.lint_nmi, 0, "LINT2 does not exist");

    madt_begin();
    for (unsigned i = 0; i < 70; i++) {
        char e[8] = {0, 8, (char)i, (char)(i + 10), 1, 0, 0, 0};

        madt_add(e, 8);
    }
    ok(read_all(), "70 CPUs, without the one that boots");
    is(info.nr_cpus, NR_CPUS);
    is(info.cpus_dropped, 70 - NR_CPUS + 1);
    is(info.cpu[0].apic_id, 2);
    is(info.cpu[1].apic_id, 10);

    madt_begin();
    for (unsigned i = 0; i < 2; i++)
        MADT_ADD("\x00\x08\x00\x02\x01\x00\x00\x00");
    ok(read_all() && info.nr_cpus == 1, "a CPU listed twice counts once");
}

static void test_dsdt(void)
{
    good_machine();
    put_bytes(DSDT + 40, "\x5b_S5_\x12\x06\x04\x0a\x05\x01\x00\x00", 12);
    header(DSDT, "DSDT", 64);
    ok(read_all() && !info.s5_known, "_S5_ that is not a Name");

    good_machine();
    put_bytes(DSDT + 40, "\x08\\_S5_\x12\x08\x02\x0b\x07\x00\x0a\x03", 14);
    header(DSDT, "DSDT", 64);
    ok(read_all() && info.s5_known && info.s5_type_a == 7 && info.s5_type_b == 3,
       "an absolute name, other integers");

    for (uint32_t end = 40; end < 53; end++) {
        good_machine();
        header(DSDT, "DSDT", end);
        ok(read_all() && info.s5_known == (end >= 51), "cut off after %u bytes", end);
    }
}

/* Whatever the bytes are, reading ends, gives mappings back and stays inside them. */
static void test_random(void)
{
    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        good_machine();
        for (unsigned i = 0; i < 8; i++)
            mem[(unsigned)rand() % 0xd00] = (uint8_t)rand();
        header(XSDT, "XSDT", 68);
        if (round & 1)
            header(MADT, "APIC", madt_end);
        rsdp(2, RSDT, XSDT);
        host_log_reset();
        (void)!acpi_read_tables(&info, RSDP, 2);
        if (maps != 0 || info.nr_cpus < 1 || info.nr_cpus > NR_CPUS) {
            fail("round %u", round);
            return;
        }
    }
    pass("3000 machines with eight wrong bytes");
}

int main(void)
{
    test_good();
    test_root();
    test_lengths();
    test_madt_entries();
    test_dsdt();
    test_random();
    return done();
}
