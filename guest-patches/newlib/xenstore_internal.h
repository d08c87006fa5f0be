/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the two halves of the xenstore client: xenstore_ring.c moves messages, xenstore.c knows
 * what they mean; and what front-ends of the library ask beside pv/xenstore.h.
 */
#ifndef PV_XENSTORE_INTERNAL_H
#define PV_XENSTORE_INTERNAL_H

#include <pv/xenstore.h>
#include <xen/io/xs_wire.h>

/* A message from the store; `body` is for free(), and has a 0 behind its `len` bytes. */
struct store_message {
    struct xsd_sockmsg header;
    char *body;
};

/* A part of a request's body. */
struct store_part {
    const void *data;
    size_t size;
};

/*
 * One request and its answer. 0, or an errno: what the store said, E2BIG (the request is above
 * XENSTORE_PAYLOAD_MAX), ENOMEM, ENODEV (no store), EIO (the store breaks the protocol; from then
 * on always). `answer` NULL: its body does not matter.
 */
int store_request(unsigned type, xenstore_transaction t, const struct store_part *parts,
                  unsigned count, struct store_message *answer);

/* The oldest watch event whose token begins with `prefix`; ETIMEDOUT, ENODEV, EIO. */
int store_wait_event(const char *prefix, char **path, char token[64], uint64_t until);

/* Forgets queued events of this token. */
void store_drop_events(const char *token);

/* Tokens that begin so are the library's own: xenstore_wait() does not give them. */
#define STORE_LIBRARY_TOKEN "\x1b"

#endif
