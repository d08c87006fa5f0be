/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs about the machine: info, dmesg.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct machine {
    struct utsname uname;
    xc_physinfo_t physical;
    int version; /* major << 16 | minor */
    int scheduler;
    xen_extraversion_t extra;
    xen_capabilities_info_t capabilities;
    xen_changeset_info_t changeset;
    xen_commandline_t cmdline;
    xen_compile_info_t compiler;
};

static bool ask_machine(struct pvctl *p, struct machine *m)
{
    memset(m, 0, sizeof(*m));
    uname(&m->uname);
    m->version = xc_version(p->xch, XENVER_version, NULL);
    return m->version >= 0 && xc_physinfo(p->xch, &m->physical) == 0 &&
           xc_sched_id(p->xch, &m->scheduler) == 0 &&
           xc_version(p->xch, XENVER_extraversion, &m->extra) >= 0 &&
           xc_version(p->xch, XENVER_capabilities, &m->capabilities) >= 0 &&
           xc_version(p->xch, XENVER_changeset, &m->changeset) >= 0 &&
           xc_version(p->xch, XENVER_commandline, &m->cmdline) >= 0 &&
           xc_version(p->xch, XENVER_compile_info, &m->compiler) >= 0;
}

/* One line, or one member of the object. */
static void tell(struct json_object *o, const char *key, const char *text)
{
    if (o != NULL)
        json_add_text(o, key, text);
    else
        printf("%-23s: %s\n", key, text);
}

static void tell_number(struct json_object *o, const char *key, uint64_t number)
{
    if (o != NULL)
        json_add_number(o, key, number);
    else
        printf("%-23s: %" PRIu64 "\n", key, number);
}

static void tell_format(struct json_object *o, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell_format(struct json_object *o, const char *key, const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tell(o, key, text);
}

static void tell_machine(struct json_object *o, const struct machine *m)
{
    const xc_physinfo_t *h = &m->physical;
    unsigned per_socket = h->threads_per_core * h->cores_per_socket;

    tell(o, "host", m->uname.nodename);
    tell(o, "release", m->uname.release);
    tell(o, "version", m->uname.version);
    tell(o, "machine", m->uname.machine);
    tell_number(o, "nr_cpus", h->nr_cpus);
    tell_number(o, "max_cpu_id", h->max_cpu_id);
    tell_number(o, "nr_nodes", h->nr_nodes);
    tell_number(o, "nr_sockets", per_socket ? h->nr_cpus / per_socket : 0);
    tell_number(o, "cores_per_socket", h->cores_per_socket);
    tell_number(o, "threads_per_core", h->threads_per_core);
    tell_number(o, "cpu_mhz", h->cpu_khz / 1000);
    tell_format(o, "hw_caps", "%08x:%08x:%08x:%08x:%08x:%08x:%08x:%08x", h->hw_cap[0], h->hw_cap[1],
                h->hw_cap[2], h->hw_cap[3], h->hw_cap[4], h->hw_cap[5], h->hw_cap[6], h->hw_cap[7]);
    tell(o, "virt_caps", h->capabilities & XEN_SYSCTL_PHYSCAP_pv ? "pv" : "");
    tell_number(o, "total_memory", h->total_pages >> (20 - XC_PAGE_SHIFT));
    tell_number(o, "free_memory", h->free_pages >> (20 - XC_PAGE_SHIFT));
    tell_number(o, "outstanding_claims", h->outstanding_pages >> (20 - XC_PAGE_SHIFT));
    tell_number(o, "xen_major", (unsigned)m->version >> 16);
    tell_number(o, "xen_minor", (unsigned)m->version & 0xffff);
    tell(o, "xen_extra", m->extra);
    tell_format(o, "xen_version", "%u.%u%s", (unsigned)m->version >> 16,
                (unsigned)m->version & 0xffff, m->extra);
    tell(o, "xen_caps", m->capabilities);
    tell(o, "xen_scheduler", m->scheduler == XEN_SCHEDULER_CREDIT2 ? "credit2" : "unknown");
    tell_number(o, "xen_pagesize", XC_PAGE_SIZE);
    tell(o, "xen_changeset", m->changeset);
    tell(o, "xen_commandline", m->cmdline);
    tell(o, "cc_compiler", m->compiler.compiler);
    tell(o, "cc_compile_by", m->compiler.compile_by);
    tell(o, "cc_compile_domain", m->compiler.compile_domain);
    tell(o, "cc_compile_date", m->compiler.compile_date);
}

static void tell_cpu(struct json_object *list, unsigned number, const xc_cputopo_t *cpu)
{
    if (list == NULL) {
        printf("%3u:    %4u      %4u     %4u\n", number, cpu->core, cpu->socket, cpu->node);
        return;
    }
    struct json_object *o = json_object_new_object();
    json_add_number(o, "cpu", number);
    json_add_number(o, "core", cpu->core);
    json_add_number(o, "socket", cpu->socket);
    json_add_number(o, "node", cpu->node);
    json_object_array_add(list, o);
}

static void tell_node(struct json_object *list, unsigned number, const xc_meminfo_t *node)
{
    if (list == NULL) {
        printf("%4u:    %7" PRIu64 "    %7" PRIu64 "\n", number, node->memsize >> 20,
               node->memfree >> 20);
        return;
    }
    struct json_object *o = json_object_new_object();
    json_add_number(o, "node", number);
    json_add_number(o, "memory_mib", node->memsize >> 20);
    json_add_number(o, "free_mib", node->memfree >> 20);
    json_object_array_add(list, o);
}

/* CPU by CPU, then node by node, as xl prints them; 0 or a status. */
static int tell_topology(struct pvctl *p, struct json_object *o)
{
    unsigned cpus = 0, nodes = 0;

    if (xc_cputopoinfo(p->xch, &cpus, NULL) || xc_numainfo(p->xch, &nodes, NULL, NULL))
        return failed(p, "the hypervisor does not tell its topology: %s", strerror(errno));
    xc_cputopo_t *cpu = calloc(cpus + 1, sizeof(*cpu));
    xc_meminfo_t *node = calloc(nodes + 1, sizeof(*node));
    int rc = cpu == NULL || node == NULL || xc_cputopoinfo(p->xch, &cpus, cpu) ||
             xc_numainfo(p->xch, &nodes, node, NULL);
    struct json_object *list = o != NULL && rc == 0 ? json_object_new_array() : NULL;

    if (list != NULL)
        json_object_object_add(o, "cpu_topology", list);
    else if (rc == 0)
        printf("cpu_topology           :\ncpu:    core    socket     node\n");
    for (unsigned i = 0; rc == 0 && i < cpus; i++)
        if (cpu[i].core != XEN_INVALID_CORE_ID)
            tell_cpu(list, i, &cpu[i]);
    list = o != NULL && rc == 0 ? json_object_new_array() : NULL;
    if (list != NULL)
        json_object_object_add(o, "numa_info", list);
    else if (rc == 0)
        printf("numa_info              :\nnode:    memsize    memfree\n");
    for (unsigned i = 0; rc == 0 && i < nodes; i++)
        tell_node(list, i, &node[i]);
    free(cpu);
    free(node);
    return rc ? failed(p, "the hypervisor does not tell its topology: %s", strerror(errno)) : 0;
}

int verb_info(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"numa", no_argument, NULL, 'n'}, COMMON_OPTIONS};
    struct machine m;
    bool numa = false;

    while (next_option(p, argc, argv, "n", longs) != -1)
        numa = true;
    if (!arguments_good(p, argc, 0, 0))
        return STATUS_USAGE;
    if (!need_xc(p))
        return STATUS_FAILED;
    if (!ask_machine(p, &m))
        return failed(p, "the hypervisor does not tell about the machine: %s", strerror(errno));
    struct json_object *o = p->json ? json_object_new_object() : NULL;
    tell_machine(o, &m);
    int status = numa ? tell_topology(p, o) : 0;
    if (o != NULL && status == 0)
        return print_json(p, o);
    json_object_put(o);
    return status;
}

int verb_dmesg(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"clear", no_argument, NULL, 'c'}, COMMON_OPTIONS};
    bool clear = false;

    while (next_option(p, argc, argv, "c", longs) != -1)
        clear = true;
    if (!arguments_good(p, argc, 0, 0))
        return STATUS_USAGE;
    if (!need_xc(p))
        return STATUS_FAILED;
    char *log = read_log(p, clear);
    if (log == NULL)
        return failed(p, "the hypervisor's log cannot be read: %s", strerror(errno));
    fputs(log, stdout);
    free(log);
    return 0;
}
