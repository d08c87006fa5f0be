/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page that a guest's console driver shares with the console daemon (xen/io/console.h): bytes
 * that the guest wrote, bytes that were typed for it, and an index at both ends of each.
 *
 * Everything in the page is the guest's to change at any time. Each index is read once and checked;
 * bytes are copied before anybody looks at them. Nothing is remembered here, so another process can
 * go on where one ended.
 */
#ifndef CONSOLE_RING_H
#define CONSOLE_RING_H

#include <stddef.h>
#include <stdint.h>
#include <xen/io/console.h>

#define RING_OUTPUT sizeof(((struct xencons_interface *)NULL)->out)
#define RING_INPUT  sizeof(((struct xencons_interface *)NULL)->in)

/* Copies what the guest has written; how many bytes, *next the index behind them. -EPROTO: the
 * indices are more than the ring apart. The bytes stay on the ring until ring_output_taken(). */
int ring_output(const struct xencons_interface *ring, char bytes[RING_OUTPUT], uint32_t *next);
void ring_output_taken(struct xencons_interface *ring, uint32_t next);
/* After -EPROTO: passes over whatever there is. */
void ring_output_skip(struct xencons_interface *ring);

/* How many bytes there is place for; 0 also when the indices are more than the ring apart. */
uint32_t ring_input_room(const struct xencons_interface *ring);
/* Puts bytes there, as far as there is place; returns how many. */
uint32_t ring_input(struct xencons_interface *ring, const char *bytes, uint32_t count);

#endif
