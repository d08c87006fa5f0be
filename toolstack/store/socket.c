/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients on the socket.
 */
#include "store/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/state.h"

/* Requests of one client before others get their turn. */
#define TURN 16u

struct client {
    struct source source; /* first: the loop gives its address */
    struct sockets *sockets;
    struct connection *conn;
};

static void client_free(struct client *client)
{
    loop_remove(client->sockets->loop, &client->source);
    connection_free(client->conn);
    free(client);
}

/* What is waited for: room, if something waits to be sent; requests, unless too many answers do. */
static void client_rearm(struct client *client)
{
    const void *bytes;
    uint32_t events = connection_may_ask(client->conn) ? EPOLLIN : 0;

    if (connection_output(client->conn, &bytes))
        events |= EPOLLOUT;
    loop_change(client->sockets->loop, &client->source, events);
}

/* 0, or -errno: the client is gone. */
static int client_send(struct client *client)
{
    const void *bytes;
    size_t size;

    while ((size = connection_output(client->conn, &bytes)) != 0) {
        ssize_t sent = send(client->source.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        connection_sent(client->conn, (size_t)sent);
    }
    return 0;
}

static int client_receive(struct client *client)
{
    unsigned requests = 0;

    while (requests < TURN && connection_may_ask(client->conn)) {
        void *where;
        size_t wanted = connection_wants(client->conn, &where);
        ssize_t got = recv(client->source.fd, where, wanted, MSG_DONTWAIT);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (got == 0)
            return -EPIPE;
        int rc = connection_got(client->conn, (size_t)got);
        if (rc < 0)
            return rc;
        if (rc > 0) {
            state_commit(client->sockets->store);
            requests++;
        }
    }
    return 0;
}

static void client_ready(struct source *source, uint32_t events)
{
    struct client *client = (struct client *)source;
    int rc = events & EPOLLOUT ? client_send(client) : 0;

    if (rc == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        rc = events & EPOLLIN ? client_receive(client) : -EPIPE;
    if (rc)
        client_free(client);
    else
        client_rearm(client);
}

void socket_answer(struct connection *conn)
{
    struct client *client = conn->transport;

    if (client_send(client))
        client_free(client);
    else
        client_rearm(client);
}

/* Root's programs, and in tests those of who runs the daemon. */
static bool may_connect(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* Without a descriptor to spare, the client would stay in the queue and wake the loop for ever. */
static void refuse(struct sockets *sockets)
{
    close(sockets->spare);
    int fd = accept4(sockets->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    sockets->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    store_log("a client was refused: there are too many");
}

static void listener_ready(struct source *source, uint32_t events)
{
    struct sockets *sockets =
        (struct sockets *)((char *)source - offsetof(struct sockets, listener));
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            refuse(sockets);
        return;
    }
    if (!may_connect(fd)) {
        close(fd);
        return;
    }
    struct client *client = store_alloc(sizeof(*client));
    client->source = (struct source){.fd = fd, .ready = client_ready};
    client->sockets = sockets;
    client->conn = connection_new(sockets->store, CONTROL_DOMAIN, false);
    client->conn->transport = client;
    if (loop_add(sockets->loop, &client->source, EPOLLIN))
        client_free(client);
}

/* The directory above is made; a socket that a process left behind is replaced. */
static int listen_at(const char *path, struct message *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return message_set(why, -ENAMETOOLONG, "the socket's name %s is too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    char *end = strrchr(address.sun_path, '/');
    if (end != NULL && end != address.sun_path) {
        *end = '\0';
        if (mkdir(address.sun_path, 0755) && errno != EEXIST)
            return message_errno(why, -errno, "cannot make the directory %s", address.sun_path);
        *end = '/';
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return message_errno(why, -errno, "cannot make a socket");
    unlink(path);
    mode_t mask = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, SOMAXCONN)
                 ? -errno
                 : 0;
    umask(mask);
    if (rc) {
        close(fd);
        return message_errno(why, rc, "cannot listen at %s", path);
    }
    return fd;
}

int sockets_open(struct sockets *sockets, struct store *store, struct loop *loop, const char *path,
                 struct message *why)
{
    int fd = listen_at(path, why);

    if (fd < 0)
        return fd;
    *sockets = (struct sockets){.store = store,
                                .loop = loop,
                                .path = path,
                                .listener = {.fd = fd, .ready = listener_ready},
                                .spare = open("/dev/null", O_RDONLY | O_CLOEXEC)};
    int rc = loop_add(loop, &sockets->listener, EPOLLIN);
    return rc ? message_errno(why, rc, "cannot wait for clients") : 0;
}

void sockets_close(struct sockets *sockets)
{
    struct connection *conn, *next;

    for (conn = TAILQ_FIRST(&sockets->store->connections); conn != NULL; conn = next) {
        next = TAILQ_NEXT(conn, all);
        if (!conn->is_ring)
            client_free(conn->transport);
    }
    unlink(sockets->path);
    loop_remove(sockets->loop, &sockets->listener);
    close(sockets->spare);
}
