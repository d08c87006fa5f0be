/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the store says of a guest's console, and what it is told: /local/domain/<domid>/console.
 */
#ifndef CONSOLE_NODES_H
#define CONSOLE_NODES_H

#include <stdbool.h>
#include <stdint.h>

struct xs_handle;

struct console_nodes {
    uint64_t mfn;
    uint32_t port;
    uint64_t limit; /* of bytes that wait; 0: it says none */
    char *name;     /* of the guest; NULL: it has none */
    char *log;      /* where it asks to be logged; NULL: nowhere */
};

/* false: the guest has no console that is this daemon's, or its nodes are not there (yet). */
bool nodes_read(struct xs_handle *xs, uint16_t domid, struct console_nodes *nodes);
void nodes_free(struct console_nodes *nodes);
/* Writes console/tty, if the guest has a console still: nothing is left of guests that go now. */
bool nodes_tell(struct xs_handle *xs, uint16_t domid, const char *tty);

#endif
