/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that carry out tasks, one each: a guest whose devices do not let go delays no other.
 * A task that fails is tried again, later each time; one that never succeeds is given up, and the
 * guest's configuration is left where an administrator can use it.
 */
#ifndef WATCH_WORKERS_H
#define WATCH_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "watch/daemon.h"

#define TASKS_GIVEN_UP PATH_STATE "/failed"

struct worker {
    struct worker *next;
    uint8_t uuid[16];
    bool done;
    pid_t pid;      /* 0: it waits for its time */
    uint64_t when;  /* ms: to begin, or when it has taken too long */
    unsigned tries; /* that have failed */
};

struct workers {
    struct worker *first;
    unsigned running;
    const struct daemon_options *options;
};

void workers_open(struct workers *workers, const struct daemon_options *options);
/* They go on by themselves. */
void workers_close(struct workers *workers);
/* There is a task for this guest; one that is known already is left alone. */
void workers_add(struct workers *workers, const uint8_t uuid[16]);
/* Children have ended. */
void workers_reap(struct workers *workers);
/* Starts those whose time has come; milliseconds until it is to be called again, -1: no need. */
int workers_turn(struct workers *workers);

#endif
