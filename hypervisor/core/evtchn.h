/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: bindings of one domain's ports to other domains' ports, to interrupts (PIRQ), to
 * virtual interrupts (VIRQ) and to vCPUs (IPI); and their delivery by either ABI, the two-level
 * bitmaps or the FIFO queues (xen/event_channel.h).
 */
#ifndef CORE_EVTCHN_H
#define CORE_EVTCHN_H

#include "core/abi.h"
#include "core/atomic.h"
#include "core/lock.h"

struct domain;
struct vcpu;
struct evtchn;
struct evtchn_table;
struct evtchn_fifo_domain;
struct evtchn_fifo_vcpu;
struct evtchn_delivery; /* what the two ABIs do differently */

#define EVTCHN_2L_PORTS   4096u
#define EVTCHN_FIFO_PORTS (1u << 17)

struct evtchn_domain {
    struct spinlock lock; /* RANK_EVTCHN: every change of a binding */
    const struct evtchn_delivery *delivery;
    struct evtchn_table *table; /* pages of struct evtchn, made on demand; NULL before the first */
    uint32_t nr_valid;          /* ports with a struct evtchn; grows only */
    uint32_t max_port;          /* highest port allowed by the toolstack */
    uint32_t active;            /* ports in use */
    uint32_t next_reset;        /* where an interrupted reset or release goes on */
    unsigned long pollers[BITMAP_LONGS(MAX_VCPUS)]; /* vCPUs in SCHEDOP_poll, atomic */
    struct evtchn_fifo_domain *fifo;                /* NULL: two-level delivery */
    uint32_t *pirq_port; /* by PIRQ; 0: not bound; NULL before the first bind_pirq */
    unsigned nr_pirqs;
};

struct evtchn_vcpu {
    evtchn_port_t virq_port[NR_VIRQS]; /* VIRQs, global ones at vCPU 0; 0: not bound */
    evtchn_port_t polling;             /* SCHEDOP_poll on one port; 0: none or several */
    struct evtchn_fifo_vcpu *fifo;
};

/* Before the domain is known to anyone: two-level delivery, no port. */
void evtchn_domain_init(struct domain *d);
/* d is dying: close every port, give back guest frames. -XEN_ERESTART: call again. */
int evtchn_domain_release(struct domain *d) must_check;
/* With the last hold on d: free what senders might still have looked at. */
void evtchn_domain_free(struct domain *d);

/* ---- Sending, callable in any context (interrupts included) ------------------------------- */

void evtchn_send_vcpu_virq(struct vcpu *v, unsigned virq);
void evtchn_send_global_virq(struct domain *d, unsigned virq);
void evtchn_send_pirq(struct domain *d, unsigned pirq);
/* PHYSDEVOP_eoi where it implies EVTCHNOP_unmask of the PIRQ's port. */
void evtchn_unmask_pirq(struct domain *d, unsigned pirq);

/* For SCHEDOP_poll: 1 when the port is pending now, masked or not, else 0; -XEN_EINVAL for a port
 * not in use. */
int evtchn_port_pending(struct domain *d, evtchn_port_t port);
/*
 * SCHEDOP_poll. From evtchn_poll_start() on, an event on port `only` (on any port when 0) clears
 * v's VPF_POLLING and VPF_BLOCKED, forgets the poll and wakes v. So the caller sets its pause flag,
 * then calls this, then looks at the ports once more, and sleeps if none is pending;
 * evtchn_poll_stop() ends it for any other reason (time-out, an upcall, a port found pending).
 */
void evtchn_poll_start(struct vcpu *v, evtchn_port_t only);
void evtchn_poll_stop(struct vcpu *v);
/* A vCPU's registered info page or delivery ABI changed: re-raise what is pending. */
void evtchn_vcpu_repoll(struct vcpu *v);

/*
 * Set v's upcall-pending byte and wake it: the last step of every delivery. A running vCPU on
 * another CPU is kicked; a blocked or polling one is woken. In domain.c's care.
 */
void vcpu_raise_upcall(struct vcpu *v);

/* ---- What the machine layer provides for PIRQs -------------------------------------------- */

/*
 * Called with d's event lock held (RANK_EVTCHN): may take higher ranks only. arch_pirq_bind()
 * refuses what d may not have (-XEN_EPERM) or what is not shareable (-XEN_EBUSY); interrupts may be
 * sent before it returns. After arch_pirq_unbind() no evtchn_send_pirq() begins for that PIRQ.
 */
int arch_pirq_bind(struct domain *d, unsigned pirq, bool share) must_check;
void arch_pirq_unbind(struct domain *d, unsigned pirq);
unsigned arch_pirq_count(const struct domain *d); /* does not change while d lives */

/* The debug key: d's ports, one a line. */
void evtchn_dump(struct domain *d);

#endif
