/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory as guests ask for it (memory_op): reservation.c changes how much a domain has, memory.c
 * answers what there is and keeps claims and memory maps. The handlers are in hypercalls.def.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include "core/types.h"

struct domain;

/* Its claim ends and its memory map is freed. */
void memory_domain_free(struct domain *d);

/*
 * A claim keeps free memory from being given to other domains. May d have so many frames more? And:
 * it has got them, so that its own claim shrinks. Between the two another CPU may take the last
 * frames; the allocation itself then fails.
 */
bool memory_claims_allow(const struct domain *d, uint64_t frames);
void memory_claim_used(struct domain *d, uint64_t frames);
/* Of all domains together, frames that are claimed and not yet given. */
uint64_t memory_claims_outstanding(void);

#endif
