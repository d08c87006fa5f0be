/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store with clients that are byte buffers: what they send goes in as it would from a socket or
 * ring, and what is sent to them is taken apart into answers and events.
 */
#ifndef STORE_WORLD_H
#define STORE_WORLD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

/* The latest answer. */
struct answer {
    uint32_t type, tx;
    size_t size;
    char text[XENSTORE_PAYLOAD_MAX + 1];
};

#define EVENTS_KEPT 64

/* Events of one client, since they were last forgotten, as "path token". */
struct events {
    unsigned count;
    char text[EVENTS_KEPT][256];
};

static inline void world_send(struct connection *conn, uint32_t type, uint32_t tx,
                              const void *payload, size_t size)
{
    struct xsd_sockmsg header = {.type = type, .req_id = 7, .tx_id = tx, .len = (uint32_t)size};
    char bytes[sizeof(header) + XENSTORE_PAYLOAD_MAX];
    size_t total = sizeof(header) + size, at = 0;

    memcpy(bytes, &header, sizeof(header));
    if (size)
        memcpy(bytes + sizeof(header), payload, size);
    while (at < total) {
        void *where;
        size_t part = connection_wants(conn, &where);
        if (part > total - at)
            part = total - at;
        memcpy(where, bytes + at, part);
        at += part;
        if (connection_got(conn, part) < 0)
            break;
    }
}

/* Takes what waits for the client; the last answer, and all events. */
static inline void world_receive(struct connection *conn, struct answer *answer,
                                 struct events *events)
{
    const void *bytes;
    size_t size;

    while ((size = connection_output(conn, &bytes)) != 0) {
        struct xsd_sockmsg header;
        const char *payload = (const char *)bytes + sizeof(header);
        memcpy(&header, bytes, sizeof(header));
        if (header.type == XS_WATCH_EVENT) {
            if (events != NULL && events->count < EVENTS_KEPT)
                snprintf(events->text[events->count], sizeof(events->text[0]), "%.200s %.40s",
                         payload, payload + strlen(payload) + 1);
            if (events != NULL)
                events->count++;
        } else if (answer != NULL) {
            answer->type = header.type;
            answer->tx = header.tx_id;
            answer->size = header.len;
            memcpy(answer->text, payload, header.len);
            answer->text[header.len] = '\0';
        }
        connection_sent(conn, size);
    }
}

/* Events that came before the answer are lost. */
static inline struct answer *world_ask(struct connection *conn, uint32_t type, uint32_t tx,
                                       const void *payload, size_t size)
{
    static struct answer answer;

    answer = (struct answer){.type = XS_INVALID};
    world_receive(conn, NULL, NULL);
    world_send(conn, type, tx, payload, size);
    return &answer;
}

/* One string, with its NUL. The answer's text; errors by their name. */
static inline const char *ask(struct connection *conn, uint32_t type, uint32_t tx, const char *text)
{
    struct answer *answer = world_ask(conn, type, tx, text, strlen(text) + 1);

    world_receive(conn, answer, NULL);
    return answer->text;
}

static inline const char *ask_bytes(struct connection *conn, uint32_t type, uint32_t tx,
                                    const void *bytes, size_t size)
{
    struct answer *answer = world_ask(conn, type, tx, bytes, size);

    world_receive(conn, answer, NULL);
    return answer->text;
}

/* Strings as "a|b|" of the protocol's description: each '|' is a NUL. */
static inline size_t bars(char *bytes, const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i <= size; i++)
        bytes[i] = text[i] == '|' ? '\0' : text[i];
    return size;
}

static inline const char *ask_bars(struct connection *conn, uint32_t type, uint32_t tx,
                                   const char *text)
{
    char bytes[XENSTORE_PAYLOAD_MAX];
    size_t size = bars(bytes, text);

    return ask_bytes(conn, type, tx, bytes, size);
}

/* The answer with its NULs as '|'. */
static inline const char *ask_list(struct connection *conn, uint32_t type, uint32_t tx,
                                   const char *text)
{
    char bytes[XENSTORE_PAYLOAD_MAX];
    size_t size = bars(bytes, text);
    struct answer *answer = world_ask(conn, type, tx, bytes, size);

    world_receive(conn, answer, NULL);
    for (size_t i = 0; i < answer->size; i++)
        if (answer->text[i] == '\0')
            answer->text[i] = '|';
    return answer->text;
}

#endif
