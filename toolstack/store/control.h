/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XS_CONTROL: commands of the control domain to the daemon (`xenstore-control`).
 */
#ifndef STORE_CONTROL_H
#define STORE_CONTROL_H

struct request;

int control_request(struct request *request);

#endif
