/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's connection to the store, which may go and come while the daemon lives: pvstored can
 * end at any time, and another one takes up.
 */
#ifndef COMMON_STORE_SESSION_H
#define COMMON_STORE_SESSION_H

#include "common/store_watch.h"

struct xs_handle;

struct store_session {
    struct xs_handle *xs;     /* for requests; NULL: not connected */
    struct store_watch watch; /* of @introduceDomain and @releaseDomain */
};

/* Never waits for a store that is not there: -errno. */
int store_session_open(struct store_session *session);
void store_session_close(struct store_session *session);

#endif
