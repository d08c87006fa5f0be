/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvconsoled: the command. Without --foreground it goes into the background when the consoles of
 * the guests that there are have their ptys.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/background.h"
#include "common/daemon_log.h"
#include "common/paths.h"
#include "console/daemon.h"

#ifndef PARAVANE_VERSION
#define PARAVANE_VERSION "unversioned"
#endif

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

#define LOG_SIZE_DEFAULT (1u << 20)
#define LOG_KEEP_DEFAULT 4u
#define LOG_KEEP_MAX     99u

static const char usage_text[] =
    "Usage: pvconsoled [OPTION...]\n"
    "Serves the consoles of a Paravane or Xen host's guests: each on a pty, named by the node\n"
    "console/tty of the guest, and in a log if that is asked for.\n"
    "\n"
    "  -F, --foreground     do not go into the background\n"
    "  -p, --pid-file=FILE  keep the number of the process there\n"
    "                       (" PATH_RUN "/pvconsoled.pid)\n"
    "  -l, --log=WHICH      log no guest's console (none), those of guests whose\n"
    "                       configuration asks for it (guest: the default), or all (all)\n"
    "  -d, --log-dir=DIR    where logs lie (" PATH_CONSOLES ")\n"
    "      --log-size=SIZE  begin a new log file after so many bytes (1m); k, m, g may follow\n"
    "      --log-keep=N     keep so many old log files of each guest (4; 0 to 99)\n"
    "      --timestamps     begin each line of logs with the time\n"
    "      --syslog         the daemon's own messages go to syslog, not to standard error\n"
    "  -v, --verbose        say more\n"
    "  -h, --help           print this text\n"
    "      --version        print the version\n"
    "\n"
    "SIGHUP opens the logs anew. Exit status: 0 ended by SIGTERM or SIGINT; 1 could not start, or\n"
    "failed; 2 wrong usage.\n";

enum { OPTION_LOG_SIZE = 256, OPTION_LOG_KEEP, OPTION_TIMESTAMPS, OPTION_SYSLOG, OPTION_VERSION };

static const struct option long_options[] = {{"foreground", no_argument, NULL, 'F'},
                                             {"pid-file", required_argument, NULL, 'p'},
                                             {"log", required_argument, NULL, 'l'},
                                             {"log-dir", required_argument, NULL, 'd'},
                                             {"log-size", required_argument, NULL, OPTION_LOG_SIZE},
                                             {"log-keep", required_argument, NULL, OPTION_LOG_KEEP},
                                             {"timestamps", no_argument, NULL, OPTION_TIMESTAMPS},
                                             {"syslog", no_argument, NULL, OPTION_SYSLOG},
                                             {"verbose", no_argument, NULL, 'v'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, OPTION_VERSION},
                                             {NULL, 0, NULL, 0}};

struct options {
    struct daemon_options daemon;
    struct background process;
    bool foreground, syslog, verbose;
};

static int print(const char *text)
{
    fputs(text, stdout);
    return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

static int misused(const char *what, const char *value)
{
    fprintf(stderr, "pvconsoled: '%s' %s. Try 'pvconsoled --help'.\n", value, what);
    return EXIT_USAGE;
}

static bool read_which(const char *text, enum log_which *which)
{
    static const char *const names[] = {
        [LOG_NONE] = "none", [LOG_GUEST] = "guest", [LOG_ALL] = "all"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            *which = (enum log_which)i;
            return true;
        }
    return false;
}

/* A number of bytes, at least a page: "65536", "64k", "1m", "2g". */
static bool read_size(const char *text, uint64_t *size)
{
    char *rest;
    unsigned shift = 0;

    uintmax_t n = strtoumax(text, &rest, 10);
    if (text[0] < '0' || text[0] > '9' || (*rest != '\0' && rest[1] != '\0'))
        return false;
    if (*rest != '\0') {
        const char *units = "kmg", *unit = strchr(units, *rest | 0x20);
        if (unit == NULL)
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    *size = (uint64_t)n << shift;
    return n <= (uintmax_t)INT64_MAX >> shift && *size >= 4096;
}

static bool read_keep(const char *text, unsigned *keep)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10);

    *keep = (unsigned)n;
    return text[0] >= '0' && text[0] <= '9' && *rest == '\0' && n <= LOG_KEEP_MAX;
}

/* Options with a value; -1 to go on, or the exit status. */
static int take_value(int c, struct options *opt)
{
    switch (c) {
    case 'p':
        opt->process.pid_file = optarg;
        break;
    case 'd':
        opt->daemon.log_directory = optarg;
        break;
    case 'l':
        if (!read_which(optarg, &opt->daemon.log))
            return misused("is none of none, guest, all", optarg);
        break;
    case OPTION_LOG_SIZE:
        if (!read_size(optarg, &opt->daemon.log_size))
            return misused("is no size of at least 4k", optarg);
        break;
    default:
        if (!read_keep(optarg, &opt->daemon.log_keep))
            return misused("is no number from 0 to 99", optarg);
        break;
    }
    return -1;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
    int c, status;

    while ((c = getopt_long(argc, argv, "Fp:l:d:vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'F':
            opt->foreground = true;
            break;
        case OPTION_TIMESTAMPS:
            opt->daemon.timestamps = true;
            break;
        case OPTION_SYSLOG:
            opt->syslog = true;
            break;
        case 'v':
            opt->verbose = true;
            break;
        case 'h':
            return print(usage_text);
        case OPTION_VERSION:
            return print("pvconsoled " PARAVANE_VERSION "\n");
        case '?':
            fputs("Try 'pvconsoled --help'.\n", stderr);
            return EXIT_USAGE;
        default:
            status = take_value(c, opt);
            if (status >= 0)
                return status;
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
    struct options opt = {.daemon = {.log = LOG_GUEST,
                                     .log_directory = PATH_CONSOLES,
                                     .log_size = LOG_SIZE_DEFAULT,
                                     .log_keep = LOG_KEEP_DEFAULT,
                                     .is_ready = is_ready},
                          .process = {.program = "pvconsoled",
                                      .pid_file = PATH_RUN "/pvconsoled.pid",
                                      .lock = -1,
                                      .tell = -1}};
    struct message why = {.file = NULL};
    int status = parse_options(argc, argv, &opt);

    opt.daemon.data = &opt.process;
    if (status < 0 && !opt.foreground)
        status = background_detach(&opt.process);
    if (status >= 0)
        return status;
    daemon_log_open("pvconsoled", opt.syslog, opt.verbose ? LOG_DEBUG : LOG_INFO);
    int rc = background_claim(&opt.process, &why);
    if (rc == 0)
        rc = daemon_run(&opt.daemon, &why);
    background_end(&opt.process);
    if (rc)
        daemon_log(LOG_ERR, "%s", why.text);
    return rc ? EXIT_FAILED : EXIT_OK;
}
