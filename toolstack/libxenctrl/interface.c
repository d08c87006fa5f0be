/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handles, and what is remembered of failures: the last one of each thread, with the handle that it
 * was on.
 */
#include "private.h"

#include <stdarg.h>

/* ---- Opening ------------------------------------------------------------------------------ */

static int open_devices(xc_interface *xch, unsigned flags)
{
    bool alone = flags & XC_OPENFLAG_NON_REENTRANT;

    xch->xcall = xencall_open(xch->logger, alone ? XENCALL_OPENFLAG_NON_REENTRANT : 0);
    if (xch->xcall == NULL)
        return -1;
    xch->fmem = xenforeignmemory_open(xch->logger, 0);
    return xch->fmem == NULL ? -1 : 0;
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
                                unsigned open_flags)
{
    static _Atomic uint64_t last_number;
    xc_interface *xch = calloc(1, sizeof(*xch));

    (void)dombuild_logger;
    if (xch == NULL)
        return NULL;
    xch->number = ++last_number;
    if (logger == NULL)
        logger = xch->own_logger =
            (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
    xch->logger = logger;
    if (logger == NULL || (!(open_flags & XC_OPENFLAG_DUMMY) && open_devices(xch, open_flags))) {
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

static _Thread_local struct {
    uint64_t handle; /* by its number: a new one may lie where an old one lay */
    xc_error error;
} last_failure;

static xc_error *failure_of(const xc_interface *xch)
{
    if (last_failure.handle != xch->number) {
        last_failure.handle = xch->number;
        last_failure.error = (xc_error){.code = XC_ERROR_NONE};
    }
    return &last_failure.error;
}

int xci_fail(xc_interface *xch, xc_error_code code, const char *format, ...)
{
    int error = errno;
    xc_error *failure = failure_of(xch);
    va_list args;

    failure->code = code;
    va_start(args, format);
    vsnprintf(failure->message, sizeof(failure->message), format, args);
    va_end(args);
    xtl_log(xch->logger, XTL_ERROR, error, "xc", "%s: %s", xc_error_code_to_desc((int)code),
            failure->message);
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
    return failure_of(handle);
}

void xc_clear_last_error(xc_interface *xch)
{
    *failure_of(xch) = (xc_error){.code = XC_ERROR_NONE};
}

const char *xc_strerror(xc_interface *xch, int errcode)
{
    static _Thread_local char text[128];

    (void)xch;
    return strerror_r(errcode, text, sizeof(text)); /* GNU's: `text`, or a constant */
}
