/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon as a process: one of its kind, in the background once it is ready, known by its pid
 * file, which is locked as long as it lives, so a file left by one that was killed hinders nobody.
 */
#ifndef COMMON_BACKGROUND_H
#define COMMON_BACKGROUND_H

#include <stdbool.h>

#include "common/message.h"

struct background {
    const char *program;
    const char *pid_file;
    int lock; /* the pid file's descriptor; -1: not claimed */
    int tell; /* where the parent waits for a byte; -1: no parent does */
};

/* The parent ends with the returned status: 0 as soon as the child is ready, or the status that the
 * child ends with before. -1: this is the child, and goes on. */
int background_detach(struct background *self);
/* -EBUSY: there is one already. */
int background_claim(struct background *self, struct message *why);
/* Who waits for this daemon may go on: the parent, systemd (NOTIFY_SOCKET), background_is_dead().
 */
void background_ready(struct background *self);
/* Asked by others: whether there is a pid file, and none that lives and is ready has it. */
bool background_is_dead(const char *pid_file);
/* The pid file goes. */
void background_end(struct background *self);

#endif
