/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/common/store_watch.c
 *
 * Watches on a connection of their own: what is asked, events and replies in pieces of every size,
 * a store that refuses, is not there, or goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/store_watch.h"
#include "tap.h"

static char directory[] = "/tmp/test_store_watch.XXXXXX";
static int listener;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void listen_there(void)
{
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
        bail_out("no socket");
}

static size_t message(char *to, uint32_t type, const char *body, uint32_t size)
{
    struct xsd_sockmsg header = {.type = type, .len = size};

    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), body, size);
    return sizeof(header) + size;
}

static void test_asked(int store)
{
    static const char wanted[] = "@introduceDomain\0w\0/local/domain/7/console/tty\0w";
    char bytes[512];
    size_t got = 0, body = 0;

    while (got < 2 * sizeof(struct xsd_sockmsg) + sizeof(wanted)) {
        ssize_t n = recv(store, bytes + got, sizeof(bytes) - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    for (size_t at = 0; at < got;) {
        struct xsd_sockmsg header;
        memcpy(&header, bytes + at, sizeof(header));
        ok(header.type == XS_WATCH && header.tx_id == 0, "a watch is asked for");
        is_mem(bytes + at + sizeof(header), wanted + body, header.len);
        body += header.len;
        at += sizeof(header) + header.len;
    }
    is(body, sizeof(wanted), "each of them");
}

/* A reply, an event, an event without a body and a reply, in pieces of `size`. */
static void test_pieces(int store, struct store_watch *watch, size_t size)
{
    char bytes[256];
    unsigned found = 0, events = 0;
    size_t count = message(bytes, XS_WATCH, "OK", 3);

    count += message(bytes + count, XS_WATCH_EVENT, "@introduceDomain\0w", 19);
    count += message(bytes + count, XS_WATCH_EVENT, "", 0);
    count += message(bytes + count, XS_WATCH, "OK", 3);
    for (size_t at = 0; at < count; at += size) {
        size_t part = count - at < size ? count - at : size;
        if (send(store, bytes + at, part, 0) != (ssize_t)part)
            bail_out("the socket does not take it");
        unsigned now = store_watch_events(watch);
        found |= now;
        events += now == STORE_CHANGED;
    }
    is(found, STORE_CHANGED, "pieces of %zu bytes", size);
    ok(size >= count ? events == 1 : events >= 1 && events <= 2, "%u times", events);
    is(store_watch_events(watch), 0, "then nothing");
}

int main(void)
{
    static const char *const paths[] = {"@introduceDomain", "/local/domain/7/console/tty"};
    struct store_watch watch;
    char bytes[64];

    if (mkdtemp(directory) == NULL)
        bail_out("no directory can be made");
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    setenv("XENSTORED_PATH", address.sun_path, 1);
    is(store_watch_open(&watch, paths, 2), -ENOENT, "no store is there");
    listen_there();
    is(store_watch_open(&watch, paths, 2), 0, "one is");
    int store = accept(listener, NULL, NULL);
    test_asked(store);
    for (size_t size = 1; size < 100; size++)
        test_pieces(store, &watch, size);
    if (send(store, bytes, message(bytes, XS_ERROR, "EINVAL", 7), 0) <= 0)
        bail_out("the socket does not take it");
    is(store_watch_events(&watch), STORE_ENDED, "one that refuses is as good as none");
    close(store);
    is(store_watch_events(&watch), STORE_ENDED, "its end is seen");
    store_watch_close(&watch);
    close(listener);
    is(store_watch_open(&watch, paths, 2), -ECONNREFUSED, "a socket that one left is none");
    unlink(address.sun_path);
    rmdir(directory);
    return done();
}
