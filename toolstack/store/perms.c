/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Permissions.
 */
#include "store/perms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include "store/memory.h"
#include "store/store.h"

struct perms *perms_new(const struct perm *list, unsigned count, uint64_t since)
{
    struct perms *perms = store_alloc(sizeof(*perms) + count * sizeof(*list));

    perms->refs = 1;
    perms->count = count;
    perms->since = since;
    memcpy(perms->list, list, count * sizeof(*list));
    return perms;
}

struct perms *perms_get(struct perms *perms)
{
    perms->refs++;
    return perms;
}

void perms_put(struct perms *perms)
{
    if (perms != NULL && --perms->refs == 0)
        free(perms);
}

static const char letters[] = "nrwb"; /* by PERM_READ and PERM_WRITE */

static int perm_parse(const char *text, struct perm *perm)
{
    const char *letter = text[0] ? strchr(letters, text[0]) : NULL;
    char *end;

    if (letter == NULL || text[1] < '0' || text[1] > '9')
        return -EINVAL;
    unsigned long domid = strtoul(text + 1, &end, 10);
    if (*end || domid >= DOMID_FIRST_RESERVED)
        return -EINVAL;
    perm->bits = (uint8_t)(letter - letters);
    perm->domid = (uint16_t)domid;
    return 0;
}

int perms_parse(const char *text, size_t size, uint64_t since, struct perms **perms)
{
    struct perm list[XENSTORE_PAYLOAD_MAX / 3 + 1];
    unsigned count = 0;

    if (size == 0 || size > XENSTORE_PAYLOAD_MAX || text[size - 1] != '\0')
        return -EINVAL;
    for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
        if (perm_parse(text + at, &list[count++]))
            return -EINVAL;
    }
    *perms = perms_new(list, count, since);
    return 0;
}

static bool is_void(const struct store *store, const struct perms *perms, unsigned i)
{
    return store->accounts[perms->list[i].domid].ended >= perms->since;
}

uint16_t perms_owner(const struct store *store, const struct perms *perms)
{
    return is_void(store, perms, 0) ? CONTROL_DOMAIN : perms->list[0].domid;
}

size_t perms_format(const struct store *store, const struct perms *perms, char *text)
{
    size_t size = 0;

    for (unsigned i = 0; i < perms->count; i++) {
        if (i > 0 && is_void(store, perms, i))
            continue;
        unsigned domid = i == 0 ? perms_owner(store, perms) : perms->list[i].domid;
        size += (size_t)sprintf(text + size, "%c%u", letters[perms->list[i].bits], domid) + 1;
    }
    return size;
}

unsigned perms_of(const struct store *store, const struct perms *perms, uint16_t domid,
                  uint16_t target)
{
    uint16_t owner = perms_owner(store, perms);

    if (domid == CONTROL_DOMAIN || owner == domid || owner == target)
        return PERM_ALL;
    for (unsigned i = 1; i < perms->count; i++) {
        uint16_t id = perms->list[i].domid;
        if ((id == domid || id == target) && !is_void(store, perms, i))
            return perms->list[i].bits;
    }
    return perms->list[0].bits;
}

struct perms *perms_effective(const struct store *store, struct perms *perms)
{
    bool some = false;

    for (unsigned i = 0; i < perms->count; i++)
        some = some || is_void(store, perms, i);
    if (!some)
        return perms_get(perms);
    return perms_inherit(store, perms, perms_owner(store, perms), perms->since);
}

struct perms *perms_inherit(const struct store *store, struct perms *perms, uint16_t owner,
                            uint64_t since)
{
    struct perms *copy = perms_new(perms->list, perms->count, since);
    unsigned count = 1;

    copy->list[0].domid = owner;
    for (unsigned i = 1; i < perms->count; i++)
        if (!is_void(store, perms, i))
            copy->list[count++] = perms->list[i];
    copy->count = count;
    return copy;
}
