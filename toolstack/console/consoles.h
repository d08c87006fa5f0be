/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The consoles of all guests, and whose turn it is.
 *
 * A guest whose port rings gets one turn, and its port stays masked until then: guests take turns,
 * however loud one is. One that wants more than its share of turns gets one a millisecond.
 */
#ifndef CONSOLE_CONSOLES_H
#define CONSOLE_CONSOLES_H

#include <stdint.h>
#include <xenctrl.h>

#include "console/console.h"
#include "console/daemon.h"

struct xs_handle;

TAILQ_HEAD(console_list, console);

struct consoles {
    struct console_host host;
    const struct daemon_options *options;
    struct record_rules rules;
    struct console_list all, gone;    /* linked by `all` */
    struct console_list ready, later; /* linked by `turn` */
    uint64_t later_since;
    struct console *by_domid[DOMID_FIRST_RESERVED];
    bool complained[DOMID_FIRST_RESERVED]; /* that it cannot be served */
};

void consoles_open(struct consoles *consoles, const struct daemon_options *options);
void consoles_close(struct consoles *consoles);

/* Domains may have come or gone, or stopped. xs NULL: the store is not there, new ones must wait.
 */
void consoles_look(struct consoles *consoles, struct xs_handle *xs);
/* The store is a new one: it is told the ptys. */
void consoles_tell(struct consoles *consoles, struct xs_handle *xs);
/* Ports have rung. */
void consoles_events(struct consoles *consoles);
/* inotify says so of a pty. */
void consoles_noticed(struct consoles *consoles, int notice);
/* A turn for each guest that waits for one. */
void consoles_turn(struct consoles *consoles);
/* Milliseconds until consoles_turn() must be called; -1: none needs it. */
int consoles_patience(const struct consoles *consoles);
/* Logs are opened anew. */
void consoles_reopen_logs(struct consoles *consoles);

#endif
