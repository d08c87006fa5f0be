/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose tables and whose frames a page-table hypercall is about. */
#ifndef X86_MM_OWNER_H
#define X86_MM_OWNER_H

#include "core/domain.h"

/*
 * The domain whose frames are to be mapped: DOMID_SELF, DOMID_IO (device memory only), or, for a
 * privileged caller, another domain or DOMID_XEN (the machine-to-phys table, to read). Each is
 * held, but the caller's own, which stays while it runs. -XEN_ESRCH, -XEN_EPERM.
 */
int page_owner_find(struct vcpu *v, domid_t id, struct domain **out) must_check;

static inline must_check int page_owner_get(struct vcpu *v, domid_t id, struct domain **out)
{
    if (likely(id.v == DOMID_SELF)) {
        *out = v->domain;
        return 0;
    }
    return page_owner_find(v, id, out);
}

static inline void page_owner_put(struct vcpu *v, struct domain *d)
{
    if (d != v->domain)
        domain_put(d);
}

/* The domain whose tables: none of the two that stand for frames. */
int table_owner_get(struct vcpu *v, domid_t id, struct domain **out) must_check;

/* Owners that no frame to be mapped has: what stands behind DOMID_IO and DOMID_XEN. */
extern struct domain domain_io, domain_xen;

#endif
