/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What domains share: event channels and grants, from the toolstack's side.
 */
#include "private.h"

#include <sys/mman.h>

/* ---- Event channels ----------------------------------------------------------------------- */

static int event_op(xc_interface *xch, int cmd, void *arg, size_t size)
{
    void *buffer = buffer_get(xch, arg, size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall2(xch->xcall, __HYPERVISOR_event_channel_op, (uint64_t)cmd,
                  (uint64_t)(uintptr_t)buffer);
    buffer_put(xch, buffer, arg, size);
    return rc;
}

xc_evtchn_port_or_error_t xc_evtchn_alloc_unbound(xc_interface *xch, uint32_t dom,
                                                  uint32_t remote_dom)
{
    struct evtchn_alloc_unbound arg = {.dom = (domid_t)dom, .remote_dom = (domid_t)remote_dom};
    int rc = event_op(xch, EVTCHNOP_alloc_unbound, &arg, sizeof(arg));

    return rc ? rc : (int)arg.port;
}

int xc_evtchn_reset(xc_interface *xch, uint32_t dom)
{
    struct evtchn_reset arg = {.dom = (domid_t)dom};

    return event_op(xch, EVTCHNOP_reset, &arg, sizeof(arg));
}

int xc_evtchn_status(xc_interface *xch, xc_evtchn_status_t *status)
{
    return event_op(xch, EVTCHNOP_status, status, sizeof(*status));
}

/* ---- Grants ------------------------------------------------------------------------------- */

int xc_gnttab_query_size(xc_interface *xch, struct gnttab_query_size *query)
{
    int rc = xc_gnttab_op(xch, GNTTABOP_query_size, query, sizeof(*query), 1);

    if (rc == 0 && query->status != GNTST_okay) {
        errno = EINVAL;
        xc_fail(xch, XC_INTERNAL_ERROR, "the grant table's size: status %d", query->status);
    }
    return rc;
}

int xc_gnttab_get_version(xc_interface *xch, uint32_t domid)
{
    struct gnttab_get_version query = {.dom = (domid_t)domid};
    int rc = xc_gnttab_op(xch, GNTTABOP_get_version, &query, sizeof(query), 1);

    return rc < 0 ? rc : (int)query.version;
}

/* The frames of the whole table into list, which has room for max; how many, or -1. */
static int table_frames(xc_interface *xch, uint32_t domid, xen_pfn_t *list, uint32_t max)
{
    size_t size = max * sizeof(*list);
    void *buffer = buffer_get(xch, NULL, size);
    struct gnttab_setup_table setup = {.dom = (domid_t)domid, .nr_frames = max};
    int rc;

    if (buffer == NULL)
        return -1;
    set_xen_guest_handle(setup.frame_list, buffer);
    rc = xc_gnttab_op(xch, GNTTABOP_setup_table, &setup, sizeof(setup), 1);
    buffer_put(xch, buffer, list, size);
    if (rc == 0 && setup.status != GNTST_okay) {
        errno = EINVAL;
        rc = xc_fail(xch, XC_INTERNAL_ERROR, "the grant table's frames: status %d", setup.status);
    }
    return rc ? -1 : (int)max;
}

grant_entry_v1_t *xc_gnttab_map_table_v1(xc_interface *xch, uint32_t domid, int *gnt_num)
{
    struct gnttab_query_size query = {.dom = (domid_t)domid};
    grant_entry_v1_t *table = NULL;
    xen_pfn_t *list;

    if (xc_gnttab_query_size(xch, &query) || query.status != GNTST_okay)
        return NULL;
    if (xc_gnttab_get_version(xch, domid) == 2) {
        errno = EINVAL;
        xc_fail(xch, XC_INVALID_PARAM, "the grant table is of version 2");
        return NULL;
    }
    list = calloc(query.nr_frames, sizeof(*list));
    if (list != NULL && table_frames(xch, domid, list, query.nr_frames) > 0)
        table = xenforeignmemory_map(xch->fmem, domid, PROT_READ | PROT_WRITE, query.nr_frames,
                                     list, NULL);
    free(list);
    if (table != NULL)
        *gnt_num = (int)(query.nr_frames * (XC_PAGE_SIZE / sizeof(grant_entry_v1_t)));
    return table;
}
