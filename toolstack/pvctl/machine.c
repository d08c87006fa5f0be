/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs about the machine: info, dmesg.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct machine {
    struct utsname uname;
    xc_physinfo_t physical;
    int version; /* major << 16 | minor */
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
    tell_number(o, "total_memory", h->total_pages >> (20 - XC_PAGE_SHIFT));
    tell_number(o, "free_memory", h->free_pages >> (20 - XC_PAGE_SHIFT));
    tell_number(o, "xen_major", (unsigned)m->version >> 16);
    tell_number(o, "xen_minor", (unsigned)m->version & 0xffff);
    tell(o, "xen_extra", m->extra);
    tell(o, "xen_caps", m->capabilities);
    tell_number(o, "xen_pagesize", XC_PAGE_SIZE);
    tell(o, "xen_changeset", m->changeset);
    tell(o, "xen_commandline", m->cmdline);
    tell(o, "cc_compiler", m->compiler.compiler);
    tell(o, "cc_compile_by", m->compiler.compile_by);
    tell(o, "cc_compile_date", m->compiler.compile_date);
}

int verb_info(struct pvctl *p, int argc, char **argv)
{
    struct machine m;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 0, 0))
        return STATUS_USAGE;
    if (!need_xc(p))
        return STATUS_FAILED;
    if (!ask_machine(p, &m))
        return failed(p, "the hypervisor does not tell about the machine: %s", strerror(errno));
    struct json_object *o = p->json ? json_object_new_object() : NULL;
    tell_machine(o, &m);
    return o != NULL ? print_json(p, o) : 0;
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
