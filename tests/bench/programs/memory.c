/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: memory                    prints how many pages are free
 *        memory NAME DOMID FREE    FREE pages having been free before the domain was made: prints
 * the bytes that the hypervisor has taken for it beside the domain's own
 */
#define __XEN_TOOLS__
#include <stdio.h>
#include <stdlib.h>
#include <xencall.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define PAGE 4096l

static xencall_handle *calls;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: memory: %s\n", what);
        exit(1);
    }
}

static void *buffer(size_t size)
{
    void *p = xencall_alloc_buffer(calls, size);

    check(p != NULL, "memory");
    return p;
}

static long free_pages(void)
{
    struct xen_sysctl *op = buffer(sizeof(*op));

    *op = (struct xen_sysctl){.cmd = XEN_SYSCTL_physinfo,
                              .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    check(xencall1(calls, __HYPERVISOR_sysctl, (uintptr_t)op) == 0, "physinfo");
    return (long)op->u.physinfo.free_pages;
}

static long pages_of(unsigned domid)
{
    struct xen_domctl *op = buffer(sizeof(*op));

    *op = (struct xen_domctl){.cmd = XEN_DOMCTL_getdomaininfo,
                              .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                              .domain = (domid_t)domid};
    check(xencall1(calls, __HYPERVISOR_domctl, (uintptr_t)op) == 0, "getdomaininfo");
    return (long)op->u.getdomaininfo.tot_pages;
}

int main(int argc, char **argv)
{
    calls = xencall_open(NULL, 0);
    check((argc == 1 || argc == 4) && calls, "NAME, DOMID and FREE, or the hypervisor");
    long now = free_pages();
    if (argc == 1)
        printf("%ld\n", now);
    else
        printf("figure %s %ld\n", argv[1],
               (atol(argv[3]) - now - pages_of((unsigned)atoi(argv[2]))) * PAGE);
    return 0;
}
