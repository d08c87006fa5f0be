/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of xenstore over the ring (xen/io/xs_wire.h), one request at a time, all vCPUs may call.
 * Functions return 0, or a positive errno of newlib; strings given back are for free(). Without a
 * store (the control domain, until xenstore_connect()) they give ENODEV.
 */
#ifndef PV_XENSTORE_H
#define PV_XENSTORE_H

#include <pv/abi.h>

/* The ring and port of start_info are used by themselves; this is for others. */
void xenstore_connect(void *ring_page, evtchn_port_t port);

typedef uint32_t xenstore_transaction; /* 0: none */
int xenstore_begin(xenstore_transaction *transaction);
/* EAGAIN: another changed what was read; begin anew. */
int xenstore_end(xenstore_transaction transaction, bool abort);

/* The value has a 0 behind it, which *size (unless NULL) does not count. */
int xenstore_read(xenstore_transaction t, const char *path, char **value, unsigned *size);
int xenstore_write(xenstore_transaction t, const char *path, const char *value);
int xenstore_printf(xenstore_transaction t, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As sscanf; EINVAL when not all `wanted` conversions were made. */
int xenstore_scanf(xenstore_transaction t, const char *path, int wanted, const char *format, ...)
    __attribute__((format(scanf, 4, 5)));
int xenstore_mkdir(xenstore_transaction t, const char *path);
int xenstore_remove(xenstore_transaction t, const char *path);
/* Names; free() the array, which holds them. */
int xenstore_directory(xenstore_transaction t, const char *path, char ***names, unsigned *count);

/* Watches; xenstore_wait() gives the next event of any (free() *path), until a time, 0: for ever.
 */
int xenstore_watch(const char *path, const char *token);
int xenstore_unwatch(const char *path, const char *token);
int xenstore_wait(char **path, char token[64], uint64_t until); /* ETIMEDOUT */

#endif
