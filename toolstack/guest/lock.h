/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks between the tools: a file of PATH_RUN, held by one process. It ends with its process,
 * however that ends.
 */
#ifndef GUEST_LOCK_H
#define GUEST_LOCK_H

#include "common/message.h"

/* Waits for its turn. A descriptor, whose close() gives the lock back; or a negative errno. */
int file_lock(const char *path, struct message *why);

#endif
