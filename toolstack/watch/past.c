/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' past.
 */
#include "watch/past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "common/guest_config.h"

#define QUICK_NODE "paravane/quick-stops"

static void vm_path(const uint8_t uuid[16], const char *node, char path[96])
{
    char text[37];

    uuid_to_text(uuid, text);
    snprintf(path, 96, "/vm/%s/%s", text, node);
}

/* false: there is no such number. */
static bool read_number(struct xs_handle *xs, const uint8_t uuid[16], const char *node,
                        uint64_t *number)
{
    char path[96];

    vm_path(uuid, node, path);
    char *text = xs_read(xs, XBT_NULL, path, NULL);
    bool good = text != NULL && text[0] >= '0' && text[0] <= '9';
    if (good)
        *number = strtoull(text, NULL, 10);
    free(text);
    return good;
}

unsigned past_quick_stops(struct xs_handle *xs, const uint8_t uuid[16])
{
    uint64_t count;

    return read_number(xs, uuid, QUICK_NODE, &count) ? (unsigned)count : 0;
}

void past_keep_quick_stops(struct xs_handle *xs, const uint8_t uuid[16], unsigned count)
{
    char path[96], text[16];

    vm_path(uuid, QUICK_NODE, path);
    int size = snprintf(text, sizeof(text), "%u", count);
    xs_write(xs, XBT_NULL, path, text, (unsigned)size);
}
