/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that is run to its end, in bounded time. */
#ifndef DEVICES_RUN_H
#define DEVICES_RUN_H

#include <stddef.h>

#include "common/message.h"

/* Looks for argv[0] in PATH. What it writes to stderr is kept, the first of it, for `why`. 0: it
 * ended with status 0; -ENOENT: there is none; -ETIMEDOUT: it was killed; -EIO: it failed. */
int run_program(char *const argv[], char *const environment[], unsigned patience_ms,
                struct message *why);

#endif
