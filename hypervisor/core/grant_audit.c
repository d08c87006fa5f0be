/* SPDX-License-Identifier: BSD-2-Clause */
/* For the audit: the references of a domain's grant mappings. All guests are stopped. */
#include "core/audit.h"
#include "core/grant_internal.h"

void grant_audit_domain(struct domain *d)
{
    const struct grant_table *gt = d->grant;
    if (gt == NULL)
        return;
    for (uint32_t handle = 0; handle < gt->nr_maps; handle++) {
        const struct grant_mapping *m =
            &gt->maps[handle / GRANT_MAPS_PER_PAGE][handle % GRANT_MAPS_PER_PAGE];
        if (m->mapped | m->pending)
            audit_note(m->frame, 1, m->flags & GNTMAP_readonly ? 0 : 1);
    }
}
