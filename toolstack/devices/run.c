/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs run by the toolstack: in a process group of their own, so that one that hangs is killed
 * with what it started. A daemon that a program leaves behind may keep the pipe open: nothing here
 * waits for the pipe's end.
 */
#include "devices/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/host.h"

static int spawn(char *const argv[], char *const environment[], int errors, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, errors, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawnp(child, argv[0], &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

/* What is in the pipe now, into `text`, which stays a string; what does not fit is dropped. */
static void drain(int pipe, char *text, size_t size)
{
    char rest[256] = "";
    for (;;) {
        size_t used = strlen(text), room = size - 1 - used;
        ssize_t n = read(pipe, room > 0 ? text + used : rest, room > 0 ? room : sizeof(rest));
        if (n <= 0)
            return;
        if (room > 0)
            text[used + (size_t)n] = '\0';
    }
}

static int wait_bounded(pid_t child, int pipe, char *text, size_t size, unsigned patience_ms,
                        int *status)
{
    uint64_t end = host_now_ms() + patience_ms;
    for (unsigned step = 0;; host_pause(&step)) {
        pid_t done = waitpid(child, status, WNOHANG);
        drain(pipe, text, size);
        if (done == child)
            return 0;
        if (done < 0 && errno != EINTR)
            return -errno;
        if (host_now_ms() >= end) {
            kill(-child, SIGKILL);
            waitpid(child, status, 0);
            return -ETIMEDOUT;
        }
    }
}

/* The last line says most often what was wrong. */
static const char *last_line(char *text)
{
    size_t size = strlen(text);
    while (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    char *line = strrchr(text, '\n');
    return line != NULL ? line + 1 : text;
}

int run_program(char *const argv[], char *const environment[], unsigned patience_ms,
                struct message *why)
{
    char text[256] = "";
    int ends[2], status = 0;
    pid_t child = -1;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return message_errno(why, -errno, "cannot run %s", argv[0]);
    int rc = spawn(argv, environment, ends[1], &child);
    close(ends[1]);
    if (rc == 0)
        rc = wait_bounded(child, ends[0], text, sizeof(text), patience_ms, &status);
    close(ends[0]);

    if (rc == -ETIMEDOUT)
        return message_set(why, rc, "%s did not end within %u s and was killed", argv[0],
                           patience_ms / 1000);
    if (rc != 0)
        return message_errno(why, rc, "cannot run %s", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return message_set(why, -EIO, "%s was killed by signal %d", argv[0], WTERMSIG(status));
    return message_set(why, -EIO, "%s failed with status %d%s%s", argv[0], WEXITSTATUS(status),
                       text[0] != '\0' ? ": " : "", last_line(text));
}

extern char **environ;

int host_script(const char *path, const char *const args[], const char *const variables[],
                unsigned patience_ms, struct message *why)
{
    char *argv[8] = {(char *)(uintptr_t)path};
    for (unsigned i = 0; i < 6 && args[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    size_t own = 0, old = 0;
    while (variables[own] != NULL)
        own++;
    while (environ != NULL && environ[old] != NULL)
        old++;
    char **all = calloc(own + old + 1, sizeof(*all));
    if (all == NULL)
        return message_errno(why, -ENOMEM, "cannot run %s", path);
    for (size_t i = 0; i < own; i++) /* the first of a name counts */
        all[i] = (char *)(uintptr_t)variables[i];
    for (size_t i = 0; i < old; i++)
        all[own + i] = environ[i];
    int rc = run_program(argv, all, patience_ms, why);
    free(all);
    return rc;
}
