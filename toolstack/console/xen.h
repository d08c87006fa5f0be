/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the console daemon needs of the hypervisor. Tests bring an implementation of their own.
 */
#ifndef CONSOLE_XEN_H
#define CONSOLE_XEN_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/io/console.h>

#include "common/message.h"

struct xen;

int xen_open(struct xen **xen, struct message *why);
void xen_close(struct xen *xen);

/* The domain's console page: by its grant, or by the number of its frame where the guest has no
 * such grant (any more). NULL with errno. */
struct xencons_interface *xen_map_console(struct xen *xen, uint16_t domid, uint64_t mfn,
                                          bool *by_frame);
void xen_unmap_console(struct xen *xen, struct xencons_interface *ring, bool by_frame);

/* A port of ours, joined to the domain's; or -errno. */
int xen_bind(struct xen *xen, uint16_t domid, uint32_t port);
void xen_unbind(struct xen *xen, int local_port);
void xen_notify(struct xen *xen, int local_port);

/* Readable when there is an event. */
int xen_event_fd(const struct xen *xen);
/* A port with an event, which gets no other one until xen_unmask(); -1: none. */
int xen_next_event(struct xen *xen);
void xen_unmask(struct xen *xen, int local_port);

struct domain_info {
    uint16_t domid;
    bool dying, stopped;
    uint8_t handle[16];
};
/* Domains from number `first` on, in order; returns how many, or -errno. */
int xen_domains(struct xen *xen, uint16_t first, struct domain_info *list, unsigned room);

#endif
