/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit of the whole machine: every page table is walked, every reference recounted. */
#ifndef CORE_AUDIT_H
#define CORE_AUDIT_H

#include "core/types.h"

struct domain;

/*
 * Stops all guests meanwhile. Prints "memory audit: N frames, M tables: ok", or a line for each
 * thing that is wrong and "memory audit: K errors". Returns the number of errors. Not from an
 * interrupt; no lock held.
 */
unsigned audit_memory(void);

/* A reporter's call: the module holds this many references, and type references, to the frame. */
void audit_note(mfn_t mfn, unsigned refs, unsigned types);

/* Reporters: what a domain's page tables, vCPUs, event channels and grant mappings hold. */
void arch_audit_domain(struct domain *d);
/* Of entries [0, entries); the bits of those parts of the table in which one is present. */
unsigned arch_audit_table(mfn_t table, unsigned level, unsigned entries);
void evtchn_audit_domain(struct domain *d);
void grant_audit_domain(struct domain *d);

#endif
