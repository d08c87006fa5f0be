/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvwatchd: the command. Without --foreground it goes into the background when guests that stopped
 * before are being dealt with. With --task it is the process that deals with one of them.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/background.h"
#include "common/daemon_log.h"
#include "common/paths.h"
#include "watch/daemon.h"

#ifndef PARAVANE_VERSION
#define PARAVANE_VERSION "unversioned"
#endif

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

#define QUICK_SECONDS_DEFAULT 10u
#define QUICK_LIMIT_DEFAULT   3u
#define WORKERS               8u

static const char usage_text[] =
    "Usage: pvwatchd [OPTION...]\n"
    "Deals with guests of a Paravane or Xen host that stop: restarts, destroys or keeps them, as\n"
    "on_poweroff, on_reboot, on_crash, on_watchdog and on_soft_reset of their configurations say.\n"
    "\n"
    "  -F, --foreground       do not go into the background\n"
    "  -p, --pid-file=FILE    keep the number of the process there\n"
    "                         (" PATH_RUN "/pvwatchd.pid)\n"
    "      --quick-seconds=N  a guest that stops within so many seconds stopped quickly (10)\n"
    "      --quick-limit=N    after so many quick stops in a row it is destroyed, not restarted\n"
    "                         (3; 0: it is restarted for ever)\n"
    "      --syslog           messages go to syslog, not to standard error\n"
    "  -v, --verbose          say more\n"
    "  -h, --help             print this text\n"
    "      --version          print the version\n"
    "\n"
    "Exit status: 0 ended by SIGTERM or SIGINT; 1 could not start, or failed; 2 wrong usage.\n";

enum { OPTION_SECONDS = 256, OPTION_LIMIT, OPTION_SYSLOG, OPTION_TASK, OPTION_VERSION };

static const struct option long_options[] = {
    {"foreground", no_argument, NULL, 'F'},
    {"pid-file", required_argument, NULL, 'p'},
    {"quick-seconds", required_argument, NULL, OPTION_SECONDS},
    {"quick-limit", required_argument, NULL, OPTION_LIMIT},
    {"syslog", no_argument, NULL, OPTION_SYSLOG},
    {"task", required_argument, NULL, OPTION_TASK}, /* how the daemon calls itself */
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0}};

struct options {
    struct daemon_options daemon;
    struct background process;
    const char *task;
    bool foreground;
};

static int print(const char *text)
{
    fputs(text, stdout);
    return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

static int misused(const char *what, const char *value)
{
    fprintf(stderr, "pvwatchd: '%s' %s. Try 'pvwatchd --help'.\n", value, what);
    return EXIT_USAGE;
}

static bool read_number(const char *text, unsigned *number)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10);

    *number = (unsigned)n;
    return text[0] >= '0' && text[0] <= '9' && *rest == '\0' && n <= 1000000;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
    int c;

    while ((c = getopt_long(argc, argv, "Fp:vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'F':
            opt->foreground = true;
            break;
        case 'p':
            opt->process.pid_file = optarg;
            break;
        case OPTION_SECONDS:
        case OPTION_LIMIT:
            if (!read_number(optarg, c == OPTION_LIMIT ? &opt->daemon.quick_limit
                                                       : &opt->daemon.quick_seconds))
                return misused("is no number up to 1000000", optarg);
            break;
        case OPTION_SYSLOG:
            opt->daemon.syslog = true;
            break;
        case OPTION_TASK:
            opt->task = optarg;
            break;
        case 'v':
            opt->daemon.verbose = true;
            break;
        case 'h':
            return print(usage_text);
        case OPTION_VERSION:
            return print("pvwatchd " PARAVANE_VERSION "\n");
        default:
            fputs("Try 'pvwatchd --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    return optind == argc ? -1 : misused("is no option", argv[optind]);
}

static void is_ready(void *data)
{
    background_ready(data);
}

int main(int argc, char **argv)
{
    struct options opt = {
        .daemon = {.quick_seconds = QUICK_SECONDS_DEFAULT,
                   .quick_limit = QUICK_LIMIT_DEFAULT,
                   .workers = WORKERS,
                   .is_ready = is_ready},
        .process = {
            .program = "pvwatchd", .pid_file = PATH_RUN "/pvwatchd.pid", .lock = -1, .tell = -1}};
    struct message why = {.file = NULL};
    int status = parse_options(argc, argv, &opt);

    opt.daemon.data = &opt.process;
    if (status < 0 && !opt.foreground && opt.task == NULL)
        status = background_detach(&opt.process);
    if (status >= 0)
        return status;
    daemon_log_open("pvwatchd", opt.daemon.syslog, opt.daemon.verbose ? LOG_DEBUG : LOG_INFO);
    if (opt.task != NULL)
        return daemon_task(opt.task);
    int rc = background_claim(&opt.process, &why);
    if (rc == 0)
        rc = daemon_run(&opt.daemon, &why);
    background_end(&opt.process);
    if (rc)
        daemon_log(LOG_ERR, "%s", why.text);
    return rc ? EXIT_FAILED : EXIT_OK;
}
