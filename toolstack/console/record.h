/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log of a guest's console: a file that is only added to, and a fixed number of older ones.
 * When FILE has reached its size it becomes FILE.1 at the next end of a line, FILE.1 becomes
 * FILE.2, and so on; the oldest goes.
 */
#ifndef CONSOLE_RECORD_H
#define CONSOLE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line without an end makes a file longer than its size by this at most. */
#define RECORD_LINE_MAX 4096u

struct record_rules {
    uint64_t size; /* bytes of a file */
    unsigned keep; /* older files */
    bool timestamps;
};

struct record {
    char *path;
    const struct record_rules *rules;
    int fd; /* -1: it could not be opened; each write tries again */
    uint64_t size;
    bool in_line;    /* what was written last did not end a line */
    bool complained; /* about the failure that lasts */
};

/* NULL: no memory. That a file cannot be opened or written is told once (daemon_log). */
struct record *record_open(const char *path, const struct record_rules *rules);
void record_close(struct record *record);
void record_write(struct record *record, const char *bytes, size_t count);
/* Somebody else may have moved the file away. */
void record_reopen(struct record *record);

#endif
