/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches of nodes in the store.
 */
#include "common/store_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/paths.h"

/* A connection to the place where libxenstore looks, too; or -errno. */
static int connect_store(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("XENSTORED_PATH");

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

/* Small enough for the socket to take it at once. */
static int ask(int fd, const char *path)
{
    static const char token[] = "w";
    size_t size = strlen(path) + 1;
    struct xsd_sockmsg message = {.type = XS_WATCH, .len = (uint32_t)(size + sizeof(token))};
    struct iovec parts[] = {{&message, sizeof(message)},
                            {(char *)(uintptr_t)path, size},
                            {(char *)(uintptr_t)token, sizeof(token)}};
    struct msghdr all = {.msg_iov = parts, .msg_iovlen = 3};
    ssize_t n = sendmsg(fd, &all, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    return (size_t)n == sizeof(message) + size + sizeof(token) ? 0 : -EIO;
}

int store_watch_open(struct store_watch *watch, const char *const *paths, unsigned count)
{
    int fd = connect_store(), rc = 0;

    *watch = STORE_WATCH_NONE;
    if (fd < 0)
        return fd;
    for (unsigned i = 0; rc == 0 && i < count; i++)
        rc = ask(fd, paths[i]);
    if (rc)
        close(fd);
    else
        watch->fd = fd;
    return rc;
}

void store_watch_close(struct store_watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    *watch = STORE_WATCH_NONE;
}

/* Goes on with the message at hand. */
static unsigned take(struct store_watch *watch, const char *bytes, size_t count)
{
    unsigned found = 0;

    while (count > 0) {
        size_t part = sizeof(watch->message) - watch->have;

        if (part > 0) {
            part = part < count ? part : count;
            memcpy((char *)&watch->message + watch->have, bytes, part);
            watch->have += (unsigned)part;
        } else {
            part = watch->message.len - watch->skipped;
            part = part < count ? part : count;
            watch->skipped += part;
        }
        bytes += part;
        count -= part;
        if (watch->have < sizeof(watch->message) || watch->skipped < watch->message.len)
            continue;
        if (watch->message.type == XS_WATCH_EVENT)
            found |= STORE_CHANGED;
        else if (watch->message.type == XS_ERROR)
            found |= STORE_ENDED; /* it does not watch: as good as none */
        watch->have = 0;
        watch->skipped = 0;
    }
    return found;
}

unsigned store_watch_events(struct store_watch *watch)
{
    char bytes[4096];
    unsigned found = 0;
    ssize_t n;

    while ((n = recv(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        found |= take(watch, bytes, (size_t)n);
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        found |= STORE_ENDED;
    return found;
}
