/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the store daemon needs of the hypervisor. Tests bring an implementation of their own.
 */
#ifndef STORE_XEN_H
#define STORE_XEN_H

#include <stdbool.h>
#include <stdint.h>
#include "store/wire.h"

#include "common/message.h"

struct xen;

int xen_open(struct xen **xen, struct message *why);
void xen_close(struct xen *xen);

/* The domain's ring; NULL with errno. */
struct xenstore_domain_interface *xen_map_ring(struct xen *xen, uint16_t domid, uint64_t mfn);
void xen_unmap_ring(struct xen *xen, uint16_t domid, struct xenstore_domain_interface *ring);
/* The ring of the control domain's own kernel, and its port. */
struct xenstore_domain_interface *xen_own_ring(struct xen *xen, uint32_t *port,
                                               struct message *why);

/* A port of ours, joined to the domain's; or -errno. */
int xen_bind(struct xen *xen, uint16_t domid, uint32_t port);
void xen_unbind(struct xen *xen, int local_port);
void xen_notify(struct xen *xen, int local_port);

/* Readable when there is an event. */
int xen_event_fd(const struct xen *xen);
/* A port with an event; -1: none. It has no other until xen_unmask(). */
int xen_next_event(struct xen *xen);
void xen_unmask(struct xen *xen, int local_port);
/* The port whose events say that some domain has ended or stopped. */
int xen_domains_port(const struct xen *xen);

enum domain_state { DOMAIN_GONE, DOMAIN_STOPPED, DOMAIN_ALIVE };

/* States of domains from number `first` on, in order; returns how many, or -errno. */
struct domain_info {
    uint16_t domid;
    enum domain_state state;
};
int xen_domains(struct xen *xen, uint16_t first, struct domain_info *list, unsigned room);

#endif
