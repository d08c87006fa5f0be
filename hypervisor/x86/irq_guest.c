/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of devices that guests drive: who is told, and when a level line opens again.
 *
 * Invariant: a bound level line is masked exactly while nr_pending guests, at least one, have been
 * told and have not said EOI. So a guest that does not serve its device silences that line, and no
 * more.
 */
#include "core/abi.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "x86/ioapic.h"
#include "x86/irq_internal.h"

static struct irq_guest *find_guest(struct irq_desc *desc, const struct domain *d, unsigned pirq)
{
    for (unsigned i = 0; i < desc->nr_guests; i++)
        if (desc->guest[i].domain == d && desc->guest[i].pirq == pirq)
            return &desc->guest[i];
    return NULL;
}

/* Descriptor locked. */
static int may_bind(struct irq_desc *desc, const struct domain *d, unsigned pirq, bool share)
{
    if (desc->kind == IRQ_NONE || desc->vector == 0)
        return -XEN_EINVAL;
    if (desc->fn != NULL || find_guest(desc, d, pirq) != NULL)
        return -XEN_EBUSY;
    if (desc->nr_guests == 0)
        return 0;
    if (!share || !desc->shared_by_guests || desc->nr_guests == IRQ_MAX_GUESTS)
        return -XEN_EBUSY;
    return 0;
}

int irq_guest_bind(unsigned irq, struct domain *d, unsigned pirq, bool share, const int32_t *map)
{
    struct irq_desc *desc = irq_desc(irq);
    unsigned long flags;
    int ret;

    if (desc == NULL)
        return -XEN_EINVAL;
    flags = lock_irqsave(&desc->lock);
    ret = READ_ONCE(*map) == (int32_t)irq + 1 ? may_bind(desc, d, pirq, share) : -XEN_EINVAL;
    if (ret == 0) {
        desc->guest[desc->nr_guests] = (struct irq_guest){.domain = d, .pirq = (uint16_t)pirq};
        desc->nr_guests++;
        if (desc->nr_guests == 1) {
            desc->shared_by_guests = share;
            irq_desc_enable(irq, desc);
        }
    }
    unlock_irqrestore(&desc->lock, flags);
    return ret;
}

/* Descriptor locked: one guest less keeps the line masked. */
static void served(unsigned irq, struct irq_desc *desc, struct irq_guest *guest)
{
    if (!guest->pending)
        return;
    guest->pending = false;
    desc->nr_pending--;
    if (desc->nr_pending == 0)
        ioapic_unmask(irq);
}

void irq_guest_unbind(unsigned irq, struct domain *d, unsigned pirq, int32_t *map)
{
    struct irq_desc *desc = irq_desc(irq);
    struct irq_guest *guest;
    unsigned long flags;

    if (desc == NULL)
        return;
    flags = lock_irqsave(&desc->lock);
    guest = find_guest(desc, d, pirq);
    if (guest != NULL) {
        served(irq, desc, guest);
        desc->nr_guests--;
        *guest = desc->guest[desc->nr_guests];
        if (desc->nr_guests == 0)
            irq_desc_disable(irq, desc);
    }
    if (map != NULL)
        WRITE_ONCE(*map, 0);
    unlock_irqrestore(&desc->lock, flags);
}

void irq_guest_eoi(unsigned irq, struct domain *d, unsigned pirq)
{
    struct irq_desc *desc = irq_desc(irq);
    struct irq_guest *guest;
    unsigned long flags;

    if (desc == NULL)
        return;
    flags = lock_irqsave(&desc->lock);
    guest = find_guest(desc, d, pirq);
    if (guest != NULL)
        served(irq, desc, guest);
    unlock_irqrestore(&desc->lock, flags);
}

void irq_deliver_to_guests(struct irq_desc *desc)
{
    for (unsigned i = 0; i < desc->nr_guests; i++) {
        struct irq_guest *guest = &desc->guest[i];

        if (desc->level && !guest->pending) {
            guest->pending = true;
            desc->nr_pending++;
        }
        evtchn_send_pirq(guest->domain, guest->pirq);
    }
}

bool irq_needs_eoi(unsigned irq)
{
    const struct irq_desc *desc = irq_desc(irq);

    return desc != NULL && desc->kind == IRQ_GSI && desc->level;
}

bool irq_is_shared(unsigned irq)
{
    const struct irq_desc *desc = irq_desc(irq);

    return desc != NULL && desc->nr_guests > 1;
}
