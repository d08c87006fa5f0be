/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on the store: what each puts into its request, and what its answer must look like. A
 * malformed answer is EIO, and nothing of it is given to the caller.
 */
#define _GNU_SOURCE /* vasprintf */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenstore_internal.h"

/* With the 0 behind it. */
static struct store_part string_part(const char *text)
{
    return (struct store_part){text, strlen(text) + 1};
}

static int simple(unsigned type, xenstore_transaction t, const char *path)
{
    struct store_part part = string_part(path);

    return store_request(type, t, &part, 1, NULL);
}

/* ---- Transactions -------------------------------------------------------------------------- */

int xenstore_begin(xenstore_transaction *transaction)
{
    struct store_part part = string_part("");
    struct store_message answer;
    unsigned long id;
    char *end;
    int error = store_request(XS_TRANSACTION_START, 0, &part, 1, &answer);

    if (error)
        return error;
    id = strtoul(answer.body, &end, 10);
    if (id == 0 || id > UINT32_MAX || *end)
        error = EIO;
    else
        *transaction = (xenstore_transaction)id;
    free(answer.body);
    return error;
}

int xenstore_end(xenstore_transaction transaction, bool abort)
{
    return simple(XS_TRANSACTION_END, transaction, abort ? "F" : "T");
}

/* ---- Values -------------------------------------------------------------------------------- */

int xenstore_read(xenstore_transaction t, const char *path, char **value, unsigned *size)
{
    struct store_part part = string_part(path);
    struct store_message answer;
    int error = store_request(XS_READ, t, &part, 1, &answer);

    if (error)
        return error;
    *value = answer.body;
    if (size)
        *size = answer.header.len;
    return 0;
}

/* A value has no 0 behind it. */
int xenstore_write(xenstore_transaction t, const char *path, const char *value)
{
    struct store_part parts[] = {string_part(path), {value, strlen(value)}};

    return store_request(XS_WRITE, t, parts, 2, NULL);
}

int xenstore_printf(xenstore_transaction t, const char *path, const char *format, ...)
{
    va_list args;
    char *value;
    int error, size;

    va_start(args, format);
    size = vasprintf(&value, format, args);
    va_end(args);
    if (size < 0)
        return ENOMEM;
    error = xenstore_write(t, path, value);
    free(value);
    return error;
}

int xenstore_scanf(xenstore_transaction t, const char *path, int wanted, const char *format, ...)
{
    va_list args;
    char *value;
    int error = xenstore_read(t, path, &value, NULL);

    if (error)
        return error;
    va_start(args, format);
    if (vsscanf(value, format, args) != wanted)
        error = EINVAL;
    va_end(args);
    free(value);
    return error;
}

int xenstore_mkdir(xenstore_transaction t, const char *path)
{
    return simple(XS_MKDIR, t, path);
}

int xenstore_remove(xenstore_transaction t, const char *path)
{
    return simple(XS_RM, t, path);
}

/* ---- Directories --------------------------------------------------------------------------- */

/* Names, each with a 0 behind it, nothing else. */
static int count_names(const struct store_message *answer, unsigned *count)
{
    *count = 0;
    if (answer->header.len && answer->body[answer->header.len - 1])
        return EIO;
    for (unsigned at = 0; at < answer->header.len; at += (unsigned)strlen(answer->body + at) + 1)
        ++*count;
    return 0;
}

int xenstore_directory(xenstore_transaction t, const char *path, char ***names, unsigned *count)
{
    struct store_part part = string_part(path);
    struct store_message answer;
    char **array, *text;
    int error = store_request(XS_DIRECTORY, t, &part, 1, &answer);

    if (error)
        return error;
    error = count_names(&answer, count);
    array = error ? NULL : malloc((*count + 1) * sizeof(*array) + answer.header.len);
    if (array) {
        text = (char *)(array + *count + 1);
        memcpy(text, answer.body, answer.header.len);
        for (unsigned i = 0; i < *count; i++, text += strlen(text) + 1)
            array[i] = text;
        array[*count] = NULL;
        *names = array;
    } else if (error == 0) {
        error = ENOMEM;
    }
    free(answer.body);
    return error;
}

/* ---- Watches ------------------------------------------------------------------------------- */

static int watch_request(unsigned type, const char *path, const char *token)
{
    struct store_part parts[] = {string_part(path), string_part(token)};

    /* What xenstore_wait() has room for. */
    if (parts[1].size > 64)
        return EINVAL;
    return store_request(type, 0, parts, 2, NULL);
}

int xenstore_watch(const char *path, const char *token)
{
    return watch_request(XS_WATCH, path, token);
}

int xenstore_unwatch(const char *path, const char *token)
{
    int error = watch_request(XS_UNWATCH, path, token);

    if (error == 0)
        store_drop_events(token);
    return error;
}

int xenstore_wait(char **path, char token[64], uint64_t until)
{
    return store_wait_event("", path, token, until);
}
