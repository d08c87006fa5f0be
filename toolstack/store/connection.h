/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of the store: a program on the socket, or a domain with its ring. Here are its
 * half-read request, its answers and events that were not sent yet, its watches and transactions;
 * how bytes come and go is its transport's.
 *
 * What waits to be sent is bounded. Answers: a client with too many of them is not read until it
 * takes some. Events: equal ones wait once, and beyond EVENTS_MAX a watch has only one event more,
 * for its own path, which says that something there or below has changed.
 */
#ifndef STORE_CONNECTION_H
#define STORE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "store/wire.h"

#define EVENTS_MAX 1024u

struct store;
struct connection;
struct watch;
struct transaction;

struct message_out {
    TAILQ_ENTRY(message_out) link;
    bool event;
    uint32_t end; /* the connection's out_end behind it */
    uint32_t size, sent;
    uint64_t hash; /* of an event */
    char bytes[];
};

TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(message_list, message_out);
LIST_HEAD(watch_list, watch);
LIST_HEAD(transaction_list, transaction);

struct connection {
    TAILQ_ENTRY(connection) all, unsent;
    struct store *store;
    uint16_t domid, target; /* target: DOMID_INVALID unless XS_SET_TARGET named one */
    bool is_ring;           /* its state is kept for a new process */
    bool in_unsent;
    void *transport;

    struct xsd_sockmsg header;
    uint32_t have; /* bytes of header and payload that were read */
    char payload[XENSTORE_PAYLOAD_MAX + 1];

    struct message_list messages;
    unsigned replies, events;
    uint32_t out_end; /* bytes ever put out, modulo 2^32 */

    struct watch_list watches;
    unsigned nr_watches;
    struct transaction_list transactions;
    unsigned nr_transactions;
    uint32_t next_transaction;
    size_t transaction_memory;
};

struct part {
    const void *bytes;
    size_t size;
};

struct connection *connection_new(struct store *store, uint16_t domid, bool is_ring);
void connection_free(struct connection *conn);
/* Watches, transactions, and all that was to be read or sent is gone. */
void connection_reset(struct connection *conn);
static inline bool connection_privileged(const struct connection *conn)
{
    return conn->domid == 0;
}

/* Where the next bytes of a request belong, and how many are wanted; never 0. */
size_t connection_wants(struct connection *conn, void **where);
/* So many of them came. 1: that was a request, which was carried out; 0: more is wanted;
 * -EPROTO: no request looks like that, the connection is of no more use. */
int connection_got(struct connection *conn, size_t count);
/* Whether it may send another request before it takes answers. */
bool connection_may_ask(const struct connection *conn);

void connection_reply(struct connection *conn, uint32_t type, const void *payload, size_t size);
void connection_event(struct connection *conn, const struct watch *watch, const char *path);
/* Next bytes to send; 0: none. */
size_t connection_output(const struct connection *conn, const void **bytes);
void connection_sent(struct connection *conn, size_t count);
/* As state.h has kept it: a message, or part of one, that ends at out_end. */
void connection_restore_output(struct connection *conn, const void *bytes, size_t size,
                               uint32_t end, bool event);

#endif
