/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * on-terminal TEXT WANTED COMMAND...: runs the command on a terminal of its own, types TEXT when
 * the command has made the terminal raw, ^] when it has printed WANTED, and expects it to end with
 * status 0 and the terminal as it was.
 */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#define PATIENCE_MS 60000
#define STEP_MS     20

static char output[65536];
static size_t printed;

static int failed(const char *what)
{
    printf("on-terminal: %s; it printed:\n%s\n", what, output);
    return 1;
}

/* The terminal's settings are seen through its master, too. */
static bool is_raw(int master)
{
    struct termios settings;

    return tcgetattr(master, &settings) == 0 && !(settings.c_lflag & (ICANON | ECHO | ISIG));
}

/* What has been printed meanwhile; false: the command has closed the terminal. */
static bool listen_to(int master)
{
    struct pollfd fd = {.fd = master, .events = POLLIN};

    if (poll(&fd, 1, STEP_MS) <= 0)
        return true;
    ssize_t n = read(master, output + printed, sizeof(output) - 1 - printed);
    if (n > 0)
        printed += (size_t)n;
    return n > 0;
}

int main(int argc, char **argv)
{
    struct termios before, after;
    int master, slave, status, waited = 0;

    if (argc < 4 || openpty(&master, &slave, NULL, NULL, NULL) || tcgetattr(slave, &before))
        return failed("no terminal can be had");
    pid_t child = fork();
    if (child == 0) {
        close(master);
        login_tty(slave);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    for (; !is_raw(master) && waited < PATIENCE_MS; waited += STEP_MS)
        listen_to(master);
    if (write(master, argv[1], strlen(argv[1])) < 0 || write(master, "\r", 1) != 1)
        return failed("nothing can be typed");
    for (; strstr(output, argv[2]) == NULL && waited < PATIENCE_MS; waited += STEP_MS)
        listen_to(master);
    if (waited >= PATIENCE_MS) {
        kill(child, SIGKILL);
        return failed("the terminal is not raw, or what is wanted does not come");
    }
    if (write(master, "\x1d", 1) != 1)
        return failed("nothing can be typed");
    while (waitpid(child, &status, WNOHANG) == 0)
        listen_to(master);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failed("it does not end with status 0");
    if (tcgetattr(slave, &after) || after.c_lflag != before.c_lflag ||
        after.c_iflag != before.c_iflag || after.c_oflag != before.c_oflag)
        return failed("the terminal's settings are not as before");
    return 0;
}
