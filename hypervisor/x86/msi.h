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
 * Set a device up to signal: plain MSI with `count` messages, or one entry of its MSI-X table (whose
 * BAR, as the caller believes, begins at table_base). *first is the first descriptor (irq.h).
 * -XEN_ENODEV no such device or capability, -XEN_EINVAL out of its range, -XEN_EBUSY already set
 * up (this entry, or the other kind), -XEN_ENOSPC, -XEN_ENOMEM. Called with physdev's lock held.
 */
int msi_setup(struct pci_address dev, unsigned count, unsigned *first) must_check;
int msix_setup(struct pci_address dev, unsigned entry, uint64_t table_base,
               unsigned *irq) must_check;
/* Silence the message and give its descriptor back (all of a multiple MSI at once). */
void msi_teardown(unsigned irq);
/* First descriptor and number of messages of the set that irq belongs to. */
unsigned msi_set_of(unsigned irq, unsigned *count);
/* Is the descriptor a message of a device that is set up? */
bool msi_irq_valid(unsigned irq);
/* Hold back a message, or let it through; where the device cannot, nothing. Any context. */
void msi_mask(unsigned irq, bool masked);
/* Write everything again after the device lost it. -XEN_ENODEV. */
int msi_restore(struct pci_address dev) must_check;
/* Forget a device that is gone; its descriptors are unbound by the caller first. */
bool msi_device_in_use(struct pci_address dev);

#endif
