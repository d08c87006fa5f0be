/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers for hypercalls: the library's own, which live as long as a call, and those that a program
 * declares with DECLARE_HYPERCALL_BUFFER() (xenctrl.h), which live until it frees them.
 *
 * A buffer that was not allocated holds NULL; one that stands for another has `param_shadow` set
 * and no memory of its own.
 */
#include "private.h"

/* ---- The library's ------------------------------------------------------------------------ */

void *xci_buffer_get(xc_interface *xch, const void *from, size_t size)
{
    if (xch->xcall == NULL) {
        errno = ENODEV;
        return NULL;
    }
    void *buffer = xencall_alloc_buffer(xch->xcall, size ? size : 1);
    if (buffer == NULL)
        xci_fail(xch, XC_OUT_OF_MEMORY, "a buffer of %zu bytes for a hypercall", size);
    else if (from != NULL)
        memcpy(buffer, from, size);
    else
        memset(buffer, 0, size);
    return buffer;
}

void xci_buffer_put(xc_interface *xch, void *buffer, void *to, size_t size)
{
    int error = errno;

    if (buffer == NULL)
        return;
    if (to != NULL)
        memcpy(to, buffer, size);
    xencall_free_buffer(xch->xcall, buffer);
    errno = error;
}

void *xci_array_get(xc_interface *xch, const void *from, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return xci_buffer_get(xch, from, bytes);
}

/* ---- The program's ------------------------------------------------------------------------ */

xc_hypercall_buffer_t xc__hypercall_buffer_HYPERCALL_BUFFER_NULL = {
    HYPERCALL_BUFFER_INIT_NO_BOUNCE};

void *xc__hypercall_buffer_alloc(xc_interface *xch, xc_hypercall_buffer_t *b, size_t size)
{
    b->hbuf = xci_buffer_get(xch, NULL, size);
    return b->hbuf;
}

void xc__hypercall_buffer_free(xc_interface *xch, xc_hypercall_buffer_t *b)
{
    xci_buffer_put(xch, b->hbuf, NULL, 0);
    b->hbuf = NULL;
}

void *xc__hypercall_buffer_alloc_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages)
{
    b->hbuf = NULL;
    if (nr_pages <= 0)
        errno = EINVAL;
    else if (xch->xcall == NULL)
        errno = ENODEV;
    else
        b->hbuf = xencall_alloc_buffer_pages(xch->xcall, (size_t)nr_pages);
    if (b->hbuf != NULL)
        memset(b->hbuf, 0, (size_t)nr_pages << XC_PAGE_SHIFT);
    return b->hbuf;
}

void xc__hypercall_buffer_free_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages)
{
    int error = errno;

    if (b->hbuf != NULL)
        xencall_free_buffer_pages(xch->xcall, b->hbuf, (size_t)nr_pages);
    b->hbuf = NULL;
    errno = error;
}
