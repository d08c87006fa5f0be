/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOAPICs (Intel 82093AA data sheet, section 3).
 *
 * Owns their registers: nobody else writes them, and no guest may map them. Each pin's low word is
 * shadowed, so that masking costs one write. Calls name pins by GSI; a GSI without a pin is ignored
 * by all of them, and ioapic_has_gsi() tells.
 */
#include "x86/ioapic.h"

#include "core/lib.h"
#include "core/lock.h"
#include "core/log.h"
#include "x86/acpi.h"
#include "x86/iomem.h"
#include "x86/paging.h"

#define IOREGSEL        0x00u
#define IOWIN           0x10u
#define REG_ID          0x00u
#define REG_VERSION     0x01u
#define REG_ARBITRATION 0x02u
#define REG_PIN(n)      (0x10u + 2 * (n))

#define PIN_ACTIVE_LOW        (1u << 13)
#define PIN_LEVEL             (1u << 15)
#define PIN_MASKED            (1u << 16)
#define PIN_DESTINATION_SHIFT 24

#define IOAPIC_BYTES 0x1000u
#define PINS_MAX     240u
#define GSI_LIMIT    512u

static struct ioapic {
    volatile uint8_t *page;
    uint64_t addr;
    unsigned gsi_base, pins;
    uint32_t low[PINS_MAX];
} ioapics[ACPI_MAX_IOAPICS];
static unsigned nr_ioapics;
static struct spinlock ioapic_lock = SPINLOCK_INIT(RANK_IOAPIC); /* the register window */

static uint32_t window_read(const struct ioapic *io, unsigned reg)
{
    *(volatile uint32_t *)(io->page + IOREGSEL) = reg;
    return *(volatile uint32_t *)(io->page + IOWIN);
}

static void window_write(const struct ioapic *io, unsigned reg, uint32_t val)
{
    *(volatile uint32_t *)(io->page + IOREGSEL) = reg;
    *(volatile uint32_t *)(io->page + IOWIN) = val;
}

static struct ioapic *find(unsigned gsi, unsigned *pin)
{
    for (unsigned i = 0; i < nr_ioapics; i++)
        if (gsi - ioapics[i].gsi_base < ioapics[i].pins) {
            *pin = gsi - ioapics[i].gsi_base;
            return &ioapics[i];
        }
    return NULL;
}

bool ioapic_has_gsi(unsigned gsi)
{
    unsigned pin;

    return find(gsi, &pin) != NULL;
}

static void add(const struct acpi_ioapic *a)
{
    struct ioapic *io = &ioapics[nr_ioapics];
    uint32_t version;

    io->addr = a->addr;
    io->gsi_base = a->gsi_base;
    io->page = map_device(MADDR(a->addr), IOAPIC_BYTES);
    if (io->page == NULL) {
        log_warning("IOAPIC at %#lx: no memory to map it: ignored", (unsigned long)a->addr);
        return;
    }
    version = window_read(io, REG_VERSION);
    io->pins = (version >> 16 & 0xff) + 1;
    if (version == UINT32_MAX || io->pins > PINS_MAX || a->gsi_base > GSI_LIMIT - io->pins) {
        log_warning("IOAPIC at %#lx does not answer as one (version %#x, first GSI %u): ignored",
                    (unsigned long)a->addr, version, a->gsi_base);
        return;
    }
    for (unsigned pin = 0; pin < io->pins; pin++) {
        io->low[pin] = PIN_MASKED;
        window_write(io, REG_PIN(pin), PIN_MASKED);
        window_write(io, REG_PIN(pin) + 1, 0);
    }
    iomem_reserve(MADDR(a->addr), IOAPIC_BYTES, false);
    log_info("IOAPIC %u at %#lx: GSIs %u-%u", a->id, (unsigned long)a->addr, a->gsi_base,
             a->gsi_base + io->pins - 1);
    nr_ioapics++;
}

unsigned ioapic_init(void)
{
    unsigned gsis = 0;

    for (unsigned i = 0; i < acpi_info.nr_ioapics; i++)
        add(&acpi_info.ioapic[i]);
    for (unsigned i = 0; i < nr_ioapics; i++)
        gsis = MAX(gsis, ioapics[i].gsi_base + ioapics[i].pins);
    return gsis;
}

void ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id, bool level, bool active_low)
{
    unsigned pin = 0;
    struct ioapic *io = find(gsi, &pin);
    unsigned long flags;

    if (io == NULL)
        return;
    flags = lock_irqsave(&ioapic_lock);
    io->low[pin] =
        vector | PIN_MASKED | (level ? PIN_LEVEL : 0) | (active_low ? PIN_ACTIVE_LOW : 0);
    window_write(io, REG_PIN(pin), io->low[pin]);
    window_write(io, REG_PIN(pin) + 1, apic_id << PIN_DESTINATION_SHIFT);
    unlock_irqrestore(&ioapic_lock, flags);
}

static void set_mask(unsigned gsi, bool masked)
{
    unsigned pin = 0;
    struct ioapic *io = find(gsi, &pin);
    unsigned long flags;

    if (io == NULL)
        return;
    flags = lock_irqsave(&ioapic_lock);
    io->low[pin] = masked ? io->low[pin] | PIN_MASKED : io->low[pin] & ~PIN_MASKED;
    window_write(io, REG_PIN(pin), io->low[pin]);
    if (masked) /* the write has arrived when a read has come back */
        (void)window_read(io, REG_PIN(pin));
    unlock_irqrestore(&ioapic_lock, flags);
}

void ioapic_mask(unsigned gsi)
{
    set_mask(gsi, true);
}

void ioapic_unmask(unsigned gsi)
{
    set_mask(gsi, false);
}

static const struct ioapic *find_base(uint64_t base)
{
    for (unsigned i = 0; i < nr_ioapics; i++)
        if (ioapics[i].addr == base)
            return &ioapics[i];
    return NULL;
}

bool ioapic_exists(uint64_t base)
{
    return find_base(base) != NULL;
}

bool ioapic_read_register(uint64_t base, uint32_t reg, uint32_t *val)
{
    const struct ioapic *io = find_base(base);
    unsigned long flags;

    if (io == NULL || (reg > REG_ARBITRATION && reg < REG_PIN(0)) || reg >= REG_PIN(io->pins))
        return false;
    flags = lock_irqsave(&ioapic_lock);
    *val = window_read(io, reg);
    unlock_irqrestore(&ioapic_lock, flags);
    return true;
}

bool ioapic_register_gsi(uint64_t base, uint32_t reg, unsigned *gsi)
{
    const struct ioapic *io = find_base(base);

    if (io == NULL || reg < REG_PIN(0) || reg >= REG_PIN(io->pins) || (reg & 1))
        return false;
    *gsi = io->gsi_base + (reg - REG_PIN(0)) / 2;
    return true;
}
