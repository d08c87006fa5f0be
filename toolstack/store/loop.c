/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting, by epoll.
 */
#include "store/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

int loop_open(struct loop *loop)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    close(loop->epoll);
}

int loop_add(struct loop *loop, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    source->events = events;
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) ? -errno : 0;
}

void loop_change(struct loop *loop, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    if (source->events == events)
        return;
    source->events = events;
    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_remove(struct loop *loop, struct source *source)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    close(source->fd);
    source->fd = -1;
}

int loop_wait(struct loop *loop, int timeout)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(loop->epoll, events, BATCH, timeout);

    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;
        source->ready(source, events[i].events);
    }
    return count < 0 && errno != EINTR ? -errno : 0;
}
