/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's connection to the store.
 */
#include "common/store_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/paths.h"

/* A connection beside libxenstore's, to the place where that finds the daemon; or -errno. */
static int connect_beside(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("XENSTORED_PATH"); /* libxenstore's own way */

    if (path == NULL)
        path = PATH_STORE_SOCKET;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd < 0 ? -errno : fd;
}

/* The one beside comes first: should the store go in between, its end is seen. */
int store_session_open(struct store_session *session)
{
    int rc = connect_beside();

    *session = STORE_SESSION_NONE;
    if (rc < 0)
        return rc;
    session->end = rc;
    session->xs = xs_open(XS_OPEN_SOCKETONLY);
    if (session->xs != NULL && xs_watch(session->xs, "@introduceDomain", "domains") &&
        xs_watch(session->xs, "@releaseDomain", "domains"))
        return 0;
    rc = errno ? -errno : -EIO;
    store_session_close(session);
    return rc;
}

void store_session_close(struct store_session *session)
{
    if (session->xs != NULL)
        xs_close(session->xs);
    if (session->end >= 0)
        close(session->end);
    *session = STORE_SESSION_NONE;
}

bool store_session_events(struct store_session *session)
{
    bool any = false;
    char **event;

    while (session->xs != NULL && (event = xs_check_watch(session->xs)) != NULL) {
        any = true;
        free(event);
    }
    return any;
}
