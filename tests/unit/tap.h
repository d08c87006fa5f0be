/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reporting in the Test Anything Protocol: each check prints a line, done() prints the plan and
 * gives the exit status. A program that stops before done() has no plan and so fails.
 */
#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int tap_count, tap_failed, tap_planned;

/* Optional: say beforehand how many checks will come. */
void plan(int checks);
/* One check; returns `good`. */
bool tap_check(bool good, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
void skip(const char *why); /* counts as one check that passed */
void bail_out(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The last line of main(): return done(); */
int done(void);

/* ok(condition, "format", ...): the format is optional, and a literal; host.c drops the space. */
#define ok(cond, ...) tap_check((cond), __FILE__, __LINE__, " " __VA_ARGS__)
#define pass(...)     tap_check(true, __FILE__, __LINE__, " " __VA_ARGS__)
#define fail(...)     tap_check(false, __FILE__, __LINE__, " " __VA_ARGS__)

/* Integers of any kind, pointers included, compared as 64 bits wide: what there is, what is wanted.
 */
#define is(got, want, ...)                                                                         \
    tap_is((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__, " " __VA_ARGS__)
#define is_str(got, want, ...) tap_is_str((got), (want), __FILE__, __LINE__, " " __VA_ARGS__)
#define is_mem(got, want, size, ...)                                                               \
    tap_check(memcmp((got), (want), (size)) == 0, __FILE__, __LINE__, " " __VA_ARGS__)

bool tap_is(int64_t got, int64_t want, const char *what, const char *file, int line,
            const char *format, ...) __attribute__((format(printf, 6, 7)));
bool tap_is_str(const char *got, const char *want, const char *file, int line, const char *format,
                ...) __attribute__((format(printf, 5, 6)));

#endif
