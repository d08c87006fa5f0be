/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs about CPUs: vcpu-list, vcpu-set, vcpu-pin, sched.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/cpus.h"

/* ---- vcpu-list ---------------------------------------------------------------------------- */

struct vcpu_row {
    uint32_t domid;
    const char *name;
    unsigned vcpu;
    xc_vcpuinfo_t info;
    char hard[128], soft[128];
};

static bool read_affinity(struct pvctl *p, struct vcpu_row *row)
{
    xc_cpumap_t hard = xc_cpumap_alloc(p->xch), soft = xc_cpumap_alloc(p->xch);
    int nr = xc_get_max_cpus(p->xch);
    bool good = hard != NULL && soft != NULL && nr > 0 &&
                xc_vcpu_getaffinity(p->xch, row->domid, (int)row->vcpu, hard, soft,
                                    XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT) == 0;

    if (good) {
        cpus_format(hard, (unsigned)nr, row->hard, sizeof(row->hard));
        cpus_format(soft, (unsigned)nr, row->soft, sizeof(row->soft));
    }
    free(hard);
    free(soft);
    return good;
}

static void print_vcpu(const struct vcpu_row *r)
{
    const xc_vcpuinfo_t *v = &r->info;
    char cpu[12] = "-";

    if (v->online)
        snprintf(cpu, sizeof(cpu), "%u", v->cpu);
    printf("%-32s %5u %5u %5s   %c%c%c  %9.1f  %s / %s\n", r->name, r->domid, r->vcpu, cpu,
           !v->online   ? '-'
           : v->running ? 'r'
                        : '-',
           v->online && v->blocked ? 'b' : '-', v->online ? '-' : 'p', (double)v->cpu_time / 1e9,
           r->hard, r->soft);
}

static struct json_object *vcpu_object(const struct vcpu_row *r)
{
    struct json_object *o = json_object_new_object();

    json_add_text(o, "name", r->name);
    json_add_number(o, "domid", r->domid);
    json_add_number(o, "vcpu", r->vcpu);
    json_object_object_add(o, "online", json_object_new_boolean(r->info.online));
    json_object_object_add(o, "running", json_object_new_boolean(r->info.running));
    json_object_object_add(o, "blocked", json_object_new_boolean(r->info.blocked));
    json_add_number(o, "cpu", r->info.cpu);
    json_add_number(o, "cpu_time_ns", r->info.cpu_time);
    json_add_text(o, "hard_affinity", r->hard);
    json_add_text(o, "soft_affinity", r->soft);
    return o;
}

/* false: the domain is gone meanwhile. */
static bool list_vcpus(struct pvctl *p, const xc_domaininfo_t *d, struct json_object *all)
{
    char *name = domain_name(p, d->domain);
    struct vcpu_row row = {.domid = d->domain, .name = name};
    bool good = true;

    for (row.vcpu = 0; good && row.vcpu <= d->max_vcpu_id; row.vcpu++) {
        good =
            xc_vcpu_getinfo(p->xch, d->domain, row.vcpu, &row.info) == 0 && read_affinity(p, &row);
        if (good && all != NULL)
            json_object_array_add(all, vcpu_object(&row));
        else if (good)
            print_vcpu(&row);
    }
    free(name);
    return good;
}

int verb_vcpu_list(struct pvctl *p, int argc, char **argv)
{
    unsigned count = 0;
    int status = 0;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!need_xc(p))
        return STATUS_FAILED;
    try_store(p);
    struct json_object *rows = p->json ? json_object_new_array() : NULL;
    if (rows == NULL)
        printf("%-32s %5s %5s %5s %5s %10s  %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
               "Affinity (Hard / Soft)");
    if (optind == argc) {
        xc_domaininfo_t *all = all_domains(p, &count);

        status = all == NULL ? STATUS_FAILED : 0;
        for (unsigned i = 0; i < count; i++)
            list_vcpus(p, &all[i], rows);
        free(all);
    }
    for (int i = optind; i < argc && status == 0; i++) {
        xc_domaininfo_t info;
        uint32_t domid;

        if (!find_domain(p, argv[i], &domid))
            status = STATUS_FAILED;
        else if (!domain_info(p, domid, &info) || !list_vcpus(p, &info, rows))
            status = failed(p, "%s: its vCPUs cannot be listed: %s", argv[i], strerror(errno));
    }
    if (rows != NULL && status == 0)
        status = print_json(p, rows);
    else
        json_object_put(rows);
    return status;
}

/* ---- vcpu-set, vcpu-pin ------------------------------------------------------------------- */

int verb_vcpu_set(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"ignore-host", no_argument, NULL, 'i'}, COMMON_OPTIONS};
    xc_domaininfo_t info;
    uint64_t wanted;
    uint32_t domid;
    char node[48];

    while (next_option(p, argc, argv, "i", longs) != -1)
        ;
    if (!arguments_good(p, argc, 2, 2))
        return STATUS_USAGE;
    if (!parse_number(argv[optind + 1], 1, GUEST_MAX_VCPUS, &wanted))
        return misused(p, "%s: a number of vCPUs, from 1 to %u, is wanted", argv[optind + 1],
                       GUEST_MAX_VCPUS);
    if (!need_store(p) || !find_domain(p, argv[optind], &domid) || !domain_info(p, domid, &info))
        return STATUS_FAILED;
    if (wanted > info.max_vcpu_id + 1u)
        return failed(p, "domain %u has %u vCPUs: more need maxvcpus in its configuration", domid,
                      info.max_vcpu_id + 1u);
    for (unsigned i = 0; i <= info.max_vcpu_id; i++) {
        snprintf(node, sizeof(node), "cpu/%u/availability", i);
        if (!domain_write(p, domid, node, i < wanted ? "online" : "offline"))
            return failed(p, "domain %u cannot be told: %s", domid, strerror(errno));
    }
    return 0;
}

static int pin(struct pvctl *p, uint32_t domid, unsigned first, unsigned last, const char *cpus)
{
    struct message why = {.file = NULL};
    int nr = xc_get_max_cpus(p->xch), status = 0;
    xc_cpumap_t wanted = xc_cpumap_alloc(p->xch), map = xc_cpumap_alloc(p->xch);

    if (wanted == NULL || map == NULL || nr <= 0)
        status = failed(p, "no memory for a set of CPUs");
    else if (cpus_parse(cpus, wanted, (unsigned)nr, &why))
        status = misused(p, "%s: %s", cpus, why.text);
    for (unsigned i = first; status == 0 && i <= last; i++) {
        memcpy(map, wanted, (size_t)xc_get_cpumap_size(p->xch));
        if (xc_vcpu_setaffinity(p->xch, domid, (int)i, map, NULL, XEN_VCPUAFFINITY_HARD))
            status =
                failed(p, "vCPU %u of domain %u cannot be pinned: %s", i, domid, strerror(errno));
    }
    free(wanted);
    free(map);
    return status;
}

int verb_vcpu_pin(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"force", no_argument, NULL, 'f'}, COMMON_OPTIONS};
    xc_domaininfo_t info;
    uint64_t vcpu = 0;
    uint32_t domid;

    while (next_option(p, argc, argv, "f", longs) != -1)
        ;
    if (!arguments_good(p, argc, 3, 4))
        return STATUS_USAGE;
    char **arg = argv + optind;
    bool all = strcmp(arg[1], "all") == 0;
    if (!all && !parse_number(arg[1], 0, UINT16_MAX, &vcpu))
        return misused(p, "%s: a vCPU's number or `all` is wanted", arg[1]);
    if (argc - optind == 4 && strcmp(arg[3], "-") != 0 && strcmp(arg[3], "all") != 0)
        return misused(p, "soft affinity is not available in this version");
    if (!find_domain(p, arg[0], &domid) || !domain_info(p, domid, &info))
        return STATUS_FAILED;
    if (vcpu > info.max_vcpu_id)
        return failed(p, "domain %u has no vCPU %s: its last one is %u", domid, arg[1],
                      info.max_vcpu_id);
    if (strcmp(arg[2], "-") == 0)
        return 0;
    return pin(p, domid, (unsigned)vcpu, all ? info.max_vcpu_id : (unsigned)vcpu, arg[2]);
}

/* ---- sched -------------------------------------------------------------------------------- */

struct share_options {
    const char *domain;
    uint64_t weight, cap, ratelimit_us;
    bool set_weight, set_cap, parameters, set_ratelimit;
};

/* What is wrong with the options together; NULL: nothing. */
static const char *share_options_fault(const struct share_options *o)
{
    bool share = o->domain != NULL || o->set_weight || o->set_cap;

    if (o->set_ratelimit && !o->parameters)
        return "a rate limit is the scheduler's, not a guest's: -s -r N sets it";
    if (o->parameters && share)
        return "-s is about the scheduler, -d, -w and -c are about a guest: give one or the other";
    if ((o->set_weight || o->set_cap) && o->domain == NULL)
        return "whose weight or cap? -d DOMAIN says it";
    return NULL;
}

/* The value of option c; what is wrong with it, or NULL. */
static const char *read_share_value(int c, struct share_options *o)
{
    if (c == 'w' && !parse_number(optarg, 1, UINT16_MAX, &o->weight))
        return "%s: a weight is from 1 to 65535";
    if (c == 'c' && !parse_number(optarg, 0, 100 * GUEST_MAX_VCPUS, &o->cap))
        return "%s: a cap is a percentage, 100 for a whole CPU; 0: none";
    if (c == 'r' && !(parse_number(optarg, 0, XEN_SYSCTL_SCHED_RATELIMIT_MAX, &o->ratelimit_us) &&
                      (o->ratelimit_us == 0 || o->ratelimit_us >= XEN_SYSCTL_SCHED_RATELIMIT_MIN)))
        return "%s: a rate limit is from 100 to 500000 us; 0: none";
    return NULL;
}

static bool read_share_options(struct pvctl *p, int argc, char **argv, struct share_options *o)
{
    static const struct option longs[] = {
        {"domain", required_argument, NULL, 'd'},       {"weight", required_argument, NULL, 'w'},
        {"cap", required_argument, NULL, 'c'},          {"schedparam", no_argument, NULL, 's'},
        {"ratelimit_us", required_argument, NULL, 'r'}, COMMON_OPTIONS};
    const char *fault;
    int c;

    while ((c = next_option(p, argc, argv, "d:w:c:sr:", longs)) != -1) {
        if (c == 'd')
            o->domain = optarg;
        o->set_weight |= c == 'w';
        o->set_cap |= c == 'c';
        o->parameters |= c == 's';
        o->set_ratelimit |= c == 'r';
        fault = read_share_value(c, o);
        if (fault != NULL) {
            misused(p, fault, optarg);
            return false;
        }
    }
    fault = share_options_fault(o);
    if (fault != NULL) {
        misused(p, "%s", fault);
        return false;
    }
    return arguments_good(p, argc, 0, 0);
}

static int show_share(struct pvctl *p, uint32_t domid, struct json_object *all)
{
    struct xen_domctl_sched_credit2 share;

    if (xc_sched_credit2_domain_get(p->xch, domid, &share))
        return failed(p, "domain %u: weight and cap cannot be read: %s", domid, strerror(errno));
    char *name = domain_name(p, domid);
    if (all == NULL) {
        printf("%-33s %4u %6u %5u\n", name, domid, share.weight, share.cap);
    } else {
        struct json_object *o = json_object_new_object();

        json_add_text(o, "name", name);
        json_add_number(o, "domid", domid);
        json_add_number(o, "weight", share.weight);
        json_add_number(o, "cap", share.cap);
        json_object_array_add(all, o);
    }
    free(name);
    return 0;
}

static int set_share(struct pvctl *p, uint32_t domid, const struct share_options *o)
{
    struct xen_domctl_sched_credit2 share;

    if (xc_sched_credit2_domain_get(p->xch, domid, &share))
        return failed(p, "domain %u: weight and cap cannot be read: %s", domid, strerror(errno));
    if (o->set_weight)
        share.weight = (uint16_t)o->weight;
    if (o->set_cap)
        share.cap = (uint16_t)o->cap;
    if (xc_sched_credit2_domain_set(p->xch, domid, &share))
        return failed(p, "domain %u: the scheduler refuses: %s", domid, strerror(errno));
    return 0;
}

static int list_shares(struct pvctl *p, const struct share_options *o, uint32_t domid)
{
    struct json_object *rows = p->json ? json_object_new_array() : NULL;
    unsigned count;
    int status = 0;

    if (rows == NULL)
        printf("%-33s %4s %6s %5s\n", "Name", "ID", "Weight", "Cap");
    if (o->domain != NULL) {
        status = show_share(p, domid, rows);
    } else {
        xc_domaininfo_t *all = all_domains(p, &count);

        status = all == NULL ? STATUS_FAILED : 0;
        for (unsigned i = 0; status == 0 && i < count; i++)
            show_share(p, all[i].domain, rows);
        free(all);
    }
    if (rows != NULL && status == 0)
        return print_json(p, rows);
    json_object_put(rows);
    return status;
}

static int set_or_show_parameters(struct pvctl *p, const struct share_options *o)
{
    struct xen_sysctl_credit2_schedule schedule = {.ratelimit_us = (uint32_t)o->ratelimit_us};

    if (o->set_ratelimit) {
        if (xc_sched_credit2_params_set(p->xch, 0, &schedule))
            return failed(p, "the scheduler refuses a rate limit of %u us: %s",
                          schedule.ratelimit_us, strerror(errno));
        return 0;
    }
    if (xc_sched_credit2_params_get(p->xch, 0, &schedule))
        return failed(p, "the scheduler's setting cannot be read: %s", strerror(errno));
    if (!p->json) {
        printf("Rate limit: %u us\n", schedule.ratelimit_us);
        return 0;
    }
    struct json_object *object = json_object_new_object();

    json_add_number(object, "ratelimit_us", schedule.ratelimit_us);
    return print_json(p, object);
}

int verb_sched(struct pvctl *p, int argc, char **argv)
{
    struct share_options o = {.domain = NULL};
    uint32_t domid = 0;

    if (!read_share_options(p, argc, argv, &o))
        return STATUS_USAGE;
    if (!need_xc(p))
        return STATUS_FAILED;
    if (o.parameters)
        return set_or_show_parameters(p, &o);
    try_store(p);
    if (o.domain != NULL && !find_domain(p, o.domain, &domid))
        return STATUS_FAILED;
    return o.set_weight || o.set_cap ? set_share(p, domid, &o) : list_shares(p, &o, domid);
}
