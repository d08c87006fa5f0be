/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain that has been introduced: its connection, and where its ring is. The ring's indices here
 * are the ones that count; of those in the shared page only the domain's own are ever read, but at
 * a restart.
 */
#ifndef STORE_DOMAIN_H
#define STORE_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "store/wire.h"

struct store;
struct connection;

struct domain {
    TAILQ_ENTRY(domain) runnable;
    uint16_t domid;
    bool is_runnable;
    bool is_masked; /* its port: it becomes runnable with an event, and has no other until served */
    bool shut_down; /* watchers of @releaseDomain were told */
    bool broken;    /* it broke the protocol; it may connect anew */
    unsigned breaks; /* how often, as far as this process knows */
    uint64_t mfn;
    uint32_t port; /* the domain's own */
    int local_port;
    struct xenstore_domain_interface *ring;
    struct connection *conn;
    uint32_t req_cons;  /* what was read */
    uint32_t req_taken; /* what the domain was told, and the record (state.h) knows */
    uint32_t rsp_prod;
};

TAILQ_HEAD(domain_list, domain);

/* Entered in store->domains; without a ring yet. */
struct domain *domain_new(struct store *store, uint16_t domid);
void domain_free(struct store *store, struct domain *domain);

#endif
