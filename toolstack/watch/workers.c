/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes for tasks.
 */
#include "watch/workers.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "watch/task.h"

#define TRIES_MAX        6u
#define RETRY_MS         1000u   /* and twice as long each time */
#define WORK_TIME_MS     600000u /* then it hangs, and another one goes on with it */
#define STARTED_AGAIN_MS 1000u   /* another process holds the task's lock */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void workers_open(struct workers *workers, const struct daemon_options *options)
{
    *workers = (struct workers){.options = options};
}

/* Those that are done. */
static void sweep(struct workers *workers)
{
    struct worker **at = &workers->first;

    while (*at != NULL) {
        struct worker *w = *at;

        if (w->done) {
            *at = w->next;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

void workers_close(struct workers *workers)
{
    for (struct worker *w = workers->first; w != NULL; w = w->next)
        w->done = true;
    sweep(workers);
}

void workers_add(struct workers *workers, const uint8_t uuid[16])
{
    struct worker **end = &workers->first, *w;

    for (; *end != NULL; end = &(*end)->next)
        if (memcmp((*end)->uuid, uuid, sizeof(w->uuid)) == 0)
            return;
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        daemon_log(LOG_ERR, "no memory for a task");
        return;
    }
    memcpy(w->uuid, uuid, sizeof(w->uuid));
    w->when = now_ms();
    *end = w;
}

static void begin_later(struct worker *w, uint64_t ms)
{
    w->when = now_ms() + ms;
}

/* ---- The end of one ----------------------------------------------------------------------- */

/* The configuration, as `pvctl create --from-json` takes it. */
static bool leave_config(const struct task *task, char path[256])
{
    char *text = guest_config_to_json(&task->config);

    mkdir(PATH_STATE, 0755);
    mkdir(TASKS_GIVEN_UP, 0700);
    snprintf(path, 256, "%s/%s.json", TASKS_GIVEN_UP, task->config.name);
    FILE *f = text != NULL ? fopen(path, "we") : NULL;
    bool good = f != NULL && fputs(text, f) >= 0;
    if (f != NULL && fclose(f))
        good = false;
    free(text);
    return good;
}

/* The guest may have stopped once more since its process removed the task: then there is another.
 */
static void done(struct worker *w)
{
    w->done = !task_exists(w->uuid);
    w->tries = 0;
    begin_later(w, 0);
}

static void give_up(struct worker *w)
{
    char path[96], left[256];
    struct message why = {.file = NULL};
    struct task task;
    int lock;

    task_path(w->uuid, path);
    int rc = task_take(path, &task, &lock, &why);
    if (rc == -EBUSY) {
        begin_later(w, STARTED_AGAIN_MS);
        return;
    }
    if (rc == -ENOENT) {
        done(w);
        return;
    }
    if (rc) {
        daemon_log(LOG_ERR, "a task is given up: %s", why.text);
    } else {
        bool saved = leave_config(&task, left);
        daemon_log(LOG_ERR, "%s is given up after %u attempts to %s it%s%s%s", task.config.name,
                   w->tries, stop_action_name(task.action),
                   saved ? "; `pvctl create --from-json " : "", saved ? left : "",
                   saved ? "` makes it anew" : "");
        task_free(&task);
        close(lock);
    }
    unlink(path);
    w->done = true;
}

static void ended(struct workers *workers, struct worker *w, int status)
{
    w->pid = 0;
    workers->running--;
    if (WIFEXITED(status) && WEXITSTATUS(status) == TASK_DONE)
        done(w);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == TASK_BUSY)
        begin_later(w, STARTED_AGAIN_MS);
    else if (++w->tries >= TRIES_MAX)
        give_up(w);
    else
        begin_later(w, (uint64_t)RETRY_MS << (w->tries - 1));
}

void workers_reap(struct workers *workers)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (struct worker *w = workers->first; w != NULL; w = w->next)
            if (w->pid == pid)
                ended(workers, w, status);
    sweep(workers);
}

/* ---- The begin of one --------------------------------------------------------------------- */

static void begin(struct workers *workers, struct worker *w)
{
    char path[96], option[112];
    char *argv[] = {"pvwatchd", option, NULL, NULL, NULL};
    unsigned argc = 2;
    posix_spawnattr_t attr;
    sigset_t none, usual;

    task_path(w->uuid, path);
    snprintf(option, sizeof(option), "--task=%s", path);
    if (workers->options->verbose)
        argv[argc++] = "--verbose";
    if (workers->options->syslog)
        argv[argc] = "--syslog";
    /* Programs that serve disks are started from there. */
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawn(&w->pid, "/proc/self/exe", NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    if (rc) {
        daemon_log(LOG_ERR, "no process for a task: %s", strerror(rc));
        w->pid = 0;
        w->when = now_ms() + RETRY_MS;
        return;
    }
    workers->running++;
    w->when = now_ms() + WORK_TIME_MS;
}

int workers_turn(struct workers *workers)
{
    uint64_t now = now_ms(), next = UINT64_MAX;

    for (struct worker *w = workers->first; w != NULL; w = w->next) {
        if (w->when <= now && w->pid != 0) {
            daemon_log(LOG_ERR, "process %d hangs: it is killed, and another one goes on", w->pid);
            kill(w->pid, SIGKILL);
            w->when = now + WORK_TIME_MS;
        } else if (w->when <= now && workers->running < workers->options->workers) {
            begin(workers, w);
        }
        /* The end of another makes room for those that could begin now. */
        if (w->when > now && w->when < next)
            next = w->when;
    }
    return next == UINT64_MAX ? -1 : (int)(next - now);
}
