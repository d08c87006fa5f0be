/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a guest has run, whatever is done to the clock. */
#ifndef GUEST_AGE_H
#define GUEST_AGE_H

#include <stdint.h>

struct xs_handle;

/* Below /vm/<uuid>: when the guest began, in seconds of CLOCK_MONOTONIC, which no one sets back as
 * the clock of start_time. */
#define GUEST_STARTED_NODE "paravane/started"

/* Seconds since the guest of this UUID was made last; -1 if nobody knows. */
int64_t guest_age(struct xs_handle *xs, const uint8_t uuid[16]);

#endif
