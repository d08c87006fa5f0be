/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests must not leave behind, in one line: free pages of the machine, domains (dying ones
 * too), event channels of the control domain, nodes in the store.
 *   counts                              prints it
 *   counts cpu                          prints milliseconds of CPU time of all guests
 *   counts read NAME NODE               prints data/NODE of the guest of that name
 *   counts write NODE VALUE             writes data/NODE of every guest
 *   counts await NAME NODE VALUE        waits until that is the value
 *   counts await-all NODE VALUE NUMBER  waits until that many guests have the value
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xen/event_channel.h>

#define PORTS   4096u
#define DOMAINS 512

#define PATIENCE 300 /* seconds, on the slowest machine */

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

/* The nodes of every guest, or of those called so: calls `each` with the path of its data/NODE.
 * Returns how many of the calls were true. */
static unsigned each_guest(struct xs_handle *xs, const char *called, const char *node,
                           bool (*each)(struct xs_handle *xs, const char *path, const char *value),
                           const char *value)
{
    unsigned number = 0, count = 0;
    char path[XENSTORE_ABS_PATH_MAX + 1],
        **ids = xs_directory(xs, XBT_NULL, "/local/domain", &number);
    for (unsigned i = 0; ids && i < number; i++) {
        snprintf(path, sizeof(path), "/local/domain/%s/name", ids[i]);
        char *name = xs_read(xs, XBT_NULL, path, NULL);
        snprintf(path, sizeof(path), "/local/domain/%s/data/%s", ids[i], node);
        if (strcmp(ids[i], "0") != 0 && name && (!called || strcmp(name, called) == 0))
            count += each(xs, path, value);
        free(name);
    }
    free(ids);
    return count;
}

static bool is(struct xs_handle *xs, const char *path, const char *value)
{
    char *found = xs_read(xs, XBT_NULL, path, NULL);
    bool same = found && strcmp(found, value) == 0;
    free(found);
    return same;
}

static bool show(struct xs_handle *xs, const char *path, const char *value)
{
    char *found = xs_read(xs, XBT_NULL, path, NULL);
    (void)value;
    if (found)
        puts(found);
    free(found);
    return found != NULL;
}

static bool set(struct xs_handle *xs, const char *path, const char *value)
{
    return xs_write(xs, XBT_NULL, path, value, (unsigned)strlen(value));
}

/* Looks every 50 ms: a program that is started for each look takes the guests' time. */
static bool await(struct xs_handle *xs, const char *called, const char *node, const char *value,
                  unsigned wanted)
{
    time_t end = time(NULL) + PATIENCE;
    while (each_guest(xs, called, node, is, value) < wanted) {
        if (time(NULL) > end)
            return false;
        usleep(50000);
    }
    return true;
}

/* Milliseconds of CPU time that the guests that are there have used, together. */
static int print_cpu(void)
{
    static xc_domaininfo_t info[DOMAINS];
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    int count = xch ? xc_domain_getinfolist(xch, 1, DOMAINS, info) : -1;
    uint64_t ns = 0;
    for (int i = 0; i < count; i++)
        ns += info[i].cpu_time;
    printf("%llu\n", (unsigned long long)(ns / 1000000));
    xc_interface_close(xch);
    return count < 0;
}

int main(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    if (!xs)
        return 1;
    if (argc == 1)
        return print(xs);
    if (argc == 2 && strcmp(argv[1], "cpu") == 0)
        return print_cpu();
    if (argc == 4 && strcmp(argv[1], "read") == 0)
        return !each_guest(xs, argv[2], argv[3], show, NULL);
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        return !each_guest(xs, NULL, argv[2], set, argv[3]);
    if (argc == 5 && strcmp(argv[1], "await") == 0)
        return !await(xs, argv[2], argv[3], argv[4], 1);
    if (argc == 5 && strcmp(argv[1], "await-all") == 0)
        return !await(xs, NULL, argv[2], argv[3], (unsigned)atoi(argv[4]));
    return 2;
}
