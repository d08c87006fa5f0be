/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains that have been introduced.
 */
#include "store/domain.h"

#include <stdlib.h>

#include "store/store.h"

struct domain *domain_new(struct store *store, uint16_t domid)
{
    struct domain *domain = store_alloc(sizeof(*domain));

    domain->domid = domid;
    domain->local_port = -1;
    domain->conn = connection_new(store, domid, true);
    domain->conn->transport = domain;
    store->domains[domid] = domain;
    return domain;
}

void domain_free(struct store *store, struct domain *domain)
{
    store->domains[domain->domid] = NULL;
    connection_free(domain->conn);
    free(domain);
}
