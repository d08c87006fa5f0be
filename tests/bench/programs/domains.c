/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: domains DOMID
 * Events to another domain (guests/echo.c) and back, through /dev/xen/evtchn, and writes to the
 * store.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <xenevtchn.h>
#include <xenstore.h>

#include "batch.h"

static xenevtchn_handle *events;
static evtchn_port_t port;
static struct xs_handle *store;

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: %s\n", what);
        exit(1);
    }
}

static void take(void)
{
    xenevtchn_port_or_error_t from = xenevtchn_pending(events);

    check(from >= 0 && xenevtchn_unmask(events, (evtchn_port_t)from) == 0, "take an event");
}

OPERATION(evtchn_domains)
{
    while (n--) {
        check(xenevtchn_notify(events, port) == 0, "notify");
        take();
    }
}

OPERATION(store_write)
{
    while (n--)
        check(xs_write(store, XBT_NULL, "/bench", "0123456789abcdef", 16), "write to the store");
}

static const struct operation operations[] = {
    MEASURED(evtchn_domains, 100),
    MEASURED(store_write, 50),
};

/*
 * The guest's port, when it has one to tell. The static libxenstore has no thread: an event that it
 * meets where it looks for a reply makes the request fail, and ends the connection. So the watch
 * has one of its own.
 */
static evtchn_port_t port_of(unsigned domid)
{
    struct xs_handle *watcher = xs_open(0);
    char path[64], *value = NULL;
    unsigned count;

    snprintf(path, sizeof(path), "/local/domain/%u/data/port", domid);
    check(watcher != NULL && xs_watch(watcher, path, ""), "watch");
    while (value == NULL || value[0] == '\0') {
        char **event = xs_read_watch(watcher, &count);

        check(event != NULL, "wait for the guest's port");
        free(event);
        free(value);
        value = xs_read(store, XBT_NULL, path, NULL);
        check(value != NULL || errno == ENOENT, "read the guest's port");
    }
    xs_close(watcher);
    return (evtchn_port_t)atoi(value);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    store = xs_open(0);
    events = xenevtchn_open(NULL, 0);
    check(argc == 2 && store && events, "domains DOMID");
    unsigned domid = (unsigned)atoi(argv[1]);
    int own = xenevtchn_bind_interdomain(events, domid, port_of(domid));
    check(own >= 0, "bind to the guest's port");
    port = (evtchn_port_t)own;
    take(); /* a port that has just been bound has an event pending */
    batch_all(operations, sizeof(operations) / sizeof(operations[0]));
    return 0;
}
