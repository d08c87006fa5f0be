/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of Xen 4.17's libxenguest what is not about building a domain from a kernel: Paravane's own
 * builder does that (pvctl create).
 */
#ifndef XENGUEST_H
#define XENGUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Grants a domain that has not run yet its console's and its store's page to those who serve them,
 * by the references that the ABI sets apart (GNTTAB_RESERVED_*). A frame of -1, or a domain that
 * serves itself, is left out. is_hvm makes no difference.
 */
int xc_dom_gnttab_seed(xc_interface *xch, uint32_t guest_domid, bool is_hvm, xen_pfn_t console_gfn,
                       xen_pfn_t xenstore_gfn, uint32_t console_domid, uint32_t xenstore_domid);

#ifdef __cplusplus
}
#endif

#endif
