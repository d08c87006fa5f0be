/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs that stop guests and let them run: destroy, shutdown, reboot, pause, unpause, rename.
 *
 * shutdown and reboot ask the guest's kernel by its node control/shutdown; what follows when it has
 * stopped, the watch daemon does. A guest that does not answer costs the given time, no more.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/domains.h"
#include "common/paths.h"
#include "guest/lock.h"

#define TIMEOUT_DEFAULT 300u
#define POLL_MS         100

/* ---- One domain --------------------------------------------------------------------------- */

/* Options that change nothing, and one domain; false: *status is to be returned. */
static bool one_domain(struct pvctl *p, int argc, char **argv, const char *shorts,
                       const struct option *longs, uint32_t *domid, int *status)
{
    while (next_option(p, argc, argv, shorts, longs) != -1)
        ;
    *status = STATUS_USAGE;
    if (!arguments_good(p, argc, 1, 1))
        return false;
    *status = STATUS_FAILED;
    return find_domain(p, argv[optind], domid);
}

static int destroy_domain(struct pvctl *p, uint32_t domid)
{
    struct message why = {.file = NULL};

    if (!need_store(p))
        return STATUS_FAILED;
    struct guest_host host = guest_host(p);
    return guest_destroy(&host, domid, &why) ? failed_with(p, &why) : 0;
}

int verb_destroy(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"force", no_argument, NULL, 'f'}, COMMON_OPTIONS};
    uint32_t domid;
    int status;

    return one_domain(p, argc, argv, "f", longs, &domid, &status) ? destroy_domain(p, domid)
                                                                  : status;
}

int verb_pause(struct pvctl *p, int argc, char **argv)
{
    uint32_t domid;
    int status;

    if (!one_domain(p, argc, argv, "", common_options, &domid, &status))
        return status;
    if (domid == 0)
        return failed(p, "the control domain, which would wake it again, cannot be paused");
    if (xc_domain_pause(p->xch, domid))
        return failed(p, "domain %u cannot be paused: %s", domid, strerror(errno));
    return 0;
}

int verb_unpause(struct pvctl *p, int argc, char **argv)
{
    uint32_t domid;
    int status;

    if (!one_domain(p, argc, argv, "", common_options, &domid, &status))
        return status;
    if (xc_domain_unpause(p->xch, domid))
        return failed(p, "domain %u cannot be unpaused: %s", domid, strerror(errno));
    return 0;
}

/* ---- shutdown and reboot ------------------------------------------------------------------ */

struct stop_options {
    bool all, wait, destroy;
    unsigned timeout;
};

static bool read_stop_options(struct pvctl *p, int argc, char **argv, const char *shorts,
                              struct stop_options *o)
{
    static const struct option longs[] = {{"all", no_argument, NULL, 'a'},
                                          {"wait", no_argument, NULL, 'w'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"destroy", no_argument, NULL, 'd'},
                                          COMMON_OPTIONS};
    uint64_t seconds;
    int c;

    o->timeout = TIMEOUT_DEFAULT;
    while ((c = next_option(p, argc, argv, shorts, longs)) != -1) {
        if (strchr(shorts, c) == NULL) {
            misused(p, "this verb waits for nothing; --help tells its options");
            return false;
        }
        if (c == 't' && !parse_number(optarg, 0, 86400, &seconds)) {
            misused(p, "%s: a timeout is a number of seconds, up to 86400", optarg);
            return false;
        }
        o->all |= c == 'a';
        o->wait |= c == 'w' || c == 't' || c == 'd';
        o->destroy |= c == 'd';
        if (c == 't')
            o->timeout = (unsigned)seconds;
    }
    return arguments_good(p, argc, o->all ? 0 : 1, o->all ? 0 : 1);
}

/* The guests that are meant; NULL: a message was printed. For free(). */
static uint32_t *stop_list(struct pvctl *p, const struct stop_options *o, const char *name,
                           unsigned *count)
{
    uint32_t *list;

    *count = 0;
    if (!need_xc(p) || !need_store(p))
        return NULL;
    if (!o->all) {
        list = malloc(sizeof(*list));
        if (list == NULL || !find_domain(p, name, list)) {
            free(list);
            return NULL;
        }
        *count = 1;
        return list;
    }
    unsigned n;
    xc_domaininfo_t *all = all_domains(p, &n);
    list = all == NULL ? NULL : malloc((n + 1) * sizeof(*list));
    for (unsigned i = 0; list != NULL && i < n; i++)
        if (all[i].domain != 0)
            list[(*count)++] = all[i].domain;
    free(all);
    return list;
}

static int ask(struct pvctl *p, uint32_t domid, const char *what)
{
    char *node = domain_read(p, domid, "control/shutdown");

    if (domid == 0)
        return failed(p, "the control domain is switched off by its own means (poweroff)");
    if (node == NULL)
        return failed(p, "domain %u has no node control/shutdown: destroy it instead", domid);
    free(node);
    if (!domain_write(p, domid, "control/shutdown", what))
        return failed(p, "domain %u cannot be asked: %s", domid, strerror(errno));
    return 0;
}

/* Stopped, gone, or going. */
static bool has_stopped(struct pvctl *p, uint32_t domid)
{
    xc_domaininfo_t info;

    int rc = domains_look(p->xch, domid, &info);

    return rc == 0 || (rc == 1 && (info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)));
}

static int wait_for(struct pvctl *p, uint32_t domid, const struct stop_options *o,
                    const struct timespec *begin)
{
    struct timespec now, pause = {.tv_nsec = POLL_MS * 1000000};

    for (;;) {
        if (has_stopped(p, domid))
            return 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - begin->tv_sec >= (time_t)o->timeout)
            break;
        nanosleep(&pause, NULL);
    }
    if (o->destroy)
        return destroy_domain(p, domid);
    return failed(p, "domain %u did not stop within %u s: `pvctl destroy` ends it at once", domid,
                  o->timeout);
}

int verb_shutdown(struct pvctl *p, int argc, char **argv)
{
    struct stop_options o = {.all = false};
    struct timespec begin;
    unsigned count;
    int status = 0;

    if (!read_stop_options(p, argc, argv, "awt:dF", &o))
        return STATUS_USAGE;
    uint32_t *list = stop_list(p, &o, argv[optind], &count);
    if (list == NULL)
        return STATUS_FAILED;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < count; i++)
        if (ask(p, list[i], "poweroff")) {
            status = STATUS_FAILED;
            if (!o.destroy)
                list[i] = 0; /* nothing to wait for */
        }
    for (unsigned i = 0; o.wait && i < count; i++)
        if (list[i] != 0 && wait_for(p, list[i], &o, &begin))
            status = STATUS_FAILED;
    free(list);
    return status;
}

int verb_reboot(struct pvctl *p, int argc, char **argv)
{
    struct stop_options o = {.all = false};
    unsigned count;
    int status = 0;

    if (!read_stop_options(p, argc, argv, "aF", &o))
        return STATUS_USAGE;
    uint32_t *list = stop_list(p, &o, argv[optind], &count);
    if (list == NULL)
        return STATUS_FAILED;
    for (unsigned i = 0; i < count; i++)
        status |= ask(p, list[i], "reboot");
    free(list);
    return status;
}

/* ---- rename ------------------------------------------------------------------------------- */

/* The name of the configuration that it is restarted with, too; a guest may have none. */
static int rename_kept(struct pvctl *p, const uint8_t uuid[16], const char *name)
{
    struct message why = {.file = NULL};
    struct guest_config config;
    int lock = file_lock(PATH_GUESTS_LOCK, &why);
    int rc = lock < 0 ? lock : guest_config_load(uuid, &config, &why);

    if (rc == 0) {
        char *copy = strdup(name);
        if (copy != NULL) {
            free(config.name);
            config.name = copy;
            rc = guest_config_save(&config, &why);
        }
        guest_config_free(&config);
    }
    if (lock >= 0)
        close(lock);
    return rc && rc != -ENOENT ? failed_with(p, &why) : 0;
}

/* Nobody else may look whether the name is free between this look and the new name. */
static int rename_alone(struct pvctl *p, uint32_t domid, const uint8_t handle[16], const char *name)
{
    char path[64], uuid[37];
    int64_t other = lookup_domain(p, name);

    if (other == -2)
        return STATUS_FAILED;
    if (other >= 0 && other != domid)
        return failed(p, "%s: domain %lld has this name already", name, (long long)other);
    uuid_to_text(handle, uuid);
    snprintf(path, sizeof(path), "/vm/%s/name", uuid);
    if (!domain_write(p, domid, "name", name) ||
        !xs_write(p->xs, XBT_NULL, path, name, (unsigned)strlen(name)))
        return failed(p, "the store does not take the name: %s", strerror(errno));
    return rename_kept(p, handle, name);
}

int verb_rename(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    xc_domaininfo_t info;
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 2, 2))
        return STATUS_USAGE;
    const char *name = argv[optind + 1];
    if (!guest_name_good(name, &why))
        return misused(p, "%s: a name %s", name, why.text);
    if (!need_store(p) || !find_domain(p, argv[optind], &domid) || !domain_info(p, domid, &info))
        return STATUS_FAILED;
    if (domid == 0)
        return failed(p, "the control domain keeps its name");
    int lock = file_lock(PATH_LOCK, &why);
    if (lock < 0)
        return failed_with(p, &why);
    int status = rename_alone(p, domid, info.handle, name);
    close(lock);
    return status;
}
