/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front-end of a network card (xen/io/netif.h), synchronous, one caller at a time a device.
 * Frames are Ethernet's without checksum offload. Functions return 0 or a positive errno of newlib:
 * as in pv/block.h for back-ends that are late, gone, or break the rules.
 */
#ifndef PV_NET_H
#define PV_NET_H

#include <pv/abi.h>

#define NET_FRAME_MAX 1514

struct net;
/* Opens device/vif/<id> and waits until the back-end is connected. */
int net_open(struct net **net, unsigned id);
void net_mac(const struct net *net, uint8_t mac[6]);
/* Sends a frame of 14 to NET_FRAME_MAX bytes; waits while the ring is full. */
int net_send(struct net *net, const void *frame, unsigned size);
/* Receives one into `frame` (NET_FRAME_MAX bytes); ETIMEDOUT at the time `until`, 0: for ever. */
int net_receive(struct net *net, void *frame, unsigned *size, uint64_t until);
void net_close(struct net *net);

#endif
