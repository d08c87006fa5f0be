/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon at work, from its start to its end.
 */
#ifndef STORE_DAEMON_H
#define STORE_DAEMON_H

#include <stdbool.h>

#include "common/message.h"

struct daemon_options {
    const char *socket, *state_directory;
    bool fresh;       /* what is recorded is thrown away */
    bool socket_only; /* no hypervisor, no domains */
    bool verbose;
    void (*is_ready)(void *data); /* clients can connect; may be NULL */
    void *data;
};

/* Serves until a signal says to stop (SIGTERM, SIGINT). */
int daemon_run(const struct daemon_options *options, struct message *why);

#endif
