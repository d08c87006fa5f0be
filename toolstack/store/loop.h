/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for file descriptors. Nothing else in the daemon waits.
 */
#ifndef STORE_LOOP_H
#define STORE_LOOP_H

#include <stdint.h>

struct source {
    int fd;
    void (*ready)(struct source *source, uint32_t events);
    uint32_t events; /* EPOLLIN, EPOLLOUT */
};

struct loop {
    int epoll;
};

int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
int loop_add(struct loop *loop, struct source *source, uint32_t events);
void loop_change(struct loop *loop, struct source *source, uint32_t events);
/* The descriptor is closed. Its source may be freed when it is its own function that runs, or
 * none. */
void loop_remove(struct loop *loop, struct source *source);
/* Calls the sources that are ready; milliseconds, -1: until one is. */
int loop_wait(struct loop *loop, int timeout);

#endif
