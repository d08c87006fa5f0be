/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl console: this terminal and the pty that the console daemon has for a guest (its node
 * console/tty) joined, until ^] is typed or the guest is gone. A new daemon makes a new pty, to
 * which the session then goes over. The terminal's settings are put back whatever ends it.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "common/background.h"
#include "common/domains.h"
#include "common/paths.h"
#include "common/store_watch.h"

#define KEY_LEAVE   0x1d /* ^] */
#define WAIT_FOR_MS 10000
#define LOOK_MS     200 /* how often it is looked whether the guest is still there */

#define DAEMON_PID_FILE PATH_RUN "/pvconsoled.pid"

/* Typed, and not taken by the pty yet: a guest need not read. */
struct typed {
    char bytes[4096];
    size_t count;
    bool ended; /* no more comes */
};

enum end { END_LEFT, END_PTY, END_OUTPUT };

static struct termios saved;
static bool is_raw;
static volatile sig_atomic_t must_end;

static void on_signal(int number)
{
    must_end = number;
}

/* ---- The terminal ------------------------------------------------------------------------- */

static void make_raw(void)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
        return;
    raw = saved;
    cfmakeraw(&raw);
    is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void put_back(void)
{
    if (is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    is_raw = false;
}

/* ---- The pty ------------------------------------------------------------------------------ */

static bool guest_lives(struct pvctl *p, uint32_t domid)
{
    xc_domaininfo_t info;

    int rc = domains_look(p->xch, domid, &info);

    return rc < 0 || (rc == 1 && !(info.flags & XEN_DOMINF_dying));
}

/* A daemon that was killed leaves its nodes, whose ptys may be somebody else's now. */
static int open_tty(struct pvctl *p, uint32_t domid)
{
    char *tty = background_is_dead(DAEMON_PID_FILE) ? NULL : domain_read(p, domid, "console/tty");
    int fd = -1;

    if (tty != NULL && tty[0] == '/')
        fd = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    free(tty);
    return fd;
}

/* Until the node was written, or a moment passed. */
static void wait_for_news(struct store_watch *news)
{
    struct pollfd fd = {.fd = news->fd, .events = POLLIN};

    if (poll(&fd, 1, LOOK_MS) > 0 && (store_watch_events(news) & STORE_ENDED))
        store_watch_close(news); /* from then on a moment passes each time */
}

/* The pty, when the daemon has made it. -1: not in time, or the guest is gone, or a signal came. */
static int wait_for_tty(struct pvctl *p, uint32_t domid, struct store_watch *news)
{
    struct timespec begin, now;
    int fd;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        fd = open_tty(p, domid);
        if (fd >= 0 || must_end || !guest_lives(p, domid))
            return fd;
        wait_for_news(news);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
             WAIT_FOR_MS);
    return -1;
}

/* ---- The two streams ---------------------------------------------------------------------- */

static bool write_out(const char *bytes, ssize_t count)
{
    while (count > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, (size_t)count);

        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, LOOK_MS);
        else if (n < 0 && errno != EINTR)
            return false;
        if (must_end)
            return false;
        if (n > 0) {
            bytes += n;
            count -= n;
        }
    }
    return true;
}

/* false: the pty has ended, or the output; *end says which. */
static bool show(int pty, enum end *end)
{
    char bytes[4096];
    ssize_t n = read(pty, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    *end = n <= 0 ? END_PTY : END_OUTPUT;
    return n > 0 && write_out(bytes, n);
}

/* false: ^] was typed. On a terminal what does not fit is lost, or ^] could not be typed. */
static bool take_keys(struct typed *typed)
{
    char bytes[sizeof(typed->bytes)];
    size_t room = sizeof(typed->bytes) - typed->count;
    ssize_t n = read(STDIN_FILENO, bytes, is_raw ? sizeof(bytes) : room);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    typed->ended = n <= 0;
    if (n <= 0)
        return true;
    const char *key = memchr(bytes, KEY_LEAVE, (size_t)n);
    size_t count = key != NULL ? (size_t)(key - bytes) : (size_t)n;
    if (count > room)
        count = room;
    memcpy(typed->bytes + typed->count, bytes, count);
    typed->count += count;
    return key == NULL;
}

static void give_keys(int pty, struct typed *typed)
{
    ssize_t n = typed->count ? write(pty, typed->bytes, typed->count) : 0;

    if (n > 0) {
        typed->count -= (size_t)n;
        memmove(typed->bytes, typed->bytes + n, typed->count);
    }
}

/* Input that ends (a pipe) leaves the output going until the guest ends. */
static enum end join_streams(int pty, struct typed *typed)
{
    enum end end = END_LEFT;
    bool leave = false;

    while (!must_end && !(leave && typed->count == 0)) {
        bool wants_keys =
            !typed->ended && !leave && (is_raw || typed->count < sizeof(typed->bytes));
        struct pollfd fd[2] = {
            {.fd = pty, .events = (short)(POLLIN | (typed->count ? POLLOUT : 0))},
            {.fd = wants_keys ? STDIN_FILENO : -1, .events = POLLIN}};

        if (poll(fd, 2, -1) < 0)
            continue; /* a signal */
        if ((fd[0].revents & ~POLLOUT) && !show(pty, &end))
            return end;
        if (fd[1].revents)
            leave = !take_keys(typed);
        give_keys(pty, typed);
        if (leave && is_raw)
            break;
    }
    return END_LEFT;
}

/* ---- The session -------------------------------------------------------------------------- */

static int no_console(struct pvctl *p, uint32_t domid)
{
    if (!guest_lives(p, domid))
        return failed(p, "domain %u is gone", domid);
    return failed(p, "domain %u has no console (is pvconsoled running?)", domid);
}

static int session(struct pvctl *p, uint32_t domid, struct store_watch *news)
{
    struct typed typed = {.count = 0};
    enum end end = END_PTY;

    for (bool first = true; end == END_PTY && !must_end; first = false) {
        int pty = wait_for_tty(p, domid, news);

        if (pty < 0 && !first && !guest_lives(p, domid))
            return 0;
        if (pty < 0)
            return must_end ? 0 : no_console(p, domid);
        if (first && isatty(STDERR_FILENO))
            fprintf(stderr, "Console of domain %u; ^] leaves it.\n", domid);
        make_raw();
        end = join_streams(pty, &typed);
        put_back();
        close(pty);
    }
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    return end == END_OUTPUT ? failed(p, "the output cannot be written: %s", strerror(errno)) : 0;
}

int console_attach(struct pvctl *p, uint32_t domid)
{
    struct sigaction action = {.sa_handler = on_signal};
    char path[64];

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    snprintf(path, sizeof(path), "/local/domain/%u/console/tty", domid);
    const char *node = path;
    struct store_watch news;
    int rc = store_watch_open(&news, &node, 1);
    if (rc)
        return failed(p, "the store cannot be watched: %s", strerror(-rc));
    int status = session(p, domid, &news);
    store_watch_close(&news);
    return status;
}

/* xl's options: there is one console, and no other kind. */
static bool read_options(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"type", required_argument, NULL, 't'},
                                          {"num", required_argument, NULL, 'n'},
                                          COMMON_OPTIONS};
    int c;

    while ((c = next_option(p, argc, argv, "t:n:", longs)) != -1) {
        if (c == 't' && strcmp(optarg, "pv") != 0) {
            misused(p, "%s: guests have consoles of the type pv only", optarg);
            return false;
        }
        if (c == 'n' && strcmp(optarg, "0") != 0) {
            misused(p, "%s: a guest has one console, of the number 0", optarg);
            return false;
        }
    }
    return arguments_good(p, argc, 1, 1);
}

int verb_console(struct pvctl *p, int argc, char **argv)
{
    uint32_t domid;

    if (!read_options(p, argc, argv))
        return STATUS_USAGE;
    if (!need_store(p) || !find_domain(p, argv[optind], &domid))
        return STATUS_FAILED;
    if (domid == 0)
        return failed(p, "the control domain's console is the machine's");
    return console_attach(p, domid);
}
