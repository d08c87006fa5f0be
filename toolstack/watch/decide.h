/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done with a guest that stopped. Decided from its configuration and its past alone.
 */
#ifndef WATCH_DECIDE_H
#define WATCH_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/guest_config.h"

struct stop {
    unsigned reason;  /* SHUTDOWN_* of xen/sched.h */
    uint64_t seconds; /* that it ran */
    unsigned quick;   /* how often in a row it had stopped quickly before */
};

struct quick_rules {
    unsigned seconds; /* what is quick */
    unsigned limit;   /* so many in a row, and it is not restarted; 0: no limit */
};

struct decision {
    bool leave;              /* it is being saved: not for us */
    enum stop_action action; /* unless leave */
    unsigned quick;          /* quick stops in a row, this one included */
    bool refused;            /* its configuration says restart, but it stops too often */
};

struct decision decide(const struct guest_config *config, const struct stop *stop,
                       const struct quick_rules *rules);
/* Whether a guest is made anew after it. */
bool action_restarts(enum stop_action action);
/* "power-off", "crash" ... for messages. */
const char *stop_reason_name(unsigned reason);

#endif
