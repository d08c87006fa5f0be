/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: a 128 KiB ring of lines with levels, from which the console devices are fed
 * (core/console.h).
 *
 * log_guest() is for lines that a guest can cause: they obey guest_loglvl and a rate limit.
 * Callable in any context but NMI, with any lock below RANK_CONSOLE held. Each call is one or more
 * whole lines; the newline at the end may be left out.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdarg.h>

#include "core/types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_RING_SIZE (128u * 1024u)
/* Longer texts are cut. */
#define LOG_TEXT_MAX  512u

void log_print(enum log_level level, const char *format, ...) printf_like(2, 3);
/* Names the current domain and vCPU at the head of the line. */
void log_guest(enum log_level level, const char *format, ...) printf_like(2, 3);
/* Printed whatever loglvl says: panics, and the answers to debug keys. */
void log_always(const char *format, ...) printf_like(1, 2);

#define log_error(...)   log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_print(LOG_DEBUG, __VA_ARGS__)

/*
 * Copy ring text from position *index (bytes since boot) on; returns the count and moves *index.
 * Text already overwritten is skipped.
 */
size_t log_read(char *buf, size_t size, uint64_t *index);
void log_clear(void);
uint64_t log_start(void); /* position of the oldest text kept (or since log_clear) */
uint64_t log_end(void);   /* one past the newest */

#endif
