/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logs of consoles.
 */
#include "console/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_log.h"

static void complain(struct record *record, const char *what)
{
    if (!record->complained)
        daemon_log(LOG_ERR, "%s: the log cannot be %s: %s", record->path, what, strerror(errno));
    record->complained = true;
}

/* A link in the place of a log would lead to somebody else's file. */
static void open_file(struct record *record)
{
    struct stat st;

    record->fd = open(record->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (record->fd >= 0 && (fstat(record->fd, &st) || !S_ISREG(st.st_mode))) {
        errno = EINVAL;
        close(record->fd);
        record->fd = -1;
    }
    if (record->fd < 0)
        complain(record, "opened");
    else
        record->size = (uint64_t)st.st_size;
}

static void close_file(struct record *record)
{
    if (record->fd >= 0)
        close(record->fd);
    record->fd = -1;
}

struct record *record_open(const char *path, const struct record_rules *rules)
{
    struct record *record = calloc(1, sizeof(*record));

    if (record != NULL)
        record->path = strdup(path);
    if (record == NULL || record->path == NULL) {
        free(record);
        return NULL;
    }
    record->rules = rules;
    open_file(record);
    return record;
}

void record_close(struct record *record)
{
    if (record == NULL)
        return;
    close_file(record);
    free(record->path);
    free(record);
}

void record_reopen(struct record *record)
{
    close_file(record);
    record->complained = false;
    open_file(record);
}

/* PATH.n becomes PATH.n+1, the oldest first; what is not there does not matter. */
static void rotate(struct record *record)
{
    size_t room = strlen(record->path) + 12;
    char *from = malloc(room), *to = malloc(room);

    close_file(record);
    for (unsigned n = record->rules->keep; from != NULL && to != NULL && n > 0; n--) {
        snprintf(to, room, "%s.%u", record->path, n);
        snprintf(from, room, n > 1 ? "%s.%u" : "%s", record->path, n - 1);
        rename(from, to);
    }
    free(from);
    free(to);
    if (record->rules->keep == 0)
        unlink(record->path);
    open_file(record);
}

static bool put(struct record *record, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(record->fd, bytes, count);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            complain(record, "written");
            return false;
        }
        bytes += n;
        count -= (size_t)n;
        record->size += (uint64_t)n;
    }
    record->complained = false;
    return true;
}

static void put_time(struct record *record)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[32];

    gmtime_r(&now, &tm);
    put(record, text, strftime(text, sizeof(text), "[%Y-%m-%d %H:%M:%SZ] ", &tm));
}

/* As far as it belongs to one line; or all, if lines do not matter now. */
static size_t part_of(const struct record *record, const char *bytes, size_t count)
{
    const char *end;

    if (!record->rules->timestamps && record->size + count < record->rules->size)
        return count;
    end = memchr(bytes, '\n', count);
    return end == NULL ? count : (size_t)(end - bytes) + 1;
}

void record_write(struct record *record, const char *bytes, size_t count)
{
    while (count > 0) {
        uint64_t size = record->rules->size;

        if (record->fd < 0)
            open_file(record);
        else if (record->size >= size &&
                 (!record->in_line || record->size >= size + RECORD_LINE_MAX))
            rotate(record);
        if (record->fd < 0)
            return;
        if (record->rules->timestamps && !record->in_line)
            put_time(record);
        size_t part = part_of(record, bytes, count);
        if (!put(record, bytes, part))
            return;
        record->in_line = bytes[part - 1] != '\n';
        bytes += part;
        count -= part;
    }
}
