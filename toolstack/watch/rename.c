/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Renaming what stopped. The domain's handle comes last: as long as it is the guest's UUID, all of
 * this is to be done still, by whoever goes on with the task. The new UUID and name appear in the
 * store at once, and are found there again, so there is never a second record of one domain.
 */
#include "watch/rename.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <xenstore.h>

#include "common/daemon_log.h"
#include "common/domains.h"
#include "devices/devices.h"
#include "devices/nodes.h"
#include "guest/age.h"

#define VM "/vm/"

struct kept {
    uint8_t uuid[16];
    char name[256], home[64];
};

int task_domain(xc_interface *xch, const struct task *task)
{
    xc_domaininfo_t info;
    int rc = domains_look(xch, task->domid, &info);

    if (rc <= 0)
        return rc;
    return !(info.flags & XEN_DOMINF_dying) &&
           memcmp(info.handle, task->config.uuid, sizeof(info.handle)) == 0;
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

static void stamped_name(const struct task *task, char *name, size_t size)
{
    time_t now = time(NULL);
    char stamp[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(name, size, "%s-%s", task->config.name, stamp);
}

/* What an earlier attempt has called it. 1, 0 or -errno. */
static int read_names(struct guest_host *host, const struct task *task, struct kept *kept)
{
    struct devices devices = {.xs = host->xs};

    errno = 0;
    char *vm = node_read(&devices, kept->home, "vm");
    char *name = vm != NULL ? node_read(&devices, kept->home, "name") : NULL;
    int rc = name == NULL && errno != ENOENT ? -(errno ? errno : EIO) : 0;
    if (name != NULL && strncmp(vm, VM, strlen(VM)) == 0 &&
        uuid_from_text(vm + strlen(VM), kept->uuid) &&
        memcmp(kept->uuid, task->config.uuid, sizeof(kept->uuid)) != 0) {
        snprintf(kept->name, sizeof(kept->name), "%s", name);
        rc = 1;
    }
    free(name);
    free(vm);
    return rc;
}

/* When it began: what is kept has run as long as the guest has. */
static const char *const times[] = {"start_time", GUEST_STARTED_NODE};

static int read_times(struct guest_host *host, const struct task *task, char *values[2])
{
    struct devices devices = {.xs = host->xs};
    char vm[64], text[37];

    uuid_to_text(task->config.uuid, text);
    snprintf(vm, sizeof(vm), VM "%s", text);
    for (unsigned i = 0; i < 2; i++) {
        errno = 0;
        values[i] = node_read(&devices, vm, times[i]);
        if (values[i] == NULL && errno != ENOENT)
            return -(errno ? errno : EIO);
    }
    return 0;
}

static int write_names(struct guest_host *host, const struct kept *kept, char *const values[2],
                       struct message *why)
{
    char vm[64], text[37];
    struct batch batch = {.tries = 0};

    uuid_to_text(kept->uuid, text);
    snprintf(vm, sizeof(vm), VM "%s", text);
    do {
        batch_begin(&batch, host->xs);
        batch_write(&batch, vm, "uuid", "%s", text);
        batch_write(&batch, vm, "name", "%s", kept->name);
        for (unsigned i = 0; i < 2; i++)
            if (values[i] != NULL)
                batch_write(&batch, vm, times[i], "%s", values[i]);
        batch_write(&batch, kept->home, "vm", "%s", vm);
        batch_write(&batch, kept->home, "name", "%s", kept->name);
    } while (batch_again(&batch));
    return batch_result(&batch, why);
}

static int find_names(struct guest_host *host, const struct task *task, struct kept *kept,
                      struct message *why)
{
    char *values[2] = {NULL, NULL};
    int rc = read_names(host, task, kept);

    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = random_uuid(kept->uuid);
    if (rc == 0)
        rc = read_times(host, task, values);
    if (rc < 0) {
        rc = message_errno(why, rc, "domain %u gets no other name", task->domid);
    } else {
        stamped_name(task, kept->name, sizeof(kept->name));
        rc = write_names(host, kept, values, why);
    }
    free(values[0]);
    free(values[1]);
    return rc;
}

int rename_stopped(struct guest_host *host, const struct task *task, struct message *why)
{
    struct devices devices = {.xch = host->xch, .xs = host->xs};
    struct kept kept;
    int rc = task_domain(host->xch, task);

    if (rc < 0)
        return message_errno(why, rc, "domain %u cannot be looked for", task->domid);
    if (rc == 0)
        return 0;
    snprintf(kept.home, sizeof(kept.home), "/local/domain/%u", task->domid);
    rc = devices_destroy(&devices, task->domid, why);
    if (rc == 0)
        rc = find_names(host, task, &kept, why);
    if (rc)
        return rc;
    /* Before the new one is made: its presence says that the guest of this UUID is whole. */
    guest_config_forget(task->config.uuid);
    if (xc_domain_sethandle(host->xch, task->domid, kept.uuid))
        return message_errno(why, -errno, "domain %u cannot be renamed to %s", task->domid,
                             kept.name);
    daemon_log(LOG_NOTICE, "%s: what stopped is kept as %s, domain %u", task->config.name,
               kept.name, task->domid);
    return 0;
}
