/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs about memory: mem-set asks the guest's balloon driver by its node memory/target, and lets
 * the hypervisor give it as much; mem-max only sets that limit.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Domain and size; false: *status is to be returned. */
static bool read_arguments(struct pvctl *p, int argc, char **argv, uint32_t *domid, uint64_t *kib,
                           int *status)
{
    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    *status = STATUS_USAGE;
    if (!arguments_good(p, argc, 2, 2))
        return false;
    if (!parse_memory(argv[optind + 1], kib)) {
        misused(p, "%s: a size is a number of MiB, or like 1g, 512m, 4096k", argv[optind + 1]);
        return false;
    }
    *status = STATUS_FAILED;
    return need_store(p) && find_domain(p, argv[optind], domid);
}

/* KiB in a node; 0: there is none. */
static uint64_t domain_size(struct pvctl *p, uint32_t domid, const char *node)
{
    char *text = domain_read(p, domid, node);
    uint64_t size = 0;

    if (text != NULL)
        parse_number(text, 0, UINT64_MAX >> 10, &size);
    free(text);
    return size;
}

int verb_mem_set(struct pvctl *p, int argc, char **argv)
{
    uint64_t kib, most;
    uint32_t domid;
    char text[24];
    int status;

    if (!read_arguments(p, argc, argv, &domid, &kib, &status))
        return status;
    most = domain_size(p, domid, "memory/static-max");
    if (most && kib > most)
        return failed(p, "domain %u can have %llu MiB: more needs maxmem in its configuration",
                      domid, (unsigned long long)most >> 10);
    if (xc_domain_setmaxmem(p->xch, domid, kib + GUEST_MEMORY_SLACK))
        return failed(p, "domain %u: the hypervisor refuses: %s", domid, strerror(errno));
    snprintf(text, sizeof(text), "%llu", (unsigned long long)kib);
    if (!domain_write(p, domid, "memory/target", text))
        return failed(p, "domain %u cannot be told: %s", domid, strerror(errno));
    return 0;
}

int verb_mem_max(struct pvctl *p, int argc, char **argv)
{
    uint64_t kib, target;
    uint32_t domid;
    int status;

    if (!read_arguments(p, argc, argv, &domid, &kib, &status))
        return status;
    target = domain_size(p, domid, "memory/target");
    if (kib < target)
        return failed(p, "domain %u has a target of %llu MiB: lower it first (pvctl mem-set)",
                      domid, (unsigned long long)target >> 10);
    if (xc_domain_setmaxmem(p->xch, domid, kib + GUEST_MEMORY_SLACK))
        return failed(p, "domain %u: the hypervisor refuses: %s", domid, strerror(errno));
    return 0;
}
