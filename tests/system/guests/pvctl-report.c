/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that writes below its node `data` what it was given, and then stops as it is asked to by
 * control/shutdown.
 */
/* First: it chooses the version of the ABI's headers. */
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/start.h>
#include <pv/xenstore.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xen/grant_table.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

static unsigned count_vcpus(void)
{
    unsigned n = 0;

    while (HYPERCALL3(vcpu_op, VCPUOP_is_up, n, NULL) >= 0)
        n++;
    return n;
}

/* Event channels that can be had, those in use among them. */
static unsigned count_ports(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 0};
    unsigned last = 0;

    while (HYPERCALL2(event_channel_op, EVTCHNOP_alloc_unbound, &alloc) == 0)
        last = alloc.port;
    return last;
}

static void report(void)
{
    struct gnttab_query_size grants = {.dom = DOMID_SELF};
    const char *ramdisk = (const char *)start_info->mod_start;

    HYPERCALL3(grant_table_op, GNTTABOP_query_size, &grants, 1);
    xenstore_printf(0, "data/cmdline", "<%s>", (const char *)start_info->cmd_line);
    xenstore_printf(0, "data/pages", "%lu", start_info->nr_pages);
    xenstore_printf(0, "data/vcpus", "%u", count_vcpus());
    xenstore_printf(0, "data/grant-frames", "%u", grants.max_nr_frames);
    xenstore_printf(0, "data/time", "%" PRId64, (int64_t)time(NULL));
    xenstore_printf(0, "data/ramdisk", "%lu %.16s", start_info->mod_len,
                    start_info->mod_len >= 16 ? ramdisk : "");
    xenstore_printf(0, "data/ports", "%u", count_ports());
    xenstore_write(0, "data/done", "1");
}

static unsigned reason_of(const char *wish)
{
    return strcmp(wish, "reboot") == 0  ? SHUTDOWN_reboot
           : strcmp(wish, "crash") == 0 ? SHUTDOWN_crash
                                        : SHUTDOWN_poweroff;
}

int main(void)
{
    char *path, *wish, token[64];

    report();
    xenstore_watch("control/shutdown", "wish");
    for (;;) {
        if (xenstore_wait(&path, token, 0))
            continue;
        free(path);
        if (xenstore_read(0, "control/shutdown", &wish, NULL))
            continue;
        if (wish[0] != '\0') {
            xenstore_write(0, "control/shutdown", "");
            shutdown(reason_of(wish));
        }
        free(wish);
    }
}
