/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains looked for. All of these return 1 with *info when there is such a domain, 0 when there is
 * none, and a negative errno when nobody could tell: a hypercall that fails says nothing about a
 * domain, and what is done to the remains of one that is gone must not be done to one that lives.
 */
#ifndef COMMON_DOMAINS_H
#define COMMON_DOMAINS_H

#include <stdint.h>
#include <xenctrl.h>

struct xs_handle;

int domains_look(xc_interface *xch, uint32_t domid, xc_domaininfo_t *info);

/* One that lives; or else one that is dying, which only waits for others to let the last of its
 * memory go. by_uuid: `except` does not count (DOMID_INVALID: all do). */
int domains_by_uuid(xc_interface *xch, const uint8_t uuid[16], uint32_t except,
                    xc_domaininfo_t *info);
int domains_by_name(xc_interface *xch, struct xs_handle *xs, const char *name,
                    xc_domaininfo_t *info);

#endif
