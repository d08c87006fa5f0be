/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks carried out.
 */
#include "watch/act.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <xenctrl.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "common/daemon_log.h"
#include "devices/devices.h"
#include "guest/guest.h"
#include "guest/nodes.h"
#include "watch/dump.h"

#define QUICK_NODE      "paravane/quick-stops"
#define DOMAINS_AT_ONCE 64

/* ---- Nodes -------------------------------------------------------------------------------- */

static void vm_path(const uint8_t uuid[16], const char *node, char path[96])
{
    char text[37];

    uuid_to_text(uuid, text);
    snprintf(path, 96, "/vm/%s%s%s", text, *node ? "/" : "", node);
}

static bool put(struct xs_handle *xs, const char *path, const char *value)
{
    return xs_write(xs, XBT_NULL, path, value, (unsigned)strlen(value));
}

unsigned past_quick_stops(struct xs_handle *xs, const uint8_t uuid[16])
{
    char path[96];

    vm_path(uuid, QUICK_NODE, path);
    char *text = xs_read(xs, XBT_NULL, path, NULL);
    unsigned n = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
    free(text);
    return n;
}

uint64_t past_seconds(struct xs_handle *xs, const uint8_t uuid[16])
{
    char path[96];
    struct timeval now;

    vm_path(uuid, "start_time", path);
    char *text = xs_read(xs, XBT_NULL, path, NULL);
    uint64_t began = text != NULL ? strtoumax(text, NULL, 10) : 0;
    free(text);
    gettimeofday(&now, NULL);
    return began != 0 && (uint64_t)now.tv_sec >= began ? (uint64_t)now.tv_sec - began : 0;
}

/* ---- The one that stopped ----------------------------------------------------------------- */

/* Whether the task's domain is there as it was. */
static bool old_is_there(struct guest_host *host, const struct task *task)
{
    xc_domaininfo_t info;

    return xc_domain_getinfolist(host->xch, task->domid, 1, &info) == 1 &&
           info.domain == task->domid && !(info.flags & XEN_DOMINF_dying) &&
           memcmp(info.handle, task->config.uuid, sizeof(info.handle)) == 0;
}

/* The number of a domain of the guest's UUID that lives and is not the one that stopped; 0: there
 * is none. */
static uint32_t find_new(struct guest_host *host, const struct task *task, bool *paused)
{
    xc_domaininfo_t info[DOMAINS_AT_ONCE];
    int n;

    for (uint32_t next = 0; (n = xc_domain_getinfolist(host->xch, next, DOMAINS_AT_ONCE, info)) > 0;
         next = info[n - 1].domain + 1u)
        for (int i = 0; i < n; i++)
            if (info[i].domain != task->domid && !(info[i].flags & XEN_DOMINF_dying) &&
                memcmp(info[i].handle, task->config.uuid, sizeof(info[i].handle)) == 0) {
                *paused = info[i].flags & XEN_DOMINF_paused;
                return info[i].domain;
            }
    return 0;
}

/*
 * What the domain leaves when somebody destroyed it who knows nothing of its devices, too. An error
 * is worth another try; a domain that is gone but for a device does not keep its guest from
 * starting again.
 */
static int destroy_old(struct guest_host *host, const struct task *task, struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    xc_domaininfo_t info;
    bool paused;
    int rc;

    if (old_is_there(host, task)) {
        rc = guest_destroy(host, task->domid, why);
        if (rc && old_is_there(host, task))
            return rc;
    } else {
        /* Another guest has its number, or its UUID: then all this was done before. */
        bool taken = xc_domain_getinfolist(host->xch, task->domid, 1, &info) == 1 &&
                     info.domain == task->domid && !(info.flags & XEN_DOMINF_dying);
        if (taken || find_new(host, task, &paused) != 0)
            return 0;
        rc = devices_destroy(&devices, task->domid, why);
        guest_nodes_remove(host, task->domid, task->config.uuid);
        guest_config_forget(task->config.uuid);
    }
    if (rc)
        daemon_log(LOG_WARNING, "%s: domain %u: %s", task->config.name, task->domid, why->text);
    return 0;
}

static int random_uuid(uint8_t uuid[16])
{
    if (getrandom(uuid, 16, 0) != 16)
        return -errno;
    /* RFC 4122, version 4. */
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    return 0;
}

/* Its name and UUID are for the new one. Its devices too, so it keeps none; its memory stays. */
static int rename_old(struct guest_host *host, const struct task *task, struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    char name[256], stamp[32], path[96], text[37], number[64];
    uint8_t uuid[16];
    time_t now = time(NULL);
    struct tm tm;

    if (!old_is_there(host, task))
        return 0;
    int rc = random_uuid(uuid);
    if (rc == 0)
        rc = devices_destroy(&devices, task->domid, why);
    if (rc)
        return rc;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(name, sizeof(name), "%s-%s", task->config.name, stamp);
    uuid_to_text(uuid, text);
    vm_path(uuid, "uuid", path);
    bool good = put(host->xs, path, text);
    vm_path(uuid, "name", path);
    good = good && put(host->xs, path, name);
    snprintf(number, sizeof(number), "/local/domain/%u/vm", task->domid);
    vm_path(uuid, "", path);
    good = good && put(host->xs, number, path);
    snprintf(number, sizeof(number), "/local/domain/%u/name", task->domid);
    good = good && put(host->xs, number, name);
    if (!good || xc_domain_sethandle(host->xch, task->domid, uuid))
        return message_errno(why, -errno, "domain %u cannot be renamed to %s", task->domid, name);
    guest_config_forget(task->config.uuid);
    daemon_log(LOG_NOTICE, "%s: what stopped is kept as %s, domain %u", task->config.name, name,
               task->domid);
    return 0;
}

/* ---- The new one -------------------------------------------------------------------------- */

/* guest_create() keeps the configuration as its last step. */
static bool is_whole(const struct task *task)
{
    struct guest_config config;
    int rc = guest_config_load(task->config.uuid, &config, NULL);

    if (rc == 0)
        guest_config_free(&config);
    return rc == 0;
}

static int make_new(struct guest_host *host, const struct task *task, uint32_t *domid,
                    struct message *why)
{
    char *text = guest_config_to_json(&task->config); /* guest_create() changes what it is given */
    struct guest_config config;
    int rc = text == NULL ? -ENOMEM : guest_config_from_json(text, &config, why);

    free(text);
    if (rc)
        return rc == -ENOMEM ? message_set(why, rc, "no memory for the configuration") : rc;
    rc = guest_create(host, &config, domid, why);
    guest_config_free(&config);
    return rc;
}

static int start_new(struct guest_host *host, const struct task *task, struct message *why)
{
    char path[96], text[16];
    bool paused = true;
    uint32_t domid = find_new(host, task, &paused);

    if (domid != 0 && !is_whole(task)) {
        guest_destroy(host, domid, NULL);
        domid = 0;
    }
    if (domid == 0) {
        paused = true;
        int rc = make_new(host, task, &domid, why);
        if (rc)
            return rc;
    }
    vm_path(task->config.uuid, QUICK_NODE, path);
    snprintf(text, sizeof(text), "%u", task->quick);
    put(host->xs, path, text);
    if (paused && xc_domain_unpause(host->xch, domid))
        return message_errno(why, -errno, "%s: domain %u cannot be started", task->config.name,
                             domid);
    daemon_log(LOG_NOTICE, "%s is domain %u now", task->config.name, domid);
    return 0;
}

/* ---- All of it ---------------------------------------------------------------------------- */

static int carry_out(struct guest_host *host, const struct task *task, struct message *why)
{
    bool dumps = task->action == ACTION_COREDUMP_DESTROY || task->action == ACTION_COREDUMP_RESTART;
    int rc = 0;

    if (dumps && old_is_there(host, task)) {
        struct message what = {.file = NULL};
        /* Without a dump as with one: the guest is wanted back. */
        if (dump_guest(host->xch, task->domid, task->config.name, &what))
            daemon_log(LOG_ERR, "%s: there is no dump: %s", task->config.name, what.text);
        else
            daemon_log(LOG_NOTICE, "%s: dumped to %s", task->config.name, what.text);
    }
    if (task->action == ACTION_RENAME_RESTART)
        rc = rename_old(host, task, why);
    else
        rc = destroy_old(host, task, why);
    switch (task->action) {
    case ACTION_RESTART:
    case ACTION_RENAME_RESTART:
    case ACTION_COREDUMP_RESTART:
        return rc ? rc : start_new(host, task, why);
    default:
        return rc;
    }
}

int act(const struct task *task, struct message *why)
{
    xentoollog_logger *quiet =
        (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    struct guest_host host = {.xch = xc_interface_open(quiet, quiet, 0),
                              .xs = xs_open(XS_OPEN_SOCKETONLY)};
    int rc;

    if (host.xch == NULL || host.xs == NULL)
        rc = message_errno(why, errno ? -errno : -EIO, "%s cannot be reached",
                           host.xch == NULL ? "the hypervisor" : "the store");
    else
        rc = carry_out(&host, task, why);
    if (host.xs != NULL)
        xs_close(host.xs);
    if (host.xch != NULL)
        xc_interface_close(host.xch);
    if (quiet != NULL)
        xtl_logger_destroy(quiet);
    return rc;
}
