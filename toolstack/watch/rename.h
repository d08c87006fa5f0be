/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stopped, kept beside the guest that takes its place.
 */
#ifndef WATCH_RENAME_H
#define WATCH_RENAME_H

#include "guest/guest.h"
#include "watch/task.h"

/* Whether the task's domain is there as it was: 1, 0, or -errno when nobody can tell. */
int task_domain(xc_interface *xch, const struct task *task);

/*
 * The domain gets another name and UUID, as its own are for the new one; its devices too, so it
 * keeps none. Its memory stays. 0 also when it was done before, or the domain is gone.
 */
int rename_stopped(struct guest_host *host, const struct task *task, struct message *why);

#endif
