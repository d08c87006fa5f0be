/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptor of an interrupt source, shared by irq.c (delivery) and irq_guest.c (guests). */
#ifndef X86_IRQ_INTERNAL_H
#define X86_IRQ_INTERNAL_H

#include "x86/irq.h"

enum irq_kind { IRQ_NONE, IRQ_GSI, IRQ_MSI };

struct irq_guest {
    struct domain *domain;
    uint16_t pirq;
    bool pending; /* told, and has not said EOI: holds a level line masked */
};

struct irq_desc {
    struct spinlock lock; /* RANK_IRQ_DESC: everything here */
    uint8_t kind;         /* enum irq_kind */
    uint8_t vector;       /* 0: none */
    uint8_t cpu;
    bool level, active_low;
    bool shared_by_guests;
    uint8_t nr_guests, nr_pending;
    void (*fn)(void *data); /* the hypervisor's own handler: then there are no guests */
    void *data;
    struct irq_guest guest[IRQ_MAX_GUESTS];
};

/* NULL when there is no such descriptor. */
struct irq_desc *irq_desc(unsigned irq);
/* Descriptor locked, no vector needed yet: program the pin and let interrupts through. */
void irq_desc_enable(unsigned irq, struct irq_desc *desc);
void irq_desc_disable(unsigned irq, struct irq_desc *desc);
/* Tell all guests of a source that has interrupted. Descriptor locked, interrupts off. */
void irq_deliver_to_guests(struct irq_desc *desc);

#endif
