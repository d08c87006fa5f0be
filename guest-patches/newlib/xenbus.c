/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Meeting a back-end. The front-end writes only in its own directory of the store, and reads the
 * back-end's. A back-end may stop, or go, at any time: every wait looks at its state now and then.
 */
#include "xenbus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>

#include "xenstore_internal.h"

#define LOOK_NS        (1000 * 1000 * 1000ull) /* between looks at the state of a silent back-end */
#define CLOSE_NS       (2 * 1000 * 1000 * 1000ull) /* that a back-end has to let go */
#define PATH_MAX_BYTES 256

#define STATE(s) (1u << (s))

static void name_path(char path[PATH_MAX_BYTES], const char *directory, const char *name)
{
    snprintf(path, PATH_MAX_BYTES, "%s/%s", directory, name);
}

uint64_t xenbus_number(struct xenbus_device *dev, const char *name, uint64_t otherwise)
{
    char path[PATH_MAX_BYTES];
    unsigned long value;

    name_path(path, dev->backend, name);
    return xenstore_scanf(0, path, 1, "%lu", &value) ? otherwise : value;
}

int xenbus_write(struct xenbus_device *dev, const char *name, unsigned value)
{
    char path[PATH_MAX_BYTES];

    name_path(path, dev->path, name);
    return xenstore_printf(0, path, "%u", value);
}

int xenbus_set_state(struct xenbus_device *dev, enum xenbus_state state)
{
    return xenbus_write(dev, "state", state);
}

/* Waits until the back-end is in one of the wanted states; ENXIO when it can no longer get there.
 */
static int wait_state(struct xenbus_device *dev, unsigned wanted, uint64_t until)
{
    const unsigned gone = STATE(XenbusStateClosing) | STATE(XenbusStateClosed);

    while (true) {
        uint64_t state = xenbus_number(dev, "state", XenbusStateUnknown);
        unsigned bit = state <= XenbusStateReconfigured ? STATE(state) : 0;
        char *path, token[64];
        int error;

        if (bit & wanted)
            return 0;
        if (bit & gone)
            return ENXIO;
        error = store_wait_event(dev->token, &path, token, until);
        if (error)
            return error;
        free(path);
    }
}

static int find_backend(struct xenbus_device *dev)
{
    char path[PATH_MAX_BYTES];
    unsigned domain;
    int error;

    name_path(path, dev->path, "backend-id");
    error = xenstore_scanf(0, path, 1, "%u", &domain);
    if (error == 0 && domain >= DOMID_FIRST_RESERVED)
        error = EINVAL;
    if (error)
        return error;
    dev->backend_id = (domid_t)domain;
    name_path(path, dev->path, "backend");
    return xenstore_read(0, path, &dev->backend, NULL);
}

int xenbus_open(struct xenbus_device *dev, const char *type, unsigned id)
{
    char path[PATH_MAX_BYTES];
    int error;

    snprintf(dev->path, sizeof(dev->path), "device/%s/%u", type, id);
    snprintf(dev->token, sizeof(dev->token), STORE_LIBRARY_TOKEN "%s%u.", type, id);
    error = find_backend(dev);
    if (error)
        return error;
    name_path(path, dev->backend, "state");
    error = xenstore_watch(path, dev->token);
    if (error)
        return error;
    dev->watching = true;
    return wait_state(dev,
                      STATE(XenbusStateInitWait) | STATE(XenbusStateInitialised) |
                          STATE(XenbusStateConnected),
                      monotonic_ns() + XENBUS_CONNECT_NS);
}

/* ---- What the back-end is offered ---------------------------------------------------------- */

int xenbus_offer_port(struct xenbus_device *dev)
{
    long port = event_alloc_unbound(dev->backend_id, NULL, NULL);

    if (port < 0)
        return ENOSPC;
    dev->port = (evtchn_port_t)port;
    return xenbus_write(dev, "event-channel", dev->port);
}

bool xenbus_share(struct xenbus_device *dev, struct xenbus_page *page)
{
    page->page = page_alloc();
    if (!page->page)
        return false;
    page->ref = grant_give(dev->backend_id, page->page, false);
    if (page->ref != GRANT_NONE)
        return true;
    page_free(page->page);
    page->page = NULL;
    return false;
}

void xenbus_unshare(struct xenbus_page *page)
{
    if (page->page && grant_end(page->ref))
        page_free(page->page);
    page->page = NULL;
}

int xenbus_connect(struct xenbus_device *dev, enum xenbus_state state)
{
    int error = xenbus_set_state(dev, state);

    return error ? error
                 : wait_state(dev, STATE(XenbusStateConnected), monotonic_ns() + XENBUS_CONNECT_NS);
}

/* ---- Connected ----------------------------------------------------------------------------- */

void xenbus_notify(struct xenbus_device *dev)
{
    (void)event_send(dev->port);
}

int xenbus_wait(struct xenbus_device *dev, uint64_t until)
{
    uint64_t look = monotonic_ns() + LOOK_NS;
    bool last = until && until <= look;

    if (event_wait(dev->port, last ? until : look))
        return 0;
    if (xenbus_number(dev, "state", XenbusStateUnknown) != XenbusStateConnected)
        return ENXIO;
    return last ? ETIMEDOUT : 0;
}

void xenbus_close(struct xenbus_device *dev)
{
    char path[PATH_MAX_BYTES];

    if (dev->watching) {
        if (xenbus_set_state(dev, XenbusStateClosing) == 0)
            (void)wait_state(dev,
                             STATE(XenbusStateClosing) | STATE(XenbusStateClosed) |
                                 STATE(XenbusStateUnknown),
                             monotonic_ns() + CLOSE_NS);
        (void)xenbus_set_state(dev, XenbusStateClosed);
        name_path(path, dev->backend, "state");
        (void)xenstore_unwatch(path, dev->token);
    }
    if (dev->port)
        (void)event_close(dev->port);
    free(dev->backend);
}
