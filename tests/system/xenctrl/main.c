/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks, the domains of the tests, and the order of the parts.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "four_ways.h"

static int checks, failures;

bool check(bool good, const char *title)
{
    printf("%s %d - %s\n", good ? "ok" : "not ok", ++checks, title);
    failures += !good;
    return good;
}

bool check_is(long long found, long long wanted, const char *title)
{
    if (!check(found == wanted, title))
        printf("# found %lld (%#llx), wanted %lld; errno %d\n", found, found, wanted, errno);
    return found == wanted;
}

bool check_fails(long long rc, int error, const char *title)
{
    int found = errno;

    if (!check(rc == -1 && found == error, title))
        printf("# returned %lld with errno %d (%s), wanted -1 with %d (%s)\n", rc, found,
               strerror(found), error, strerror(error));
    return rc == -1 && found == error;
}

uint32_t new_domain(xc_interface *xch, unsigned vcpus)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = vcpus,
        .max_evtchn_port = 1023,
        .max_grant_frames = 8,
        .max_maptrack_frames = 8,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    uint32_t domid = 0;

    if (xc_domain_create(xch, &domid, &config) == 0 &&
        xc_domain_max_vcpus(xch, domid, vcpus) == 0 && xc_domain_setmaxmem(xch, domid, 1024) == 0)
        return domid;
    check(false, "a domain for the test is made");
    printf("# errno %d\n", errno);
    return 0;
}

bool populate(xc_interface *xch, uint32_t domid, unsigned pages, xen_pfn_t *mfn)
{
    for (unsigned i = 0; i < pages; i++)
        mfn[i] = i;
    return check_is(xc_domain_populate_physmap_exact(xch, domid, pages, 0, 0, mfn), 0,
                    "memory is populated");
}

bool wait_gone(xc_interface *xch, uint32_t domid)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    xc_domaininfo_t info;

    for (int i = 0; i < 3000; i++) {
        if (xc_domain_getinfolist(xch, domid, 1, &info) == 0 || info.domain != domid)
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

int main(void)
{
    xc_interface *xch;

    setvbuf(stdout, NULL, _IOLBF, 0);
    test_handles();
    xch = xc_interface_open(NULL, NULL, 0);
    if (check(xch != NULL, "a handle is opened")) {
        test_machine(xch);
        test_refusals(xch);
        test_life(xch);
        test_memory(xch);
        test_sharing(xch);
        test_vcpus(xch);
        test_running(xch);
        check_is(xc_interface_close(xch), 0, "the handle is closed");
    }
    printf("1..%d\n", checks);
    return failures != 0;
}
