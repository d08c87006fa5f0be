/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches of nodes in the store, on a connection that is only for them (xen/io/xs_wire.h). It says
 * that something has changed, not what, and that the store has gone.
 *
 * libxenstore's watches need its thread, which its static library has not: there a descriptor never
 * becomes readable, and a request that meets an event where it looks for its reply fails with
 * EINVAL and ends the connection. It does not tell the end of the connection either.
 */
#ifndef COMMON_STORE_WATCH_H
#define COMMON_STORE_WATCH_H

#include <stdint.h>
#include <xen/io/xs_wire.h>

struct store_watch {
    int fd; /* readable when there is something; -1: not connected */
    struct xsd_sockmsg message;
    unsigned have;         /* bytes of it */
    unsigned long skipped; /* bytes behind it */
};

/* What store_watch_events() found. */
#define STORE_CHANGED 1u
#define STORE_ENDED   2u

#define STORE_WATCH_NONE ((struct store_watch){.fd = -1})

/* `count` nodes, or special names. Each counts as changed once at the beginning. Never waits for a
 * store that is not there: -errno. */
int store_watch_open(struct store_watch *watch, const char *const *paths, unsigned count);
void store_watch_close(struct store_watch *watch);
unsigned store_watch_events(struct store_watch *watch);

#endif
