/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, two-level delivery. A handler runs in the upcall, with events disabled, on the
 * vCPU that the port notifies, and may use the whole C library (registers of the FPU are kept) as
 * long as it takes no lock that its vCPU may hold: printf() from a handler can meet its own lock.
 *
 * Functions that return a port give a negative XEN_E* on failure.
 */
#ifndef PV_EVENT_H
#define PV_EVENT_H

#include <pv/abi.h>

#define EVENT_PORTS 4096 /* of two-level delivery on 64 bits (xen/event_channel.h) */

typedef void event_handler(evtchn_port_t port, void *data);

/* Bind, with a handler (NULL: the port stays masked, to be waited for with event_wait()). */
long event_bind_virq(unsigned virq, unsigned vcpu, event_handler *handler, void *data);
long event_bind_ipi(unsigned vcpu, event_handler *handler, void *data);
long event_bind_interdomain(domid_t domain, evtchn_port_t remote, event_handler *handler,
                            void *data);
/* A port that `domain` may connect to; DOMID_SELF for a loop within the domain. */
long event_alloc_unbound(domid_t domain, event_handler *handler, void *data);
/* Sets or replaces the handler of a port bound by hypercall; NULL masks it. */
void event_set_handler(evtchn_port_t port, event_handler *handler, void *data);
long event_close(evtchn_port_t port);
long event_send(evtchn_port_t port);

void event_mask(evtchn_port_t port);
void event_unmask(evtchn_port_t port);
bool event_is_pending(evtchn_port_t port);
void event_clear(evtchn_port_t port);

/*
 * Waits until the port is pending, or the time `until` (ns of monotonic_ns(); 0: for ever); clears
 * it. True: it was pending. For ports without handler.
 */
bool event_wait(evtchn_port_t port, uint64_t until);

/* Upcalls of this vCPU. disable() returns whether they were enabled, for restore(). */
bool events_disable(void);
void events_restore(bool enabled);
void events_enable(void);
/* Enables upcalls and sleeps until one came. */
void events_block(void);

#endif
