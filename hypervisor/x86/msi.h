/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts: the MSI and MSI-X capabilities of devices (PCI 3.0, 6.8). */
#ifndef X86_MSI_H
#define X86_MSI_H

#include "core/types.h"

struct pci_address {
    uint16_t seg;
    uint8_t bus, devfn;
};

/*
 * Set a device up to signal: plain MSI with `count` messages, or one entry of its MSI-X table
 * (whose BAR, as the caller believes, begins at table_base). *irq is the (first) descriptor
 * (irq.h). Messages are held back, where the device can do that, until their descriptor is bound.
 * -XEN_ENODEV: no such device or capability; -XEN_EINVAL: out of its range; -XEN_ENXIO: its memory
 * is switched off; -XEN_EBUSY: set up already (this entry, or the other kind); -XEN_ENOSPC;
 * -XEN_ENOMEM. These and msi_teardown(), msi_restore() are called with physdev's lock held.
 */
int msi_setup(struct pci_address addr, unsigned count, unsigned *irq) must_check;
int msix_setup(struct pci_address addr, unsigned entry, uint64_t table_base,
               unsigned *irq) must_check;
/* Silence the message and give its descriptor back (all of a multiple MSI at once). Unbound before.
 */
void msi_teardown(unsigned irq);
/* The first descriptor of the set that irq belongs to, and the number of descriptors in it. */
unsigned msi_set_of(unsigned irq, unsigned *count);
bool msi_belongs_to(unsigned irq, struct pci_address addr);
/* Hold back a message, or let it through; where the device cannot, nothing. Any context. */
void msi_mask(unsigned irq, bool masked);
/* Write everything again after the device lost it. */
void msi_restore(struct pci_address addr);

#endif
