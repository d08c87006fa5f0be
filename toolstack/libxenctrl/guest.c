/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is here of Xen's libxenguest, a library of its own as there: the two grants that a new
 * guest's console and store rings are found by (xenguest.h), and a function that xenctrl.h
 * declares.
 */
#include "private.h"

#include <sys/mman.h>
#include <xen/io/protocols.h>

#include "xenguest.h"

static void seed(grant_entry_v1_t *table, unsigned ref, uint32_t to, xen_pfn_t frame)
{
    table[ref].domid = (domid_t)to;
    table[ref].frame = (uint32_t)frame;
    xen_wmb(); /* the flags make the entry valid */
    table[ref].flags = GTF_permit_access;
}

int xc_dom_gnttab_seed(xc_interface *xch, uint32_t guest_domid, bool is_hvm, xen_pfn_t console_gfn,
                       xen_pfn_t xenstore_gfn, uint32_t console_domid, uint32_t xenstore_domid)
{
    xenforeignmemory_handle *fmem = xc_interface_fmem_handle(xch);
    xenforeignmemory_resource_handle *resource;
    void *table = NULL;

    (void)is_hvm; /* frames of either kind of guest are seeded alike through a mapped table */
    if (fmem == NULL) {
        errno = ENODEV;
        return -1;
    }
    resource = xenforeignmemory_map_resource(
        fmem, (domid_t)guest_domid, XENMEM_resource_grant_table,
        XENMEM_resource_grant_table_id_shared, 0, 1, &table, PROT_READ | PROT_WRITE, 0);
    if (resource == NULL)
        return -1;
    /* A domain does not grant to itself, and an absent page is not granted. */
    if (guest_domid != console_domid && console_gfn != (xen_pfn_t)-1)
        seed(table, GNTTAB_RESERVED_CONSOLE, console_domid, console_gfn);
    if (guest_domid != xenstore_domid && xenstore_gfn != (xen_pfn_t)-1)
        seed(table, GNTTAB_RESERVED_XENSTORE, xenstore_domid, xenstore_gfn);
    return xenforeignmemory_unmap_resource(fmem, resource);
}

const char *xc_domain_get_native_protocol(xc_interface *xch, uint32_t domid)
{
    unsigned int width;

    if (xc_domain_get_guest_width(xch, domid, &width))
        return NULL;
    return width == 8 ? XEN_IO_PROTO_ABI_X86_64 : XEN_IO_PROTO_ABI_X86_32;
}
