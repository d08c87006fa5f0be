/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the control library share: the handle, and buffers for hypercalls. A buffer is
 * memory that the hypervisor can reach without a fault (libxencall); the caller's data are copied
 * into it and back. Names begin with xci_, so that a program that is linked with the archive may
 * have any others; the shared object does not show them.
 *
 * A handle holds nothing that changes after it is opened but `max_cpus`, which every thread would
 * set to the same: so threads need no lock. The last failure is kept for each thread.
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
    uint64_t number;      /* of the handle; none has it twice */
    _Atomic int max_cpus; /* 0: not asked yet */
};

/* Notes and logs a failure; errno stays as it is. Returns -1. */
int xci_fail(xc_interface *xch, xc_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline struct xen_domctl xci_domctl(uint32_t cmd, uint32_t domid)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = cmd;
    op.domain = (domid_t)domid;
    return op;
}

static inline struct xen_sysctl xci_sysctl(uint32_t cmd)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = cmd;
    return op;
}

/* A buffer of `size` bytes, with a copy of `from` unless that is NULL; NULL: ENOMEM or ENODEV. */
void *xci_buffer_get(xc_interface *xch, const void *from, size_t size);
/* The same of `count` elements: a number so large that its size overflows is ENOMEM. */
void *xci_array_get(xc_interface *xch, const void *from, size_t count, size_t size);
/* Copies it to `to` unless that is NULL, and frees it. Buffers may be NULL. */
void xci_buffer_put(xc_interface *xch, void *buffer, void *to, size_t size);

#endif
