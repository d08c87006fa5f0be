/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the hypervisor ask of it, without a toolstack in between:
 *   hv free                   free pages
 *   hv beside ID FREE VCPUS   the hypervisor's own memory for a domain, FREE pages having been free
 *                             before it was made; fails above 64 KiB and 8 KiB a vCPU
 *   hv cost MILLIONS COMMAND...   runs it; fails when it takes more instructions than that. For
 *                             machines of one CPU that count instructions, 2 ns each
 *   hv until MILLIONS NODE COMMAND...   the same, and it counts until NODE of the store is there
 * too hv shares ID ID PERCENT   fails unless the second runs PERCENT of the first's time hv uses ID
 * PERCENT        fails unless it runs PERCENT of one CPU's time hv state ID               the words
 * for a domain's state hv resume ID              ends a suspension hv mapped                 a
 * domain destroyed while its memory is mapped here hv granted ID             destroys a guest while
 * a grant of its is mapped here
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "common/store_watch.h"

/* Of shares, in percent; and how long they are watched. */
#define TOLERANCE 15
#define WATCH_S   3

static xc_interface *xch;

static int failed(const char *what)
{
    fprintf(stderr, "hv: %s: %s\n", what, strerror(errno));
    return 1;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

static long free_pages(void)
{
    xc_physinfo_t info = {0};

    return xc_physinfo(xch, &info) ? -1 : (long)info.free_pages;
}

static bool get_info(uint32_t domid, xc_domaininfo_t *info)
{
    return xc_domain_getinfolist(xch, domid, 1, info) == 1 && info->domain == domid;
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

    nanosleep(&t, NULL);
}

/* ---- Memory and instructions -------------------------------------------------------------- */

static int show_free(char **args)
{
    (void)args;
    printf("%ld\n", free_pages());
    return 0;
}

static int beside(char **args)
{
    long taken = strtol(args[1], NULL, 10) - free_pages(), limit = 64 + 8 * (long)number(args[2]);
    xc_domaininfo_t info;

    if (!get_info(number(args[0]), &info))
        return failed("no such domain");
    long kib = (taken - (long)info.tot_pages) * (XC_PAGE_SIZE / 1024);
    printf("%ld KiB beside %ld MiB of its own, at most %ld\n", kib, (long)info.tot_pages >> 8,
           limit);
    return kib > limit;
}

static uint64_t idle_ns(void)
{
    xc_cpuinfo_t cpu;
    int count = 0;

    return xc_getcpuinfo(xch, 1, &cpu, &count) == 0 && count == 1 ? cpu.idletime : 0;
}

/* Returns when the node is there; the store tells when something happens to it. */
static int wait_node(struct xs_handle *xs, struct store_watch *watch, const char *node)
{
    struct pollfd poll_fd = {.fd = watch->fd, .events = POLLIN};

    for (;;) {
        char *value = xs_read(xs, XBT_NULL, node, NULL);
        free(value);
        if (value != NULL)
            return 0;
        if (poll(&poll_fd, 1, -1) < 0 || store_watch_events(watch) & STORE_ENDED)
            return -1;
    }
}

/* `node`: NULL, or until when it counts, the command having ended too. */
static int count_instructions(double limit, const char *node, char **command)
{
    struct xs_handle *xs = node != NULL ? xs_open(0) : NULL;
    struct store_watch watch = STORE_WATCH_NONE;
    int status = 0;

    if (node != NULL && (xs == NULL || store_watch_open(&watch, &node, 1)))
        return failed("the store");
    uint64_t idle = idle_ns(), start = __builtin_ia32_rdtsc();
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return failed("the command failed");
    if (node != NULL && wait_node(xs, &watch, node))
        return failed("waiting for the node");
    uint64_t ticks = __builtin_ia32_rdtsc() - start;
    double millions = (double)(ticks - (idle_ns() - idle)) / 2e6;
    printf("%.2f million instructions, at most %.0f\n", millions, limit);
    return millions > limit;
}

static int cost(char **args)
{
    return count_instructions(strtod(args[0], NULL), NULL, args + 1);
}

static int until(char **args)
{
    return count_instructions(strtod(args[0], NULL), args[1], args + 2);
}

/* ---- Time --------------------------------------------------------------------------------- */

static bool is_near(double found, double wanted)
{
    printf("%.1f %%, wanted %.0f\n", found, wanted);
    return found > wanted * (100 - TOLERANCE) / 100 && found < wanted * (100 + TOLERANCE) / 100;
}

/* What each domain runs while they are watched, and how long that is: nanoseconds. */
static int watch(char **ids, unsigned count, uint64_t *ran, uint64_t *lasted)
{
    struct timespec now, span = {.tv_sec = WATCH_S};
    xc_domaininfo_t info;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < count; i++) {
            uint32_t domid = (uint32_t)strtoul(ids[i], NULL, 10);
            if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 || info.domain != domid)
                return failed("no such domain");
            ran[i] = info.cpu_time - (round ? ran[i] : 0);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        *lasted =
            (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - (round ? *lasted : 0);
        if (!round)
            nanosleep(&span, NULL);
    }
    return 0;
}

static int shares(char **args)
{
    uint64_t ran[2], lasted;

    return watch(args, 2, ran, &lasted) ||
           !is_near(100.0 * (double)ran[1] / (double)ran[0], strtod(args[2], NULL));
}

static int uses(char **args)
{
    uint64_t ran, lasted;

    return watch(args, 1, &ran, &lasted) ||
           !is_near(100.0 * (double)ran / (double)lasted, strtod(args[1], NULL));
}

/* ---- States ------------------------------------------------------------------------------- */

static int show_state(char **args)
{
    static const char *const reasons[] = {"poweroff", "reboot", "suspend", "crash", "watchdog"};
    xc_domaininfo_t info;

    if (!get_info(number(args[0]), &info)) {
        puts("gone");
        return 0;
    }
    unsigned reason = info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
    printf("%s%s%s, %u vCPUs\n", info.flags & XEN_DOMINF_dying ? "dying " : "",
           info.flags & XEN_DOMINF_shutdown ? "shut down: " : "runs",
           info.flags & XEN_DOMINF_shutdown && reason < 5 ? reasons[reason] : "",
           info.nr_online_vcpus);
    return 0;
}

static int resume(char **args)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_resumedomain, .domain = (domid_t)number(args[0])};

    return xc_domctl(xch, &op) ? failed("resume") : 0;
}

/* ---- Destroyed while others hold what is its ---------------------------------------------- */

#define HELD 16u

/* While `held`, the domain is there and dying; when that is given up, all of it is free again. */
static int destroy_held(uint32_t domid, long before, int (*let_go)(void *held), void *held)
{
    xc_domaininfo_t info;

    if (xc_domain_destroy(xch, domid))
        return failed("destroy");
    if (!get_info(domid, &info) || !(info.flags & XEN_DOMINF_dying))
        return failed("it is not there as a dying domain");
    if (info.tot_pages == 0 || info.tot_pages > HELD)
        return failed("it should have what is held, and no more");
    if (xc_domain_unpause(xch, domid) == 0 && get_info(domid, &info) &&
        !(info.flags & XEN_DOMINF_dying))
        return failed("it lives again");
    if (let_go(held))
        return failed("letting go");
    for (unsigned tries = 0; get_info(domid, &info); tries++) {
        if (tries == 100)
            return failed("it does not go");
        sleep_ms(20);
    }
    printf("%ld pages less are free\n", before - free_pages());
    return before >= 0 && free_pages() < before;
}

static int unmap_foreign(void *held)
{
    return munmap(held, HELD * XC_PAGE_SIZE);
}

static int mapped(char **args)
{
    struct xen_domctl_createdomain config = {.max_vcpus = 2,
                                             .max_evtchn_port = 1023,
                                             .max_grant_frames = 4,
                                             .max_maptrack_frames = 4,
                                             .grant_opts = XEN_DOMCTL_GRANT_version(1)};
    long before = free_pages();
    xen_pfn_t pages[HELD];
    uint32_t domid = 0;

    (void)args;
    if (xc_domain_create(xch, &domid, &config) || xc_domain_max_vcpus(xch, domid, 2) ||
        xc_domain_setmaxmem(xch, domid, 4096))
        return failed("create");
    for (unsigned i = 0; i < HELD; i++)
        pages[i] = i;
    if (xc_domain_populate_physmap_exact(xch, domid, HELD, 0, 0, pages))
        return failed("populate");
    void *at = xenforeignmemory_map(xc_interface_fmem_handle(xch), domid, PROT_READ | PROT_WRITE,
                                    HELD, pages, NULL);
    if (at == NULL)
        return failed("map");
    memset(at, 1, HELD * XC_PAGE_SIZE);
    return destroy_held(domid, before, unmap_foreign, at);
}

struct grant_held {
    xengnttab_handle *handle;
    void *at;
};

static int unmap_grant(void *held)
{
    const struct grant_held *g = held;

    return xengnttab_unmap(g->handle, g->at, 1);
}

static int granted(char **args)
{
    uint32_t domid = number(args[0]);
    struct grant_held g = {.handle = xengnttab_open(NULL, 0)};

    if (g.handle == NULL)
        return failed("the grant device");
    g.at =
        xengnttab_map_grant_ref(g.handle, domid, GNTTAB_RESERVED_CONSOLE, PROT_READ | PROT_WRITE);
    if (g.at == NULL)
        return failed("map");
    return destroy_held(domid, -1, unmap_grant, &g);
}

/* ------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int args;
    int (*run)(char **args);
} commands[] = {{"free", 0, show_free},   {"beside", 3, beside}, {"cost", 2, cost},
                {"until", 3, until},      {"shares", 3, shares}, {"uses", 2, uses},
                {"state", 1, show_state}, {"resume", 1, resume}, {"mapped", 0, mapped},
                {"granted", 1, granted}};

int main(int argc, char **argv)
{
    xch = xc_interface_open(NULL, NULL, 0);
    if (xch == NULL)
        return failed("the control interface");
    for (unsigned i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].args)
            return commands[i].run(argv + 2);
    fprintf(stderr, "hv: what is to be done?\n");
    return 2;
}
