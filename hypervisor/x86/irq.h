/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of devices: one descriptor for each source (a pin of an IOAPIC, which is a GSI, or one
 * message of a device), its vector, and who is told: a function of the hypervisor, or guests.
 */
#ifndef X86_IRQ_H
#define X86_IRQ_H

#include "core/lock.h"
#include "core/types.h"

struct domain;
struct msi_entry;

#define VECTOR_PIC_FIRST     0x20u /* where the silenced 8259s would deliver */
#define VECTOR_PIC_LAST      0x2fu
#define VECTOR_DYNAMIC_FIRST 0x30u
#define VECTOR_DYNAMIC_LAST  0xefu
#define VECTOR_INT80         0x80u /* guests' own software interrupt */
#define VECTOR_CALL_FUNCTION 0xf8u
#define VECTOR_TLB           0xf9u
#define VECTOR_KICK          0xfau
#define VECTOR_TIMER         0xfbu
#define VECTOR_ERROR         0xfeu
#define VECTOR_SPURIOUS      0xffu

/* Boot CPU, after apic_init() and with the heap up: IOAPICs found and silenced, descriptors made.
 */
void irq_init(void);
/* The common interrupt entry: interrupts off; every vector from 0x20 on but 0x80. */
void irq_handle(unsigned vector);

unsigned irq_nr_gsis(void);

/* Let the hypervisor itself handle a GSI. fn runs with interrupts off. -XEN_EINVAL, -XEN_EBUSY,
 * -XEN_ENOSPC. */
int irq_request_gsi(unsigned gsi, void (*fn)(void *), void *data) must_check;
/* As above for an ISA interrupt number (a serial port's 4 or 3), overrides applied. */
int irq_request_isa(unsigned isa_irq, void (*fn)(void *), void *data) must_check;

/* Trigger and polarity of a GSI, as the control domain's AML says. -XEN_EINVAL, -XEN_EBUSY. */
int irq_setup_gsi(unsigned gsi, bool level, bool active_low) must_check;
/* Give a GSI a vector if it has none. -XEN_EINVAL: no such pin; -XEN_ENOSPC. */
int irq_gsi_prepare(unsigned gsi) must_check;
/* The vector of a GSI; 0: none yet. */
unsigned irq_gsi_vector(unsigned gsi);

/*
 * `count` (a power of two up to 32) consecutive message interrupts with consecutive, aligned
 * vectors on one CPU. *first is the first descriptor. -XEN_ENOSPC.
 */
int irq_alloc_msi(unsigned count, unsigned *first) must_check;
/* Nobody is told any more, and the vectors are free. The device has been silenced by the caller. */
void irq_free_msi(unsigned first, unsigned count);
unsigned irq_vector(unsigned irq);
unsigned irq_cpu(unsigned irq);

/* ---- Guests -------------------------------------------------------------------------------- */

#define IRQ_MAX_GUESTS 4u /* that may share one line */

/*
 * Tell d's `pirq` of this interrupt from now on. The mapping word *map (the caller's record that
 * pirq is irq) is looked at again under the descriptor's lock. -XEN_EBUSY, -XEN_EINVAL,
 * -XEN_ENOSPC.
 */
int irq_guest_bind(unsigned irq, struct domain *d, unsigned pirq, bool share,
                   const int32_t *map) must_check;
/* And no longer; nothing when it was not. With map != NULL, *map becomes 0 under the same lock. */
void irq_guest_unbind(unsigned irq, struct domain *d, unsigned pirq, int32_t *map);
/* The guest has served it: a masked line is unmasked when all its guests have. */
void irq_guest_eoi(unsigned irq, struct domain *d, unsigned pirq);
/* Would a guest have to say so for this one (level-triggered line)? */
bool irq_needs_eoi(unsigned irq);
bool irq_is_shared(unsigned irq);

void irq_dump(void); /* debug key: every descriptor in use */

#endif
