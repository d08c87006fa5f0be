/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A front-end's side of the meeting with its back-end (xen/io/xenbus.h): the two directories in the
 * store, the states, the event channel; and rules for rings that both use.
 *
 * Nothing the other side writes is believed: not its state, which can change at any time, nor its
 * indices. Functions return 0 or an errno; ENXIO: the back-end is closing or gone.
 */
#ifndef PV_XENBUS_H
#define PV_XENBUS_H

#include <pv/grant.h>
#include <pv/xenstore.h>
#include <xen/io/xenbus.h>

#define XENBUS_CONNECT_NS (10 * 1000 * 1000 * 1000ull) /* a back-end has so long to get ready */

struct xenbus_device {
    char path[48];  /* "device/vbd/51712" */
    char token[48]; /* of the watch for the back-end's state */
    char *backend;  /* its directory */
    domid_t backend_id;
    bool watching;
    evtchn_port_t port; /* 0: none yet */
};

/* Finds the device; waits until its back-end awaits what the front-end has to say. */
int xenbus_open(struct xenbus_device *dev, const char *type, unsigned id);
/* The event channel, without handler, and its port into the store. */
int xenbus_offer_port(struct xenbus_device *dev);
/* Says so, and waits until the back-end is connected, too. */
int xenbus_connect(struct xenbus_device *dev, enum xenbus_state state);
int xenbus_set_state(struct xenbus_device *dev, enum xenbus_state state);
int xenbus_write(struct xenbus_device *dev, const char *name, unsigned value);
/* A number in the back-end's directory, or `otherwise`. */
uint64_t xenbus_number(struct xenbus_device *dev, const char *name, uint64_t otherwise);
/* Waits for an event, until a time (0: for ever); ETIMEDOUT, and ENXIO when the back-end left. */
int xenbus_wait(struct xenbus_device *dev, uint64_t until);
void xenbus_notify(struct xenbus_device *dev);
/* Says good-bye, closes the channel. Grants may be ended after it. */
void xenbus_close(struct xenbus_device *dev);

/* A page granted to the back-end for as long as the device is open. */
struct xenbus_page {
    void *page;
    grant_ref_t ref;
};
bool xenbus_share(struct xenbus_device *dev, struct xenbus_page *page);
/* One that the back-end has still mapped is lost: it must never serve another purpose. */
void xenbus_unshare(struct xenbus_page *page);

/* Has the other side asked to be told, when a producer went from old to new (xen/io/ring.h)? */
static inline bool ring_wants_notice(uint32_t event, uint32_t old, uint32_t new)
{
    return new - event < new - old;
}

#endif
