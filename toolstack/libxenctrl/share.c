/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What domains share: event channels and grants, from the toolstack's side.
 */
#include "private.h"

#include <sys/mman.h>

/* ---- Event channels ----------------------------------------------------------------------- */

static int event_op(xc_interface *xch, int cmd, void *arg, size_t size)
{
    void *buffer = xci_buffer_get(xch, arg, size);
    int rc;

    if (buffer == NULL)
        return -1;
    rc = xencall2(xch->xcall, __HYPERVISOR_event_channel_op, (uint64_t)cmd,
                  (uint64_t)(uintptr_t)buffer);
    xci_buffer_put(xch, buffer, arg, size);
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
        xci_fail(xch, XC_INTERNAL_ERROR, "the grant table's size: status %d", query->status);
    }
    return rc;
}

int xc_gnttab_get_version(xc_interface *xch, uint32_t domid)
{
    struct gnttab_get_version query = {.dom = (domid_t)domid};
    int rc = xc_gnttab_op(xch, GNTTABOP_get_version, &query, sizeof(query), 1);

    return rc < 0 ? rc : (int)query.version;
}

/*
 * All of the table, as frames that the hypervisor names; munmap() undoes it. The number of frames
 * is what the table has now. `version` is the table's.
 */
static void *map_table(xc_interface *xch, uint32_t domid, int version, size_t entry_size,
                       int *gnt_num)
{
    struct gnttab_query_size query = {.dom = (domid_t)domid};
    struct gnttab_setup_table setup = {.dom = (domid_t)domid};
    void *table = NULL;
    xen_pfn_t *frames;
    int found;

    if (xc_gnttab_query_size(xch, &query) || query.status != GNTST_okay)
        return NULL;
    found = xc_gnttab_get_version(xch, domid);
    if (found < 0)
        return NULL;
    if ((found == 2) != (version == 2)) { /* 0: not chosen yet, as good as 1 */
        errno = EINVAL;
        xci_fail(xch, XC_INVALID_PARAM, "domain %u's grant table is of version %d", domid, found);
        return NULL;
    }
    frames = xci_array_get(xch, NULL, query.nr_frames, sizeof(*frames));
    if (frames == NULL)
        return NULL;
    setup.nr_frames = query.nr_frames;
    set_xen_guest_handle_raw(setup.frame_list, frames);
    if (xc_gnttab_op(xch, GNTTABOP_setup_table, &setup, sizeof(setup), 1) == 0) {
        if (setup.status == GNTST_okay) {
            table = xenforeignmemory_map(xch->fmem, domid, PROT_READ | PROT_WRITE, query.nr_frames,
                                         frames, NULL);
        } else {
            errno = EINVAL;
            xci_fail(xch, XC_INTERNAL_ERROR, "the frames of domain %u's grant table: status %d",
                     domid, setup.status);
        }
    }
    xci_buffer_put(xch, frames, NULL, 0);
    if (table != NULL)
        *gnt_num = (int)(query.nr_frames * (XC_PAGE_SIZE / entry_size));
    return table;
}

grant_entry_v1_t *xc_gnttab_map_table_v1(xc_interface *xch, uint32_t domid, int *gnt_num)
{
    return map_table(xch, domid, 1, sizeof(grant_entry_v1_t), gnt_num);
}

grant_entry_v2_t *xc_gnttab_map_table_v2(xc_interface *xch, uint32_t domid, int *gnt_num)
{
    return map_table(xch, domid, 2, sizeof(grant_entry_v2_t), gnt_num);
}
