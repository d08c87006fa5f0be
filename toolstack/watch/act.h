/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A task carried out, from wherever it was left. Every step looks first whether it was done, so a
 * process that is killed between any two leaves a task that the next one finishes.
 */
#ifndef WATCH_ACT_H
#define WATCH_ACT_H

#include "watch/task.h"

int act(const struct task *task, struct message *why);

#endif
