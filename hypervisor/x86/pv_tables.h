/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new PV domain's first page tables, written as data: the same for the hypervisor's first domain
 * and for a toolstack's builder. They map what pv_layout.h says; page tables themselves read-only.
 */
#ifndef X86_PV_TABLES_H
#define X86_PV_TABLES_H

#include "core/pv_layout.h"

struct pv_tables {
    const struct pv_layout *layout;
    const uint64_t *p2m; /* machine frame of each pfn */
    /* A page of the domain that is to be a table, for reading and writing. */
    void *(*page)(void *data, uint64_t pfn);
    void *data;
};

/*
 * Writes all tables of the layout; the first is the L4. What of them turns out not to be needed is
 * cleared. Nothing is validated or pinned.
 */
void pv_tables_write(const struct pv_tables *t);

#endif
