/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs of the control domain, on the Unix socket. They are root's, and may do everything; but
 * one that does not read, or sends half a request, keeps nobody waiting.
 */
#ifndef STORE_SOCKET_H
#define STORE_SOCKET_H

#include "common/message.h"
#include "store/loop.h"
#include "store/store.h"

struct sockets {
    struct store *store;
    struct loop *loop;
    struct source listener;
    const char *path;
    int spare; /* given up for a moment when there are no descriptors left, to refuse a client */
};

int sockets_open(struct sockets *sockets, struct store *store, struct loop *loop, const char *path,
                 struct message *why);
void sockets_close(struct sockets *sockets);
/* Something waits for this client. It may be gone afterwards. */
void socket_answer(struct connection *conn);

#endif
