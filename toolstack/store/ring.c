/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain's ring.
 */
#include "store/ring.h"

#include <string.h>

#include "store/state.h"
#include "store/store.h"

/* The other side runs at the same time: each field is read and written once, in order. */
#define SHARED_READ(field)         __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define SHARED_WRITE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/*
 * Linux tells of a request's bytes only if it finds that all before them were taken, and of room
 * for answers only if it finds that there was none: xb_write() and xb_read() of its xenbus_comms.c.
 * So what is found before going to sleep must be newer than what the other side was told.
 */
#define SHARED_FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#define FEATURES (XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR)

/* Of a domain that breaks its ring again and again the log has the first times. */
#define BREAKS_LOGGED 5u

static void ring_broken(struct store *store, struct domain *domain, uint32_t error,
                        const char *what)
{
    if (domain->breaks++ < BREAKS_LOGGED)
        store_log("domain %u is not served until it connects anew: %s%s", domain->domid, what,
                  domain->breaks == BREAKS_LOGGED ? " (the next times are not told)" : "");
    domain->broken = true;
    SHARED_WRITE(domain->ring->error, error);
    connection_reset(domain->conn);
    state_domain(store, domain);
    state_reset(store, domain);
    state_commit(store);
}

void ring_begin(struct store *store, struct domain *domain)
{
    struct xenstore_domain_interface *ring = domain->ring;

    domain->req_cons = domain->req_taken = SHARED_READ(ring->req_cons);
    domain->rsp_prod = domain->conn->out_end = SHARED_READ(ring->rsp_prod);
    SHARED_WRITE(ring->server_features, FEATURES);
    SHARED_WRITE(ring->error, XENSTORE_ERROR_NONE);
    SHARED_WRITE(ring->connection, XENSTORE_CONNECTED);
    state_reset(store, domain);
}

/* Of what was recorded, the domain has what lies before the ring's own index. */
bool ring_resume(struct store *store, struct domain *domain)
{
    struct connection *conn = domain->conn;
    const struct message_out *message;
    const void *bytes;
    size_t size;
    uint32_t waiting = 0, got;

    if (domain->broken)
        return true;
    TAILQ_FOREACH(message, &conn->messages, link)
    waiting += message->size;
    domain->rsp_prod = SHARED_READ(domain->ring->rsp_prod);
    got = domain->rsp_prod - (conn->out_end - waiting);
    if (got > waiting) {
        ring_broken(store, domain, XENSTORE_ERROR_RINGIDX, "it changed the index of answers");
        return false;
    }
    while (got > 0 && (size = connection_output(conn, &bytes)) != 0) {
        size_t part = size < got ? size : got;
        connection_sent(conn, part);
        got -= (uint32_t)part;
    }
    SHARED_WRITE(domain->ring->req_cons, domain->req_cons);
    SHARED_WRITE(domain->ring->server_features, FEATURES);
    return true;
}

/* The domain asks for a connection without past. */
static void ring_reconnect(struct store *store, struct domain *domain)
{
    struct xenstore_domain_interface *ring = domain->ring;

    connection_reset(domain->conn);
    domain->req_cons = domain->req_taken = domain->rsp_prod = domain->conn->out_end = 0;
    domain->broken = false;
    state_domain(store, domain);
    state_reset(store, domain);
    state_commit(store);
    SHARED_WRITE(ring->req_cons, 0);
    SHARED_WRITE(ring->req_prod, 0);
    SHARED_WRITE(ring->rsp_cons, 0);
    SHARED_WRITE(ring->rsp_prod, 0);
    SHARED_WRITE(ring->server_features, FEATURES);
    SHARED_WRITE(ring->error, XENSTORE_ERROR_NONE);
    SHARED_WRITE(ring->connection, XENSTORE_CONNECTED);
}

static void copy_out(const struct xenstore_domain_interface *ring, uint32_t from, void *to,
                     uint32_t size)
{
    uint32_t at = MASK_XENSTORE_IDX(from), first = XENSTORE_RING_SIZE - at;

    if (first > size)
        first = size;
    memcpy(to, ring->req + at, first);
    memcpy((char *)to + first, ring->req, size - first);
}

static void copy_in(struct xenstore_domain_interface *ring, uint32_t to, const void *from,
                    uint32_t size)
{
    uint32_t at = MASK_XENSTORE_IDX(to), first = XENSTORE_RING_SIZE - at;

    if (first > size)
        first = size;
    memcpy(ring->rsp + at, from, first);
    memcpy(ring->rsp, (const char *)from + first, size - first);
}

/* What was read is recorded, and its place on the ring is the domain's again. */
static void ring_take(struct store *store, struct domain *domain, struct ring_result *result)
{
    state_input(store, domain);
    state_commit(store);
    domain->req_taken = domain->req_cons;
    SHARED_WRITE(domain->ring->req_cons, domain->req_cons);
    SHARED_FENCE();
    result->notify = true;
}

/* Bytes of one request. 1: it was carried out; 0: more must come; -1: the ring is broken. */
static int ring_one(struct store *store, struct domain *domain, uint32_t available,
                    struct ring_result *result)
{
    struct connection *conn = domain->conn;
    int rc = 0;

    while (available > 0 && rc == 0) {
        void *where;
        size_t wanted = connection_wants(conn, &where);
        uint32_t part = wanted < available ? (uint32_t)wanted : available;
        copy_out(domain->ring, domain->req_cons, where, part);
        domain->req_cons += part;
        available -= part;
        rc = connection_got(conn, part);
    }
    if (rc < 0) {
        ring_broken(store, domain, XENSTORE_ERROR_PROTO, "it sent a request that is too long");
        return -1;
    }
    if (rc == 1)
        ring_take(store, domain, result);
    return rc;
}

struct ring_result ring_requests(struct store *store, struct domain *domain, unsigned budget)
{
    struct ring_result result = {0};

    if (SHARED_READ(domain->ring->connection) == XENSTORE_RECONNECT) {
        ring_reconnect(store, domain);
        result.notify = true;
    }
    while (!domain->broken && connection_may_ask(domain->conn)) {
        uint32_t filled = SHARED_READ(domain->ring->req_prod) - domain->req_taken;
        if (filled > XENSTORE_RING_SIZE) {
            ring_broken(store, domain, XENSTORE_ERROR_RINGIDX, "its index of requests is wrong");
            break;
        }
        uint32_t read = domain->req_cons - domain->req_taken;
        if (filled <= read && read == 0)
            break;
        if (filled <= read) { /* part of a request: else nobody would tell of the rest */
            ring_take(store, domain, &result);
            continue;
        }
        if (budget == 0) {
            result.again = true;
            break;
        }
        if (ring_one(store, domain, filled - read, &result) != 1)
            continue;
        budget--;
    }
    return result;
}

/* Answers into what room there is. False: there is no room, or no answer. */
static bool ring_fill(struct domain *domain, uint32_t room)
{
    const void *bytes;
    size_t size;
    bool any = false;

    while (room > 0 && (size = connection_output(domain->conn, &bytes)) != 0) {
        uint32_t part = size < room ? (uint32_t)size : room;
        copy_in(domain->ring, domain->rsp_prod, bytes, part);
        domain->rsp_prod += part;
        room -= part;
        connection_sent(domain->conn, part);
        any = true;
    }
    if (any) {
        SHARED_WRITE(domain->ring->rsp_prod, domain->rsp_prod);
        SHARED_FENCE();
    }
    return any;
}

struct ring_result ring_answers(struct store *store, struct domain *domain)
{
    struct ring_result result = {0};
    struct connection *conn = domain->conn;
    bool waited = !connection_may_ask(conn);

    while (!domain->broken) {
        uint32_t filled = domain->rsp_prod - SHARED_READ(domain->ring->rsp_cons);
        if (filled > XENSTORE_RING_SIZE) {
            ring_broken(store, domain, XENSTORE_ERROR_RINGIDX, "its index of answers is wrong");
            return (struct ring_result){0};
        }
        if (!ring_fill(domain, XENSTORE_RING_SIZE - filled))
            break;
        result.notify = true;
    }
    result.again = waited && connection_may_ask(conn);
    return result;
}
