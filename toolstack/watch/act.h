/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A task carried out, from wherever it was left. Every step looks first whether it was done, so a
 * process that is killed between any two leaves a task that the next one finishes.
 */
#ifndef WATCH_ACT_H
#define WATCH_ACT_H

#include "watch/task.h"

struct xs_handle;

/* How often a guest has stopped quickly in a row, and when this one began: nodes below its /vm. */
unsigned past_quick_stops(struct xs_handle *xs, const uint8_t uuid[16]);
/* 0 if nobody knows. */
uint64_t past_seconds(struct xs_handle *xs, const uint8_t uuid[16]);

int act(const struct task *task, struct message *why);

#endif
