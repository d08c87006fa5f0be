/* SPDX-License-Identifier: BSD-2-Clause */
/* What front-ends of the library ask of its grant table beside pv/grant.h. */
#ifndef PV_GRANT_INTERNAL_H
#define PV_GRANT_INTERNAL_H

#include <pv/grant.h>

/* grant_give() of any frame of this domain. */
grant_ref_t grant_give_frame(domid_t domain, unsigned long mfn, bool read_only);

#endif
