/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handles, sets of CPUs, versions, the machine and the hypervisor's log.
 */
#include <pthread.h>
#include <stdio.h>

#include "four_ways.h"

/* ---- Handles ------------------------------------------------------------------------------ */

#define THREADS 4
#define TURNS   200

static void *use_handle(void *handle)
{
    xc_interface *xch = handle;

    for (int i = 0; i < TURNS; i++) {
        xc_physinfo_t physinfo = {0};
        xc_dominfo_t info[2];

        if (xc_physinfo(xch, &physinfo) || physinfo.nr_cpus == 0 ||
            xc_domain_getinfo(xch, 0, 2, info) != 1 || info[0].domid != 0)
            return NULL;
        if (xc_domain_pause(xch, NO_DOMAIN) != -1 || errno != ESRCH)
            return NULL;
    }
    return handle;
}

static void test_threads(xc_interface *xch)
{
    pthread_t thread[THREADS];
    int good = 0;

    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, use_handle, xch);
    for (int i = 0; i < THREADS; i++) {
        void *result;

        pthread_join(thread[i], &result);
        good += result == xch;
    }
    check_is(good, THREADS, "threads use one handle at once, each with its own errno");
}

void test_handles(void)
{
    xentoollog_logger *logger =
        (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    xc_interface *dummy = xc_interface_open(NULL, NULL, XC_OPENFLAG_DUMMY);
    xc_interface *alone = xc_interface_open(logger, logger, XC_OPENFLAG_NON_REENTRANT);
    xc_interface *xch = xc_interface_open(logger, NULL, 0);

    check(dummy != NULL, "a dummy is opened");
    check_is(xc_interface_close(dummy), 0, "a dummy is closed");
    check_is(xc_interface_close(NULL), 0, "closing no handle is no error");
    if (check(alone != NULL && xch != NULL, "handles are opened with a logger")) {
        check(xc_interface_xcall_handle(xch) != NULL && xc_interface_fmem_handle(xch) != NULL,
              "the handles within a handle are there");
        check(xc_get_last_error(xch)->code == XC_ERROR_NONE, "a new handle has had no error");
        xc_clear_last_error(xch);
        check(xc_get_last_error(xch)->message[0] == '\0', "an error that is cleared has no text");
        test_threads(xch);
    }
    check(strcmp(xc_strerror(xch, ENOENT), strerror(ENOENT)) == 0, "an errno has its text");
    check(xc_error_code_to_desc(XC_OUT_OF_MEMORY) != NULL && xc_error_code_to_desc(99) != NULL,
          "an error code has one, known or not");
    check(xc_interface_close(alone) == 0 && xc_interface_close(xch) == 0, "they are closed");
    xtl_logger_destroy(logger);
}

/* ---- Sets --------------------------------------------------------------------------------- */

static void test_sets(xc_interface *xch)
{
    int cpus = xc_get_max_cpus(xch), size = xc_get_cpumap_size(xch);
    xc_cpumap_t map = xc_cpumap_alloc(xch);
    xc_nodemap_t nodes = xc_nodemap_alloc(xch);

    check(cpus >= 2 && size == (cpus + 7) / 8, "a set of CPUs has a bit for each");
    check(xc_get_online_cpus(xch) == 2, "both CPUs are online");
    check(xc_get_max_nodes(xch) >= 1 && xc_get_nodemap_size(xch) == (xc_get_max_nodes(xch) + 7) / 8,
          "a set of nodes has a bit for each");
    if (check(map != NULL && nodes != NULL, "sets are allocated")) {
        check(!xc_cpumap_testcpu(0, map) && !xc_cpumap_testcpu(1, map), "a new set is empty");
        xc_cpumap_setcpu(1, map);
        check(!xc_cpumap_testcpu(0, map) && xc_cpumap_testcpu(1, map) && map[0] == 2,
              "CPU 1 is the second bit");
        xc_cpumap_clearcpu(1, map);
        check(map[0] == 0, "a CPU is taken out");
    }
    free(map);
    free(nodes);
}

/* ---- The machine -------------------------------------------------------------------------- */

static void test_physinfo(xc_interface *xch)
{
    xc_physinfo_t info = {0};
    xc_cpuinfo_t cpuinfo[64];
    uint64_t bytes = 0;
    int cpus = 0;

    check_is(xc_physinfo(xch, &info), 0, "physinfo answers");
    check(info.nr_cpus == 2 && info.max_cpu_id + 1 == (unsigned)xc_get_max_cpus(xch) &&
              info.nr_nodes == 1,
          "physinfo counts CPUs and nodes");
    check(info.cpu_khz > 0 && info.total_pages > info.free_pages && info.free_pages > 0,
          "physinfo tells frequency and memory");
    check(info.capabilities & XEN_SYSCTL_PHYSCAP_pv, "PV guests can be run");
    check(info.threads_per_core >= 1 && info.cores_per_socket >= 1, "physinfo tells the topology");
    check_is(xc_getcpuinfo(xch, 64, cpuinfo, &cpus), 0, "CPUs tell their idle time");
    check(cpus == xc_get_max_cpus(xch) && cpuinfo[0].idletime > 0, "each does");
    check_is(xc_availheap(xch, 0, 0, -1, &bytes), 0, "free memory is told");
    check(bytes >> XC_PAGE_SHIFT <= info.total_pages && bytes > 0, "it is less than all");
}

static void test_topology(xc_interface *xch)
{
    unsigned cpus = 0, nodes = 0;
    xc_cputopo_t topology[64];
    xc_meminfo_t memory[8];
    uint32_t distance[64] = {0};

    check_is(xc_cputopoinfo(xch, &cpus, NULL), 0, "CPUs are counted without an array");
    check_is(cpus, xc_get_max_cpus(xch), "there are as many as there can be");
    cpus = 64;
    check_is(xc_cputopoinfo(xch, &cpus, topology), 0, "CPUs' topology is told");
    check(topology[0].core != XEN_INVALID_CORE_ID && topology[0].socket == 0 &&
              topology[0].node == 0,
          "CPU 0 is in the first socket");
    cpus = 1;
    check(xc_cputopoinfo(xch, &cpus, topology) == 0 && cpus == 1, "one CPU's topology is told");
    check(xc_numainfo(xch, &nodes, NULL, NULL) == 0 && nodes == 1, "one node is counted");
    nodes = 1;
    check(xc_numainfo(xch, &nodes, memory, distance) == 0 && nodes == 1, "one node is told of");
    check(memory[0].memsize > memory[0].memfree && memory[0].memfree > 0 && distance[0] == 10,
          "it has memory, and the distance 10 to itself");
}

static void test_version(xc_interface *xch)
{
    xen_extraversion_t extra;
    xen_capabilities_info_t capabilities;
    xen_platform_parameters_t parameters;
    xen_changeset_info_t changeset;
    xen_compile_info_t compile;
    xen_commandline_t commandline;
    xen_domain_handle_t handle;
    xen_feature_info_t features = {.submap_idx = 0};

    check_is(xc_version(xch, XENVER_version, NULL), 4 << 16 | 17, "the version is 4.17");
    check(xc_version(xch, XENVER_extraversion, extra) == 0 && memchr(extra, 0, sizeof(extra)),
          "the extra version ends");
    check(xc_version(xch, XENVER_capabilities, capabilities) == 0 &&
              strstr(capabilities, "xen-3.0-x86_64") != NULL,
          "64-bit PV is a capability");
    check(xc_version(xch, XENVER_platform_parameters, &parameters) == 0 &&
              parameters.virt_start == 0xffff800000000000ull,
          "the hypervisor's addresses begin where the ABI says");
    check(xc_version(xch, XENVER_compile_info, &compile) == 0 &&
              memchr(compile.compiler, 0, sizeof(compile.compiler)),
          "who compiled it is told");
    check_is(xc_version(xch, XENVER_changeset, changeset), 0, "the changeset is told");
    check_is(xc_version(xch, XENVER_get_features, &features), 0, "features are told");
    check_is(xc_version(xch, XENVER_pagesize, NULL), 4096, "a page has 4096 bytes");
    check_is(xc_version(xch, XENVER_guest_handle, handle), 0, "the own handle is told");
    check(xc_version(xch, XENVER_commandline, &commandline) == 0 &&
              strstr(commandline, "dom0_mem=") != NULL,
          "the hypervisor's command line is told");
    check_is(xc_version(xch, 99, NULL), -EINVAL, "xen_version 99 is not known");
}

static void test_log(xc_interface *xch)
{
    static char text[256 << 10];
    unsigned count = sizeof(text), whole;
    uint32_t index = 0, again;

    check_is(xc_readconsolering(xch, text, &count, 0, 0, NULL), 0, "the log is read");
    whole = count;
    check(whole > 100 && whole < sizeof(text), "there is something in it");
    count = 10;
    check(xc_readconsolering(xch, text, &count, 0, 1, &index) == 0 && count == 10,
          "a piece of it is read");
    again = index;
    count = 10;
    check(xc_readconsolering(xch, text, &count, 0, 1, &again) == 0 && count == 10 && again > index,
          "the next piece is behind it");
    count = sizeof(text);
    check(xc_readconsolering(xch, text, &count, 0, 1, &again) == 0 && count > 0, "so is the rest");
    check_is(xc_send_debug_keys(xch, ""), 0, "no debug key is sent");
}

void test_machine(xc_interface *xch)
{
    struct xen_domctl_sched_credit2 share = {0};
    struct xen_sysctl_credit2_schedule schedule = {0}, other = {.ratelimit_us = 500};
    struct e820entry map[E820MAX];
    unsigned long max_mfn = 0;
    int scheduler = 0, entries;
    xc_cpupoolinfo_t *pool;

    test_sets(xch);
    test_physinfo(xch);
    test_topology(xch);
    test_version(xch);
    test_log(xch);
    check(xc_maximum_ram_page(xch, &max_mfn) == 0 && max_mfn > 0x10000,
          "the highest frame is told");
    entries = xc_get_machine_memory_map(xch, map, E820MAX);
    check(entries > 2 && entries < E820MAX && map[0].addr == 0 && map[0].type == E820_RAM,
          "the machine's memory map is told");
    check(xc_sched_id(xch, &scheduler) == 0 && scheduler == XEN_SCHEDULER_CREDIT2,
          "the scheduler is credit2");
    check_is(xc_sched_credit2_params_get(xch, 0, &schedule), 0, "its parameters are told");
    check(xc_sched_credit2_params_set(xch, 0, &other) == 0 &&
              xc_sched_credit2_params_get(xch, 0, &other) == 0 && other.ratelimit_us == 500,
          "and can be set");
    check_is(xc_sched_credit2_params_set(xch, 0, &schedule), 0, "and set back");
    other.ratelimit_us = 99;
    FAILS(xc_sched_credit2_params_set(xch, 0, &other), EINVAL, "below the least");
    check(xc_sched_credit2_domain_get(xch, 0, &share) == 0 && share.weight >= 256 && share.cap == 0,
          "the control domain has its share, without a cap");
    pool = xc_cpupool_getinfo(xch, 0);
    check(pool != NULL && pool->cpupool_id == 0 && pool->sched_id == XEN_SCHEDULER_CREDIT2 &&
              pool->n_dom == 1 && pool->cpumap[0] == 3,
          "pool 0 has both CPUs and the control domain");
    xc_cpupool_infofree(xch, pool);
}

/* ---- What is refused ---------------------------------------------------------------------- */

void test_refusals(xc_interface *xch)
{
    struct xen_sysctl_credit2_schedule schedule = {0};
    struct xen_domctl domctl = {.cmd = 9999};
    struct xen_sysctl sysctl = {.cmd = 9999};
    xc_cpupoolinfo_t *pool;

    FAILS(xc_sched_credit2_params_get(xch, 77, &schedule), ESRCH, "pool 77 has no scheduler");
    errno = 0;
    pool = xc_cpupool_getinfo(xch, 77);
    check(pool == NULL && errno == ENOENT, "there is no pool 77");
    FAILS(xc_cpupool_movedomain(xch, 0, NO_DOMAIN), ESRCH, "no domain is moved");
    FAILS(xc_cpupool_movedomain(xch, 0, 0), EPERM, "the control domain is not moved");
    FAILS(xc_domctl(xch, &domctl), ENOSYS, "domctl 9999 is not there");
    FAILS(xc_sysctl(xch, &sysctl), ENOSYS, "sysctl 9999 is not there");
    FAILS(xc_memory_op(xch, 63, &domctl, sizeof(domctl)), ENOSYS, "memory_op 63 is not there");
}
