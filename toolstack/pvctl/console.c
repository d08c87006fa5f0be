/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl console: this terminal and the pty that the console daemon has for a guest (its node
 * console/tty) joined, until ^] is typed or the guest's pty ends. The terminal's settings are put
 * back whatever ends it.
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

#define KEY_LEAVE   0x1d /* ^] */
#define WAIT_FOR_MS 10000
#define POLL_MS     50

static struct termios saved;
static bool is_raw;
static volatile sig_atomic_t must_end;

static void on_signal(int number)
{
    must_end = number;
}

/* ---- Terminals ---------------------------------------------------------------------------- */

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

/* The pty's name, when the daemon has made it; NULL: it has not, in time. For free(). */
static char *wait_for_tty(struct pvctl *p, uint32_t domid)
{
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000};

    for (unsigned waited = 0; waited < WAIT_FOR_MS && !must_end; waited += POLL_MS) {
        char *tty = domain_read(p, domid, "console/tty");

        if (tty != NULL && tty[0] == '/')
            return tty;
        free(tty);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- The two streams ---------------------------------------------------------------------- */

static bool write_all(int fd, const char *bytes, ssize_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, bytes, (size_t)count);

        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, POLL_MS);
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

/* false: the side that is read from has ended. */
static bool pass_on(int from, int to, bool keys, bool *leave)
{
    char bytes[4096];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    const char *key = keys ? memchr(bytes, KEY_LEAVE, (size_t)n) : NULL;
    *leave = key != NULL;
    return write_all(to, bytes, key != NULL ? key - bytes : n);
}

/* Input that ends (a pipe) leaves the output going until the guest ends. */
static void join_streams(int pty)
{
    struct pollfd fd[2] = {{.fd = pty, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    bool leave = false;

    while (!must_end && !leave) {
        if (poll(fd, 2, -1) < 0 && errno != EINTR)
            return;
        if (fd[0].revents && !pass_on(pty, STDOUT_FILENO, false, &leave))
            return;
        if (fd[1].revents && !pass_on(STDIN_FILENO, pty, true, &leave))
            fd[1].fd = -1;
        fd[0].revents = fd[1].revents = 0;
    }
}

int console_attach(struct pvctl *p, uint32_t domid)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    char *tty = wait_for_tty(p, domid);
    if (tty == NULL)
        return failed(p, "domain %u has no console yet (is pvconsoled running?)", domid);
    int pty = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (pty < 0) {
        int error = errno;

        failed(p, "%s: the console cannot be opened: %s", tty, strerror(error));
        free(tty);
        return STATUS_FAILED;
    }
    free(tty);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "Console of domain %u; ^] leaves it.\n", domid);
    make_raw();
    join_streams(pty);
    put_back();
    close(pty);
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    return 0;
}

int verb_console(struct pvctl *p, int argc, char **argv)
{
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 1, 1))
        return STATUS_USAGE;
    if (!need_store(p) || !find_domain(p, argv[optind], &domid))
        return STATUS_FAILED;
    if (domid == 0)
        return failed(p, "the control domain's console is the machine's");
    return console_attach(p, domid);
}
