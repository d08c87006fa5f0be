/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PIRQs: a domain's own numbers for the physical interrupts that it has been given. A number below
 * the machine's count of GSIs is that GSI; messages get numbers above.
 */
#ifndef X86_PIRQ_H
#define X86_PIRQ_H

#include "core/lock.h"
#include "core/types.h"

struct domain;

#define PIRQ_MAX 1024u

struct pirq_map {
    int32_t irq[PIRQ_MAX]; /* 0: not mapped; irq + 1; PIRQ_RESERVED */
    mfn_t eoi_mfn;         /* PHYSDEVOP_pirq_eoi_gmfn; INVALID_MFN: none; holds references */
    unsigned long *eoi_map;
    bool eoi_unmasks; /* version 1: PHYSDEVOP_eoi unmasks the port as well */
};
#define PIRQ_RESERVED (-1)

extern struct spinlock physdev_lock; /* RANK_PHYSDEV */

int pirq_domain_init(struct domain *d) must_check;
/* Unmap every PIRQ and drop the EOI page. The event channels are closed before. */
void pirq_domain_release(struct domain *d);
void pirq_domain_free(struct domain *d);

/*
 * Map (physdev_lock held): *pirq < 0 asks for a free number. Returns 0 or -XEN_E*.
 */
int pirq_map_gsi(struct domain *d, unsigned gsi, int *pirq) must_check;
int pirq_map_irqs(struct domain *d, unsigned first_irq, unsigned count, int *pirq) must_check;
/* -XEN_EINVAL when it is not mapped. */
int pirq_unmap(struct domain *d, int pirq) must_check;
/* A number for a later map. -XEN_ENOSPC. */
int pirq_reserve(struct domain *d, unsigned *pirq) must_check;
/* The descriptor of a mapped PIRQ; false when there is none. No lock needed. */
bool pirq_to_irq(const struct domain *d, unsigned pirq, unsigned *irq);
/* Set or clear the bit of the shared page that tells the guest whether it must say EOI. */
void pirq_publish_eoi(struct domain *d, unsigned pirq);
int pirq_set_eoi_page(struct domain *d, uint64_t gmfn, bool unmasks) must_check;

#endif
