/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's past, in a node below its /vm: how often it has stopped quickly in a row.
 */
#ifndef WATCH_PAST_H
#define WATCH_PAST_H

#include <stdint.h>

struct xs_handle;

unsigned past_quick_stops(struct xs_handle *xs, const uint8_t uuid[16]);
void past_keep_quick_stops(struct xs_handle *xs, const uint8_t uuid[16], unsigned count);

#endif
