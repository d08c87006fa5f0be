/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pty: this daemon has its master, whoever looks at a guest's console its slave.
 *
 * The slave is not held open here, so Linux says whether somebody looks: the master has hung up
 * when nobody does. That somebody begins to look only inotify tells.
 */
#ifndef CONSOLE_TERMINAL_H
#define CONSOLE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/message.h"

struct terminal {
    int master;
    int notice; /* inotify's number for the slave's node */
    int slave;  /* -1, unless terminal_unread() was asked */
    char path[32];
};

/* A new pty in raw mode. `inotify` gets an event whenever the slave is opened or closed. */
int terminal_open(struct terminal *terminal, int inotify, struct message *why);
/* The master is left for the caller to close, as he may wait for it. */
void terminal_close(struct terminal *terminal, int inotify);
bool terminal_viewed(const struct terminal *terminal);
/* -EAGAIN: later. read: 0 or another error when there is nothing and nobody looks. */
ssize_t terminal_write(const struct terminal *terminal, const char *bytes, size_t count);
ssize_t terminal_read(const struct terminal *terminal, char *bytes, size_t count);
/* What was written while somebody looked and was not read, is thrown away. */
void terminal_flush(const struct terminal *terminal);
/* How many bytes those who look have not read yet. From then on terminal_viewed() says nothing. */
size_t terminal_unread(struct terminal *terminal);

#endif
