/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Consoles in the store.
 */
#include "console/nodes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#define TRANSACTION_TRIES 16

static char *read_node(struct xs_handle *xs, xs_transaction_t t, uint16_t domid, const char *node)
{
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, node);
    char *text = xs_read(xs, t, path, NULL);
    if (text != NULL && text[0] == '\0') {
        free(text);
        text = NULL;
    }
    return text;
}

static bool read_number(struct xs_handle *xs, uint16_t domid, const char *node, uint64_t max,
                        uint64_t *number)
{
    char *text = read_node(xs, XBT_NULL, domid, node), *rest;

    if (text == NULL)
        return false;
    errno = 0;
    *number = strtoumax(text, &rest, 10);
    bool good = text[0] >= '0' && text[0] <= '9' && *rest == '\0' && !errno && *number <= max;
    free(text);
    return good;
}

bool nodes_read(struct xs_handle *xs, uint16_t domid, struct console_nodes *nodes)
{
    uint64_t port;

    *nodes = (struct console_nodes){.name = NULL};
    if (!read_number(xs, domid, "console/ring-ref", UINT64_MAX, &nodes->mfn) ||
        !read_number(xs, domid, "console/port", UINT32_MAX, &port))
        return false;
    /* Others are served by others (a device model). */
    char *type = read_node(xs, XBT_NULL, domid, "console/type");
    bool ours = type == NULL || strcmp(type, "xenconsoled") == 0;
    free(type);
    if (!ours)
        return false;
    nodes->port = (uint32_t)port;
    if (!read_number(xs, domid, "console/limit", UINT32_MAX, &nodes->limit))
        nodes->limit = 0;
    nodes->name = read_node(xs, XBT_NULL, domid, "name");
    nodes->log = read_node(xs, XBT_NULL, domid, "console/log");
    return true;
}

void nodes_free(struct console_nodes *nodes)
{
    free(nodes->name);
    free(nodes->log);
    *nodes = (struct console_nodes){.name = NULL};
}

bool nodes_tell(struct xs_handle *xs, uint16_t domid, const char *tty)
{
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u/console/tty", domid);
    for (unsigned i = 0; i < TRANSACTION_TRIES; i++) {
        xs_transaction_t t = xs_transaction_start(xs);
        if (t == XBT_NULL)
            return false;
        char *ring = read_node(xs, t, domid, "console/ring-ref");
        bool good = ring != NULL && xs_write(xs, t, path, tty, (unsigned)strlen(tty));
        free(ring);
        if (xs_transaction_end(xs, t, !good) || !good)
            return good;
        if (errno != EAGAIN)
            return false;
    }
    return false;
}
