/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the control library share: the handle, and buffers for hypercalls. A buffer is
 * memory that the hypervisor can reach without a fault (libxencall); the caller's data are copied
 * into it and back.
 */
#ifndef LIBXENCTRL_PRIVATE_H
#define LIBXENCTRL_PRIVATE_H

#include "xenctrl.h" /* first: it says that the ABI's headers are a tool's */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>
#include <xenforeignmemory.h>

struct xc_interface_core {
    xentoollog_logger *logger, *own_logger; /* own: made by xc_interface_open() */
    xencall_handle *xcall;                  /* NULL: a dummy */
    xenforeignmemory_handle *fmem;
    xc_error last_error;
    int max_cpus; /* 0: not asked yet */
};

/* Notes and logs a failure; errno stays as it is. Returns -1. */
int xc_fail(xc_interface *xch, xc_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A buffer of `size` bytes, with a copy of `from` unless that is NULL; NULL: ENOMEM or ENODEV. */
void *buffer_get(xc_interface *xch, const void *from, size_t size);
/* Copies it to `to` unless that is NULL, and frees it. Buffers may be NULL. */
void buffer_put(xc_interface *xch, void *buffer, void *to, size_t size);

#endif
