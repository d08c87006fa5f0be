/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels and grants of a new domain, as the toolstack makes them.
 */
#include <sys/mman.h>

#include "four_ways.h"

/* ---- Event channels ----------------------------------------------------------------------- */

static void test_ports(xc_interface *xch, uint32_t domid)
{
    int first = xc_evtchn_alloc_unbound(xch, domid, 0);
    int second = xc_evtchn_alloc_unbound(xch, domid, 0);
    xc_evtchn_status_t status = {.dom = (domid_t)domid, .port = (evtchn_port_t)first};
    xc_evtchn *events = xc_evtchn_open(NULL, 0);
    int local;

    check(first == 1 && second == 2, "ports 1 and 2 are allocated");
    check(xc_evtchn_status(xch, &status) == 0 && status.status == EVTCHNSTAT_unbound &&
              status.u.unbound.dom == 0,
          "port 1 waits for the control domain");
    FAILS(xc_evtchn_alloc_unbound(xch, NO_DOMAIN, 0), ESRCH, "no domain gets a port");
    status.port = 1u << 20;
    FAILS(xc_evtchn_status(xch, &status), EINVAL, "a port that is too high is refused");
    status.dom = NO_DOMAIN;
    FAILS(xc_evtchn_status(xch, &status), ESRCH, "no domain has ports");
    if (check(events != NULL && xc_evtchn_fd(events) >= 0, "event channels are opened")) {
        local = xc_evtchn_bind_interdomain(events, domid, (evtchn_port_t)first);
        check(local > 0, "port 1 is connected");
        status = (xc_evtchn_status_t){.dom = (domid_t)domid, .port = (evtchn_port_t)first};
        check(xc_evtchn_status(xch, &status) == 0 && status.status == EVTCHNSTAT_interdomain &&
                  status.u.interdomain.dom == 0 && status.u.interdomain.port == (unsigned)local,
              "it says to what");
        check_is(xc_evtchn_notify(events, (evtchn_port_t)local), 0, "an event is sent");
        check_is(xc_evtchn_unbind(events, (evtchn_port_t)local), 0, "it is disconnected");
        check_is(xc_evtchn_close(events), 0, "event channels are closed");
    }
    check_is(xc_evtchn_reset(xch, domid), 0, "its ports are closed");
    status = (xc_evtchn_status_t){.dom = (domid_t)domid, .port = (evtchn_port_t)second};
    check(xc_evtchn_status(xch, &status) == 0 && status.status == EVTCHNSTAT_closed,
          "port 2 is closed");
    FAILS(xc_evtchn_reset(xch, NO_DOMAIN), ESRCH, "no domain's ports are closed");
}

/* ---- Grants ------------------------------------------------------------------------------- */

#define CONSOLE_PAGE 3
#define STORE_PAGE   4

static void test_seeded(xc_interface *xch, uint32_t domid)
{
    struct gnttab_query_size query = {.dom = (domid_t)domid};
    xc_gnttab *grants = xc_gnttab_open(NULL, 0);
    char *console = NULL, *store = NULL;

    check(xc_gnttab_query_size(xch, &query) == 0 && query.status == GNTST_okay &&
              query.nr_frames >= 1 && query.max_nr_frames == 8,
          "the grant table's size is told");
    query.dom = NO_DOMAIN;
    check(xc_gnttab_query_size(xch, &query) == 0 && query.status == GNTST_bad_domain,
          "no domain has a grant table");
    check_is(xc_gnttab_get_version(xch, domid), 1, "its version is told");
    if (check(grants != NULL, "grants are opened")) {
        console = xc_gnttab_map_grant_ref(grants, domid, GNTTAB_RESERVED_CONSOLE, PROT_READ);
        store = xc_gnttab_map_grant_ref(grants, domid, GNTTAB_RESERVED_XENSTORE,
                                        PROT_READ | PROT_WRITE);
        check(console != NULL && strcmp(console, "console") == 0, "the console's page is granted");
        check(store != NULL && strcmp(store, "store") == 0, "the store's page is granted");
        check(xc_gnttab_munmap(grants, console, 1) == 0 && xc_gnttab_munmap(grants, store, 1) == 0,
              "they are unmapped");
        check(xc_gnttab_map_grant_ref(grants, domid, 7, PROT_READ) == NULL,
              "another page is not granted");
        check_is(xc_gnttab_close(grants), 0, "grants are closed");
    }
}

static void test_table(xc_interface *xch, uint32_t domid, const xen_pfn_t *mfn)
{
    int entries = 0;
    grant_entry_v1_t *table = xc_gnttab_map_table_v1(xch, domid, &entries);

    if (!check(table != NULL && entries >= 512, "the grant table is mapped"))
        return;
    check(table[GNTTAB_RESERVED_CONSOLE].frame == mfn[CONSOLE_PAGE] &&
              table[GNTTAB_RESERVED_CONSOLE].domid == 0 &&
              table[GNTTAB_RESERVED_CONSOLE].flags & GTF_permit_access,
          "the console's entry is in it");
    munmap(table, (size_t)entries * sizeof(*table));
}

void test_sharing(xc_interface *xch)
{
    uint32_t domid = new_domain(xch, 1);
    xen_pfn_t mfn[GUEST_PAGES];
    static char page[XC_PAGE_SIZE];

    if (domid == 0)
        return;
    test_ports(xch, domid);
    if (populate(xch, domid, GUEST_PAGES, mfn)) {
        strcpy(page, "console");
        xc_copy_to_domain_page(xch, domid, mfn[CONSOLE_PAGE], page);
        strcpy(page, "store");
        xc_copy_to_domain_page(xch, domid, mfn[STORE_PAGE], page);
        check_is(xc_dom_gnttab_seed(xch, domid, false, mfn[CONSOLE_PAGE], mfn[STORE_PAGE], 0, 0), 0,
                 "the grant table is seeded");
        test_seeded(xch, domid);
        test_table(xch, domid, mfn);
        check(xc_dom_gnttab_seed(xch, NO_DOMAIN, false, 1, 2, 0, 0) != 0,
              "no domain's grant table is seeded");
    }
    check_is(xc_domain_destroy(xch, domid), 0, "a domain with grants is destroyed");
    check(wait_gone(xch, domid), "it is gone with its grants");
}
