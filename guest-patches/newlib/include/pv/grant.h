/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: letting another domain map or copy a page, and mapping theirs. Version 1 entries
 * (xen/grant_table.h). References below GNTTAB_NR_RESERVED_ENTRIES are the system's.
 */
#ifndef PV_GRANT_H
#define PV_GRANT_H

#include <pv/abi.h>

#define GRANT_NONE 0u /* no reference: reserved by the ABI */

/* Lets `domain` use the page of the direct map; GRANT_NONE: the table is full and cannot grow. */
grant_ref_t grant_give(domid_t domain, const void *page, bool read_only);
/* Ends it. False, and it stays, while the other side has it mapped. */
bool grant_end(grant_ref_t ref);

/* Entries that there are now, and the table itself, for programs that write it by hand. */
unsigned grant_entries(void);
grant_entry_v1_t *grant_table(void);

/* Maps another domain's page. NULL with *status (unless NULL) GNTST_*. */
void *grant_map(domid_t domain, grant_ref_t ref, bool read_only, grant_handle_t *handle,
                int *status);
/* GNTST_okay or another. */
int grant_unmap(void *address, grant_handle_t handle);

#endif
