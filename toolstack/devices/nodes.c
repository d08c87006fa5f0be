/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing devices' nodes. Every change of more than a node is one transaction, so that
 * neither a back-end nor a second tool sees half a device.
 */
#include "devices/nodes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>

/* Each means that another's change came first; that many in a row mean that something is broken. */
#define MAX_TRIES 200

const char *const kind_names[NR_KINDS] = {"vbd", "vif"};

void place_set(struct device_place *place, enum device_kind kind, uint32_t domid, unsigned id)
{
    const char *name = kind_names[kind];
    *place = (struct device_place){.kind = kind, .domid = domid, .id = id};
    snprintf(place->front, NODE_PATH_SIZE, "/local/domain/%u/device/%s/%u", domid, name, id);
    snprintf(place->back, NODE_PATH_SIZE, "/local/domain/0/backend/%s/%u/%u", name, domid, id);
    snprintf(place->record, NODE_PATH_SIZE, "/paravane/device/%u/%s/%u", domid, name, id);
}

/* --- changes --------------------------------------------------------------------------------- */

static void batch_fail(struct batch *batch, const char *path)
{
    batch->error = errno != 0 ? -errno : -EIO;
    snprintf(batch->path, sizeof(batch->path), "%s", path);
}

void batch_begin(struct batch *batch, struct xs_handle *xs)
{
    batch->xs = xs;
    batch->error = 0;
    errno = 0;
    batch->transaction = xs_transaction_start(xs);
    if (batch->transaction == XBT_NULL)
        batch_fail(batch, "a transaction");
}

bool batch_again(struct batch *batch)
{
    if (batch->error != 0) {
        if (batch->transaction != XBT_NULL)
            xs_transaction_end(batch->xs, batch->transaction, true);
    } else {
        errno = 0;
        if (!xs_transaction_end(batch->xs, batch->transaction, false))
            batch_fail(batch, "the end of a transaction");
    }
    return batch->error == -EAGAIN && ++batch->tries < MAX_TRIES;
}

int batch_result(const struct batch *batch, struct message *why)
{
    if (batch->error == 0)
        return 0;
    return message_errno(why, batch->error, "the store refuses %s", batch->path);
}

void batch_directory(struct batch *batch, const char *path, unsigned owner, unsigned reader)
{
    struct xs_permissions perms[2] = {
        {.id = owner, .perms = XS_PERM_NONE}, /* for all others */
        {.id = reader, .perms = XS_PERM_READ},
    };
    errno = 0;
    if (batch->error == 0 &&
        (!xs_mkdir(batch->xs, batch->transaction, path) ||
         !xs_set_permissions(batch->xs, batch->transaction, path, perms, owner == reader ? 1 : 2)))
        batch_fail(batch, path);
}

void batch_write(struct batch *batch, const char *directory, const char *key, const char *format,
                 ...)
{
    if (batch->error != 0)
        return;
    char path[2 * NODE_PATH_SIZE], *value;
    snprintf(path, sizeof(path), "%s/%s", directory, key);
    va_list args;
    va_start(args, format);
    int size = vasprintf(&value, format, args);
    va_end(args);
    if (size < 0) {
        errno = ENOMEM;
        batch_fail(batch, path);
        return;
    }
    errno = 0;
    if (!xs_write(batch->xs, batch->transaction, path, value, (unsigned)size))
        batch_fail(batch, path);
    free(value);
}

bool batch_exists(struct batch *batch, const char *path)
{
    if (batch->error != 0)
        return false;
    errno = 0;
    unsigned size;
    void *value = xs_read(batch->xs, batch->transaction, path, &size);
    if (value == NULL && errno != ENOENT)
        batch_fail(batch, path);
    free(value);
    return value != NULL;
}

/* Whether there is nothing in the directory; a directory that is not there is not empty. */
static bool batch_empty(struct batch *batch, const char *path)
{
    unsigned count = 0;
    errno = 0;
    char **names = xs_directory(batch->xs, batch->transaction, path, &count);
    bool empty = names != NULL && count == 0;
    if (names == NULL && errno != ENOENT)
        batch_fail(batch, path);
    free(names);
    return empty;
}

void batch_remove(struct batch *batch, const char *path, unsigned parents)
{
    char parent[NODE_PATH_SIZE];
    snprintf(parent, sizeof(parent), "%s", path);
    for (unsigned level = 0; batch->error == 0; level++) {
        errno = 0;
        if (!xs_rm(batch->xs, batch->transaction, parent) && errno != ENOENT)
            batch_fail(batch, parent);
        char *slash = strrchr(parent, '/');
        if (level == parents || slash == NULL || batch->error != 0)
            break;
        *slash = '\0';
        if (!batch_empty(batch, parent))
            break;
    }
}

/* --- reading --------------------------------------------------------------------------------- */

char *node_read(struct devices *devices, const char *directory, const char *key)
{
    char path[2 * NODE_PATH_SIZE];
    unsigned size;
    snprintf(path, sizeof(path), "%s/%s", directory, key);
    return xs_read(devices->xs, XBT_NULL, path, &size);
}

int node_state(struct devices *devices, const char *directory)
{
    char *text = node_read(devices, directory, "state");
    int state = XenbusStateUnknown;
    if (text != NULL && text[0] >= '1' && text[0] <= '8' && text[1] == '\0')
        state = text[0] - '0';
    free(text);
    return state;
}

bool node_exists(struct devices *devices, const char *directory)
{
    unsigned size;
    void *value = xs_read(devices->xs, XBT_NULL, directory, &size);
    free(value);
    return value != NULL;
}

int node_write(struct devices *devices, const char *directory, const char *key, const char *value,
               struct message *why)
{
    char path[2 * NODE_PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", directory, key);
    errno = 0;
    if (xs_write(devices->xs, XBT_NULL, path, value, (unsigned)strlen(value)))
        return 0;
    return message_errno(why, errno != 0 ? -errno : -EIO, "the store refuses %s", path);
}

static int compare(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

int node_numbers(struct devices *devices, const char *directory, unsigned **numbers)
{
    unsigned count = 0;
    int used = 0;
    *numbers = NULL;
    errno = 0;
    char **names = xs_directory(devices->xs, XBT_NULL, directory, &count);
    if (names == NULL)
        return errno == ENOENT ? 0 : errno != 0 ? -errno : -EIO;
    *numbers = calloc(count + 1, sizeof(**numbers));
    for (unsigned i = 0; *numbers != NULL && i < count; i++) {
        char *end;
        unsigned long n = strtoul(names[i], &end, 10);
        if (names[i][0] >= '0' && names[i][0] <= '9' && *end == '\0' && n <= UINT32_MAX)
            (*numbers)[used++] = (unsigned)n;
    }
    free(names);
    if (*numbers == NULL)
        return -ENOMEM;
    qsort(*numbers, (size_t)used, sizeof(**numbers), compare);
    return used;
}
