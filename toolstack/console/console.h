/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's console: bytes go from its ring into the log and to the pty, and from the pty to the
 * ring. What the guest wrote is taken off its ring at once, whether somebody looks or not; what
 * cannot be passed on waits in a backlog that is bounded.
 *
 * Bytes are in the log before they are taken off the ring: a daemon that is killed loses none, and
 * the next one may log the last ones once more.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "console/backlog.h"
#include "console/record.h"
#include "console/terminal.h"
#include "console/xen.h"
#include "store/loop.h"

/* How long those who look at a guest that is gone have to read what it wrote last. */
#define CONSOLE_LINGER_MS      2000u
/* How often it is looked whether they have. */
#define CONSOLE_LINGER_STEP_MS 20u

enum console_queue { QUEUE_NONE, QUEUE_READY, QUEUE_LATER };

struct console_host {
    struct xen *xen;
    struct loop *loop;
    int inotify;
};

struct console {
    struct console_host *host;
    uint16_t domid;
    uint8_t handle[16];
    struct xencons_interface *ring; /* NULL: the guest is gone */
    bool by_frame;
    int port;

    struct terminal terminal;
    struct source source; /* the pty's master */
    struct backlog backlog;
    struct record *record; /* NULL: it is not logged */

    bool viewed;
    bool stale; /* somebody has looked and gone: the pty may hold what he did not read */
    bool input_waits, indices_wrong;

    /* Turns (consoles.c) */
    TAILQ_ENTRY(console) all, turn;
    enum console_queue queue;
    uint64_t period;
    unsigned turns;
    bool masked;

    uint64_t deadline; /* ms: when a guest that is gone is forgotten */
    unsigned quiet;    /* how often in a row nothing was unread */
};

/* With host, domid, handle, ring, by_frame, port and record set, which become the console's; the
 * rest zero. On failure they stay the caller's. */
int console_open(struct console *console, size_t limit, struct message *why);
/* Once over the ring: at most 2 KiB each way. */
void console_serve(struct console *console);
/* Somebody may have begun, or ceased, to look. */
void console_look(struct console *console);
/* The guest is gone: takes the last of its output and gives ring and port back. */
void console_end(struct console *console, uint64_t now);
/* Whether a guest that is gone can be forgotten. */
bool console_finished(struct console *console, uint64_t now);
/* What console_open() made; ring and port, if the guest is there still. */
void console_close(struct console *console);

#endif
