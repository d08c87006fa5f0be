/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store that the test itself plays, for tests of the library's client and front-ends. It lives at
 * the other end of an event channel of the same domain: its handler runs whenever the client has
 * notified it, reads requests from the ring and writes answers (xen/io/xs_wire.h). One file of a
 * program includes this.
 *
 * `store_play.mischief` makes the next answers wrong.
 */
#ifndef PLAYED_STORE_H
#define PLAYED_STORE_H

#include <pv/event.h>
#include <pv/memory.h>
#include <pv/xenstore.h>
#include <xen/io/xs_wire.h>

#include "tap.h"

#define STORE_NODES   160
#define STORE_WATCHES 8

enum mischief {
    HONEST,
    WRONG_ID,        /* an answer to a request that nobody made */
    WRONG_TYPE,      /* an answer of another kind */
    TOO_LONG,        /* a body beyond what the protocol allows */
    WRONG_INDEX,     /* more bytes in the ring than it holds */
    WRONG_CONSUMER,  /* more requests taken than were made */
    NOT_TERMINATED,  /* names without a 0 at the end */
    ODD_ERROR,       /* an error that has no number */
    CONFLICT,        /* EAGAIN at the end of a transaction, once */
    MALFORMED_EVENT, /* a watch event without token before the answer */
    TRICKLE,         /* honest, but a few bytes at a time */
};

static struct {
    struct xenstore_domain_interface *ring;
    evtchn_port_t port; /* the store's end */
    enum mischief mischief;
    char request[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX + 1];
    unsigned have;
    char out[65536];
    unsigned out_head, out_tail;
    struct {
        char path[96], value[256];
        bool used;
    } nodes[STORE_NODES];
    struct {
        char path[96], token[64];
        bool used;
    } watches[STORE_WATCHES];
    unsigned requests, transactions;
    /* A back-end's ear. */
    void (*written)(const char *path, const char *value);
} store_play;

/* ---- The tree ------------------------------------------------------------------------------ */

/* What does not fit is cut off. */
static void store_text(char *to, size_t room, const char *from)
{
    size_t size = strnlen(from, room - 1);

    memcpy(to, from, size);
    to[size] = 0;
}

static int store_find(const char *path)
{
    for (int i = 0; i < STORE_NODES; i++)
        if (store_play.nodes[i].used && strcmp(store_play.nodes[i].path, path) == 0)
            return i;
    return -1;
}

static void store_queue(unsigned type, uint32_t id, const void *body, unsigned len)
{
    struct xsd_sockmsg header = {.type = type, .req_id = id, .len = len};

    memcpy(store_play.out + store_play.out_tail, &header, sizeof(header));
    memcpy(store_play.out + store_play.out_tail + sizeof(header), body, len);
    store_play.out_tail += (unsigned)sizeof(header) + len;
}

static void store_fire(const char *path)
{
    for (int i = 0; i < STORE_WATCHES; i++) {
        const char *watched = store_play.watches[i].path;
        char body[200];
        int len;

        if (!store_play.watches[i].used || strncmp(path, watched, strlen(watched)) != 0)
            continue;
        len = snprintf(body, sizeof(body), "%s%c%s", path, 0, store_play.watches[i].token);
        store_queue(XS_WATCH_EVENT, 0, body, (unsigned)len + 1);
    }
}

/* As the store's own deed: also for back-ends that are played. store_flush() makes it seen. */
static void store_set(const char *path, const char *value)
{
    int i = store_find(path);

    for (int n = 0; i < 0 && n < STORE_NODES; n++)
        if (!store_play.nodes[n].used)
            i = n;
    store_play.nodes[i].used = true;
    store_text(store_play.nodes[i].path, sizeof(store_play.nodes[i].path), path);
    store_text(store_play.nodes[i].value, sizeof(store_play.nodes[i].value), value);
    store_fire(path);
}

static __attribute__((unused)) const char *store_get(const char *path)
{
    int i = store_find(path);

    return i < 0 ? NULL : store_play.nodes[i].value;
}

/* ---- The ring ------------------------------------------------------------------------------ */

static void store_flush(void)
{
    struct xenstore_domain_interface *ring = store_play.ring;
    unsigned limit = store_play.mischief == TRICKLE ? 3 : XENSTORE_RING_SIZE;
    uint32_t prod = ring->rsp_prod;
    unsigned space = limit - (prod - __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE));

    if (space > limit)
        space = 0;
    for (; space && store_play.out_head != store_play.out_tail; space--)
        ring->rsp[MASK_XENSTORE_IDX(prod++)] = store_play.out[store_play.out_head++];
    if (store_play.out_head == store_play.out_tail)
        store_play.out_head = store_play.out_tail = 0;
    __atomic_store_n(&ring->rsp_prod, prod, __ATOMIC_RELEASE);
    (void)event_send(store_play.port);
}

/* ---- Requests ------------------------------------------------------------------------------ */

static const char *store_list(const char *path, char *names, unsigned *len)
{
    size_t size = strlen(path);

    *len = 0;
    for (int i = 0; i < STORE_NODES; i++) {
        const char *node = store_play.nodes[i].path;

        if (store_play.nodes[i].used && strncmp(node, path, size) == 0 && node[size] == '/' &&
            !strchr(node + size + 1, '/')) {
            strcpy(names + *len, node + size + 1);
            *len += (unsigned)strlen(node + size + 1) + 1;
        }
    }
    return names;
}

static const char *store_watch_change(const char *path, const char *token, bool add)
{
    for (int i = 0; i < STORE_WATCHES; i++) {
        bool same = store_play.watches[i].used && !strcmp(store_play.watches[i].token, token);

        if (add ? store_play.watches[i].used : !same)
            continue;
        store_play.watches[i].used = add;
        store_text(store_play.watches[i].path, sizeof(store_play.watches[i].path), path);
        store_text(store_play.watches[i].token, sizeof(store_play.watches[i].token), token);
        return NULL;
    }
    return add ? "ENOSPC" : "ENOENT";
}

/* The answer's body and size; the name of an error is returned. */
static const char *store_do(const struct xsd_sockmsg *header, char *body, char *answer,
                            unsigned *len)
{
    char *second = body + strlen(body) + 1;
    int node = store_find(body);

    *len = 3;
    memcpy(answer, "OK", 3);
    switch (header->type) {
    case XS_READ:
        if (node < 0)
            return "ENOENT";
        *len = (unsigned)strlen(store_play.nodes[node].value);
        memcpy(answer, store_play.nodes[node].value, *len);
        return NULL;
    case XS_WRITE:
        store_set(body, second);
        if (store_play.written)
            store_play.written(body, second);
        return NULL;
    case XS_MKDIR:
        if (node < 0)
            store_set(body, "");
        return NULL;
    case XS_RM:
        if (node < 0)
            return "ENOENT";
        store_play.nodes[node].used = false;
        store_fire(body);
        return NULL;
    case XS_DIRECTORY:
        (void)store_list(body, answer, len);
        return NULL;
    case XS_WATCH:
    case XS_UNWATCH:
        return store_watch_change(body, second, header->type == XS_WATCH);
    case XS_TRANSACTION_START:
        *len = (unsigned)snprintf(answer, 16, "%u", ++store_play.transactions) + 1;
        return NULL;
    case XS_TRANSACTION_END:
        if (store_play.mischief != CONFLICT)
            return NULL;
        store_play.mischief = HONEST;
        return "EAGAIN";
    default:
        return "ENOSYS";
    }
}

static void store_answer(const struct xsd_sockmsg *header, char *body)
{
    static char answer[XENSTORE_PAYLOAD_MAX + 512];
    unsigned len, type = header->type;
    uint32_t id = header->req_id;
    const char *error = store_do(header, body, answer, &len);

    store_play.requests++;
    if (store_play.mischief == ODD_ERROR)
        error = "EWHATEVER";
    if (error) {
        type = XS_ERROR;
        len = (unsigned)strlen(error) + 1;
        memcpy(answer, error, len);
    }
    if (store_play.mischief == WRONG_ID)
        id++;
    if (store_play.mischief == WRONG_TYPE)
        type = XS_IS_DOMAIN_INTRODUCED;
    if (store_play.mischief == TOO_LONG)
        len = XENSTORE_PAYLOAD_MAX + 1;
    if (store_play.mischief == NOT_TERMINATED && len)
        len--;
    if (store_play.mischief == MALFORMED_EVENT)
        store_queue(XS_WATCH_EVENT, 0, "path", 4);
    store_queue(type, id, answer, len);
    if (store_play.mischief == WRONG_INDEX)
        store_play.ring->rsp_prod += 5000;
    if (store_play.mischief == WRONG_CONSUMER)
        store_play.ring->req_cons += 2000;
}

static void store_handler(evtchn_port_t port, void *unused)
{
    struct xenstore_domain_interface *ring = store_play.ring;
    struct xsd_sockmsg header;

    (void)port;
    (void)unused;
    while (ring->req_cons != __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE)) {
        store_play.request[store_play.have++] = ring->req[MASK_XENSTORE_IDX(ring->req_cons)];
        ring->req_cons++;
        memcpy(&header, store_play.request, sizeof(header));
        if (store_play.have < sizeof(header) || store_play.have < sizeof(header) + header.len)
            continue;
        store_play.request[store_play.have] = 0;
        store_play.have = 0;
        store_answer(&header, store_play.request + sizeof(header));
        if (store_play.mischief == WRONG_CONSUMER)
            break;
    }
    store_flush();
}

/* A fresh ring to the store; the tree stays. */
static void store_start(domid_t own)
{
    long client = event_alloc_unbound(own, NULL, NULL);

    if (!store_play.ring)
        store_play.ring = page_alloc();
    memset(store_play.ring, 0, PAGE_SIZE);
    store_play.have = store_play.out_head = store_play.out_tail = 0;
    store_play.mischief = HONEST;
    store_play.port =
        (evtchn_port_t)event_bind_interdomain(own, (evtchn_port_t)client, store_handler, NULL);
    xenstore_connect(store_play.ring, (evtchn_port_t)client);
}

#endif
