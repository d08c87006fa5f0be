/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's connection to the store, which may go and come while the daemon lives: pvstored can
 * end at any time, and another one takes up.
 *
 * libxenstore does not tell that the other end has gone. So there is a second connection beside
 * it, on which nothing is ever sent: when it ends, the first has too.
 */
#ifndef COMMON_STORE_SESSION_H
#define COMMON_STORE_SESSION_H

#include <stdbool.h>

struct xs_handle;

struct store_session {
    struct xs_handle *xs; /* NULL: not connected */
    int end;              /* becomes readable when the store has gone; -1: not connected */
};

#define STORE_SESSION_NONE ((struct store_session){.end = -1})

/* Connects and watches @introduceDomain and @releaseDomain, which both send an event at once. Never
 * waits for a store that is not there: -errno. xs_fileno() becomes readable for events. */
int store_session_open(struct store_session *session);
void store_session_close(struct store_session *session);
/* Takes the events that there are; whether there was one. */
bool store_session_events(struct store_session *session);

#endif
