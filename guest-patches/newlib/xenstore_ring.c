/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring to the store (xen/io/xs_wire.h): requests out, answers and watch events in.
 *
 * One lock covers the ring, the message that is coming in and the queue of watch events; whoever
 * makes a request holds it until the answer is there. Indices and lengths that the store writes are
 * read once and checked: when they cannot be right the store counts as broken, for good, since
 * nothing in a stream of bytes can be trusted behind an error.
 *
 * Among several vCPUs the one that waits is not always the one that takes the event, so there
 * nobody sleeps for longer than a slice without looking at the ring.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/start.h>

#include "xenstore_internal.h"

#define SLICE_NS   (10 * 1000 * 1000ull)
#define MAX_EVENTS 256u /* that wait to be fetched; more are dropped */

struct event {
    struct event *next;
    char token[64];
    char path[];
};

static struct {
    struct spinlock lock;
    struct xenstore_domain_interface *ring; /* NULL: no store */
    evtchn_port_t port;
    bool looked, broken;
    uint32_t next_id;

    struct store_message in; /* is coming in */
    unsigned have;           /* bytes of it, header included */

    struct event *events, **events_end;
    unsigned nr_events;
} store;

static void connect(void *ring, evtchn_port_t port)
{
    store.looked = true;
    store.broken = false;
    store.ring = ring;
    store.port = port;
    store.have = 0;
    free(store.in.body);
    store.in.body = NULL;
    if (!store.events)
        store.events_end = &store.events;
    if (ring)
        event_set_handler(port, NULL, NULL);
}

void xenstore_connect(void *ring_page, evtchn_port_t port)
{
    spin_lock(&store.lock);
    connect(ring_page, port);
    spin_unlock(&store.lock);
}

/* Lock held. 0, or why there is no store. */
static int ready(void)
{
    if (!store.looked) {
        unsigned long mfn = start_info->store_mfn;
        unsigned long pfn = mfn ? mfn_to_pfn(mfn) : ~0ul;

        connect(pfn < nr_pages ? pfn_to_virt(pfn) : NULL, start_info->store_evtchn);
    }
    if (!store.ring)
        return ENODEV;
    return store.broken ? EIO : 0;
}

static int broken(void)
{
    store.broken = true;
    return EIO;
}

/* ---- Bytes --------------------------------------------------------------------------------- */

/* Moves up to `size` bytes of data out; returns how many, or -1: the indices are impossible. */
static long put_bytes(const char *data, size_t size)
{
    struct xenstore_domain_interface *ring = store.ring;
    uint32_t prod = ring->req_prod;
    uint32_t used = prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);
    size_t count;

    if (used > XENSTORE_RING_SIZE)
        return -1;
    count = XENSTORE_RING_SIZE - used;
    if (count > size)
        count = size;
    for (size_t i = 0; i < count; i++)
        ring->req[MASK_XENSTORE_IDX(prod + i)] = data[i];
    __atomic_store_n(&ring->req_prod, prod + (uint32_t)count, __ATOMIC_RELEASE);
    return (long)count;
}

static long get_bytes(char *data, size_t size)
{
    struct xenstore_domain_interface *ring = store.ring;
    uint32_t cons = ring->rsp_cons;
    uint32_t used = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) - cons;
    size_t count = used < size ? used : size;

    if (used > XENSTORE_RING_SIZE)
        return -1;
    for (size_t i = 0; i < count; i++)
        data[i] = ring->rsp[MASK_XENSTORE_IDX(cons + i)];
    __atomic_store_n(&ring->rsp_cons, cons + (uint32_t)count, __ATOMIC_RELEASE);
    return (long)count;
}

/* ---- Messages coming in -------------------------------------------------------------------- */

/*
 * Takes what there is. 1: store.in is whole; 0: more has to come; -1: broken. *moved: bytes were
 * taken, so the store has room again.
 */
static int receive(bool *moved)
{
    while (true) {
        unsigned head = sizeof(store.in.header);
        bool in_head = store.have < head;
        size_t size = in_head ? head - store.have : head + store.in.header.len - store.have;
        char *to =
            in_head ? (char *)&store.in.header + store.have : store.in.body + (store.have - head);
        long got = get_bytes(to, size);

        if (got < 0)
            return -1;
        *moved |= got > 0;
        store.have += (unsigned)got;
        if (store.have < head || (!in_head && (size_t)got < size))
            return 0;
        if (!in_head)
            return 1;
        if (store.in.header.len > XENSTORE_PAYLOAD_MAX)
            return -1;
        store.in.body = calloc(1, store.in.header.len + 1);
        if (!store.in.body)
            return -1;
        if (store.in.header.len == 0)
            return 1;
    }
}

/* The whole message, which is then the caller's. */
static struct store_message take_message(void)
{
    struct store_message message = store.in;

    store.in.body = NULL;
    store.have = 0;
    return message;
}

/* "path\0token\0"; one that is not so, or whose token is not one of ours, has no reader. */
static void queue_event(struct store_message *message)
{
    size_t len = message->header.len, path = strnlen(message->body, len) + 1;
    const char *token = message->body + path;
    struct event *event;

    if (path >= len || strlen(token) >= sizeof(event->token) || store.nr_events >= MAX_EVENTS)
        return;
    event = malloc(sizeof(*event) + path);
    if (!event)
        return;
    event->next = NULL;
    memcpy(event->path, message->body, path);
    memset(event->token, 0, sizeof(event->token));
    memcpy(event->token, token, strlen(token));
    *store.events_end = event;
    store.events_end = &event->next;
    store.nr_events++;
}

/* Everything that is there up to the next answer. As receive(). */
static int pump(bool *moved)
{
    int got;

    while ((got = receive(moved)) == 1 && store.in.header.type == XS_WATCH_EVENT) {
        struct store_message message = take_message();

        queue_event(&message);
        free(message.body);
    }
    return got;
}

/* ---- Requests ------------------------------------------------------------------------------ */

/* Sleeps until the store has done something; with several vCPUs, or a slice has passed. */
static void nap(uint64_t until)
{
    uint64_t slice = monotonic_ns() + SLICE_NS;

    if (nr_vcpus() > 1 && (until == 0 || slice < until))
        until = slice;
    (void)event_wait(store.port, until);
}

/*
 * Sends the bytes, then waits for an answer. Answers must not come before all is sent, but watch
 * events may, and have to be taken: a store that cannot be rid of them may read no further.
 */
static int exchange(const char *request, size_t size)
{
    size_t sent = 0;

    while (true) {
        long put = put_bytes(request + sent, size - sent);
        bool moved = put > 0;
        int got = pump(&moved);

        if (put < 0 || got < 0)
            return broken();
        sent += (size_t)put;
        if (moved)
            (void)event_send(store.port);
        if (got == 1)
            return sent == size ? 0 : broken();
        if (!moved)
            nap(0);
    }
}

/* The names on the wire of what newlib numbers. */
static const struct {
    const char *name;
    int number;
} errors[] = {
    {"EINVAL", EINVAL}, {"EACCES", EACCES},       {"EEXIST", EEXIST}, {"EISDIR", EISDIR},
    {"ENOENT", ENOENT}, {"ENOMEM", ENOMEM},       {"ENOSPC", ENOSPC}, {"EIO", EIO},
    {"EROFS", EROFS},   {"ENOTEMPTY", ENOTEMPTY}, {"ENOSYS", ENOSYS}, {"EBUSY", EBUSY},
    {"EAGAIN", EAGAIN}, {"EISCONN", EISCONN},     {"E2BIG", E2BIG},   {"EPERM", EPERM},
};

static int error_number(const char *name)
{
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (strcmp(name, errors[i].name) == 0)
            return errors[i].number;
    return EIO;
}

/* Lock held; the answer to request `id` of `type` is in store.in. */
static int judge(uint32_t id, unsigned type, struct store_message *answer)
{
    struct store_message message = take_message();
    int error = 0;

    if (message.header.req_id != id ||
        (message.header.type != type && message.header.type != XS_ERROR))
        error = broken();
    else if (message.header.type == XS_ERROR)
        error = error_number(message.body);
    if (error == 0 && answer)
        *answer = message;
    else
        free(message.body);
    return error;
}

int store_request(unsigned type, xenstore_transaction t, const struct store_part *parts,
                  unsigned count, struct store_message *answer)
{
    struct xsd_sockmsg header = {.type = type, .tx_id = t};
    size_t size = 0, at = sizeof(header);
    char *request;
    int error;

    for (unsigned i = 0; i < count; i++)
        size += parts[i].size;
    if (size > XENSTORE_PAYLOAD_MAX)
        return E2BIG;
    request = malloc(sizeof(header) + size);
    if (!request)
        return ENOMEM;
    header.len = (uint32_t)size;
    for (unsigned i = 0; i < count; at += parts[i++].size)
        memcpy(request + at, parts[i].data, parts[i].size);

    spin_lock(&store.lock);
    error = ready();
    if (error == 0) {
        header.req_id = ++store.next_id;
        memcpy(request, &header, sizeof(header));
        error = exchange(request, sizeof(header) + size);
    }
    if (error == 0)
        error = judge(header.req_id, type, answer);
    spin_unlock(&store.lock);
    free(request);
    return error;
}

/* ---- Watch events -------------------------------------------------------------------------- */

static bool is_library(const char *token)
{
    return strncmp(token, STORE_LIBRARY_TOKEN, strlen(STORE_LIBRARY_TOKEN)) == 0;
}

/* Lock held. An empty prefix: the program's own. */
static struct event *take_event(const char *prefix)
{
    for (struct event **link = &store.events; *link; link = &(*link)->next) {
        struct event *event = *link;

        if (*prefix ? strncmp(event->token, prefix, strlen(prefix)) : is_library(event->token))
            continue;
        *link = event->next;
        if (!*link)
            store.events_end = link;
        store.nr_events--;
        return event;
    }
    return NULL;
}

void store_drop_events(const char *token)
{
    struct event **link = &store.events;

    spin_lock(&store.lock);
    while (*link) {
        struct event *event = *link;

        if (strcmp(event->token, token)) {
            link = &event->next;
            continue;
        }
        *link = event->next;
        store.nr_events--;
        free(event);
    }
    store.events_end = link;
    spin_unlock(&store.lock);
}

/* Lock held. An answer here is one that nobody asked for. */
static int look(const char *prefix, struct event **event)
{
    bool moved = false;
    int error = ready();

    if (error)
        return error;
    if (pump(&moved) != 0)
        return broken();
    if (moved)
        (void)event_send(store.port);
    *event = take_event(prefix);
    return 0;
}

int store_wait_event(const char *prefix, char **path, char token[64], uint64_t until)
{
    struct event *event = NULL;

    while (true) {
        int error;

        spin_lock(&store.lock);
        error = look(prefix, &event);
        spin_unlock(&store.lock);
        if (error)
            return error;
        if (event)
            break;
        if (until && monotonic_ns() >= until)
            return ETIMEDOUT;
        nap(until);
    }
    memcpy(token, event->token, sizeof(event->token));
    *path = strdup(event->path);
    free(event);
    return *path ? 0 : ENOMEM;
}
