/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs that list domains: list, domid, domname, uptime.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenstore.h>

#include "guest/age.h"

/* ---- What is chosen ----------------------------------------------------------------------- */

/* The domains that arguments name, or all; NULL: a message was printed. For free(). */
static xc_domaininfo_t *chosen(struct pvctl *p, int argc, char **argv, unsigned *count)
{
    unsigned given = (unsigned)(argc - optind);

    if (!need_xc(p))
        return NULL;
    try_store(p);
    if (given == 0)
        return all_domains(p, count);
    xc_domaininfo_t *list = calloc(given, sizeof(*list));
    *count = 0;
    for (unsigned i = 0; list != NULL && i < given; i++) {
        uint32_t domid;

        if (!find_domain(p, argv[optind + (int)i], &domid) ||
            !domain_info(p, domid, &list[(*count)++])) {
            free(list);
            return NULL;
        }
    }
    return list;
}

/* ---- list --------------------------------------------------------------------------------- */

static unsigned reason_of(const xc_domaininfo_t *d)
{
    return d->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

static bool is_crashed(const xc_domaininfo_t *d)
{
    return (d->flags & XEN_DOMINF_shutdown) && reason_of(d) == SHUTDOWN_crash;
}

void domain_state(const xc_domaininfo_t *d, char text[7])
{
    bool down = d->flags & XEN_DOMINF_shutdown;

    snprintf(text, 7, "%c%c%c%c%c%c", d->flags & XEN_DOMINF_running ? 'r' : '-',
             d->flags & XEN_DOMINF_blocked ? 'b' : '-', d->flags & XEN_DOMINF_paused ? 'p' : '-',
             down ? 's' : '-', is_crashed(d) ? 'c' : '-', d->flags & XEN_DOMINF_dying ? 'd' : '-');
}

static const char *reason_text(const xc_domaininfo_t *d)
{
    static const char *const reasons[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft_reset"};

    if (!(d->flags & XEN_DOMINF_shutdown))
        return NULL;
    return reason_of(d) < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason_of(d)] : "unknown";
}

static void print_line(struct pvctl *p, const xc_domaininfo_t *d)
{
    char letters[7], uuid[37], *name = domain_name(p, d->domain);
    char *why = is_crashed(d) ? crash_reason(p, d->domain) : NULL;

    domain_state(d, letters);
    printf("%-40s %5u %5llu %5u     %s  %8.1f", name, d->domain,
           (unsigned long long)d->tot_pages >> (20 - XC_PAGE_SHIFT), d->nr_online_vcpus, letters,
           (double)d->cpu_time / 1e9);
    if (p->verbose) {
        uuid_to_text(d->handle, uuid);
        printf(" %s %-10s", uuid, reason_text(d) != NULL ? reason_text(d) : "-");
    }
    if (why != NULL)
        printf("  crashed: %s", why);
    putchar('\n');
    free(why);
    free(name);
}

static struct json_object *kept_object(const xc_domaininfo_t *d)
{
    struct guest_config config;

    if (guest_config_load(d->handle, &config, NULL))
        return NULL;
    char *text = guest_config_to_json(&config);
    struct json_object *o = text != NULL ? json_tokener_parse(text) : NULL;
    free(text);
    guest_config_free(&config);
    return o;
}

static struct json_object *domain_object(struct pvctl *p, const xc_domaininfo_t *d)
{
    struct json_object *o = json_object_new_object();
    char letters[7], uuid[37], *name = domain_name(p, d->domain);
    char *why = is_crashed(d) ? crash_reason(p, d->domain) : NULL;

    domain_state(d, letters);
    uuid_to_text(d->handle, uuid);
    json_add_number(o, "domid", d->domain);
    json_add_text(o, "name", name);
    json_add_text(o, "uuid", uuid);
    json_add_text(o, "state", letters);
    json_add_number(o, "memory_kib", d->tot_pages << (XC_PAGE_SHIFT - 10));
    json_add_number(o, "max_memory_kib", d->max_pages << (XC_PAGE_SHIFT - 10));
    json_add_number(o, "vcpus", d->nr_online_vcpus);
    json_add_number(o, "max_vcpus", d->max_vcpu_id + 1u);
    json_add_number(o, "cpu_time_ns", d->cpu_time);
    if (reason_text(d) != NULL)
        json_add_text(o, "shutdown_reason", reason_text(d));
    if (why != NULL)
        json_add_text(o, "crash_reason", why);
    struct json_object *kept = d->domain ? kept_object(d) : NULL;
    if (kept != NULL)
        json_object_object_add(o, "config", kept);
    free(why);
    free(name);
    return o;
}

int verb_list(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"long", no_argument, NULL, 'l'}, COMMON_OPTIONS};
    unsigned count;
    int status = 0;

    while (next_option(p, argc, argv, "l", longs) != -1)
        p->json = true;
    xc_domaininfo_t *list = chosen(p, argc, argv, &count);
    if (list == NULL)
        return STATUS_FAILED;
    if (p->json) {
        struct json_object *all = json_object_new_array();

        for (unsigned i = 0; i < count; i++)
            json_object_array_add(all, domain_object(p, &list[i]));
        status = print_json(p, all);
    } else {
        printf("%-40s %5s %5s %5s\t%s\t%s%s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)",
               p->verbose ? " UUID                                 Reason" : "");
        for (unsigned i = 0; i < count; i++)
            print_line(p, &list[i]);
    }
    free(list);
    return status;
}

/* ---- domid, domname ----------------------------------------------------------------------- */

static int print_one(struct pvctl *p, uint32_t domid, bool number)
{
    char *name = domain_name(p, domid);

    if (p->json) {
        struct json_object *o = json_object_new_object();

        json_add_number(o, "domid", domid);
        json_add_text(o, "name", name);
        print_json(p, o);
    } else if (number) {
        printf("%u\n", domid);
    } else {
        puts(name);
    }
    free(name);
    return 0;
}

int verb_domid(struct pvctl *p, int argc, char **argv)
{
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 1, 1))
        return STATUS_USAGE;
    if (!find_domain(p, argv[optind], &domid))
        return STATUS_FAILED;
    return print_one(p, domid, true);
}

int verb_domname(struct pvctl *p, int argc, char **argv)
{
    uint64_t number;
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 1, 1))
        return STATUS_USAGE;
    if (!parse_number(argv[optind], 0, UINT16_MAX, &number))
        return misused(p, "%s: a domain's number is wanted", argv[optind]);
    if (!need_store(p) || !find_domain(p, argv[optind], &domid))
        return STATUS_FAILED;
    return print_one(p, domid, false);
}

/* ---- uptime ------------------------------------------------------------------------------- */

/* Seconds; -1: not known. */
static long long uptime_of(struct pvctl *p, const xc_domaininfo_t *d)
{
    char path[64], uuid[37];
    struct timespec now;

    if (d->domain == 0) {
        clock_gettime(CLOCK_BOOTTIME, &now);
        return now.tv_sec;
    }
    long long age = p->xs != NULL ? guest_age(p->xs, d->handle) : -1;
    if (age >= 0)
        return age;
    /* Not a guest of ours: as its maker has written it, by the clock. */
    uuid_to_text(d->handle, uuid);
    snprintf(path, sizeof(path), "/vm/%s/start_time", uuid);
    char *text = p->xs != NULL ? xs_read(p->xs, XBT_NULL, path, NULL) : NULL;
    long long begin = text != NULL ? strtoll(text, NULL, 10) : 0;
    free(text);
    clock_gettime(CLOCK_REALTIME, &now);
    return begin > 0 && begin <= now.tv_sec ? now.tv_sec - begin : -1;
}

static void format_uptime(long long s, char text[64])
{
    if (s < 0)
        snprintf(text, 64, "unknown");
    else if (s >= 86400)
        snprintf(text, 64, "%lld days, %2lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60,
                 s % 60);
    else
        snprintf(text, 64, "%2lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

/* short_line: as uptime(1) begins. */
static void print_uptime(const char *name, uint32_t domid, long long s, bool short_line)
{
    char text[64], clock[16];
    time_t now = time(NULL);
    struct tm parts;

    format_uptime(s, text);
    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &parts));
    if (short_line)
        printf(" %s up %s, %s (%u)\n", clock, text, name, domid);
    else
        printf("%-33s %4u %s\n", name, domid, text);
}

static struct json_object *uptime_object(const char *name, uint32_t domid, long long s)
{
    struct json_object *o = json_object_new_object();

    json_add_text(o, "name", name);
    json_add_number(o, "domid", domid);
    json_object_object_add(o, "uptime_s", s >= 0 ? json_object_new_int64(s) : NULL);
    return o;
}

int verb_uptime(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"short", no_argument, NULL, 's'}, COMMON_OPTIONS};
    bool short_lines = false;
    unsigned count;

    while (next_option(p, argc, argv, "s", longs) != -1)
        short_lines = true;
    xc_domaininfo_t *list = chosen(p, argc, argv, &count);
    if (list == NULL)
        return STATUS_FAILED;
    struct json_object *all = p->json ? json_object_new_array() : NULL;
    if (all == NULL && !short_lines)
        printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
    for (unsigned i = 0; i < count; i++) {
        char *name = domain_name(p, list[i].domain);
        long long seconds = uptime_of(p, &list[i]);

        if (all != NULL)
            json_object_array_add(all, uptime_object(name, list[i].domain, seconds));
        else
            print_uptime(name, list[i].domain, seconds, short_lines);
        free(name);
    }
    free(list);
    return all != NULL ? print_json(p, all) : 0;
}
