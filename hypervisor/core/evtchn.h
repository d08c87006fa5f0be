/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: bindings of one domain's ports to other domains' ports, to interrupts (PIRQ), to
 * virtual interrupts (VIRQ) and to vCPUs (IPI); and their delivery by either ABI, the two-level
 * bitmaps or the FIFO queues (xen/event_channel.h).
 */
#ifndef CORE_EVTCHN_H
#define CORE_EVTCHN_H

#include "core/abi.h"
#include "core/lock.h"

struct domain;
struct vcpu;
struct evtchn;
struct evtchn_fifo_domain;
struct evtchn_fifo_vcpu;
struct evtchn_delivery; /* what the two ABIs do differently */

#define EVTCHN_2L_PORTS 4096u
#define EVTCHN_FIFO_PORTS (1u << 17)

struct evtchn_domain {
    struct spinlock lock; /* RANK_EVTCHN: every change of a binding */
    const struct evtchn_delivery *delivery;
    struct evtchn **bucket;  /* array of pages of struct evtchn, grown on demand */
    uint32_t nr_valid;       /* ports with a struct evtchn; grows only */
    uint32_t max_port;       /* highest port allowed by the toolstack */
    uint32_t active;         /* ports in use */
    struct evtchn_fifo_domain *fifo;
};

struct evtchn_vcpu {
    evtchn_port_t virq_port[NR_VIRQS]; /* per-vCPU VIRQs; 0: not bound */
    evtchn_port_t polling;             /* SCHEDOP_poll on one port; 0: none or several */
    struct evtchn_fifo_vcpu *fifo;
};

void evtchn_domain_init(struct domain *d); /* two-level delivery, port 0 reserved */
void evtchn_domain_release(struct domain *d); /* close every port */
void evtchn_domain_free(struct domain *d);

/* ---- Sending, callable in any context (interrupts included) ------------------------------- */

void evtchn_send_vcpu_virq(struct vcpu *v, unsigned virq);
void evtchn_send_global_virq(struct domain *d, unsigned virq);
void evtchn_send_pirq(struct domain *d, unsigned pirq);

/* Is the port pending now? For SCHEDOP_poll. */
bool evtchn_port_pending(struct domain *d, evtchn_port_t port);
/* A vCPU's registered info page or delivery ABI changed: re-raise what is pending. */
void evtchn_vcpu_repoll(struct vcpu *v);

/*
 * Set v's upcall-pending byte and wake it: the last step of every delivery. A running vCPU on
 * another CPU is kicked; a blocked or polling one is woken. In domain.c's care.
 */
void vcpu_raise_upcall(struct vcpu *v);

/* ---- What the machine layer provides for PIRQs -------------------------------------------- */

int arch_pirq_bind(struct domain *d, unsigned pirq, bool share) must_check;
void arch_pirq_unbind(struct domain *d, unsigned pirq);
unsigned arch_pirq_count(const struct domain *d);

#endif
