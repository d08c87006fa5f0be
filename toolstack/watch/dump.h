/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stopped guest's memory and registers in a file, as Xen's tools write them.
 */
#ifndef WATCH_DUMP_H
#define WATCH_DUMP_H

#include <stdint.h>
#include <xenctrl.h>

#include "common/message.h"
#include "common/paths.h"

#define DUMPS PATH_STATE "/dump"

/* DUMPS/<name>-<time>.core, whose path `what` says afterwards; or -errno and why. */
int dump_guest(xc_interface *xch, uint32_t domid, const char *name, struct message *what);

#endif
