/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvstored: the command. Without --foreground it goes into the background when clients can connect,
 * so whoever started it may go on then.
 */
#include <getopt.h>
#include <stdio.h>

#include "common/background.h"
#include "common/paths.h"
#include "store/daemon.h"

#ifndef PARAVANE_VERSION
#define PARAVANE_VERSION "unversioned"
#endif

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] =
    "Usage: pvstored [OPTION...]\n"
    "The store of a Paravane or Xen host: serves the xenstore protocol to programs of the control\n"
    "domain on a socket, and to guests on their rings.\n"
    "\n"
    "  -F, --foreground     do not go into the background\n"
    "  -s, --socket=PATH    listen there (" PATH_STORE_SOCKET ")\n"
    "  -d, --state-dir=DIR  keep there what a new pvstored takes up (" PATH_STORE ")\n"
    "  -p, --pid-file=FILE  write the number of the process there\n"
    "      --fresh          throw away what is kept; guests lose their connections\n"
    "      --socket-only    serve the socket alone: no hypervisor is needed, guests have no store\n"
    "  -v, --verbose        log every request on standard error\n"
    "  -h, --help           print this text\n"
    "      --version        print the version\n"
    "\n"
    "Exit status: 0 ended by SIGTERM or SIGINT; 1 could not start, or failed; 2 wrong usage.\n";

struct options {
    struct daemon_options daemon;
    struct background process;
    bool foreground;
};

enum { OPTION_FRESH = 256, OPTION_SOCKET_ONLY, OPTION_VERSION };

static const struct option long_options[] = {{"foreground", no_argument, NULL, 'F'},
                                             {"socket", required_argument, NULL, 's'},
                                             {"state-dir", required_argument, NULL, 'd'},
                                             {"pid-file", required_argument, NULL, 'p'},
                                             {"fresh", no_argument, NULL, OPTION_FRESH},
                                             {"socket-only", no_argument, NULL, OPTION_SOCKET_ONLY},
                                             {"verbose", no_argument, NULL, 'v'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, OPTION_VERSION},
                                             {NULL, 0, NULL, 0}};

static int print(const char *text)
{
    fputs(text, stdout);
    return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
    int c;

    while ((c = getopt_long(argc, argv, "Fs:d:p:vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'F':
            opt->foreground = true;
            break;
        case 's':
            opt->daemon.socket = optarg;
            break;
        case 'd':
            opt->daemon.state_directory = optarg;
            break;
        case 'p':
            opt->process.pid_file = optarg;
            break;
        case OPTION_FRESH:
            opt->daemon.fresh = true;
            break;
        case OPTION_SOCKET_ONLY:
            opt->daemon.socket_only = true;
            break;
        case 'v':
            opt->daemon.verbose = true;
            break;
        case 'h':
            return print(usage_text);
        case OPTION_VERSION:
            return print("pvstored " PARAVANE_VERSION "\n");
        default:
            fputs("Try 'pvstored --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "pvstored: '%s' is no option. Try 'pvstored --help'.\n", argv[optind]);
    return EXIT_USAGE;
}

static void is_ready(void *data)
{
    background_ready(data);
}

/* A pid file only if it is asked for: the state's own lock keeps a second pvstored away. */
static int run(struct options *opt, struct message *why)
{
    int rc = opt->process.pid_file != NULL ? background_claim(&opt->process, why) : 0;

    if (rc == 0)
        rc = daemon_run(&opt->daemon, why);
    background_end(&opt->process);
    return rc;
}

int main(int argc, char **argv)
{
    struct options opt = {.daemon = {.socket = PATH_STORE_SOCKET,
                                     .state_directory = PATH_STORE,
                                     .is_ready = is_ready},
                          .process = {.program = "pvstored", .lock = -1, .tell = -1}};
    struct message why = {.file = NULL};
    int status = parse_options(argc, argv, &opt);

    opt.daemon.data = &opt.process;
    if (status < 0 && !opt.foreground)
        status = background_detach(&opt.process);
    if (status >= 0)
        return status;
    int rc = run(&opt, &why);
    if (rc)
        message_print(stderr, "pvstored", &why);
    return rc ? EXIT_FAILED : EXIT_OK;
}
