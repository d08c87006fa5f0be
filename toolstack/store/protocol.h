/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the protocol (xen/io/xs_wire.h; their meaning: Xen's docs/misc/xenstore.txt).
 * Every request has one answer; a request that cannot be carried out changes nothing.
 */
#ifndef STORE_PROTOCOL_H
#define STORE_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "store/operations.h"

struct request {
    struct actor actor;
    uint32_t type;
    char *payload; /* with a NUL behind it */
    size_t size;
    char *answer; /* XENSTORE_PAYLOAD_MAX bytes */
    size_t answer_size;
    struct watch *watch; /* made by this request: fires behind the answer */
};

/* Carries out the request in conn->header and conn->payload, and records what it changed. */
void protocol_request(struct connection *conn);

/* A domain's number as text; -EINVAL. */
int protocol_domid(const char *text, uint16_t *domid);
/* Strings of the payload, each with its NUL; -EINVAL unless there are `count`. */
int protocol_strings(const struct request *request, const char **strings, unsigned count);
void protocol_answer(struct request *request, const void *bytes, size_t size);

#endif
