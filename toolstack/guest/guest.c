/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making and unmaking guests. Each step of making needs only those before it; whichever fails,
 * guest_destroy() takes back what there is, as it asks for nothing that must have been made.
 */
#include "guest/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <xenstore.h>

#include "builder/builder.h"
#include "common/cpus.h"
#include "common/domains.h"
#include "common/paths.h"
#include "devices/devices.h"
#include "guest/lock.h"
#include "guest/nodes.h"

#define EVENT_CHANNELS_DEFAULT  1023u
#define GRANT_FRAMES_DEFAULT    64u
#define MAPTRACK_FRAMES_DEFAULT 1024u

/* ---- Names and numbers -------------------------------------------------------------------- */

/* Those that are dying do not count: they only wait for others to let their memory go. */
static bool is_taken(int found, const xc_domaininfo_t *info)
{
    return found == 1 && !(info->flags & XEN_DOMINF_dying);
}

static int check_name(struct guest_host *host, const char *name, struct message *why)
{
    xc_domaininfo_t info;
    int rc = domains_by_name(host->xch, host->xs, name, &info);

    if (is_taken(rc, &info))
        return message_set(why, -EEXIST, "%s: domain %u has this name already", name, info.domain);
    return rc < 0 ? message_errno(why, rc, "%s: domains cannot be looked for", name) : 0;
}

static int check_uuid(struct guest_host *host, const uint8_t uuid[16], struct message *why)
{
    xc_domaininfo_t info;
    int rc = domains_by_uuid(host->xch, uuid, DOMID_INVALID, &info);

    if (is_taken(rc, &info))
        return message_set(why, -EEXIST, "uuid: domain %u has it already", info.domain);
    return rc < 0 ? message_errno(why, rc, "domains cannot be listed") : 0;
}

static int check_unique(struct guest_host *host, const struct guest_config *c, struct message *why)
{
    int rc = c->has_uuid ? check_uuid(host, c->uuid, why) : 0;

    return rc ? rc : check_name(host, c->name, why);
}

/* RFC 4122, version 4: random. */
static int make_uuid(struct guest_config *c, struct message *why)
{
    if (c->has_uuid)
        return 0;
    if (getrandom(c->uuid, sizeof(c->uuid), 0) != sizeof(c->uuid))
        return message_errno(why, -errno, "no random number for the UUID");
    c->uuid[6] = (uint8_t)((c->uuid[6] & 0x0f) | 0x40);
    c->uuid[8] = (uint8_t)((c->uuid[8] & 0x3f) | 0x80);
    c->has_uuid = true;
    return 0;
}

static int check_memory(struct guest_host *host, const struct guest_config *c, struct message *why)
{
    xc_physinfo_t info = {.nr_cpus = 0};

    if (xc_physinfo(host->xch, &info))
        return message_errno(why, -errno, "the hypervisor does not tell its free memory");
    uint64_t have = info.free_pages << (XC_PAGE_SHIFT - 10);
    if (have >= c->memory_kib + GUEST_MEMORY_SLACK)
        return 0;
    return message_set(why, -ENOMEM,
                       "%s needs %llu MiB and %llu MiB are free: give it less, shut a guest down, "
                       "or take memory from the control domain (mem-set 0)",
                       c->name, (unsigned long long)(c->memory_kib + GUEST_MEMORY_SLACK) >> 10,
                       (unsigned long long)have >> 10);
}

/* ---- The domain --------------------------------------------------------------------------- */

static int create_domain(struct guest_host *host, const struct guest_config *c, uint32_t *domid,
                         struct message *why)
{
    struct xen_domctl_createdomain d = {
        .max_vcpus = c->max_vcpus,
        .max_evtchn_port =
            (int)(c->max_event_channels ? c->max_event_channels : EVENT_CHANNELS_DEFAULT),
        .max_grant_frames = (int)(c->max_grant_frames ? c->max_grant_frames : GRANT_FRAMES_DEFAULT),
        .max_maptrack_frames =
            (int)(c->max_maptrack_frames ? c->max_maptrack_frames : MAPTRACK_FRAMES_DEFAULT),
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };

    memcpy(d.handle, c->uuid, sizeof(d.handle));
    *domid = 0;
    if (xc_domain_create(host->xch, domid, &d))
        return message_errno(why, -errno, "%s: the hypervisor does not make the domain", c->name);
    return 0;
}

static int pin_vcpu(struct guest_host *host, uint32_t domid, unsigned vcpu, const char *cpus,
                    struct message *why)
{
    xc_cpumap_t map = xc_cpumap_alloc(host->xch);
    int nr = xc_get_max_cpus(host->xch), rc = 0;

    if (map == NULL || nr <= 0)
        rc = message_set(why, -ENOMEM, "no memory for a set of CPUs");
    else
        rc = cpus_parse(cpus, map, (unsigned)nr, why);
    if (rc == 0 &&
        xc_vcpu_setaffinity(host->xch, domid, (int)vcpu, map, NULL, XEN_VCPUAFFINITY_HARD))
        rc = message_errno(why, -errno, "vCPU %u cannot be pinned to CPUs %s", vcpu, cpus);
    else if (rc)
        message_prefix(why, "cpus \"%s\"", cpus);
    free(map);
    return rc;
}

static int pin_all(struct guest_host *host, const struct guest_config *c, uint32_t domid,
                   struct message *why)
{
    char *copy = c->cpus != NULL ? strdup(c->cpus) : NULL, *rest = copy, *set;
    bool list = c->cpus != NULL && strchr(c->cpus, ';') != NULL;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && copy != NULL && i < c->max_vcpus; i++) {
        set = list ? strsep(&rest, ";") : copy;
        if (set == NULL)
            break;
        rc = pin_vcpu(host, domid, i, set, why);
    }
    free(copy);
    return rc;
}

static int set_share(struct guest_host *host, const struct guest_config *c, uint32_t domid,
                     struct message *why)
{
    struct xen_domctl_sched_credit2 share;

    if (c->weight == 0 && c->cap == 0)
        return 0;
    if (xc_sched_credit2_domain_get(host->xch, domid, &share))
        return message_errno(why, -errno, "%s: weight and cap cannot be read", c->name);
    if (c->weight)
        share.weight = (uint16_t)c->weight;
    share.cap = (uint16_t)c->cap;
    if (xc_sched_credit2_domain_set(host->xch, domid, &share))
        return message_errno(why, -errno, "%s: the scheduler refuses cpu_weight or cap", c->name);
    return 0;
}

static int set_limits(struct guest_host *host, const struct guest_config *c, uint32_t domid,
                      struct message *why)
{
    int rc;

    if (xc_domain_max_vcpus(host->xch, domid, c->max_vcpus))
        return message_errno(why, -errno, "%s: the domain gets no %u vCPUs", c->name, c->max_vcpus);
    if (xc_domain_setmaxmem(host->xch, domid, c->memory_kib + GUEST_MEMORY_SLACK))
        return message_errno(why, -errno, "%s: the domain's memory cannot be limited", c->name);
    if (c->rtc_timeoffset && xc_domain_set_time_offset(host->xch, domid, c->rtc_timeoffset))
        return message_errno(why, -errno, "%s: the clock cannot be set ahead", c->name);
    rc = pin_all(host, c, domid, why);
    return rc ? rc : set_share(host, c, domid, why);
}

static int build(struct guest_host *host, const struct guest_config *c, uint32_t domid,
                 struct guest_rings *rings, struct message *why)
{
    int store = xc_evtchn_alloc_unbound(host->xch, domid, 0);
    int console = store < 0 ? -1 : xc_evtchn_alloc_unbound(host->xch, domid, 0);

    if (console < 0)
        return message_errno(why, -errno, "%s: no event channels for store and console", c->name);
    struct builder_request request = {
        .xch = host->xch,
        .domid = domid,
        .kernel = c->kernel,
        .ramdisk = c->ramdisk,
        .cmdline = c->cmdline,
        .memory_kib = c->memory_kib,
        .max_memory_kib = c->max_memory_kib,
        .max_vcpus = c->max_vcpus,
        .store_port = (evtchn_port_t)store,
        .console_port = (evtchn_port_t)console,
        .progress = host->progress,
        .progress_data = host->progress_data,
    };
    struct builder_result result;
    int rc = builder_build(&request, &result, why);
    if (rc)
        return rc;
    *rings = (struct guest_rings){.store_mfn = result.store_mfn,
                                  .console_mfn = result.console_mfn,
                                  .store_port = request.store_port,
                                  .console_port = request.console_port};
    return 0;
}

/* Numbers begin anew some time, and a driver may hold a device longer than its guest lived. */
static int clear_number(struct guest_host *host, uint32_t domid, struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    int rc = devices_clear(&devices, domid, why);

    if (rc)
        message_prefix(why, "domain number %u: a device of the guest that had it before", domid);
    return rc;
}

static int attach_devices(struct guest_host *host, struct guest_config *c, uint32_t domid,
                          struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < c->nr_disks; i++)
        rc = disk_attach(&devices, domid, &c->disk[i], why);
    for (unsigned i = 0; rc == 0 && i < c->nr_nics; i++)
        rc = nic_attach(&devices, domid, &c->nic[i], why);
    return rc;
}

/* The domain with its memory and its nodes: what others look at before they make theirs. */
static int furnish(struct guest_host *host, struct guest_config *c, uint32_t domid,
                   struct message *why)
{
    struct guest_rings rings;
    int rc = clear_number(host, domid, why);

    if (rc == 0)
        rc = set_limits(host, c, domid, why);
    if (rc == 0)
        rc = build(host, c, domid, &rings, why);
    if (rc == 0)
        rc = guest_nodes_make(host, c, domid, &rings, why);
    if (rc == 0 && !xs_introduce_domain(host->xs, domid, rings.store_mfn, rings.store_port))
        rc = message_errno(why, -errno, "%s: the store does not take the guest", c->name);
    return rc;
}

/*
 * *made: there is a domain, whole or not. Between the look at names and free memory and the moment
 * when the new guest shows there, nobody else may make one.
 */
static int make_alone(struct guest_host *host, struct guest_config *c, uint32_t *domid, bool *made,
                      struct message *why)
{
    int lock = file_lock(PATH_LOCK, why);

    *made = false;
    if (lock < 0)
        return lock;
    int rc = check_unique(host, c, why);
    if (rc == 0)
        rc = make_uuid(c, why);
    if (rc == 0)
        rc = check_memory(host, c, why);
    if (rc == 0)
        rc = create_domain(host, c, domid, why);
    if (rc == 0) {
        *made = true;
        rc = furnish(host, c, *domid, why);
    }
    close(lock);
    return rc;
}

int guest_create(struct guest_host *host, struct guest_config *config, uint32_t *domid,
                 struct message *why)
{
    struct message undo = {.file = NULL};
    bool made;
    int rc = make_alone(host, config, domid, &made, why);

    if (rc == 0)
        rc = attach_devices(host, config, *domid, why);
    if (rc == 0)
        rc = guest_config_save(config, why);
    if (rc && made && guest_destroy(host, *domid, &undo))
        message_prefix(why, "domain %u is left half-made (%s)", *domid, undo.text);
    return rc;
}

/*
 * The domain goes last, and stays when its nodes do: as long as anything is left, `pvctl list`
 * shows it and this can be done again, whoever was killed half-way. Devices that do not go keep
 * nothing else from going.
 */
int guest_destroy(struct guest_host *host, uint32_t domid, struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    xc_domaininfo_t info;

    if (domid == 0)
        return message_set(why, -EINVAL, "domain 0 is the control domain: it stays");
    int rc = domains_look(host->xch, domid, &info);
    if (rc < 0)
        return message_errno(why, rc, "domain %u cannot be looked for", domid);
    if (rc == 0)
        return message_set(why, -ESRCH, "there is no domain %u", domid);
    guest_config_forget(info.handle);
    xc_domain_pause(host->xch, domid);
    rc = devices_destroy(&devices, domid, why);
    struct message *first = rc ? NULL : why;
    int left = guest_nodes_remove(host, domid, info.handle);
    if (left)
        message_errno(first, left, "domain %u: its nodes stay in the store", domid);
    else if (xc_domain_destroy(host->xch, domid))
        left = message_errno(first, -errno, "domain %u cannot be destroyed", domid);
    return rc ? rc : left;
}
