/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests must not leave behind, in one line: free pages of the machine, domains (dying ones
 * too), event channels of the control domain, nodes in the store.
 *   counts                    prints it
 *   counts read PATH          a node of the store
 *   counts write PATH VALUE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xen/event_channel.h>

#define PORTS   4096u
#define DOMAINS 512

static unsigned open_ports(void)
{
    xencall_handle *calls = xencall_open(NULL, 0);
    struct evtchn_status *op = calls ? xencall_alloc_buffer(calls, sizeof(*op)) : NULL;
    unsigned n = 0;
    for (evtchn_port_t port = 1; op && port < PORTS; port++) {
        *op = (struct evtchn_status){.dom = DOMID_SELF, .port = port};
        if (xencall2(calls, __HYPERVISOR_event_channel_op, EVTCHNOP_status, (uintptr_t)op) == 0)
            n += op->status != EVTCHNSTAT_closed;
    }
    if (op)
        xencall_free_buffer(calls, op);
    xencall_close(calls);
    return n;
}

static unsigned long nodes(struct xs_handle *xs, const char *path)
{
    unsigned number = 0;
    unsigned long all = 1;
    char child[XENSTORE_ABS_PATH_MAX + 1], **names = xs_directory(xs, XBT_NULL, path, &number);
    for (unsigned i = 0; names && i < number; i++) {
        snprintf(child, sizeof(child), "%s/%s", path[1] ? path : "", names[i]);
        all += nodes(xs, child);
    }
    free(names);
    return all;
}

static int print(struct xs_handle *xs)
{
    static xc_domaininfo_t domains[DOMAINS];
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    xc_physinfo_t info = {.nr_cpus = 0};
    if (!xch || xc_physinfo(xch, &info))
        return 1;
    printf("pages=%llu domains=%d ports=%u nodes=%lu\n", (unsigned long long)info.free_pages,
           xc_domain_getinfolist(xch, 0, DOMAINS, domains), open_ports(), nodes(xs, "/"));
    xc_interface_close(xch);
    return 0;
}

int main(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    if (!xs)
        return 1;
    if (argc == 1)
        return print(xs);
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        return !xs_write(xs, XBT_NULL, argv[2], argv[3], (unsigned)strlen(argv[3]));
    char *value = argc == 3 ? xs_read(xs, XBT_NULL, argv[2], NULL) : NULL;
    if (!value)
        return 1;
    puts(value);
    free(value);
    return 0;
}
