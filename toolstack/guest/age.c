/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a guest has run.
 */
#include "guest/age.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xenstore.h>

#include "common/guest_config.h"

int64_t guest_age(struct xs_handle *xs, const uint8_t uuid[16])
{
    char name[37], path[96];
    struct timespec now;

    uuid_to_text(uuid, name);
    snprintf(path, sizeof(path), "/vm/%s/" GUEST_STARTED_NODE, name);
    char *text = xs_read(xs, XBT_NULL, path, NULL);
    int64_t began = -1;
    if (text != NULL && text[0] >= '0' && text[0] <= '9')
        began = strtoll(text, NULL, 10);
    free(text);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return began >= 0 && began <= now.tv_sec ? now.tv_sec - began : -1;
}
