/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: puts the parts together, and gives each its turn.
 */
#include "console/daemon.h"

#include <errno.h>

int daemon_run(const struct daemon_options *options, struct message *why)
{
    (void)options;
    return message_set(why, -ENOSYS, "guests' consoles are not served yet");
}
