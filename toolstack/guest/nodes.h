/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a guest is in the store, beside its devices: laid out as xl does it, so that stock
 * front-ends and administrators' habits find it.
 */
#ifndef GUEST_NODES_H
#define GUEST_NODES_H

#include "guest/guest.h"

struct guest_rings {
    unsigned long store_mfn, console_mfn;
    evtchn_port_t store_port, console_port;
};

/* All of them at once, or none; what an earlier domain of this number has left goes. */
int guest_nodes_make(struct guest_host *host, const struct guest_config *config, uint32_t domid,
                     const struct guest_rings *rings, struct message *why);
/* 0, or the error of the first that stays. */
int guest_nodes_remove(struct guest_host *host, uint32_t domid, const uint8_t uuid[16]);

#endif
