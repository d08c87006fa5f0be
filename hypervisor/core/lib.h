/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few routines of a C library that the hypervisor needs, freestanding. The host's unit tests
 * link the host's own instead of memory and string functions.
 */
#ifndef CORE_LIB_H
#define CORE_LIB_H

#include <stdarg.h>

#include "core/types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Copy at most size-1 bytes and terminate. Returns the length of src, as strlcpy does. */
size_t str_copy(char *dst, const char *src, size_t size);

/*
 * Formatted output: %d %i %u %x %X %o %c %s %p %% with flags - 0 # + space, width, precision, and
 * the lengths hh h l ll z j. Returns the length that was wanted; always terminates when size > 0.
 * Named apart from the host's own so that the unit tests can compare the two.
 */
int fmt_string(char *buf, size_t size, const char *format, ...) printf_like(3, 4);
int fmt_vstring(char *buf, size_t size, const char *format, va_list args);

/* Parse an unsigned number (0x.., 0.., decimal); *end is set behind it. Overflow gives ULLONG_MAX.
 */
unsigned long long str_to_ull(const char *s, const char **end);

/*
 * Stop for a contradiction inside the hypervisor. Never reachable by a guest's input. Prints the
 * registers, a symbolized stack trace and the message on the console; then halts or reboots.
 */
void panic(const char *format, ...) noreturn_fn printf_like(1, 2);
void assert_failed(const char *what, const char *file, int line) noreturn_fn;

/* Checked in every build: cheap conditions whose failure would corrupt memory. */
#define BUG_ON(cond)                                                                               \
    do {                                                                                           \
        if (unlikely(cond))                                                                        \
            assert_failed(#cond, __FILE__, __LINE__);                                              \
    } while (0)

/* What a debug build fills memory with that is free, and stack that is not in use. */
#define POISON 0xdb

/* Checked in a debug build. */
#ifdef PARAVANE_DEBUG
#define ASSERT(cond) BUG_ON(!(cond))
#else
#define ASSERT(cond) ((void)sizeof(cond))
#endif

#endif
