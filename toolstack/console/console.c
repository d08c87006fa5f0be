/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's console.
 */
#include "console/console.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "console/ring.h"

#define CONSOLE_OF(source) ((struct console *)((char *)(source)-offsetof(struct console, source)))

/* ---- To those who look -------------------------------------------------------------------- */

/* While nobody looks the master has hung up, which epoll would tell again and again; edges of that
 * are told once. */
static void choose_events(struct console *c)
{
    uint32_t events = EPOLLIN | EPOLLET;

    if (c->ring == NULL)
        events = EPOLLET; /* it is looked at by time */
    else if (c->viewed)
        events = (c->input_waits ? 0u : EPOLLIN) | (c->backlog.count ? EPOLLOUT : 0u);
    loop_change(c->host->loop, &c->source, events);
}

static void pass_backlog(struct console *c)
{
    const char *bytes;
    size_t count;

    while (c->viewed && (count = backlog_peek(&c->backlog, &bytes)) > 0) {
        ssize_t n = terminal_write(&c->terminal, bytes, count);

        if (n <= 0)
            return;
        backlog_drop(&c->backlog, (size_t)n);
    }
}

/* What is kept stays in one piece: before a gap, what the last one who looked left is not shown. */
static void keep(struct console *c, const char *bytes, size_t count)
{
    if (backlog_add(&c->backlog, bytes, count) > 0 && c->stale && !c->viewed) {
        terminal_flush(&c->terminal);
        c->stale = false;
    }
}

/* ---- The ring ----------------------------------------------------------------------------- */

/* Returns whether there was something. */
static bool take_output(struct console *c)
{
    char bytes[RING_OUTPUT];
    uint32_t next;
    int count = ring_output(c->ring, bytes, &next);

    if (count < 0) {
        if (!c->indices_wrong)
            daemon_log(LOG_WARNING,
                       "domain %u: the indices of its console are out of range; what it wrote is "
                       "passed over",
                       c->domid);
        c->indices_wrong = true;
        ring_output_skip(c->ring);
        return false;
    }
    if (count == 0)
        return false;
    if (c->record != NULL)
        record_write(c->record, bytes, (size_t)count);
    keep(c, bytes, (size_t)count);
    ring_output_taken(c->ring, next);
    return true;
}

/* What does not fit stays in the pty. Returns whether there was something. */
static bool give_input(struct console *c)
{
    char bytes[RING_INPUT];
    bool any = false;

    for (;;) {
        uint32_t room = ring_input_room(c->ring);

        c->input_waits = room == 0;
        ssize_t n = room == 0 ? 0 : terminal_read(&c->terminal, bytes, room);
        if (n <= 0)
            return any;
        ring_input(c->ring, bytes, (uint32_t)n);
        any = true;
    }
}

void console_serve(struct console *c)
{
    bool output = take_output(c), input = c->input_waits && give_input(c);

    if (output || input)
        xen_notify(c->host->xen, c->port);
    pass_backlog(c);
    choose_events(c);
}

/* ---- The pty ------------------------------------------------------------------------------ */

void console_look(struct console *c)
{
    bool viewed = terminal_viewed(&c->terminal);

    c->stale |= c->viewed && !viewed;
    c->viewed = viewed;
    /* The one who looked may have typed something and gone. */
    if (c->ring != NULL && give_input(c))
        xen_notify(c->host->xen, c->port);
    pass_backlog(c);
    choose_events(c);
}

static void pty_ready(struct source *source, uint32_t events)
{
    (void)events;
    console_look(CONSOLE_OF(source));
}

int console_open(struct console *c, size_t limit, struct message *why)
{
    int rc = terminal_open(&c->terminal, c->host->inotify, why);

    if (rc)
        return rc;
    backlog_init(&c->backlog, limit);
    c->source = (struct source){.fd = c->terminal.master, .ready = pty_ready};
    rc = loop_add(c->host->loop, &c->source, EPOLLIN | EPOLLET);
    if (rc) {
        terminal_close(&c->terminal, c->host->inotify);
        close(c->source.fd);
        return message_errno(why, rc, "domain %u: the pty cannot be waited for", c->domid);
    }
    return 0;
}

/* ---- The end ------------------------------------------------------------------------------ */

static void give_back(struct console *c)
{
    xen_unbind(c->host->xen, c->port);
    xen_unmap_console(c->host->xen, c->ring, c->by_frame);
    c->ring = NULL;
}

void console_end(struct console *c, uint64_t now)
{
    take_output(c);
    give_back(c);
    console_look(c);
    c->deadline = now + CONSOLE_LINGER_MS;
}

bool console_finished(struct console *c, uint64_t now)
{
    if (!c->viewed || now >= c->deadline)
        return true;
    pass_backlog(c);
    /* Bytes reach the slave a moment after they were written. */
    bool empty = c->backlog.count == 0 && terminal_unread(&c->terminal) == 0;
    c->quiet = empty ? c->quiet + 1 : 0;
    return c->quiet >= 2;
}

void console_close(struct console *c)
{
    if (c->ring != NULL)
        give_back(c);
    terminal_close(&c->terminal, c->host->inotify);
    loop_remove(c->host->loop, &c->source);
    backlog_free(&c->backlog);
    record_close(c->record);
}
