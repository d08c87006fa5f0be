/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest wrote and nobody has read yet: the newest bytes, up to a limit. More of them push
 * the oldest out, so whoever writes never waits.
 */
#ifndef CONSOLE_BACKLOG_H
#define CONSOLE_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>

struct backlog {
    char *bytes;
    size_t room, limit; /* room grows up to limit, as it is needed */
    size_t begin, count;
};

void backlog_init(struct backlog *backlog, size_t limit);
void backlog_free(struct backlog *backlog);
/* Returns how many bytes were pushed out. Without memory for more room, as if the limit were what
 * there is. */
size_t backlog_add(struct backlog *backlog, const char *bytes, size_t count);
/* The oldest bytes, as many as lie in a row; 0: there are none. */
size_t backlog_peek(const struct backlog *backlog, const char **bytes);
void backlog_drop(struct backlog *backlog, size_t count);

#endif
