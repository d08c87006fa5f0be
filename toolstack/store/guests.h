/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and the hypervisor: introducing them, serving their rings in turn, and noticing that they
 * have ended. The control domain's own kernel is one of them.
 */
#ifndef STORE_GUESTS_H
#define STORE_GUESTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/message.h"
#include "store/domain.h"
#include "store/store.h"

struct xen;

struct guests {
    struct store *store;
    struct xen *xen;
    struct domain_list runnable; /* their rings may have something for us */
    struct domain **by_port;
    size_t nr_ports;
};

/* Begins to serve the control domain's kernel, and the domains that the store was restored with. */
int guests_open(struct guests *guests, struct store *store, struct xen *xen, struct message *why);
void guests_close(struct guests *guests);
/* There are events on xen_event_fd(). */
void guests_events(struct guests *guests);
/* Each ring that has something gets its turn. */
void guests_turn(struct guests *guests);
/* Something waits for the domain. */
void guests_answer(struct guests *guests, struct domain *domain);
static inline bool guests_busy(const struct guests *guests)
{
    return !TAILQ_EMPTY(&guests->runnable);
}

#endif
