/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvstored: the command. Without --foreground it goes into the background when clients can connect,
 * so whoever started it may go on then.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

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
    const char *pid_file;
    bool foreground;
    int tell; /* where the parent waits for a byte; -1: no parent does */
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
            opt->pid_file = optarg;
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

/* A message to systemd, if that started us: man 3 sd_notify. */
static void notify_manager(void)
{
    static const char ready[] = "READY=1";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");

    if (path == NULL || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (fd >= 0) {
        sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL, (struct sockaddr *)&address, size);
        close(fd);
    }
}

static void write_pid(const char *path)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || fprintf(file, "%d\n", getpid()) < 0 || fclose(file) != 0)
        fprintf(stderr, "pvstored: cannot write %s: %s\n", path, strerror(errno));
}

static void is_ready(void *data)
{
    const struct options *opt = data;

    if (opt->pid_file != NULL)
        write_pid(opt->pid_file);
    notify_manager();
    if (opt->tell < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
    if (write(opt->tell, "", 1) != 1)
        fputs("pvstored: who started it has gone\n", stderr);
    close(opt->tell);
}

/* The child goes on; the parent ends with it, or as soon as it is ready. -1: this is the child. */
static int detach(struct options *opt)
{
    int ends[2], status;
    char byte;

    if (pipe2(ends, O_CLOEXEC))
        return EXIT_FAILED;
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "pvstored: cannot go into the background: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    close(ends[child != 0]);
    if (child == 0) {
        setsid();
        opt->tell = ends[1];
        return -1;
    }
    if (read(ends[0], &byte, 1) == 1)
        return EXIT_OK;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct options opt = {.daemon = {.socket = PATH_STORE_SOCKET,
                                     .state_directory = PATH_STORE,
                                     .is_ready = is_ready},
                          .tell = -1};
    struct message why = {0};
    int status = parse_options(argc, argv, &opt);

    opt.daemon.data = &opt;
    if (status < 0 && !opt.foreground)
        status = detach(&opt);
    if (status >= 0)
        return status;
    int rc = daemon_run(&opt.daemon, &why);
    if (opt.pid_file != NULL)
        unlink(opt.pid_file);
    if (rc)
        message_print(stderr, "pvstored", &why);
    return rc ? EXIT_FAILED : EXIT_OK;
}
