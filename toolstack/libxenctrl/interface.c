/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handles, and what they remember of failures.
 */
#include <stdarg.h>

#include "private.h"

/* ---- Opening ------------------------------------------------------------------------------ */

static int open_devices(xc_interface *xch)
{
    xch->xcall = xencall_open(xch->logger, 0);
    if (xch->xcall == NULL)
        return -1;
    xch->fmem = xenforeignmemory_open(xch->logger, 0);
    return xch->fmem == NULL ? -1 : 0;
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
                                unsigned open_flags)
{
    xc_interface *xch = calloc(1, sizeof(*xch));

    (void)dombuild_logger;
    if (xch == NULL)
        return NULL;
    if (logger == NULL)
        logger = xch->own_logger =
            (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
    xch->logger = logger;
    if (logger == NULL || (!(open_flags & XC_OPENFLAG_DUMMY) && open_devices(xch))) {
        int error = errno;

        xc_interface_close(xch);
        errno = error;
        return NULL;
    }
    return xch;
}

int xc_interface_close(xc_interface *xch)
{
    int rc = 0;

    if (xch == NULL)
        return 0;
    if (xch->fmem != NULL)
        rc |= xenforeignmemory_close(xch->fmem);
    if (xch->xcall != NULL)
        rc |= xencall_close(xch->xcall);
    xtl_logger_destroy(xch->own_logger);
    free(xch);
    return rc ? -1 : 0;
}

struct xencall_handle *xc_interface_xcall_handle(xc_interface *xch)
{
    return xch->xcall;
}

struct xenforeignmemory_handle *xc_interface_fmem_handle(xc_interface *xch)
{
    return xch->fmem;
}

/* ---- Failures ----------------------------------------------------------------------------- */

int xc_fail(xc_interface *xch, xc_error_code code, const char *format, ...)
{
    int error = errno;
    va_list args;

    xch->last_error.code = code;
    va_start(args, format);
    vsnprintf(xch->last_error.message, sizeof(xch->last_error.message), format, args);
    va_end(args);
    xtl_log(xch->logger, XTL_ERROR, error, "xc", "%s: %s", xc_error_code_to_desc((int)code),
            xch->last_error.message);
    errno = error;
    return -1;
}

const char *xc_error_code_to_desc(int code)
{
    switch (code) {
    case XC_ERROR_NONE:
        return "No error details";
    case XC_INTERNAL_ERROR:
        return "Internal error";
    case XC_INVALID_KERNEL:
        return "Invalid kernel";
    case XC_INVALID_PARAM:
        return "Invalid argument";
    case XC_OUT_OF_MEMORY:
        return "Out of memory";
    default:
        return "Unknown error code";
    }
}

const xc_error *xc_get_last_error(xc_interface *handle)
{
    return &handle->last_error;
}

void xc_clear_last_error(xc_interface *xch)
{
    xch->last_error.code = XC_ERROR_NONE;
    xch->last_error.message[0] = '\0';
}

const char *xc_strerror(xc_interface *xch, int errcode)
{
    (void)xch;
    return strerror(errcode);
}

/* ---- Buffers ------------------------------------------------------------------------------ */

void *buffer_get(xc_interface *xch, const void *from, size_t size)
{
    if (xch->xcall == NULL) {
        errno = ENODEV;
        return NULL;
    }
    void *buffer = xencall_alloc_buffer(xch->xcall, size ? size : 1);
    if (buffer == NULL)
        xc_fail(xch, XC_OUT_OF_MEMORY, "a buffer of %zu bytes for a hypercall", size);
    else if (from != NULL)
        memcpy(buffer, from, size);
    else
        memset(buffer, 0, size);
    return buffer;
}

void buffer_put(xc_interface *xch, void *buffer, void *to, size_t size)
{
    int error = errno;

    if (buffer == NULL)
        return;
    if (to != NULL)
        memcpy(to, buffer, size);
    xencall_free_buffer(xch->xcall, buffer);
    errno = error;
}
