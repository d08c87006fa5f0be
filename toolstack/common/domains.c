/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains as the hypervisor lists them.
 */
#include "common/domains.h"

#include <errno.h>
#include <string.h>

#define DOMAINS_AT_ONCE 64u

int domains_look(xc_interface *xch, uint32_t domid, xc_domaininfo_t *info)
{
    int n = xc_domain_getinfolist(xch, domid, 1, info);

    return n < 0 ? -errno : n == 1 && info->domain == domid;
}

int domains_by_uuid(xc_interface *xch, const uint8_t uuid[16], uint32_t except,
                    xc_domaininfo_t *found)
{
    xc_domaininfo_t info[DOMAINS_AT_ONCE];
    int n, have = 0;

    for (uint32_t next = 0; (n = xc_domain_getinfolist(xch, next, DOMAINS_AT_ONCE, info)) > 0;
         next = info[n - 1].domain + 1u)
        for (int i = 0; i < n; i++) {
            if (info[i].domain == except || memcmp(info[i].handle, uuid, 16) != 0)
                continue;
            *found = info[i];
            have = 1;
            if (!(info[i].flags & XEN_DOMINF_dying))
                return have;
        }
    return n < 0 ? -errno : have;
}
