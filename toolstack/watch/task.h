/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that stopped and what is to be done with it, in a file: TASKS/<uuid>.json. It is there
 * before anything is done and goes when all is done, so whoever ends in between, another process
 * can finish. Tasks end with the boot of the machine, as guests do: they lie in /run.
 *
 * A file is never changed. Who works on it holds its lock.
 */
#ifndef WATCH_TASK_H
#define WATCH_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/guest_config.h"
#include "common/message.h"
#include "common/paths.h"

#define TASKS PATH_RUN "/watch"

struct task {
    uint32_t domid;
    enum stop_action action;
    unsigned reason, quick;
    struct guest_config config; /* with the UUID */
};

/* For the paths of one guest's file. */
void task_path(const uint8_t uuid[16], char path[96]);
bool task_exists(const uint8_t uuid[16]);
int task_save(const struct task *task, struct message *why);
/* -EBUSY: somebody works on it. *lock: close() it at the end. */
int task_take(const char *path, struct task *task, int *lock, struct message *why);
void task_free(struct task *task);

/* The UUIDs of all tasks, or of all kept configurations: calls `each` for every file of the
 * directory that is called <uuid>.json. */
void each_uuid(const char *directory, void (*each)(void *data, const uint8_t uuid[16]), void *data);

#endif
