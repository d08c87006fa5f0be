/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's requests and answers, as bytes.
 */
#include "store/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/protocol.h"
#include "store/state.h"
#include "store/store.h"
#include "store/transaction.h"

/* A program on the socket may have this many answers waiting; guests: quota.outstanding. */
#define REPLIES_MAX 64u

struct connection *connection_new(struct store *store, uint16_t domid, bool is_ring)
{
    struct connection *conn = store_alloc(sizeof(*conn));

    conn->store = store;
    conn->domid = domid;
    conn->target = DOMID_INVALID;
    conn->is_ring = is_ring;
    conn->next_transaction = 1;
    TAILQ_INIT(&conn->messages);
    LIST_INIT(&conn->watches);
    LIST_INIT(&conn->transactions);
    TAILQ_INSERT_TAIL(&store->connections, conn, all);
    return conn;
}

static void drop_messages(struct connection *conn)
{
    struct message_out *message;

    while ((message = TAILQ_FIRST(&conn->messages)) != NULL) {
        TAILQ_REMOVE(&conn->messages, message, link);
        free(message);
    }
    conn->replies = conn->events = 0;
}

void connection_reset(struct connection *conn)
{
    watch_remove_all(conn);
    transaction_abort_all(conn);
    drop_messages(conn);
    conn->have = 0;
}

void connection_free(struct connection *conn)
{
    connection_reset(conn);
    TAILQ_REMOVE(&conn->store->connections, conn, all);
    if (conn->in_unsent)
        TAILQ_REMOVE(&conn->store->unsent, conn, unsent);
    free(conn);
}

size_t connection_wants(struct connection *conn, void **where)
{
    if (conn->have < sizeof(conn->header)) {
        *where = (char *)&conn->header + conn->have;
        return sizeof(conn->header) - conn->have;
    }
    size_t have = conn->have - sizeof(conn->header);
    *where = conn->payload + have;
    return conn->header.len - have;
}

int connection_got(struct connection *conn, size_t count)
{
    conn->have += (uint32_t)count;
    if (conn->have < sizeof(conn->header))
        return 0;
    if (conn->header.len > XENSTORE_PAYLOAD_MAX)
        return -EPROTO;
    if (conn->have - sizeof(conn->header) < conn->header.len)
        return 0;
    conn->payload[conn->header.len] = '\0';
    conn->have = 0;
    protocol_request(conn);
    return 1;
}

bool connection_may_ask(const struct connection *conn)
{
    if (connection_privileged(conn))
        return conn->replies < REPLIES_MAX;
    return conn->replies < conn->store->quota.outstanding;
}

static void queue(struct connection *conn, struct message_out *message)
{
    message->end = conn->out_end += message->size - message->sent;
    if (message->event)
        conn->events++;
    else
        conn->replies++;
    TAILQ_INSERT_TAIL(&conn->messages, message, link);
    if (!conn->in_unsent) {
        conn->in_unsent = true;
        TAILQ_INSERT_TAIL(&conn->store->unsent, conn, unsent);
    }
}

static void queue_and_keep(struct connection *conn, struct message_out *message)
{
    queue(conn, message);
    state_output(conn, message);
}

static struct message_out *message_new(const struct xsd_sockmsg *header)
{
    struct message_out *message = store_alloc(sizeof(*message) + sizeof(*header) + header->len);

    message->size = (uint32_t)sizeof(*header) + header->len;
    memcpy(message->bytes, header, sizeof(*header));
    return message;
}

void connection_reply(struct connection *conn, uint32_t type, const void *payload, size_t size)
{
    struct xsd_sockmsg header = {.type = type,
                                 .req_id = conn->header.req_id,
                                 .tx_id = conn->header.tx_id,
                                 .len = (uint32_t)size};
    struct message_out *message = message_new(&header);

    if (size)
        memcpy(message->bytes + sizeof(header), payload, size);
    queue_and_keep(conn, message);
}

static bool event_waits(const struct connection *conn, const struct message_out *message)
{
    struct message_out *other;

    TAILQ_FOREACH(other, &conn->messages, link)
    if (other->event && other->hash == message->hash && other->size == message->size &&
        memcmp(other->bytes, message->bytes, message->size) == 0)
        return true;
    return false;
}

void connection_event(struct connection *conn, const struct watch *watch, const char *path)
{
    if (conn->events >= EVENTS_MAX)
        path = watch->path;
    if (watch->relative)
        path += watch->home;
    size_t path_size = strlen(path) + 1, token_size = strlen(watch->token) + 1;
    struct xsd_sockmsg header = {.type = XS_WATCH_EVENT, .len = (uint32_t)(path_size + token_size)};

    /* A path below the watched one can be too long for one message with this token. */
    if (header.len > XENSTORE_PAYLOAD_MAX)
        return;
    struct message_out *message = message_new(&header);
    memcpy(message->bytes + sizeof(header), path, path_size);
    memcpy(message->bytes + sizeof(header) + path_size, watch->token, token_size);
    message->event = true;
    message->hash = path_hash(message->bytes, message->size);
    if (event_waits(conn, message))
        free(message);
    else
        queue_and_keep(conn, message);
}

void connection_restore_output(struct connection *conn, const void *bytes, size_t size,
                               uint32_t end, bool event)
{
    struct message_out *message = store_alloc(sizeof(*message) + size);

    message->size = (uint32_t)size;
    memcpy(message->bytes, bytes, size);
    message->event = event;
    message->hash = event ? path_hash(message->bytes, size) : 0;
    queue(conn, message);
    conn->out_end = message->end = end;
}

size_t connection_output(const struct connection *conn, const void **bytes)
{
    const struct message_out *message = TAILQ_FIRST(&conn->messages);

    if (message == NULL)
        return 0;
    *bytes = message->bytes + message->sent;
    return message->size - message->sent;
}

void connection_sent(struct connection *conn, size_t count)
{
    struct message_out *message = TAILQ_FIRST(&conn->messages);

    message->sent += (uint32_t)count;
    if (message->sent < message->size)
        return;
    TAILQ_REMOVE(&conn->messages, message, link);
    if (message->event)
        conn->events--;
    else
        conn->replies--;
    free(message);
}
