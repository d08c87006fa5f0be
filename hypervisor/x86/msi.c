/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSI and MSI-X (PCI 3.0, 6.8.1 and 6.8.2).
 *
 * Owns address, data and mask bits of every message; the control domain's kernel leaves them alone
 * and only enables the capability. A device has a record from its first message on, for good: a
 * message names it without holding anything. Records and messages change under physdev_lock; mask
 * bits under msi_lock, because interrupts are let through in any context.
 */
#include "x86/msi.h"

#include "core/abi.h"
#include "core/domain.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/log.h"
#include "x86/apic.h"
#include "x86/iomem.h"
#include "x86/irq.h"
#include "x86/paging.h"
#include "x86/pci.h"

#define REG_COMMAND    0x04u
#define COMMAND_MEMORY 2u

#define MSI_CONTROL       2u
#define MSI_ENABLE        0x0001u
#define MSI_CAPABLE_SHIFT 1
#define MSI_ENABLED_SHIFT 4
#define MSI_ENABLED_MASK  0x0070u
#define MSI_64BIT         0x0080u
#define MSI_MASKABLE      0x0100u
#define MSI_ADDRESS       4u
#define MSI_BLOCK_MAX     32u

#define MSIX_CONTROL      2u
#define MSIX_ENABLE       0x8000u
#define MSIX_SIZE         0x07ffu
#define MSIX_TABLE        4u
#define MSIX_BIR          7u
#define MSIX_ENTRY_BYTES  16u
#define MSIX_ENTRY_MASKED 1u
#define MESSAGES          512u /* descriptors for messages in irq.c */

struct msi_device {
    struct msi_device *next;
    struct pci_address addr;
    unsigned cap;                  /* of the kind in use */
    unsigned msix_used;            /* entries set up */
    unsigned msi_first, msi_count; /* descriptors of plain MSI; count 0: not set up */
    uint16_t msi_control;
    uint32_t msi_masks;
    uint64_t table_addr; /* machine address of the MSI-X table as mapped */
    size_t table_bytes;
    volatile uint32_t *table;
};

struct message {
    struct msi_device *dev; /* NULL: not in use */
    uint16_t entry;         /* of the MSI-X table, or of the MSI block */
    bool msix, masked;
};

static struct msi_device *devices;
static struct message messages[MESSAGES];
static struct spinlock msi_lock = SPINLOCK_INIT(RANK_MSI);

static struct message *message_of(unsigned irq)
{
    unsigned n = irq - irq_nr_gsis();

    return n < MESSAGES ? &messages[n] : NULL;
}

static uint32_t cfg_read(const struct msi_device *dev, unsigned reg, unsigned size)
{
    return pci_config_read(dev->addr.seg, dev->addr.bus, dev->addr.devfn, reg, size);
}

static void cfg_write(const struct msi_device *dev, unsigned reg, unsigned size, uint32_t val)
{
    pci_config_write(dev->addr.seg, dev->addr.bus, dev->addr.devfn, reg, size, val);
}

static bool same_address(struct pci_address a, struct pci_address b)
{
    return a.seg == b.seg && a.bus == b.bus && a.devfn == b.devfn;
}

static struct msi_device *find_device(struct pci_address addr)
{
    struct msi_device *dev = devices;

    while (dev != NULL && !same_address(dev->addr, addr))
        dev = dev->next;
    return dev;
}

/* The device's record with the capability found; -XEN_ENODEV, -XEN_ENOMEM. */
static int open_device(struct pci_address addr, uint8_t kind, struct msi_device **out)
{
    struct msi_device *dev = find_device(addr);
    unsigned cap = 0;

    if (pci_device_present(addr.seg, addr.bus, addr.devfn))
        cap = pci_find_capability(addr.seg, addr.bus, addr.devfn, kind);
    if (cap == 0)
        return -XEN_ENODEV;
    if (dev == NULL) {
        dev = hv_new(NULL, struct msi_device);
        if (dev == NULL)
            return -XEN_ENOMEM;
        dev->addr = addr;
        dev->next = devices;
        devices = dev;
    }
    *out = dev;
    if (dev->msi_count != 0 || (dev->msix_used != 0 && kind == PCI_CAP_MSI))
        return -XEN_EBUSY;
    dev->cap = cap;
    return 0;
}

/* ---- MSI ------------------------------------------------------------------------------------ */

static void msi_write_masks(const struct msi_device *dev)
{
    if (dev->msi_control & MSI_MASKABLE)
        cfg_write(dev, dev->cap + (dev->msi_control & MSI_64BIT ? 16 : 12), 4, dev->msi_masks);
}

static void msi_program(const struct msi_device *dev)
{
    uint64_t address = apic_msi_address(irq_cpu(dev->msi_first));
    unsigned data_at = MSI_ADDRESS + 4;
    uint16_t control = dev->msi_control & (uint16_t) ~(MSI_ENABLE | MSI_ENABLED_MASK);

    cfg_write(dev, dev->cap + MSI_CONTROL, 2, control);
    cfg_write(dev, dev->cap + MSI_ADDRESS, 4, (uint32_t)address);
    if (dev->msi_control & MSI_64BIT) {
        cfg_write(dev, dev->cap + MSI_ADDRESS + 4, 4, (uint32_t)(address >> 32));
        data_at += 4;
    }
    cfg_write(dev, dev->cap + data_at, 2, apic_msi_data(irq_vector(dev->msi_first)));
    msi_write_masks(dev);
    control |= (uint16_t)(__builtin_ctz(dev->msi_count) << MSI_ENABLED_SHIFT);
    cfg_write(dev, dev->cap + MSI_CONTROL, 2, control | MSI_ENABLE);
}

int msi_setup(struct pci_address addr, unsigned count, unsigned *irq)
{
    struct msi_device *dev;
    int ret = open_device(addr, PCI_CAP_MSI, &dev);
    unsigned block = 1;

    if (ret != 0)
        return ret;
    dev->msi_control = (uint16_t)cfg_read(dev, dev->cap + MSI_CONTROL, 2);
    while (block < count)
        block *= 2;
    if (count == 0 || block > MIN(1u << (dev->msi_control >> MSI_CAPABLE_SHIFT & 7), MSI_BLOCK_MAX))
        return -XEN_EINVAL;
    ret = irq_alloc_msi(block, irq);
    if (ret != 0)
        return ret;
    dev->msi_first = *irq;
    dev->msi_count = block;
    dev->msi_masks = UINT32_MAX;
    for (unsigned i = 0; i < block; i++)
        *message_of(*irq + i) = (struct message){.dev = dev, .entry = (uint16_t)i, .masked = true};
    msi_program(dev);
    return 0;
}

static void msi_remove(struct msi_device *dev)
{
    unsigned control = cfg_read(dev, dev->cap + MSI_CONTROL, 2);

    cfg_write(dev, dev->cap + MSI_CONTROL, 2, control & ~(MSI_ENABLE | MSI_ENABLED_MASK));
    for (unsigned i = 0; i < dev->msi_count; i++)
        *message_of(dev->msi_first + i) = (struct message){.dev = NULL};
    irq_free_msi(dev->msi_first, dev->msi_count);
    dev->msi_count = 0;
}

/* ---- MSI-X ---------------------------------------------------------------------------------- */

/* The table may lie only where device memory can: the address comes from a register of the device.
 */
static bool table_place_ok(uint64_t addr, size_t bytes)
{
    for (uint64_t a = addr & PAGE_MASK; a < addr + bytes; a += PAGE_SIZE)
        if (mfn_is_ram(maddr_to_mfn(MADDR(a))) ||
            !iomem_permitted(control_domain, maddr_to_mfn(MADDR(a)), true))
            return false;
    return true;
}

static int msix_map_table(struct msi_device *dev, uint64_t table_base)
{
    uint32_t where = cfg_read(dev, dev->cap + MSIX_TABLE, 4);
    uint16_t control = (uint16_t)cfg_read(dev, dev->cap + MSIX_CONTROL, 2);
    size_t bytes = ((control & MSIX_SIZE) + 1u) * MSIX_ENTRY_BYTES;
    uint64_t bar = pci_memory_bar(dev->addr.seg, dev->addr.bus, dev->addr.devfn, where & MSIX_BIR);
    uint64_t addr = bar + (where & ~MSIX_BIR);

    if (bar == 0 || bar != table_base || bar >> 52 != 0 || !table_place_ok(addr, bytes))
        return -XEN_EINVAL;
    if (!(cfg_read(dev, REG_COMMAND, 2) & COMMAND_MEMORY))
        return -XEN_ENXIO;
    if (dev->table != NULL && dev->table_addr == addr && dev->table_bytes == bytes)
        return 0;
    if (dev->msix_used != 0) /* moved while in use */
        return -XEN_EBUSY;
    if (dev->table != NULL)
        unmap_device((void *)(uintptr_t)dev->table, dev->table_bytes);
    dev->table = map_device(MADDR(addr), bytes);
    dev->table_addr = addr;
    dev->table_bytes = bytes;
    return dev->table != NULL ? 0 : -XEN_ENOMEM;
}

static void msix_program(unsigned irq, const struct message *m)
{
    volatile uint32_t *entry = m->dev->table + m->entry * (MSIX_ENTRY_BYTES / 4);
    uint64_t address = apic_msi_address(irq_cpu(irq));

    entry[3] = MSIX_ENTRY_MASKED; /* an entry changes only while masked (6.8.3.5) */
    entry[0] = (uint32_t)address;
    entry[1] = (uint32_t)(address >> 32);
    entry[2] = apic_msi_data(irq_vector(irq));
    entry[3] = m->masked ? MSIX_ENTRY_MASKED : 0;
}

static bool msix_entry_used(const struct msi_device *dev, unsigned entry)
{
    for (unsigned i = 0; i < MESSAGES; i++)
        if (messages[i].dev == dev && messages[i].msix && messages[i].entry == entry)
            return true;
    return false;
}

int msix_setup(struct pci_address addr, unsigned entry, uint64_t table_base, unsigned *irq)
{
    struct msi_device *dev;
    struct message *m;
    unsigned control;
    int ret = open_device(addr, PCI_CAP_MSIX, &dev);

    if (ret != 0)
        return ret;
    control = cfg_read(dev, dev->cap + MSIX_CONTROL, 2);
    if (entry > (control & MSIX_SIZE))
        return -XEN_EINVAL;
    ret = msix_map_table(dev, table_base);
    if (ret != 0)
        return ret;
    if (msix_entry_used(dev, entry))
        return -XEN_EBUSY;
    ret = irq_alloc_msi(1, irq);
    if (ret != 0)
        return ret;
    m = message_of(*irq);
    *m = (struct message){.dev = dev, .entry = (uint16_t)entry, .msix = true, .masked = true};
    dev->msix_used++;
    msix_program(*irq, m);
    cfg_write(dev, dev->cap + MSIX_CONTROL, 2, control | MSIX_ENABLE);
    return 0;
}

static void msix_remove(unsigned irq, struct message *m)
{
    struct msi_device *dev = m->dev;

    msi_mask(irq, true);
    *m = (struct message){.dev = NULL};
    dev->msix_used--;
    irq_free_msi(irq, 1);
}

/* ---- Both ----------------------------------------------------------------------------------- */

void msi_teardown(unsigned irq)
{
    struct message *m = message_of(irq);

    if (m == NULL || m->dev == NULL)
        return;
    if (m->msix)
        msix_remove(irq, m);
    else
        msi_remove(m->dev);
}

unsigned msi_set_of(unsigned irq, unsigned *count)
{
    const struct message *m = message_of(irq);

    *count = 1;
    if (m == NULL || m->dev == NULL || m->msix)
        return irq;
    *count = m->dev->msi_count;
    return m->dev->msi_first;
}

bool msi_belongs_to(unsigned irq, struct pci_address addr)
{
    const struct message *m = message_of(irq);

    return m != NULL && m->dev != NULL && same_address(m->dev->addr, addr);
}

void msi_mask(unsigned irq, bool masked)
{
    struct message *m = message_of(irq);
    unsigned long flags;

    if (m == NULL || m->dev == NULL)
        return;
    flags = lock_irqsave(&msi_lock);
    m->masked = masked;
    if (m->msix) {
        volatile uint32_t *control = m->dev->table + m->entry * (MSIX_ENTRY_BYTES / 4) + 3;

        *control = masked ? MSIX_ENTRY_MASKED : 0;
        if (masked) /* the write has arrived when a read has come back */
            (void)*control;
    } else {
        uint32_t bit = 1u << m->entry;

        m->dev->msi_masks = masked ? m->dev->msi_masks | bit : m->dev->msi_masks & ~bit;
        msi_write_masks(m->dev);
    }
    unlock_irqrestore(&msi_lock, flags);
}

void msi_restore(struct pci_address addr)
{
    struct msi_device *dev = find_device(addr);
    unsigned long flags;

    if (dev == NULL)
        return;
    flags = lock_irqsave(&msi_lock);
    if (dev->msi_count != 0)
        msi_program(dev);
    for (unsigned i = 0; i < MESSAGES && dev->msix_used != 0; i++)
        if (messages[i].dev == dev && messages[i].msix)
            msix_program(irq_nr_gsis() + i, &messages[i]);
    unlock_irqrestore(&msi_lock, flags);
}
