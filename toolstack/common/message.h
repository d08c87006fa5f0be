/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went wrong, for a person to read: a sentence, and where it concerns a file, its place.
 * A function that can fail takes a struct message last, fills it on failure and returns a negative
 * errno. The caller prints it, once, or adds to it what it was doing.
 */
#ifndef COMMON_MESSAGE_H
#define COMMON_MESSAGE_H

#include <stdbool.h>
#include <stdio.h>

#define MESSAGE_SIZE 512

struct message {
    const char *file;      /* NULL: none; stays the caller's */
    unsigned line, column; /* from 1; 0: none */
    char text[MESSAGE_SIZE];
};

/* Fills `why` (unless NULL) and returns `error`, so that a failure is one statement. */
int message_set(struct message *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As message_set, with ": " and strerror(-error) behind the text. */
int message_errno(struct message *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "what it was doing: " before the text. */
void message_prefix(struct message *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "program: file:line:column: text" and a new line. */
void message_print(FILE *to, const char *program, const struct message *why);

#endif
