/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's nodes. They are written in one transaction: nobody sees a guest that is half there.
 * The guest may read all below its directory; what it may write belongs to it (docs of the store:
 * the first entry of a node's permissions is its owner).
 */
#include "guest/nodes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <xenstore.h>

#include "guest/age.h"

#define TRANSACTION_TRIES 16

/* What the console daemon keeps for a guest at most, as xl says it to it. */
#define CONSOLE_LIMIT "1048576"

struct writer {
    struct xs_handle *xs;
    xs_transaction_t t;
    uint32_t domid;
    char base[64]; /* the guest's directory, or that of its machine */
    int error;     /* of the first failure; nothing is written after it */
};

enum access { READS, OWNS, INHERITS };

static void permit(struct writer *w, const char *path, enum access access)
{
    struct xs_permissions reads[2] = {{.id = 0, .perms = XS_PERM_NONE},
                                      {.id = w->domid, .perms = XS_PERM_READ}};
    struct xs_permissions owns[1] = {{.id = w->domid, .perms = XS_PERM_NONE}};
    bool good = access == OWNS ? xs_set_permissions(w->xs, w->t, path, owns, 1)
                               : xs_set_permissions(w->xs, w->t, path, reads, 2);

    if (!good)
        w->error = -errno;
}

static void put(struct writer *w, enum access access, const char *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void put(struct writer *w, enum access access, const char *node, const char *format, ...)
{
    char path[192], value[1024];
    va_list args;

    if (w->error)
        return;
    va_start(args, format);
    int n = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    if ((size_t)n >= sizeof(value))
        n = sizeof(value) - 1;
    snprintf(path, sizeof(path), "%s%s%s", w->base, *node ? "/" : "", node);
    if (!xs_write(w->xs, w->t, path, value, (unsigned)n))
        w->error = -errno;
    else if (access != INHERITS)
        permit(w, path, access);
}

static void put_control(struct writer *w)
{
    static const char *const owned[] = {"control/shutdown",
                                        "control/feature-poweroff",
                                        "control/feature-reboot",
                                        "control/feature-suspend",
                                        "control/sysrq",
                                        "data",
                                        "drivers",
                                        "feature",
                                        "attr",
                                        "error",
                                        "device/suspend/event-channel"};

    put(w, INHERITS, "control", "%s", "");
    put(w, INHERITS, "device", "%s", "");
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        put(w, OWNS, owned[i], "%s", "");
    put(w, INHERITS, "control/platform-feature-multiprocessor-suspend", "1");
    put(w, INHERITS, "control/platform-feature-xs_reset_watches", "1");
}

static void put_guest(struct writer *w, const struct guest_config *c, const char *uuid,
                      const struct guest_rings *rings)
{
    char node[48];

    snprintf(w->base, sizeof(w->base), "/local/domain/%u", w->domid);
    put(w, READS, "", "%s", "");
    put(w, INHERITS, "vm", "/vm/%s", uuid);
    put(w, INHERITS, "name", "%s", c->name);
    put(w, INHERITS, "domid", "%u", w->domid);
    put(w, INHERITS, "memory/static-max", "%llu", (unsigned long long)c->max_memory_kib);
    put(w, INHERITS, "memory/target", "%llu", (unsigned long long)c->memory_kib);
    for (unsigned i = 0; i < c->max_vcpus; i++) {
        snprintf(node, sizeof(node), "cpu/%u/availability", i);
        put(w, INHERITS, node, "%s", i < c->vcpus ? "online" : "offline");
    }
    put_control(w);
    put(w, INHERITS, "store/port", "%u", rings->store_port);
    put(w, INHERITS, "store/ring-ref", "%lu", rings->store_mfn);
    put(w, INHERITS, "console/type", "xenconsoled");
    put(w, INHERITS, "console/output", "pty");
    put(w, INHERITS, "console/tty", "%s", "");
    put(w, INHERITS, "console/limit", CONSOLE_LIMIT);
    if (c->console_log != NULL)
        put(w, INHERITS, "console/log", "%s", c->console_log);
    put(w, INHERITS, "console/port", "%u", rings->console_port);
    put(w, INHERITS, "console/ring-ref", "%lu", rings->console_mfn);
}

/* Nodes that a dead domain had written, or that were written for it, are not this one's. */
static void clear_guest(struct writer *w)
{
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u", w->domid);
    if (!xs_rm(w->xs, w->t, path) && errno != ENOENT)
        w->error = -errno;
}

static void put_machine(struct writer *w, const struct guest_config *c, const char *uuid)
{
    struct timeval now;
    struct timespec steady;

    gettimeofday(&now, NULL);
    clock_gettime(CLOCK_MONOTONIC, &steady);
    snprintf(w->base, sizeof(w->base), "/vm/%s", uuid);
    put(w, READS, "", "%s", "");
    put(w, INHERITS, "uuid", "%s", uuid);
    put(w, INHERITS, "name", "%s", c->name);
    put(w, INHERITS, "image/ostype", "linux");
    put(w, INHERITS, "image/kernel", "%s", c->kernel);
    if (c->ramdisk != NULL)
        put(w, INHERITS, "image/ramdisk", "%s", c->ramdisk);
    put(w, INHERITS, "image/cmdline", "%s", c->cmdline);
    put(w, INHERITS, "start_time", "%lld.%02ld", (long long)now.tv_sec, now.tv_usec / 10000);
    put(w, INHERITS, GUEST_STARTED_NODE, "%lld", (long long)steady.tv_sec);
}

int guest_nodes_make(struct guest_host *host, const struct guest_config *config, uint32_t domid,
                     const struct guest_rings *rings, struct message *why)
{
    char uuid[37];

    uuid_to_text(config->uuid, uuid);
    for (unsigned i = 0; i < TRANSACTION_TRIES; i++) {
        struct writer w = {.xs = host->xs, .domid = domid};

        w.t = xs_transaction_start(w.xs);
        if (w.t == XBT_NULL)
            return message_errno(why, -errno, "the store starts no transaction");
        clear_guest(&w);
        put_machine(&w, config, uuid);
        put_guest(&w, config, uuid, rings);
        if (w.error) {
            xs_transaction_end(w.xs, w.t, true);
            return message_errno(why, w.error, "%s: the store takes no node of the guest",
                                 config->name);
        }
        if (xs_transaction_end(w.xs, w.t, false))
            return 0;
        if (errno != EAGAIN)
            break;
    }
    return message_errno(why, -errno, "%s: the store does not take the guest's nodes",
                         config->name);
}

static int remove_tree(struct guest_host *host, const char *path)
{
    return xs_rm(host->xs, XBT_NULL, path) || errno == ENOENT ? 0 : -errno;
}

int guest_nodes_remove(struct guest_host *host, uint32_t domid, const uint8_t uuid[16])
{
    char home[64], machine[64], text[37];

    uuid_to_text(uuid, text);
    snprintf(home, sizeof(home), "/local/domain/%u", domid);
    snprintf(machine, sizeof(machine), "/vm/%s", text);
    int rc = remove_tree(host, home);
    return rc ? rc : remove_tree(host, machine);
}
