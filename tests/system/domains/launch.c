/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: launch [-t SECONDS] [-v] 'NAME IMAGE [OPTION...] [-- WORDS]'...
 *
 * Runs guests beside each other, straight on the builder and without store and daemons, so that a
 * test of what guests do to each other depends on nothing else. WORDS are the guest's command line,
 * %N in them the domain number of the Nth guest and %s the SEED of the environment. All guests are
 * made before the first of them runs.
 *
 *   vcpus=N, memory=MiB   of the guest
 *   beside                it goes on until all others have ended: then "end" is typed to it
 *   any                   it may end in any way, and says nothing that counts
 *   late                  it starts when all that are not late have ended and are destroyed
 *   kill=MS               it is destroyed after so many milliseconds
 *
 * /tests/unprivileged lists checks, "IMAGE: TEXT", that must fail where the guest is not the
 * control domain. A guest reports in the Test Anything Protocol on its console; one that prints
 * "destroy me" is destroyed. Exit status 0: every check of every guest passed, their plans were
 * kept, all ended well, and after all were destroyed the machine has as many free pages as before.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/io/console.h>
#include <xen/sched.h>

#include "builder/builder.h"

#define GUESTS_MAX  16u
#define LINE_SIZE   1024u
#define TAIL_LINES  12u
#define POLL_MS     50
#define SLACK_KIB   1024u
#define DOMAINS_MAX 64
#define DIFFERENCES "/tests/unprivileged"

struct guest {
    char name[32], image[128], words[256];
    unsigned vcpus, memory_mib;
    long kill_ms;
    bool beside, any, late, wants_end;
    /* While it exists: */
    bool exists, started;
    uint32_t domid;
    struct xencons_interface *ring;
    evtchn_port_t guest_port, port;
    /* What it said: */
    char line[LINE_SIZE];
    size_t line_size;
    char tail[TAIL_LINES][LINE_SIZE];
    unsigned lines, made, failed, differ;
    int plan;
    bool told_end, destroyed_early, loud;
    uint64_t cpu_ms; /* that it used */
    int reason;      /* SHUTDOWN_*, -1: it runs */
};

static struct guest guests[GUESTS_MAX];
static unsigned nr_guests;
static xc_interface *xch;
static xenforeignmemory_handle *memory;
static xenevtchn_handle *events;
static bool verbose, failed;

static void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void diag(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static void die(const char *what)
{
    diag("%s: %s", what, strerror(errno));
    exit(1);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t free_pages(void)
{
    xc_physinfo_t info = {.nr_cpus = 0};
    if (xc_physinfo(xch, &info))
        die("physinfo");
    return info.free_pages;
}

/* ---- The command line ----------------------------------------------------------------------- */

static void option(struct guest *g, const char *word)
{
    if (sscanf(word, "vcpus=%u", &g->vcpus) == 1 ||
        sscanf(word, "memory=%u", &g->memory_mib) == 1 ||
        sscanf(word, "kill=%ld", &g->kill_ms) == 1)
        return;
    if (strcmp(word, "beside") == 0) {
        g->beside = true;
    } else if (strcmp(word, "any") == 0) {
        g->any = true;
    } else if (strcmp(word, "late") == 0) {
        g->late = true;
    } else {
        diag("no option of a guest is called %s", word);
        exit(2);
    }
}

static void parse(struct guest *g, char *text)
{
    *g = (struct guest){.vcpus = 1, .memory_mib = 16, .kill_ms = -1, .plan = -1, .reason = -1};
    char *words = strstr(text, " -- ");
    if (words) {
        *words = '\0';
        snprintf(g->words, sizeof(g->words), "%s", words + 4);
    }
    unsigned n = 0;
    for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n"), n++) {
        if (n == 0)
            snprintf(g->name, sizeof(g->name), "%s", word);
        else if (n == 1)
            snprintf(g->image, sizeof(g->image), "%s", word);
        else
            option(g, word);
    }
    if (n < 2) {
        diag("a guest needs a name and an image");
        exit(2);
    }
}

/* The command line with %N and %s replaced. */
static void expand(const struct guest *g, char *to, size_t size)
{
    const char *seed = getenv("SEED");
    size_t n = 0;
    for (const char *from = g->words; *from && n + 32 < size; from++) {
        unsigned which = (unsigned)(from[1] - '1');
        if (*from == '%' && which < nr_guests)
            n += (size_t)sprintf(to + n, "%u", guests[which].domid), from++;
        else if (*from == '%' && from[1] == 's')
            n += (size_t)snprintf(to + n, 24, "%s", seed ? seed : "1"), from++;
        else
            to[n++] = *from;
    }
    to[n] = '\0';
}

/* ---- Making and unmaking -------------------------------------------------------------------- */

static void create(struct guest *g)
{
    struct xen_domctl_createdomain d = {
        .max_vcpus = g->vcpus,
        .max_evtchn_port = 4095,
        .max_grant_frames = 64,
        .max_maptrack_frames = 64,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };
    g->domid = 0;
    if (xc_domain_create(xch, &g->domid, &d))
        die("create");
    g->exists = true;
    if (xc_domain_max_vcpus(xch, g->domid, g->vcpus) ||
        xc_domain_setmaxmem(xch, g->domid, g->memory_mib * 1024 + SLACK_KIB))
        die("limits");
}

static void build(struct guest *g)
{
    char cmdline[512];
    struct message why = {.file = NULL};
    struct builder_result result;
    int store = xc_evtchn_alloc_unbound(xch, g->domid, 0);
    int console = xc_evtchn_alloc_unbound(xch, g->domid, 0);
    if (store < 0 || console < 0)
        die("event channels");
    expand(g, cmdline, sizeof(cmdline));
    struct builder_request request = {.xch = xch,
                                      .domid = g->domid,
                                      .kernel = g->image,
                                      .cmdline = cmdline,
                                      .memory_kib = g->memory_mib * 1024,
                                      .max_vcpus = g->vcpus,
                                      .store_port = (evtchn_port_t)store,
                                      .console_port = (evtchn_port_t)console};
    if (builder_build(&request, &result, &why)) {
        message_print(stdout, "# launch", &why);
        exit(1);
    }
    xen_pfn_t mfn = result.console_mfn;
    g->ring = xenforeignmemory_map(memory, g->domid, PROT_READ | PROT_WRITE, 1, &mfn, NULL);
    if (!g->ring)
        die("console");
    g->guest_port = request.console_port;
    int port = xenevtchn_bind_interdomain(events, g->domid, g->guest_port);
    if (port < 0)
        die("console's event channel");
    g->port = (evtchn_port_t)port;
}

static void destroy(struct guest *g)
{
    if (!g->exists)
        return;
    xenevtchn_unbind(events, g->port);
    xenforeignmemory_unmap(memory, g->ring, 1);
    g->ring = NULL;
    if (xc_domain_destroy(xch, g->domid)) {
        diag("%s cannot be destroyed: %s", g->name, strerror(errno));
        failed = true;
    }
    g->exists = false;
}

/* ---- Consoles ------------------------------------------------------------------------------- */

/* Whether a check is in the list of those that fail without privileges. */
static bool listed(const struct guest *g, const char *line)
{
    const char *slash = strrchr(g->image, '/'), *text = strstr(line, " - ");
    char wanted[LINE_SIZE + 128], entry[LINE_SIZE];
    bool found = false;
    FILE *list = text ? fopen(DIFFERENCES, "r") : NULL;
    if (!list)
        return false;
    snprintf(wanted, sizeof(wanted), "%s: %s\n", slash ? slash + 1 : g->image, text + 3);
    while (!found && fgets(entry, sizeof(entry), list))
        found = strcmp(entry, wanted) == 0;
    fclose(list);
    return found;
}

static unsigned how_many_listed(const struct guest *g)
{
    const char *slash = strrchr(g->image, '/'), *name = slash ? slash + 1 : g->image;
    char entry[LINE_SIZE];
    unsigned n = 0;
    FILE *list = fopen(DIFFERENCES, "r");
    while (list && fgets(entry, sizeof(entry), list))
        n += strncmp(entry, name, strlen(name)) == 0 && entry[strlen(name)] == ':';
    if (list)
        fclose(list);
    return n;
}

static void line_ends(struct guest *g)
{
    unsigned number;
    int plan;
    g->line[g->line_size] = '\0';
    g->line_size = 0;
    memcpy(g->tail[g->lines++ % TAIL_LINES], g->line, sizeof(g->line));
    bool bad = strncmp(g->line, "not ok", 6) == 0;
    if (bad || sscanf(g->line, "ok %u", &number) == 1) {
        if (bad && listed(g, g->line))
            bad = false, g->differ++;
        g->made++;
        g->failed += bad;
    } else if (sscanf(g->line, "1..%d", &plan) == 1) {
        g->plan = plan;
    } else if (strcmp(g->line, "destroy me") == 0) {
        g->wants_end = true;
    } else if (strncmp(g->line, "#   ", 4) == 0 && g->loud && !g->any) /* explains that check */
        diag("%s: %s", g->name, g->line);
    g->loud = bad || (g->loud && strncmp(g->line, "#   ", 4) == 0);
    if (verbose || (bad && !g->any) || strncmp(g->line, "# seed", 6) == 0)
        diag("%s: %s", g->name, g->line);
}

static void drain(struct guest *g)
{
    struct xencons_interface *r = g->ring;
    XENCONS_RING_IDX at = r->out_cons, end = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE);
    if (end - at > sizeof(r->out)) /* rubbish: what the guest may do to its own console */
        at = end - (XENCONS_RING_IDX)sizeof(r->out);
    for (; at != end; at++) {
        char c = r->out[MASK_XENCONS_IDX(at, r->out)];
        if (c == '\n')
            line_ends(g);
        else if (c != '\r' && g->line_size < LINE_SIZE - 1)
            g->line[g->line_size++] = c;
    }
    __atomic_store_n(&r->out_cons, at, __ATOMIC_RELEASE);
}

static void type(struct guest *g, const char *text)
{
    struct xencons_interface *r = g->ring;
    XENCONS_RING_IDX at = r->in_prod;
    for (; *text; text++, at++)
        r->in[MASK_XENCONS_IDX(at, r->in)] = *text;
    __atomic_store_n(&r->in_prod, at, __ATOMIC_RELEASE);
    xenevtchn_notify(events, g->port);
}

/* ---- Running -------------------------------------------------------------------------------- */

static int shutdown_reason(struct guest *g)
{
    xc_domaininfo_t info;
    if (xc_domain_getinfolist(xch, g->domid, 1, &info) != 1 || info.domain != g->domid)
        return SHUTDOWN_MAX + 1;
    g->cpu_ms = info.cpu_time / 1000000;
    if (!(info.flags & XEN_DOMINF_shutdown))
        return -1;
    return (int)(info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
}

static void start(struct guest *g)
{
    if (xc_domain_unpause(xch, g->domid))
        die("unpause");
    g->started = true;
}

static bool at_end(const struct guest *g)
{
    return g->reason >= 0 || g->destroyed_early;
}

static void look_at(struct guest *g, uint64_t since)
{
    if (!g->exists || !g->started || at_end(g))
        return;
    int reason = shutdown_reason(g);
    drain(g); /* all that it said before it ended */
    g->reason = reason;
    if (g->wants_end || (g->kill_ms >= 0 && now_ms() - since >= (uint64_t)g->kill_ms)) {
        g->destroyed_early = true;
        destroy(g);
    }
}

static void wait_for_events(void)
{
    struct pollfd p = {.fd = xenevtchn_fd(events), .events = POLLIN};
    if (poll(&p, 1, POLL_MS) > 0) {
        int port = xenevtchn_pending(events);
        if (port >= 0)
            xenevtchn_unmask(events, (evtchn_port_t)port);
    }
}

/* Whether all of a kind have ended: those that others go on beside, or the others. */
static bool all_ended(bool beside, bool late)
{
    for (struct guest *g = guests; g < guests + nr_guests; g++) {
        if (g->beside == beside && g->late == late && !at_end(g))
            return false;
    }
    return true;
}

static void run(bool late, uint64_t deadline)
{
    uint64_t since = now_ms();
    for (struct guest *g = guests; g < guests + nr_guests; g++) {
        if (g->late == late && !g->started)
            start(g);
    }
    while (now_ms() < deadline) {
        wait_for_events();
        for (struct guest *g = guests; g < guests + nr_guests; g++)
            look_at(g, since);
        if (!all_ended(false, late))
            continue;
        if (!late && !all_ended(false, true))
            return; /* what is beside goes on */
        if (all_ended(true, false))
            return;
        for (struct guest *g = guests; g < guests + nr_guests; g++) {
            if (g->beside && !g->told_end && g->exists)
                type(g, "end\n");
            g->told_end |= g->beside;
        }
    }
    diag("the time is over");
    failed = true;
}

/* ---- Judging -------------------------------------------------------------------------------- */

static const char *verdict(const struct guest *g)
{
    if (!at_end(g))
        return "did not end";
    if (g->any || g->destroyed_early)
        return NULL;
    if (g->reason != SHUTDOWN_poweroff)
        return g->reason == SHUTDOWN_crash ? "crashed" : "did not end well";
    if (g->failed)
        return "failed checks";
    if (g->differ != how_many_listed(g))
        return "passed checks that " DIFFERENCES " lists";
    return g->plan == (int)g->made && g->made ? NULL : "did not keep its plan";
}

static void judge(struct guest *g)
{
    const char *trouble = verdict(g);
    if (!trouble && !verbose) {
        diag("%s: %u checks, %llu ms of CPU", g->name, g->made, (unsigned long long)g->cpu_ms);
        return;
    }
    diag("%s (domain %u): %s; %u checks of %d, %u failed, reason %d", g->name, g->domid,
         trouble ? trouble : "good", g->made, g->plan, g->failed, g->reason);
    failed |= trouble != NULL;
    unsigned first = g->lines > TAIL_LINES ? g->lines - TAIL_LINES : 0;
    for (unsigned i = first; trouble && i < g->lines; i++)
        diag("%s| %s", g->name, g->tail[i % TAIL_LINES]);
}

/* Nothing but the control domain, and what was there, is left; and all pages are free again. */
static void check_nothing_left(int domains, uint64_t pages)
{
    xc_domaininfo_t info[DOMAINS_MAX];
    int left = xc_domain_getinfolist(xch, 0, DOMAINS_MAX, info);
    if (left != domains) {
        diag("%d domains, before %d", left, domains);
        failed = true;
    }
    if (free_pages() != pages) {
        diag("%llu pages are free, before %llu", (unsigned long long)free_pages(),
             (unsigned long long)pages);
        failed = true;
    }
}

static int options(int argc, char **argv)
{
    int letter, seconds = 900;
    while ((letter = getopt(argc, argv, "t:v")) >= 0) {
        if (letter == 't')
            seconds = atoi(optarg);
        else if (letter == 'v')
            verbose = true;
        else
            exit(2);
    }
    for (; optind < argc && nr_guests < GUESTS_MAX; optind++)
        parse(&guests[nr_guests++], argv[optind]);
    return seconds;
}

/* When the others have ended and are destroyed. */
static void run_late(uint64_t deadline)
{
    bool late = false;
    for (struct guest *g = guests; g < guests + nr_guests; g++)
        late |= g->late;
    if (!late || failed)
        return;
    for (struct guest *g = guests; g < guests + nr_guests; g++) {
        if (!g->late && !g->beside)
            destroy(g);
    }
    for (struct guest *g = guests; g < guests + nr_guests; g++) {
        if (g->late)
            build(g);
    }
    run(true, deadline);
}

int main(int argc, char **argv)
{
    int seconds = options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    xch = xc_interface_open(NULL, NULL, 0);
    memory = xenforeignmemory_open(NULL, 0);
    events = xenevtchn_open(NULL, 0);
    if (!xch || !memory || !events)
        die("interfaces");
    xc_domaininfo_t info[DOMAINS_MAX];
    int domains = xc_domain_getinfolist(xch, 0, DOMAINS_MAX, info);
    uint64_t pages = free_pages(), deadline = now_ms() + (uint64_t)seconds * 1000;

    for (struct guest *g = guests; g < guests + nr_guests; g++)
        create(g);
    for (struct guest *g = guests; g < guests + nr_guests; g++) {
        if (!g->late)
            build(g);
    }
    run(false, deadline);
    run_late(deadline);
    for (struct guest *g = guests; g < guests + nr_guests; g++) {
        judge(g);
        destroy(g);
    }
    check_nothing_left(domains, pages);
    return failed;
}
