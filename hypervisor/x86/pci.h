/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration space: by MMCONFIG where ACPI's MCFG covers the bus and its window is reserved
 * in the memory map or vouched for by the control domain, else by ports 0xcf8/0xcfc.
 */
#ifndef X86_PCI_H
#define X86_PCI_H

#include "core/types.h"

/* The control domain vouches for a window of the MCFG. -XEN_ENODEV: there is none such. */
int pci_mmcfg_reserved(uint64_t address, uint16_t seg, unsigned first, unsigned last) must_check;

/*
 * size 1, 2 or 4, naturally aligned within reg; what cannot be reached reads as all ones and
 * ignores writes. reg < 256 by ports, < 4096 by MMCONFIG.
 */
uint32_t pci_config_read(unsigned seg, unsigned bus, unsigned devfn, unsigned reg, unsigned size);
void pci_config_write(unsigned seg, unsigned bus, unsigned devfn, unsigned reg, unsigned size,
                      uint32_t val);

bool pci_device_present(unsigned seg, unsigned bus, unsigned devfn);
/* Offset of a capability, 0: none. */
unsigned pci_find_capability(unsigned seg, unsigned bus, unsigned devfn, uint8_t id);
#define PCI_CAP_MSI  0x05u
#define PCI_CAP_MSIX 0x11u
/* Address of a memory BAR, 0: none or an I/O BAR. */
uint64_t pci_memory_bar(unsigned seg, unsigned bus, unsigned devfn, unsigned bar);

#endif
