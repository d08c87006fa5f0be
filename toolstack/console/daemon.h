/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console daemon at work, from its start to its end.
 */
#ifndef CONSOLE_DAEMON_H
#define CONSOLE_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"

enum log_which { LOG_NONE, LOG_GUEST, LOG_ALL };

struct daemon_options {
    enum log_which log;
    const char *log_directory;
    uint64_t log_size; /* bytes of a file before the next one is begun */
    unsigned log_keep; /* old files beside the one that is written */
    bool timestamps;
    void (*is_ready)(void *data); /* the guests that there are have their ptys */
    void *data;
};

/* Serves until a signal says to stop (SIGTERM, SIGINT). */
int daemon_run(const struct daemon_options *options, struct message *why);

#endif
