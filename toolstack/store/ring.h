/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes through a domain's ring (struct xenstore_domain_interface). The page is shared with a guest
 * that may write anything there at any time: each of its indices is read once for a use, and
 * checked.
 */
#ifndef STORE_RING_H
#define STORE_RING_H

#include <stdbool.h>

#include "store/domain.h"

/* What came of it. */
struct ring_result {
    bool notify; /* the domain is to be told that there is room, or an answer */
    bool again;  /* there may be more to do */
};

/* The ring has been mapped for a domain that is new: goes on from the indices that are there. */
void ring_begin(struct store *store, struct domain *domain);
/* The ring has been mapped for a domain of another process's record. false: the ring does not fit
 * it, the domain has to connect anew. */
bool ring_resume(struct store *store, struct domain *domain);
/* Carries out at most `budget` requests, each recorded before it is taken. */
struct ring_result ring_requests(struct store *store, struct domain *domain, unsigned budget);
/* Puts as much of what waits into the ring as has room. */
struct ring_result ring_answers(struct store *store, struct domain *domain);

#endif
