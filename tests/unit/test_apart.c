/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/builder/apart.c toolstack/common/message.c tests/unit/host.c
 *
 * Work in a process of its own: its answer, and each way in which it can end without one.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/apart.h"
#include "tap.h"

static struct message why;
static int changed;

static int succeeds(void *data, struct message *reason)
{
    (void)reason;
    changed = 1;
    return *(int *)data;
}

static int fails(void *data, struct message *reason)
{
    return message_set(reason, -ENOSPC, "%s", (const char *)data);
}

static int is_killed(void *data, struct message *reason)
{
    message_set(reason, -EIO, "half-way");
    raise(*(int *)data);
    return 0;
}

static int ends(void *data, struct message *reason)
{
    (void)data, (void)reason;
    _exit(0);
}

static int run(int (*work)(void *data, struct message *reason), void *data)
{
    why.text[0] = '\0';
    return apart(work, data, &why);
}

/* The process is waited for, whatever happens. */
static bool no_child(void)
{
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void test_answers(void)
{
    int answer = 0;

    is(run(succeeds, &answer), 0, "work that is done");
    is(changed, 0, "changes nothing here");
    answer = 3;
    is(run(succeeds, &answer), 3, "its answer comes back");
    is(run(fails, "no room"), -ENOSPC, "work that fails");
    is_str(why.text, "no room", "says why");
    ok(no_child(), "no process is left");
}

static void test_killed(void)
{
    int numbers[] = {SIGKILL, SIGTERM, SIGBUS};

    signal(SIGBUS, SIG_DFL); /* ASan's own handler would print a report */
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[32];

        is(run(is_killed, &numbers[i]), -EIO, "a process that is killed by signal %d", numbers[i]);
        snprintf(text, sizeof(text), "killed by signal %d", numbers[i]);
        ok(strstr(why.text, text) != NULL, "is an error: %s", why.text);
        is(strstr(why.text, "memory") != NULL, numbers[i] == SIGKILL, "of memory, perhaps");
        ok(no_child(), "no process is left");
    }
    is(run(ends, NULL), -EIO, "one that ends without an answer");
}

static void test_ignored(void)
{
    int number = SIGKILL, answer = 0;

    signal(SIGCHLD, SIG_IGN);
    is(run(succeeds, &answer), 0, "the end of children is ignored");
    is(run(is_killed, &number), -EIO, "a process that is killed");
    ok(strstr(why.text, "killed") != NULL, "is an error still: %s", why.text);
    signal(SIGCHLD, SIG_DFL);
}

/* ---- Signals, and the end of who waits ------------------------------------------------------ */

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms = alarms + 1;
}

static int signals_parent(void *data, struct message *reason)
{
    (void)data, (void)reason;
    for (unsigned i = 0; i < 50; i++) {
        kill(getppid(), SIGUSR1);
        usleep(100);
    }
    return 7;
}

static void test_interrupted(void)
{
    struct sigaction action = {.sa_handler = count_alarm}; /* without SA_RESTART */

    sigaction(SIGUSR1, &action, NULL);
    is(run(signals_parent, NULL), 7, "signals meanwhile do not end the wait");
    ok(alarms > 0, "there were some");
    signal(SIGUSR1, SIG_DFL);
}

/* Tells that it is there, then waits: only its parent's death ends it. */
static int tells_and_waits(void *data, struct message *reason)
{
    (void)reason;
    if (write(*(int *)data, "", 1) != 1)
        return -EIO;
    for (;;)
        pause();
}

static void test_orphan(void)
{
    int ends_of[2];
    char byte;

    if (pipe(ends_of))
        bail_out("no pipe");
    pid_t waiter = fork();
    if (waiter == 0) {
        close(ends_of[0]);
        _exit(run(tells_and_waits, &ends_of[1]) != 0);
    }
    close(ends_of[1]);
    ok(read(ends_of[0], &byte, 1) == 1, "the work has begun");
    kill(waiter, SIGKILL);
    waitpid(waiter, NULL, 0);
    is(read(ends_of[0], &byte, 1), 0, "it ends when who waits for it is killed");
    close(ends_of[0]);
}

int main(void)
{
    test_answers();
    test_killed();
    test_ignored();
    test_interrupted();
    test_orphan();
    return done();
}
