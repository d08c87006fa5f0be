/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl: the table of its verbs, their help, and the options that all of them have.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb verbs[] = {
    {"create", "FILE [KEY=VALUE...]", "make a guest from a configuration, and start it",
     "  -p, --paused         leave it paused\n"
     "  -c, --console        attach to its console\n"
     "  -n, --dry-run        read and check only; print the configuration as JSON\n"
     "  -f, --defconfig=FILE the configuration, instead of the first argument\n"
     "      --from-json      FILE is JSON, as a dry run prints it\n"
     "  -q, --quiet          print no progress\n"
     "  -d, --debug          say more, as -v\n"
     "  -e                   accepted for xl's sake: who waits for its end is pvwatchd\n",
     verb_create},
    {"destroy", "DOMAIN", "stop a guest at once, and free all that it has",
     "  -f, --force          accepted for xl's sake: domain 0 stays in any case\n", verb_destroy},
    {"shutdown", "DOMAIN", "ask a guest to switch itself off",
     "  -a, --all            all guests\n"
     "  -w, --wait           until it is off\n"
     "  -t, --timeout=SECS   wait no longer (300); then it is a failure\n"
     "  -d, --destroy        wait, and destroy what is still there after that time\n"
     "  -F                   accepted for xl's sake: guests here need no ACPI event\n",
     verb_shutdown},
    {"reboot", "DOMAIN", "ask a guest to start anew",
     "  -a, --all            all guests\n"
     "  -F                   accepted for xl's sake: guests here need no ACPI event\n",
     verb_reboot},
    {"pause", "DOMAIN", "let none of its vCPUs run", "", verb_pause},
    {"unpause", "DOMAIN", "let a paused guest run on", "", verb_unpause},
    {"list", "[DOMAIN...]", "list domains",
     "  -l, --long           all that is known of them, as JSON\n"
     "  -v, --verbose        with UUIDs and why they stopped\n",
     verb_list},
    {"info", "", "tell of the machine and the hypervisor",
     "  -n, --numa           and of its CPUs and nodes\n", verb_info},
    {"console", "DOMAIN", "attach to a guest's console; ^] leaves it",
     "  -t, --type=TYPE      of the console: pv, the only one\n"
     "  -n, --num=NUMBER     of the console: 0, the only one\n",
     verb_console},
    {"dmesg", "", "print the hypervisor's log", "  -c, --clear          and empty it\n",
     verb_dmesg},
    {"uptime", "[DOMAIN...]", "tell how long domains have been running",
     "  -s, --short          one line each, with the time of day\n", verb_uptime},
    {"rename", "DOMAIN NAME", "give a guest another name", "", verb_rename},
    {"vcpu-list", "[DOMAIN...]", "list vCPUs", "", verb_vcpu_list},
    {"vcpu-set", "DOMAIN NUMBER", "let a guest use so many of its vCPUs",
     "  -i, --ignore-host    accepted for xl's sake: they may be more than the CPUs\n",
     verb_vcpu_set},
    {"vcpu-pin", "DOMAIN VCPU|all CPUS|-", "choose the CPUs that a vCPU may run on",
     "  -f, --force          accepted for xl's sake: the hypervisor pins no vCPU for good\n",
     verb_vcpu_pin},
    {"sched", "", "list or set guests' shares of the CPUs, or the scheduler's own setting",
     "  -d, --domain=DOMAIN  of this one only\n"
     "  -w, --weight=NUMBER  its share beside others' (256 is usual)\n"
     "  -c, --cap=PERCENT    the most it gets, in hundredths of a CPU; 0: no limit\n"
     "  -s, --schedparam     the scheduler's setting instead\n"
     "  -r, --ratelimit_us=N with -s: set it: how long a vCPU keeps a CPU from those that\n"
     "                       wake, 100 to 500000 us; 0: not at all\n",
     verb_sched},
    {"mem-set", "DOMAIN SIZE", "let a guest grow or shrink to a size (MiB, or 1g, 512m, 4096k)", "",
     verb_mem_set},
    {"mem-max", "DOMAIN SIZE", "limit what a guest can have", "", verb_mem_max},
    {"block-attach", "DOMAIN DISK...", "give a guest a disk; DISK as in disk = [...]", "",
     verb_block_attach},
    {"block-detach", "DOMAIN DEVICE", "take a disk away",
     "  -F, --force          without asking the guest\n", verb_block_detach},
    {"block-list", "DOMAIN", "list a guest's disks", "", verb_block_list},
    {"network-attach", "DOMAIN [KEY=VALUE...]", "give a guest a network card; keys as in vif", "",
     verb_network_attach},
    {"network-detach", "DOMAIN NUMBER|MAC", "take a network card away",
     "  -F, --force          without asking the guest\n", verb_network_detach},
    {"network-list", "DOMAIN", "list a guest's network cards", "", verb_network_list},
    {"top", "", "watch what domains use",
     "  -d, --delay=SECS     between two looks (3)\n"
     "  -b, --batch          print lines instead of a screen\n"
     "  -i, --iterations=N   so many looks, then end\n",
     verb_top},
    {"config-update", "DOMAIN FILE [KEY=VALUE...]", "what the guest is restarted with",
     "  -f, --defconfig=FILE the configuration, instead of the second argument\n",
     verb_config_update},
    {"domid", "NAME", "the number of a domain", "", verb_domid},
    {"domname", "NUMBER", "the name of a domain", "", verb_domname},
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

const struct option common_options[] = {COMMON_OPTIONS};

/* ---- Help --------------------------------------------------------------------------------- */

static void print_verb_help(const struct verb *v)
{
    printf("Usage: pvctl %s%s%s%s\n", v->name, v->options[0] ? " [OPTION...]" : "",
           v->arguments[0] ? " " : "", v->arguments);
    printf("pvctl %s: %s.\n\n%s", v->name, v->what, v->options);
    printf("      --json           what is listed, as JSON\n"
           "  -v, --verbose        say more; twice: the control library's messages\n"
           "  -h, --help           this text\n");
}

static int print_help(FILE *to)
{
    fprintf(to, "Usage: pvctl [-v] [--json] VERB [OPTION...] [ARGUMENT...]\n"
                "Controls the guests of this machine. DOMAIN is a name, a number or a UUID.\n\n");
    for (size_t i = 0; i < NR_VERBS; i++)
        fprintf(to, "  %-15s %s\n", verbs[i].name, verbs[i].what);
    fprintf(to, "\n`pvctl VERB --help` tells a verb's options. Exit status: 0 done, 1 failed,\n"
                "2 wrong usage or configuration.\n");
    return to == stdout ? 0 : STATUS_USAGE;
}

/* ---- Options and messages ----------------------------------------------------------------- */

int next_option(struct pvctl *p, int argc, char **argv, const char *shorts,
                const struct option *longs)
{
    char all[32];

    snprintf(all, sizeof(all), "%shv", shorts);
    for (;;) {
        int c = getopt_long(argc, argv, all, longs, NULL);

        switch (c) {
        case 'h':
            print_verb_help(p->verb);
            exit(0);
        case 'v':
            p->verbose++;
            break;
        case OPT_JSON:
            p->json = true;
            break;
        case '?':
            fprintf(stderr, "pvctl %s: --help tells the options\n", p->verb->name);
            exit(STATUS_USAGE);
        default:
            return c;
        }
    }
}

bool arguments_good(struct pvctl *p, int argc, unsigned min, unsigned max)
{
    unsigned given = (unsigned)(argc - optind);

    if (given >= min && given <= max)
        return true;
    fprintf(stderr, "pvctl %s: %s: usage: pvctl %s%s%s\n", p->verb->name,
            given < min ? "an argument is missing" : "too many arguments", p->verb->name,
            p->verb->arguments[0] ? " " : "", p->verb->arguments);
    return false;
}

static int complain(struct pvctl *p, int status, const char *format, va_list args)
{
    fprintf(stderr, "pvctl %s: ", p->verb->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    return status;
}

int failed(struct pvctl *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int status = complain(p, STATUS_FAILED, format, args);
    va_end(args);
    return status;
}

int misused(struct pvctl *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int status = complain(p, STATUS_USAGE, format, args);
    va_end(args);
    return status;
}

int failed_with(struct pvctl *p, const struct message *why)
{
    char program[48];

    snprintf(program, sizeof(program), "pvctl %s", p->verb->name);
    message_print(stderr, program, why);
    return why->file != NULL ? STATUS_USAGE : STATUS_FAILED;
}

/* ---- main --------------------------------------------------------------------------------- */

/* What hands that know xl may type, too. */
static const struct {
    const char *name, *verb;
} aliases[] = {{"sched-credit2", "sched"}, {"vm-list", "list"}};

/* The name, or the only verb that begins with it; NULL: a message was printed. */
static const struct verb *find_verb(const char *name)
{
    char candidates[256] = "";
    const struct verb *found = NULL;
    unsigned count = 0;
    size_t used = 0;

    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (strcmp(aliases[i].name, name) == 0)
            name = aliases[i].verb;
    for (size_t i = 0; i < NR_VERBS; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
        if (strncmp(verbs[i].name, name, strlen(name)) != 0)
            continue;
        found = &verbs[i];
        if (used < sizeof(candidates))
            used += (size_t)snprintf(candidates + used, sizeof(candidates) - used, "%s%s",
                                     count ? ", " : "", found->name);
        count++;
    }
    if (count == 1)
        return found;
    if (count == 0)
        fprintf(stderr, "pvctl: %s: there is no such verb; `pvctl help` lists them\n", name);
    else
        fprintf(stderr, "pvctl: %s: more than one verb begins so: %s\n", name, candidates);
    return NULL;
}

static int run_verb(struct pvctl *p, const char *name, int argc, char **argv)
{
    static char called[32];

    p->verb = find_verb(name);
    if (p->verb == NULL)
        return STATUS_USAGE;
    snprintf(called, sizeof(called), "pvctl %s", p->verb->name);
    argv[0] = called;
    optind = 0;
    int status = p->verb->run(p, argc, argv);
    session_close(p);
    if (fflush(stdout) || ferror(stdout))
        return failed(p, "the output cannot be written: %s", strerror(errno));
    return status;
}

/* xl's --long asks for all verbs, which are shown in any case. */
static int help(int argc, char **argv)
{
    if (argc == 1 || strcmp(argv[1], "--long") == 0)
        return print_help(stdout);
    const struct verb *v = find_verb(argv[1]);
    if (v == NULL)
        return STATUS_USAGE;
    print_verb_help(v);
    return 0;
}

int main(int argc, char **argv)
{
    struct pvctl p = {.verb = NULL};
    int c;

    while ((c = getopt_long(argc, argv, "+hv", common_options, NULL)) != -1) {
        switch (c) {
        case 'h':
            return print_help(stdout);
        case 'v':
            p.verbose++;
            break;
        case OPT_JSON:
            p.json = true;
            break;
        default:
            return print_help(stderr);
        }
    }
    if (optind == argc)
        return print_help(stderr);
    if (strcmp(argv[optind], "help") == 0)
        return help(argc - optind, argv + optind);
    return run_verb(&p, argv[optind], argc - optind, argv + optind);
}
