/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What nobody has read yet.
 */
#include "console/backlog.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 4096u

void backlog_init(struct backlog *backlog, size_t limit)
{
    *backlog = (struct backlog){.limit = limit};
}

void backlog_free(struct backlog *backlog)
{
    free(backlog->bytes);
    *backlog = (struct backlog){.limit = backlog->limit};
}

size_t backlog_peek(const struct backlog *backlog, const char **bytes)
{
    size_t in_a_row = backlog->room - backlog->begin;

    *bytes = backlog->bytes + backlog->begin;
    return backlog->count < in_a_row ? backlog->count : in_a_row;
}

void backlog_drop(struct backlog *backlog, size_t count)
{
    backlog->count -= count;
    backlog->begin += count;
    if (backlog->begin >= backlog->room)
        backlog->begin -= backlog->room;
    if (backlog->count == 0)
        backlog->begin = 0;
}

/* More room, twice as much each time, until `wanted` bytes fit or the limit is reached. */
static void grow(struct backlog *backlog, size_t wanted)
{
    size_t room = backlog->room ? backlog->room : ROOM_FIRST;
    const char *part;

    while (room < wanted)
        room *= 2;
    if (room > backlog->limit)
        room = backlog->limit;
    char *bytes = room > backlog->room ? malloc(room) : NULL;
    if (bytes == NULL)
        return;
    size_t count = backlog->count, copied = 0, n;
    while ((n = backlog_peek(backlog, &part)) > 0) {
        memcpy(bytes + copied, part, n);
        copied += n;
        backlog_drop(backlog, n);
    }
    free(backlog->bytes);
    backlog->bytes = bytes;
    backlog->room = room;
    backlog->begin = 0;
    backlog->count = count;
}

size_t backlog_add(struct backlog *backlog, const char *bytes, size_t count)
{
    size_t lost = 0;

    if (backlog->count + count > backlog->room)
        grow(backlog, backlog->count + count);
    if (count > backlog->room) {
        lost = count - backlog->room;
        bytes += lost;
        count = backlog->room;
    }
    if (backlog->count + count > backlog->room) {
        size_t oldest = backlog->count + count - backlog->room;
        backlog_drop(backlog, oldest);
        lost += oldest;
    }
    if (count == 0)
        return lost;
    size_t at = (backlog->begin + backlog->count) % backlog->room;
    size_t first = backlog->room - at < count ? backlog->room - at : count;
    memcpy(backlog->bytes + at, bytes, first);
    memcpy(backlog->bytes, bytes + first, count - first);
    backlog->count += count;
    return lost;
}
