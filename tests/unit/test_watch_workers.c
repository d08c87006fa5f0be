/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/watch/workers.c toolstack/common/daemon_log.c
 *
 * Processes for tasks: this program is the process, too. A task is a file here, and its first
 * letter is what the process does with it: (d)one, (f)ailed, (b)usy.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "watch/task.h"
#include "watch/workers.h"

static char directory[] = "/tmp/test_workers.XXXXXX";
static const struct daemon_options options = {.workers = 2};

/* ---- Tasks as they are here --------------------------------------------------------------- */

void task_path(const uint8_t uuid[16], char path[96])
{
    snprintf(path, 96, "%s/%u", directory, uuid[0]);
}

bool task_exists(const uint8_t uuid[16])
{
    char path[96];

    task_path(uuid, path);
    return access(path, F_OK) == 0;
}

int task_take(const char *path, struct task *task, int *lock, struct message *why)
{
    (void)task, (void)why;
    *lock = -1;
    return access(path, F_OK) ? -ENOENT : -EBUSY;
}

void task_free(struct task *task)
{
    (void)task;
}

char *guest_config_to_json(const struct guest_config *config)
{
    (void)config;
    return NULL;
}

const char *stop_action_name(enum stop_action action)
{
    (void)action;
    return "";
}

static void make_task(const uint8_t uuid[16], const char *text)
{
    char path[96];

    task_path(uuid, path);
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f))
        bail_out("no task");
}

static int work(const char *path)
{
    FILE *f = fopen(path, "r");
    int what = f != NULL ? fgetc(f) : 'd';

    if (f != NULL)
        fclose(f);
    if (what == 'd')
        unlink(path);
    return what == 'd' ? TASK_DONE : what == 'b' ? TASK_BUSY : TASK_FAILED;
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void wait_for_child(const struct worker *w)
{
    siginfo_t info;

    if (w->pid == 0 || waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOWAIT))
        bail_out("no process");
}

static void test_done(void)
{
    static const uint8_t one[16] = {1}, two[16] = {2}, three[16] = {3};
    struct workers workers;

    workers_open(&workers, &options);
    is(workers_turn(&workers), -1, "without tasks there is nothing to wait for");
    make_task(one, "done");
    make_task(two, "done");
    make_task(three, "done");
    workers_add(&workers, one);
    workers_add(&workers, one);
    workers_add(&workers, two);
    workers_add(&workers, three);
    workers_turn(&workers);
    is(workers.running, 2, "there are no more processes than allowed");
    wait_for_child(workers.first);
    wait_for_child(workers.first->next);
    workers_reap(&workers);
    is(workers.running, 0, "they end");
    ok(!task_exists(one) && !task_exists(two), "their tasks are done");
    workers_turn(&workers);
    is(workers.running, 1, "then the third has its turn");
    wait_for_child(workers.first);
    workers_reap(&workers);
    ok(workers.first == NULL, "nothing is left");
}

/* A guest that stops again at once: its first task is done, its process not yet reaped. */
static void test_again(void)
{
    static const uint8_t one[16] = {1};
    struct workers workers;

    workers_open(&workers, &options);
    make_task(one, "done");
    workers_add(&workers, one);
    workers_turn(&workers);
    wait_for_child(workers.first);
    ok(!task_exists(one), "a task is done");
    make_task(one, "done");
    workers_add(&workers, one);
    workers_reap(&workers);
    ok(workers.first != NULL, "the guest's next task is not forgotten");
    workers_turn(&workers);
    is(workers.running, 1, "it is begun at once");
    if (workers.first != NULL)
        wait_for_child(workers.first);
    workers_reap(&workers);
    ok(workers.first == NULL && !task_exists(one), "and done");
}

static void test_tried_again(void)
{
    static const uint8_t one[16] = {1};
    struct workers workers;

    workers_open(&workers, &options);
    make_task(one, "failed");
    workers_add(&workers, one);
    for (unsigned i = 1; i <= 3; i++) {
        workers.first->when = 0;
        workers_turn(&workers);
        wait_for_child(workers.first);
        workers_reap(&workers);
        is(workers.first->tries, i, "a failure is counted");
        int wait = workers_turn(&workers);
        ok(wait > 500 << (i - 1) && wait <= 1000 << (i - 1), "and tried again in %d ms", wait);
    }
    make_task(one, "busy");
    workers.first->when = 0;
    workers_turn(&workers);
    wait_for_child(workers.first);
    workers_reap(&workers);
    is(workers.first->tries, 3, "another process at work is no failure");

    /* All tries are used up, and another process works on it: a task is only that one's to end. */
    make_task(one, "failed");
    workers.first->tries = 5;
    workers.first->when = 0;
    workers_turn(&workers);
    wait_for_child(workers.first);
    workers_reap(&workers);
    ok(task_exists(one), "what another process works on is not given up");
    workers_close(&workers);
    ok(workers.first == NULL, "closed");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "--task=", 7) == 0)
        return work(argv[1] + 7);
    if (mkdtemp(directory) == NULL)
        bail_out("no directory");
    test_done();
    test_again();
    test_tried_again();
    char path[96];
    task_path((const uint8_t[16]){1}, path);
    unlink(path);
    rmdir(directory);
    return done();
}
