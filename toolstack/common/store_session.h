/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's connection to the store, which may go and come while the daemon lives: pvstored can
 * end at any time, and another one takes up.
 *
 * It is several connections. libxenstore does not tell that the other end has gone, so there is one
 * on which nothing is ever sent: when that ends, the others have too. And each watch has its own:
 * linked statically, libxenstore takes an event that comes between a request and its reply for the
 * reply.
 */
#ifndef COMMON_STORE_SESSION_H
#define COMMON_STORE_SESSION_H

#include <stdbool.h>

struct xs_handle;

#define STORE_SESSION_WATCHES 2

struct store_session {
    struct xs_handle *xs; /* for requests, not for watches; NULL: not connected */
    struct xs_handle *watch[STORE_SESSION_WATCHES];
    int beside;
    int events; /* readable when there are any, or the store has gone */
};

#define STORE_SESSION_NONE ((struct store_session){.beside = -1, .events = -1})

/* What store_session_events() found. */
#define STORE_DOMAINS 1u /* some domain was introduced or released */
#define STORE_ENDED   2u

/* Connects and watches @introduceDomain and @releaseDomain, which both send an event at once. Never
 * waits for a store that is not there: -errno. */
int store_session_open(struct store_session *session);
void store_session_close(struct store_session *session);
/* Takes the events that there are. */
unsigned store_session_events(struct store_session *session);

#endif
