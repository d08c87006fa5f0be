/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: tsc DOMID
 * Lets a domain read the time stamp counter itself. On Xen 4.17 a domain whose creator does not say
 * so may have it emulated, and Linux reads it in each system call.
 */
#define __XEN_TOOLS__
#include <stdio.h>
#include <stdlib.h>
#include <xencall.h>
#include <xen/xen.h>
#include <xen/domctl.h>

#define TSC_MODE_NATIVE 2 /* the ABI's TSC_MODE_NEVER_EMULATE */

int main(int argc, char **argv)
{
    xencall_handle *calls = xencall_open(NULL, 0);
    struct xen_domctl *op = calls ? xencall_alloc_buffer(calls, sizeof(*op)) : NULL;

    if (argc != 2 || !op) {
        fprintf(stderr, "tsc: DOMID is missing, or the hypervisor\n");
        return 2;
    }
    *op = (struct xen_domctl){.cmd = XEN_DOMCTL_settscinfo,
                              .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                              .domain = (domid_t)atoi(argv[1]),
                              .u.tsc_info = {.tsc_mode = TSC_MODE_NATIVE}};
    if (xencall1(calls, __HYPERVISOR_domctl, (uintptr_t)op)) {
        perror("tsc");
        return 1;
    }
    return 0;
}
