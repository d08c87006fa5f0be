/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains by their names, which are in the store. It looks for one itself if it can, as asking it
 * for each domain's name costs more the more there are.
 */
#include "common/domains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#define DOMAINS_AT_ONCE 64u

/* 1, 0 or -errno: whether the domain has that name. */
static int is_called(struct xs_handle *xs, uint32_t domid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    char *other = xs_read(xs, XBT_NULL, path, NULL);
    if (other == NULL)
        return errno == ENOENT ? 0 : -errno;
    int same = strcmp(other, name) == 0;
    free(other);
    return same;
}

/* With a store that looks for nothing: Xen's, or pvstored as it was. */
static int look_at_each(xc_interface *xch, struct xs_handle *xs, const char *name,
                        xc_domaininfo_t *found)
{
    xc_domaininfo_t info[DOMAINS_AT_ONCE];
    int n, have = 0;

    for (uint32_t next = 0; (n = xc_domain_getinfolist(xch, next, DOMAINS_AT_ONCE, info)) > 0;
         next = info[n - 1].domain + 1u)
        for (int i = 0; i < n; i++) {
            int same = is_called(xs, info[i].domain, name);

            if (same < 0)
                return same;
            if (same == 0)
                continue;
            *found = info[i];
            have = 1;
            if (!(info[i].flags & XEN_DOMINF_dying))
                return have;
        }
    return n < 0 ? -errno : have;
}

/* Of the domains that the store names, a number a line; nodes may outlive theirs. */
static int look_at_listed(xc_interface *xch, const char *list, xc_domaininfo_t *found)
{
    xc_domaininfo_t info;
    int have = 0;
    char *end;

    for (const char *at = list; *at != '\0'; at = *end == '\0' ? end : end + 1) {
        uint32_t domid = (uint32_t)strtoul(at, &end, 10);

        if (end == at)
            break;
        int rc = domains_look(xch, domid, &info);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        *found = info;
        have = 1;
        if (!(info.flags & XEN_DOMINF_dying))
            break;
    }
    return have;
}

int domains_by_name(xc_interface *xch, struct xs_handle *xs, const char *name,
                    xc_domaininfo_t *found)
{
    static const char where[] = "/local/domain\0name"; /* pvstored(8): CONTROL find */
    size_t size = sizeof(where) + strlen(name) + 1;
    char *arguments = malloc(size);

    if (arguments == NULL)
        return -ENOMEM;
    memcpy(arguments, where, sizeof(where));
    strcpy(arguments + sizeof(where), name);
    char *list = xs_control_command(xs, "find", arguments, (unsigned)size);
    free(arguments);
    if (list == NULL)
        return look_at_each(xch, xs, name, found);
    int rc = look_at_listed(xch, list, found);
    free(list);
    return rc;
}
