/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks carried out.
 */
#include "watch/act.h"

#include <errno.h>
#include <stdlib.h>
#include <xenctrl.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "common/daemon_log.h"
#include "common/domains.h"
#include "devices/devices.h"
#include "guest/guest.h"
#include "guest/nodes.h"
#include "watch/dump.h"
#include "watch/past.h"
#include "watch/rename.h"

/* ---- The one that stopped ----------------------------------------------------------------- */

/* The number of a domain of the guest's UUID that lives and is not the one that stopped; 0: there
 * is none; a negative errno. */
static int find_new(struct guest_host *host, const struct task *task, bool *paused)
{
    xc_domaininfo_t info;
    int rc = domains_by_uuid(host->xch, task->config.uuid, task->domid, &info);

    if (rc <= 0 || (info.flags & XEN_DOMINF_dying))
        return rc < 0 ? rc : 0;
    *paused = info.flags & XEN_DOMINF_paused;
    return info.domain;
}

/* What is left of a domain that somebody destroyed who knows nothing of its devices. */
static int clear_away(struct guest_host *host, const struct task *task, struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    int rc = devices_destroy(&devices, task->domid, why);

    guest_nodes_remove(host, task->domid, task->config.uuid);
    guest_config_forget(task->config.uuid);
    return rc;
}

/* 1: another guest has its number, or its UUID: then all of it was done before. 0, or -errno. */
static int was_done(struct guest_host *host, const struct task *task)
{
    xc_domaininfo_t info;
    bool paused;
    int rc = domains_look(host->xch, task->domid, &info);

    if (rc < 0 || (rc == 1 && !(info.flags & XEN_DOMINF_dying)))
        return rc;
    rc = find_new(host, task, &paused);
    return rc > 0 ? 1 : rc;
}

/*
 * An error is worth another try; a domain that is gone but for a device does not keep its guest
 * from starting again.
 */
static int destroy_old(struct guest_host *host, const struct task *task, struct message *why)
{
    int there = task_domain(host->xch, task), rc = 0;

    if (there > 0) {
        rc = guest_destroy(host, task->domid, why);
        if (rc && task_domain(host->xch, task) != 0)
            return rc;
    } else if (there == 0) {
        there = was_done(host, task);
        if (there == 0)
            rc = clear_away(host, task, why);
    }
    if (there < 0)
        return message_errno(why, there, "domain %u cannot be looked for", task->domid);
    if (rc)
        daemon_log(LOG_WARNING, "%s: domain %u: %s", task->config.name, task->domid, why->text);
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
    bool paused = true;
    int found = find_new(host, task, &paused);
    uint32_t domid = found > 0 ? (uint32_t)found : 0;

    if (found < 0)
        return message_errno(why, found, "domains cannot be looked for");
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
    past_keep_quick_stops(host->xs, task->config.uuid, task->quick);
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

    if (dumps && task_domain(host->xch, task) > 0) {
        struct message what = {.file = NULL};
        /* Without a dump as with one: the guest is wanted back. */
        if (dump_guest(host->xch, task->domid, task->config.name, &what))
            daemon_log(LOG_ERR, "%s: there is no dump: %s", task->config.name, what.text);
        else
            daemon_log(LOG_NOTICE, "%s: dumped to %s", task->config.name, what.text);
    }
    if (task->action == ACTION_RENAME_RESTART)
        rc = rename_stopped(host, task, why);
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
