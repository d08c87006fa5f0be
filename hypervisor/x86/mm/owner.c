/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose tables and whose frames a page-table hypercall is about. */
#include "x86/mm/owner.h"

#include "core/atomic.h"

struct domain domain_io = {.id = {DOMID_IO}, .refs = 1};
struct domain domain_xen = {.id = {DOMID_XEN}, .refs = 1};

int table_owner_get(struct vcpu *v, domid_t id, struct domain **out)
{
    int rc = domain_get_for(v, id, out);
    if (rc == 0 && *out == v->domain)
        domain_put(*out);
    return rc;
}

int page_owner_find(struct vcpu *v, domid_t id, struct domain **out)
{
    if (id.v == DOMID_IO) {
        atomic_fetch_add(&domain_io.refs, 1);
        *out = &domain_io;
        return 0;
    }
    if (id.v == DOMID_XEN && v->domain->is_privileged) {
        atomic_fetch_add(&domain_xen.refs, 1);
        *out = &domain_xen;
        return 0;
    }
    return table_owner_get(v, id, out);
}
