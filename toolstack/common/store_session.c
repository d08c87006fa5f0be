/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's connection to the store.
 */
#include "common/store_session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/paths.h"

static const char *const watched[STORE_SESSION_WATCHES] = {"@introduceDomain", "@releaseDomain"};

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

static bool add(struct store_session *session, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return fd >= 0 && epoll_ctl(session->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_all(struct store_session *session)
{
    session->events = epoll_create1(EPOLL_CLOEXEC);
    if (!add(session, session->beside))
        return false;
    session->xs = xs_open(XS_OPEN_SOCKETONLY);
    for (unsigned i = 0; i < STORE_SESSION_WATCHES; i++) {
        session->watch[i] = xs_open(XS_OPEN_SOCKETONLY);
        if (session->watch[i] == NULL || !xs_watch(session->watch[i], watched[i], watched[i]) ||
            !add(session, xs_fileno(session->watch[i])))
            return false;
    }
    return session->xs != NULL;
}

/* The one beside comes first: should the store go in between, its end is seen. */
int store_session_open(struct store_session *session)
{
    int rc = connect_beside();

    *session = STORE_SESSION_NONE;
    if (rc < 0)
        return rc;
    session->beside = rc;
    if (open_all(session))
        return 0;
    rc = errno ? -errno : -EIO;
    store_session_close(session);
    return rc;
}

void store_session_close(struct store_session *session)
{
    for (unsigned i = 0; i < STORE_SESSION_WATCHES; i++)
        if (session->watch[i] != NULL)
            xs_close(session->watch[i]);
    if (session->xs != NULL)
        xs_close(session->xs);
    if (session->beside >= 0)
        close(session->beside);
    if (session->events >= 0)
        close(session->events);
    *session = STORE_SESSION_NONE;
}

unsigned store_session_events(struct store_session *session)
{
    struct pollfd beside = {.fd = session->beside, .events = POLLIN};
    unsigned found = 0;
    char **event;

    if (poll(&beside, 1, 0) > 0)
        return STORE_ENDED;
    for (unsigned i = 0; i < STORE_SESSION_WATCHES; i++)
        while ((event = xs_check_watch(session->watch[i])) != NULL) {
            found = STORE_DOMAINS;
            free(event);
        }
    return found;
}
