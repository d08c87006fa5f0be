/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watch daemon at work, from its start to its end.
 */
#ifndef WATCH_DAEMON_H
#define WATCH_DAEMON_H

#include <stdbool.h>

#include "common/message.h"

struct daemon_options {
    unsigned quick_seconds;       /* a guest that stops sooner has stopped quickly */
    unsigned quick_limit;         /* so many quick stops in a row, and it is not restarted */
    unsigned workers;             /* guests that are dealt with at once */
    bool syslog, verbose;         /* how the processes for guests log, too */
    void (*is_ready)(void *data); /* the guests that had stopped before are being dealt with */
    void *data;
};

/* What daemon_task() returns. */
enum { TASK_DONE, TASK_FAILED, TASK_BUSY = 3 /* another process has it */ };

/* Watches until a signal says to stop (SIGTERM, SIGINT). */
int daemon_run(const struct daemon_options *options, struct message *why);
/* What a stopped guest's task file says is done, in a process of its own. */
int daemon_task(const char *path);

#endif
