/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and the hypervisor.
 */
#include "store/guests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/ring.h"
#include "store/state.h"
#include "store/xen.h"

/* Requests of one domain in a turn, so that one that sends without end delays others by these. */
#define TURN 8u

#define INFO_ROOM 256u

static void wake(struct guests *guests, struct domain *domain)
{
    if (domain->is_runnable)
        return;
    domain->is_runnable = true;
    TAILQ_INSERT_TAIL(&guests->runnable, domain, runnable);
}

static void tell(struct store *store, enum special special)
{
    const char *name = special_name(special);

    watch_fire(store, name, strlen(name), store->special[special], true);
}

static int bind_port(struct guests *guests, struct domain *domain, uint32_t port)
{
    int local = xen_bind(guests->xen, domain->domid, port);

    if (local < 0)
        return local;
    if ((size_t)local >= guests->nr_ports) {
        size_t count = (size_t)local * 2 + 64;
        guests->by_port = store_realloc(guests->by_port, count * sizeof(struct domain *));
        memset(guests->by_port + guests->nr_ports, 0,
               (count - guests->nr_ports) * sizeof(struct domain *));
        guests->nr_ports = count;
    }
    guests->by_port[local] = domain;
    domain->local_port = local;
    domain->port = port;
    return 0;
}

static void unbind_port(struct guests *guests, struct domain *domain)
{
    if (domain->local_port < 0)
        return;
    guests->by_port[domain->local_port] = NULL;
    xen_unbind(guests->xen, domain->local_port);
    domain->local_port = -1;
    domain->is_masked = false;
}

/* Lets go of what the hypervisor lends; the domain stays introduced. */
static void detach(struct guests *guests, struct domain *domain)
{
    unbind_port(guests, domain);
    if (domain->ring != NULL)
        xen_unmap_ring(guests->xen, domain->domid, domain->ring);
    domain->ring = NULL;
    if (domain->is_runnable)
        TAILQ_REMOVE(&guests->runnable, domain, runnable);
    domain->is_runnable = false;
}

static void forget(struct guests *guests, struct domain *domain)
{
    uint16_t domid = domain->domid;

    detach(guests, domain);
    state_domain_gone(guests->store, domain);
    domain_free(guests->store, domain);
    store_domain_ended(guests->store, domid);
}

static int attach(struct guests *guests, struct domain *domain, uint32_t port)
{
    domain->ring = xen_map_ring(guests->xen, domain->domid, domain->mfn);
    if (domain->ring == NULL)
        return -errno;
    return bind_port(guests, domain, port);
}

static int introduce(void *data, uint16_t domid, uint64_t mfn, uint32_t port)
{
    struct guests *guests = data;
    struct store *store = guests->store;
    struct domain *domain = store->domains[domid];
    int rc;

    /* Again: it has a new event channel. */
    if (domain != NULL) {
        unbind_port(guests, domain);
        rc = bind_port(guests, domain, port);
        state_domain(store, domain);
        return rc;
    }
    domain = domain_new(store, domid);
    domain->mfn = mfn;
    rc = attach(guests, domain, port);
    if (rc) {
        detach(guests, domain);
        domain_free(store, domain);
        return rc;
    }
    state_domain(store, domain);
    ring_begin(store, domain);
    wake(guests, domain);
    tell(store, SPECIAL_INTRODUCE);
    return 0;
}

static int release(void *data, uint16_t domid)
{
    struct guests *guests = data;

    forget(guests, guests->store->domains[domid]);
    tell(guests->store, SPECIAL_RELEASE);
    return 0;
}

static int resume(void *data, uint16_t domid)
{
    struct guests *guests = data;
    struct domain *domain = guests->store->domains[domid];

    domain->shut_down = false;
    state_domain(guests->store, domain);
    return 0;
}

static const struct domain_ops ops = {introduce, release, resume};

/* States of all domains, by number; those that are not there are DOMAIN_GONE. */
static enum domain_state *all_states(struct guests *guests)
{
    enum domain_state *states = store_alloc(DOMID_FIRST_RESERVED * sizeof(*states));
    struct domain_info list[INFO_ROOM];
    uint16_t first = 0;
    int count;

    do {
        count = xen_domains(guests->xen, first, list, INFO_ROOM);
        if (count < 0) {
            store_log("cannot ask for the states of domains: %s", strerror(-count));
            free(states);
            return NULL;
        }
        for (int i = 0; i < count; i++) {
            states[list[i].domid] = list[i].state;
            first = (uint16_t)(list[i].domid + 1);
        }
    } while (count == INFO_ROOM);
    return states;
}

static void look_at_domains(struct guests *guests)
{
    struct store *store = guests->store;
    struct connection *conn, *next;
    enum domain_state *states = all_states(guests);
    bool news = false;

    if (states == NULL)
        return;
    for (conn = TAILQ_FIRST(&store->connections); conn != NULL; conn = next) {
        struct domain *domain = conn->transport;
        next = TAILQ_NEXT(conn, all);
        if (!conn->is_ring || conn->domid == CONTROL_DOMAIN)
            continue;
        if (states[conn->domid] == DOMAIN_GONE) {
            forget(guests, domain);
            news = true;
        } else if (states[conn->domid] == DOMAIN_STOPPED && !domain->shut_down) {
            domain->shut_down = true;
            state_domain(store, domain);
            news = true;
        }
    }
    free(states);
    if (news)
        tell(store, SPECIAL_RELEASE);
    state_commit(store);
}

/* A domain's port stays masked until it is served, so one that sends events without end has one in
 * a turn. */
void guests_events(struct guests *guests)
{
    int port;

    while ((port = xen_next_event(guests->xen)) >= 0) {
        if (port == xen_domains_port(guests->xen)) {
            xen_unmask(guests->xen, port);
            look_at_domains(guests);
        } else if ((size_t)port < guests->nr_ports && guests->by_port[port] != NULL) {
            guests->by_port[port]->is_masked = true;
            wake(guests, guests->by_port[port]);
        }
    }
}

static void serve(struct guests *guests, struct domain *domain)
{
    /* Before the ring is looked at, or an event could be lost. */
    if (domain->is_masked)
        xen_unmask(guests->xen, domain->local_port);
    domain->is_masked = false;
    struct ring_result first = ring_answers(guests->store, domain);
    struct ring_result asked = ring_requests(guests->store, domain, TURN);
    struct ring_result last = ring_answers(guests->store, domain);

    if (first.notify || asked.notify || last.notify)
        xen_notify(guests->xen, domain->local_port);
    if (asked.again || last.again)
        wake(guests, domain);
}

void guests_turn(struct guests *guests)
{
    /* Those that become runnable meanwhile come next time. */
    struct domain *last = TAILQ_LAST(&guests->runnable, domain_list), *domain;

    if (last == NULL)
        return;
    do {
        domain = TAILQ_FIRST(&guests->runnable);
        TAILQ_REMOVE(&guests->runnable, domain, runnable);
        domain->is_runnable = false;
        serve(guests, domain);
    } while (domain != last && !TAILQ_EMPTY(&guests->runnable));
}

void guests_answer(struct guests *guests, struct domain *domain)
{
    struct ring_result result = ring_answers(guests->store, domain);

    if (result.notify)
        xen_notify(guests->xen, domain->local_port);
    if (result.again)
        wake(guests, domain);
}

/* Its kernel waits for the first event before it looks for devices. */
static int serve_own_kernel(struct guests *guests, struct message *why)
{
    struct store *store = guests->store;
    struct domain *domain = store->domains[CONTROL_DOMAIN];
    bool known = domain != NULL;
    uint32_t port;

    struct xenstore_domain_interface *ring = xen_own_ring(guests->xen, &port, why);
    if (ring == NULL)
        return -EIO;
    if (!known)
        domain = domain_new(store, CONTROL_DOMAIN);
    domain->ring = ring;
    int rc = bind_port(guests, domain, port);
    if (rc)
        return message_errno(why, rc, "cannot bind port %u of the control domain's kernel", port);
    if (known) {
        ring_resume(store, domain);
    } else {
        state_domain(store, domain);
        ring_begin(store, domain);
    }
    wake(guests, domain);
    xen_notify(guests->xen, domain->local_port);
    return 0;
}

/* Domains of the process before this one, as far as they are still there. */
static void take_up(struct guests *guests)
{
    struct connection *conn, *next;

    for (conn = TAILQ_FIRST(&guests->store->connections); conn != NULL; conn = next) {
        struct domain *domain = conn->transport;
        next = TAILQ_NEXT(conn, all);
        if (!conn->is_ring || conn->domid == CONTROL_DOMAIN)
            continue;
        int rc = attach(guests, domain, domain->port);
        if (rc) {
            store_log("domain %u cannot be served any more: %s", conn->domid, strerror(-rc));
            forget(guests, domain);
            tell(guests->store, SPECIAL_RELEASE);
            continue;
        }
        ring_resume(guests->store, domain);
        wake(guests, domain);
        xen_notify(guests->xen, domain->local_port);
    }
}

int guests_open(struct guests *guests, struct store *store, struct xen *xen, struct message *why)
{
    *guests = (struct guests){.store = store, .xen = xen};
    TAILQ_INIT(&guests->runnable);
    store->domain_ops = &ops;
    store->domain_data = guests;
    int rc = serve_own_kernel(guests, why);
    if (rc)
        return rc;
    look_at_domains(guests);
    take_up(guests);
    state_commit(store);
    return 0;
}

/* What the record has of them stays, for the next process. */
void guests_close(struct guests *guests)
{
    for (unsigned domid = 0; domid < DOMID_FIRST_RESERVED; domid++) {
        struct domain *domain = guests->store->domains[domid];
        if (domain == NULL)
            continue;
        detach(guests, domain);
        domain_free(guests->store, domain);
    }
    free(guests->by_port);
}
