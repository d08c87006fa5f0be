/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration space (PCI 3.0, 3.2.2.3.2 for the ports; PCI Express 4.0, 7.2.2 for the memory
 * window).
 *
 * The ports reach the first 256 bytes of every function of segment 0 and need no promise of the
 * firmware, so they are used for what they reach, and the window of MCFG for the rest: where the
 * machine's map reserves it, or the control domain has found it reserved in the DSDT.
 */
#include "x86/pci.h"

#include "core/abi.h"
#include "core/atomic.h"
#include "core/e820.h"
#include "core/lib.h"
#include "core/lock.h"
#include "x86/acpi.h"
#include "x86/paging.h"
#include "x86/x86.h"

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA    0xcfcu
#define CONFIG_ENABLE  0x80000000u
#define BUS_BYTES      0x100000u /* 256 functions of 4096 bytes */

#define REG_VENDOR          0x00u
#define REG_STATUS          0x06u
#define STATUS_CAPABILITIES 0x10u
#define REG_HEADER_TYPE     0x0eu
#define REG_BAR(n)          (0x10u + 4 * (n))
#define REG_CAPABILITIES    0x34u
#define CAPABILITIES_MAX    48u /* that fit in 192 bytes: more are a loop */

static struct spinlock config_lock = SPINLOCK_INIT(RANK_PCI_CONFIG);

/* By MCFG entry and bus; mapped on demand, for good. */
static volatile uint8_t *bus_window[ACPI_MAX_MCFG][256];
static bool vouched[ACPI_MAX_MCFG];

/* ---- The memory window ---------------------------------------------------------------------- */

static bool window_usable(unsigned i)
{
    const struct acpi_mcfg *m = &acpi_info.mcfg[i];
    uint64_t start = m->addr + (uint64_t)m->first_bus * BUS_BYTES;
    uint64_t end = m->addr + (m->last_bus + 1ull) * BUS_BYTES;

    return READ_ONCE(vouched[i]) || e820_all(&e820, start, end, E820_RESERVED);
}

/* Registers of a function in its window, or NULL. */
static volatile uint8_t *window(unsigned seg, unsigned bus, unsigned devfn)
{
    volatile uint8_t *va;

    for (unsigned i = 0; i < acpi_info.nr_mcfg; i++) {
        const struct acpi_mcfg *m = &acpi_info.mcfg[i];

        if (m->segment != seg || bus < m->first_bus || bus > m->last_bus || !window_usable(i))
            continue;
        va = atomic_load(&bus_window[i][bus]);
        if (va == NULL) {
            /* Two CPUs may map it at once: one mapping is then lost, which is harmless. */
            va = map_device(MADDR(m->addr + (uint64_t)bus * BUS_BYTES), BUS_BYTES);
            if (va == NULL)
                return NULL;
            atomic_store(&bus_window[i][bus], va);
        }
        return va + devfn * 4096u;
    }
    return NULL;
}

int pci_mmcfg_reserved(uint64_t address, uint16_t seg, unsigned first, unsigned last)
{
    for (unsigned i = 0; i < acpi_info.nr_mcfg; i++) {
        const struct acpi_mcfg *m = &acpi_info.mcfg[i];

        if (m->addr == address && m->segment == seg && m->first_bus == first &&
            m->last_bus == last) {
            WRITE_ONCE(vouched[i], true);
            return 0;
        }
    }
    return -XEN_ENODEV;
}

static uint32_t window_read(const volatile uint8_t *p, unsigned size)
{
    switch (size) {
    case 1:
        return *p;
    case 2:
        return *(const volatile uint16_t *)p;
    default:
        return *(const volatile uint32_t *)p;
    }
}

static void window_write(volatile uint8_t *p, unsigned size, uint32_t val)
{
    switch (size) {
    case 1:
        *p = (uint8_t)val;
        break;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)val;
        break;
    default:
        *(volatile uint32_t *)p = val;
        break;
    }
}

/* ---- The ports ------------------------------------------------------------------------------ */

static bool by_ports(unsigned seg, unsigned reg)
{
    return seg == 0 && reg < 256;
}

static void select(unsigned bus, unsigned devfn, unsigned reg)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | bus << 16 | devfn << 8 | (reg & ~3u));
}

static bool access_ok(unsigned bus, unsigned devfn, unsigned reg, unsigned size)
{
    return bus < 256 && devfn < 256 && (size == 1 || size == 2 || size == 4) && reg < 4096 &&
           (reg & (size - 1)) == 0;
}

uint32_t pci_config_read(unsigned seg, unsigned bus, unsigned devfn, unsigned reg, unsigned size)
{
    uint32_t ones = size == 4 ? UINT32_MAX : (1u << size * 8) - 1, val;
    uint16_t port = (uint16_t)(CONFIG_DATA + (reg & 3));
    unsigned long flags;

    if (!access_ok(bus, devfn, reg, size))
        return ones;
    if (!by_ports(seg, reg)) {
        volatile uint8_t *p = window(seg, bus, devfn);

        return p != NULL ? window_read(p + reg, size) : ones;
    }
    flags = lock_irqsave(&config_lock);
    select(bus, devfn, reg);
    val = size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
    unlock_irqrestore(&config_lock, flags);
    return val;
}

void pci_config_write(unsigned seg, unsigned bus, unsigned devfn, unsigned reg, unsigned size,
                      uint32_t val)
{
    uint16_t port = (uint16_t)(CONFIG_DATA + (reg & 3));
    unsigned long flags;

    if (!access_ok(bus, devfn, reg, size))
        return;
    if (!by_ports(seg, reg)) {
        volatile uint8_t *p = window(seg, bus, devfn);

        if (p != NULL)
            window_write(p + reg, size, val);
        return;
    }
    flags = lock_irqsave(&config_lock);
    select(bus, devfn, reg);
    if (size == 1)
        outb(port, (uint8_t)val);
    else if (size == 2)
        outw(port, (uint16_t)val);
    else
        outl(port, val);
    unlock_irqrestore(&config_lock, flags);
}

/* ---- What is in it -------------------------------------------------------------------------- */

bool pci_device_present(unsigned seg, unsigned bus, unsigned devfn)
{
    return pci_config_read(seg, bus, devfn, REG_VENDOR, 2) != 0xffff;
}

unsigned pci_find_capability(unsigned seg, unsigned bus, unsigned devfn, uint8_t id)
{
    unsigned at;

    if (!(pci_config_read(seg, bus, devfn, REG_STATUS, 2) & STATUS_CAPABILITIES))
        return 0;
    at = pci_config_read(seg, bus, devfn, REG_CAPABILITIES, 1) & ~3u;
    for (unsigned i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
        uint32_t head = pci_config_read(seg, bus, devfn, at, 2);

        if ((head & 0xff) == id)
            return at;
        at = head >> 8 & ~3u;
    }
    return 0;
}

uint64_t pci_memory_bar(unsigned seg, unsigned bus, unsigned devfn, unsigned bar)
{
    unsigned bars = (pci_config_read(seg, bus, devfn, REG_HEADER_TYPE, 1) & 0x7f) == 0 ? 6 : 2;
    uint64_t val;

    if (bar >= bars)
        return 0;
    val = pci_config_read(seg, bus, devfn, REG_BAR(bar), 4);
    if (val & 1) /* I/O space */
        return 0;
    if ((val & 6) == 4 && bar + 1 < bars) /* 64 bits wide */
        val |= (uint64_t)pci_config_read(seg, bus, devfn, REG_BAR(bar + 1), 4) << 32;
    return val & ~0xfull;
}
