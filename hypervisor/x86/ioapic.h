/* SPDX-License-Identifier: BSD-2-Clause */
/* IOAPICs: each pin is a GSI; a pin is programmed, masked and unmasked here (Intel 82093AA). */
#ifndef X86_IOAPIC_H
#define X86_IOAPIC_H

#include "core/types.h"

/* Find all, mask every pin, and return the number of GSIs (one past the highest). */
unsigned ioapic_init(void);
bool ioapic_has_gsi(unsigned gsi);
/* Program a pin, masked. */
void ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id, bool level, bool active_low);
void ioapic_mask(unsigned gsi);
void ioapic_unmask(unsigned gsi);

/* Raw register access for PHYSDEVOP_apic_read. False: no IOAPIC there, or no such register. */
bool ioapic_read_register(uint64_t base, uint32_t reg, uint32_t *val);
bool ioapic_exists(uint64_t base);
/* The GSI whose pin's low word register `reg` is. False: it is another register. */
bool ioapic_register_gsi(uint64_t base, uint32_t reg, unsigned *gsi);

#endif
