/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: standard input, output and error are it. The control domain writes by hypercall
 * (CONSOLEIO_write), every other domain into the ring of xen/io/console.h. Lines from several
 * vCPUs do not mix within one call.
 */
#ifndef PV_CONSOLE_H
#define PV_CONSOLE_H

#include <stddef.h>

/* Writes all of it; waits while the ring is full. */
void console_write(const char *text, size_t size);
/* What has been typed, up to `size` bytes; 0 when there is nothing now. */
size_t console_read(char *text, size_t size);
/* printf without malloc and locks of stdio, for traps and early faults: at most 255 characters. */
void console_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
