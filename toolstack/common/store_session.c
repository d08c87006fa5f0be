/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's connection to the store.
 */
#include "common/store_session.h"

#include <errno.h>
#include <stddef.h>
#include <xenstore.h>

static const char *const watched[] = {"@introduceDomain", "@releaseDomain"};

/* The watch comes first: should the store go in between, its end is seen. */
int store_session_open(struct store_session *session)
{
    int rc = store_watch_open(&session->watch, watched, sizeof(watched) / sizeof(watched[0]));

    session->xs = rc ? NULL : xs_open(XS_OPEN_SOCKETONLY);
    if (rc == 0 && session->xs == NULL) {
        rc = errno ? -errno : -EIO;
        store_watch_close(&session->watch);
    }
    return rc;
}

void store_session_close(struct store_session *session)
{
    if (session->xs != NULL)
        xs_close(session->xs);
    session->xs = NULL;
    store_watch_close(&session->watch);
}
