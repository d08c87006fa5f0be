/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains are made, listed, paused and destroyed; their memory grows and shrinks.
 */
#include <sys/mman.h>

#include "four_ways.h"

#define PAGES(kib) ((kib) / 4)

/* ---- Making ------------------------------------------------------------------------------- */

static struct xen_domctl_createdomain sound_config(void)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 2,
        .max_evtchn_port = 1023,
        .max_grant_frames = 8,
        .max_maptrack_frames = 8,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };

    memcpy(config.handle, "four ways, once.", sizeof(config.handle));
    return config;
}

static void test_bad_configs(xc_interface *xch, uint32_t there)
{
    struct xen_domctl_createdomain config = sound_config();
    uint32_t domid = there;

    FAILS(xc_domain_create(xch, &domid, &config), EEXIST, "a number is not given twice");
    config.flags = 1u << 31;
    domid = 0;
    FAILS(xc_domain_create(xch, &domid, &config), EINVAL, "an unknown flag is refused");
    config = sound_config();
    config.max_vcpus = 0;
    FAILS(xc_domain_create(xch, &domid, &config), EINVAL, "a domain without vCPUs is refused");
    config = sound_config();
    config.max_vcpus = 100000;
    FAILS(xc_domain_create(xch, &domid, &config), EINVAL, "100000 vCPUs are refused");
    config = sound_config();
    config.grant_opts = XEN_DOMCTL_GRANT_version(5);
    FAILS(xc_domain_create(xch, &domid, &config), EINVAL, "version 5 of grant tables is refused");
    config = sound_config();
    config.cpupool_id = 77;
    FAILS(xc_domain_create(xch, &domid, &config), ESRCH, "pool 77 is not there for a domain");
}

static void test_list(xc_interface *xch, uint32_t domid)
{
    xc_domaininfo_t list[16];
    xc_dominfo_t info[16];

    check_is(xc_domain_getinfo(xch, 0, 16, info), 2, "two domains are told of");
    check(info[0].domid == 0 && !info[0].paused && info[0].nr_online_vcpus == 2,
          "the first is the control domain, with two vCPUs");
    check(info[1].domid == domid && info[1].paused && !info[1].shutdown && !info[1].crashed &&
              !info[1].dying && !info[1].running && !info[1].hvm,
          "the second is the new one, paused");
    check(memcmp(info[1].handle, "four ways, once.", 16) == 0, "it has its handle");
    check(info[1].nr_pages == 0 && info[1].max_vcpu_id == 1 && info[1].cpupool == 0,
          "it has no memory, its vCPUs, and its pool");
    check(xc_domain_getinfo(xch, 0, 1, info) == 1 && info[0].domid == 0, "one domain is told of");
    check_is(xc_domain_getinfo(xch, 0, 0, info), 0, "no domain is told of");
    check(xc_domain_getinfo(xch, 1, 1, info) == 1 && info[0].domid == domid,
          "the next one behind a number is told of");
    FAILS(xc_domain_getinfo(xch, domid + 1, 1, info), ESRCH, "there is none behind the last");
    check_is(xc_domain_getinfolist(xch, 0, 16, list), 2, "two domains are listed");
    check(list[0].domain == 0 && list[1].domain == domid &&
              (list[1].flags & XEN_DOMINF_paused) != 0,
          "they are the same");
    check(xc_domain_getinfolist(xch, domid, 1, list) == 1 && list[0].domain == domid,
          "the list begins where it shall");
    check_is(xc_domain_getinfolist(xch, domid + 1, 16, list), 0, "behind the last it is empty");
    check_is(xc_get_tot_pages(xch, domid), 0, "the new one has no pages");
    check_is(xc_get_tot_pages(xch, NO_DOMAIN), -1, "one that is not there has none to tell of");
}

static void test_pause(xc_interface *xch, uint32_t domid)
{
    xc_dominfo_t info;

    check_is(xc_domain_pause(xch, domid), 0, "it is paused once more");
    check_is(xc_domain_unpause(xch, domid), 0, "it is unpaused once");
    check(xc_domain_getinfo(xch, domid, 1, &info) == 1 && info.paused, "it is paused still");
    FAILS(xc_domain_pause(xch, 0), EINVAL, "the control domain does not pause itself");
    FAILS(xc_domain_pause(xch, NO_DOMAIN), ESRCH, "no domain is paused");
    FAILS(xc_domain_unpause(xch, NO_DOMAIN), ESRCH, "no domain is unpaused");
    FAILS(xc_domain_unpause(xch, 0), EINVAL, "what is not paused is not unpaused");
}

static void test_properties(xc_interface *xch, uint32_t domid)
{
    xen_domain_handle_t handle = "another handle.";
    unsigned width = 0;
    xc_nodemap_t nodes = xc_nodemap_alloc(xch);
    xc_dominfo_t info;

    check_is(xc_domain_sethandle(xch, domid, handle), 0, "it gets another handle");
    check(xc_domain_getinfo(xch, domid, 1, &info) == 1 && memcmp(info.handle, handle, 16) == 0,
          "it has it");
    FAILS(xc_domain_sethandle(xch, NO_DOMAIN, handle), ESRCH, "no domain gets a handle");
    check(xc_domain_get_guest_width(xch, domid, &width) == 0 && width == 8, "it has 64 bits");
    check(strcmp(xc_domain_get_native_protocol(xch, domid), "x86_64-abi") == 0,
          "its rings have 64 bits");
    check(xc_domain_get_native_protocol(xch, NO_DOMAIN) == NULL, "no domain has no rings");
    check_is(xc_domain_set_time_offset(xch, domid, 3600), 0, "its clock is an hour ahead");
    FAILS(xc_domain_set_time_offset(xch, NO_DOMAIN, 1), ESRCH, "no domain has a clock");
    check(xc_domain_node_getaffinity(xch, domid, nodes) == 0 && nodes[0] == 1,
          "it is at home on node 0");
    check_is(xc_domain_node_setaffinity(xch, domid, nodes), 0, "it stays there");
    FAILS(xc_domain_node_getaffinity(xch, NO_DOMAIN, nodes), ESRCH, "no domain has a home");
    check_is(xc_domain_shutdown(xch, domid, SHUTDOWN_crash), 0, "it is declared crashed");
    check(xc_domain_getinfo(xch, domid, 1, &info) == 1 && info.crashed && !info.shutdown &&
              info.shutdown_reason == SHUTDOWN_crash,
          "it is told of as crashed");
    FAILS(xc_domain_shutdown(xch, NO_DOMAIN, SHUTDOWN_crash), ESRCH, "no domain crashes");
    free(nodes);
}

void test_life(xc_interface *xch)
{
    struct xen_domctl_createdomain config = sound_config();
    uint32_t domid = 0;

    if (!check_is(xc_domain_create(xch, &domid, &config), 0, "a domain is made"))
        return;
    check(domid > 0 && domid < DOMID_FIRST_RESERVED, "it has a number");
    check_is(xc_domain_max_vcpus(xch, domid, 2), 0, "it gets its vCPUs");
    FAILS(xc_domain_max_vcpus(xch, domid, 3), EINVAL, "it does not get more");
    FAILS(xc_domain_max_vcpus(xch, NO_DOMAIN, 1), ESRCH, "no domain gets vCPUs");
    test_bad_configs(xch, domid);
    test_list(xch, domid);
    test_pause(xch, domid);
    test_properties(xch, domid);
    FAILS(xc_domain_destroy(xch, 0), EINVAL, "the control domain does not destroy itself");
    FAILS(xc_domain_destroy(xch, NO_DOMAIN), ESRCH, "no domain is destroyed");
    check_is(xc_domain_destroy(xch, domid), 0, "it is destroyed");
    check(wait_gone(xch, domid), "it is gone");
    FAILS(xc_domain_pause(xch, domid), ESRCH, "it cannot be paused now");
}

/* ---- Memory ------------------------------------------------------------------------------- */

static void test_limits(xc_interface *xch, uint32_t domid)
{
    xen_pfn_t mfn[8] = {100, 101, 102, 103, 104, 105, 106, 107};
    xc_dominfo_t info;
    domid_t id = (domid_t)domid;

    check_is(xc_domain_setmaxmem(xch, domid, (GUEST_PAGES + 4) * 4), 0, "it may have four more");
    check(xc_domain_getinfo(xch, domid, 1, &info) == 1 && info.max_memkb == (GUEST_PAGES + 4) * 4,
          "its limit is told");
    check_is(xc_domain_populate_physmap(xch, domid, 8, 0, 0, mfn), 4, "of eight it gets four");
    for (unsigned i = 0; i < 4; i++)
        mfn[i] = 200 + i;
    FAILS(xc_domain_populate_physmap_exact(xch, domid, 4, 0, 0, mfn), EBUSY, "then none");
    check_is(xc_get_tot_pages(xch, domid), GUEST_PAGES + 4, "it has them");
    check_is(xc_memory_op(xch, XENMEM_current_reservation, &id, sizeof(id)), GUEST_PAGES + 4,
             "the hypervisor says so, too");
    check_is(xc_domain_setmaxmem(xch, domid, 1024), 0, "it may have 1 MiB again");
    FAILS(xc_domain_setmaxmem(xch, NO_DOMAIN, 1024), ESRCH, "no domain has a limit");
    FAILS(xc_domain_populate_physmap_exact(xch, NO_DOMAIN, 1, 0, 0, mfn), EBUSY,
          "no domain gets memory");
    id = NO_DOMAIN;
    FAILS(xc_memory_op(xch, XENMEM_current_reservation, &id, sizeof(id)), ESRCH,
          "no domain has memory");
}

static void test_more_and_less(xc_interface *xch, uint32_t domid)
{
    xen_pfn_t mfn[16] = {0};
    long before = xc_get_tot_pages(xch, domid);

    check_is(xc_domain_increase_reservation(xch, domid, 3, 0, 0, mfn), 3, "it gets three frames");
    check(mfn[0] != 0 && mfn[1] != 0 && mfn[0] != mfn[1], "which are told");
    check_is(xc_get_tot_pages(xch, domid), before + 3, "it has them");
    check_is(xc_domain_decrease_reservation_exact(xch, domid, 3, 0, mfn), 0, "it gives them back");
    check_is(xc_get_tot_pages(xch, domid), before, "it has what it had before");
    FAILS(xc_domain_decrease_reservation_exact(xch, domid, 1, 0, mfn), EINVAL,
          "what is not its own it does not give");
    check_is(xc_domain_increase_reservation_exact(xch, domid, 1, 3, 0, mfn), 0,
             "it gets eight frames in one piece");
    check_is(xc_get_tot_pages(xch, domid), before + 8, "it has eight more");
    check_is(mfn[0] & 7, 0, "they begin where such a piece may");
    check_is(xc_domain_decrease_reservation(xch, domid, 1, 3, mfn), 1, "it gives them back as one");
    FAILS(xc_domain_decrease_reservation(xch, domid, 1, 0, NULL), EINVAL,
          "which ones must be said");
    FAILS(xc_domain_increase_reservation_exact(xch, domid, 1000, 0, 0, NULL), ENOMEM,
          "a thousand frames are too many");
}

static void test_contents(xc_interface *xch, uint32_t domid, const xen_pfn_t *mfn)
{
    static char page[XC_PAGE_SIZE], back[3 * XC_PAGE_SIZE];
    xen_pfn_t bad[3] = {mfn[1], ~0ul >> 12, mfn[2]};
    int err[3] = {0};
    unsigned long highest = 0;
    char *at;

    at = xc_map_foreign_pages(xch, domid, PROT_READ, mfn, 3);
    if (check(at != NULL, "three frames are mapped")) {
        check(memcmp(at, back, sizeof(back)) == 0, "a new domain's memory is zeroes");
        munmap(at, 3 * XC_PAGE_SIZE);
    }
    memset(page, 0x5a, sizeof(page));
    check_is(xc_copy_to_domain_page(xch, domid, mfn[1], page), 0, "a page is written");
    at = xc_map_foreign_range(xch, domid, XC_PAGE_SIZE, PROT_READ | PROT_WRITE, mfn[1]);
    if (check(at != NULL, "its frame is mapped")) {
        check(memcmp(at, page, sizeof(page)) == 0, "what was written is there");
        check_is(xc_clear_domain_page(xch, domid, mfn[1]), 0, "it is cleared");
        check(memcmp(at, back, XC_PAGE_SIZE) == 0, "it is zeroes again");
        munmap(at, XC_PAGE_SIZE);
    }
    at = xc_map_foreign_bulk(xch, domid, PROT_READ, bad, err, 3);
    check(at != NULL && err[0] == 0 && err[1] == -EINVAL && err[2] == 0,
          "of three frames the one that it does not have is told");
    if (at != NULL)
        munmap(at, 3 * XC_PAGE_SIZE);
    errno = 0;
    check(xc_map_foreign_range(xch, domid, XC_PAGE_SIZE, PROT_READ, bad[1]) == NULL &&
              errno == EINVAL,
          "a frame that it does not have is not mapped");
    errno = 0;
    check(xc_map_foreign_range(xch, NO_DOMAIN, XC_PAGE_SIZE, PROT_READ, mfn[0]) == NULL &&
              errno == ESRCH,
          "no domain's frame is mapped");
    check_is(xc_domain_maximum_gpfn(xch, NO_DOMAIN, &highest), -1, "no domain has a highest frame");
}

void test_memory(xc_interface *xch)
{
    uint32_t domid = new_domain(xch, 1);
    xen_pfn_t mfn[GUEST_PAGES];

    if (domid == 0)
        return;
    if (populate(xch, domid, GUEST_PAGES, mfn)) {
        check_is(xc_get_tot_pages(xch, domid), GUEST_PAGES, "it has its pages");
        test_contents(xch, domid, mfn);
        test_limits(xch, domid);
        test_more_and_less(xch, domid);
    }
    check_is(xc_domain_destroy(xch, domid), 0, "a domain with memory is destroyed");
    check(wait_gone(xch, domid), "it is gone with its memory");
}
