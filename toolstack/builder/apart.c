/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work in a process of its own. A window on a domain's memory that is unmapped costs the control
 * domain's kernel a fault for each page, as the hypervisor keeps its page tables read-only; with
 * the process that ends, the tables go first and the same costs a tenth. When apart() returns,
 * nothing of what the work mapped is mapped any more: the memory of a process is gone before its
 * parent hears of its end.
 */
#include "builder/apart.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
    bool ended;
    int rc;
    struct message why;
};

/* It ends with its parent: nobody else would know that it is at work on the domain. */
static void work_apart(pid_t parent, int (*work)(void *data, struct message *why), void *data,
                       struct outcome *outcome)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) {
        outcome->rc = work(data, &outcome->why);
        outcome->ended = true;
    }
    _exit(0);
}

static int killed(int status, struct message *why)
{
    if (!WIFSIGNALED(status))
        return message_set(why, -EIO, "the process that loads files was killed");
    return message_set(
        why, -EIO, "the process that loads files was killed by signal %d%s", WTERMSIG(status),
        WTERMSIG(status) == SIGKILL ? " (is the control domain short of memory?)" : "");
}

int apart(int (*work)(void *data, struct message *why), void *data, struct message *why)
{
    pid_t parent = getpid();
    struct outcome *outcome =
        mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (outcome == MAP_FAILED)
        return message_errno(why, -errno, "no memory for a process that loads files");
    pid_t child = fork();
    if (child == 0)
        work_apart(parent, work, data, outcome);
    int rc = child < 0 ? message_errno(why, -errno, "no process to load files") : 0, status = 0;
    /* Whoever ignores SIGCHLD is not told the status, but waits all the same. */
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc == 0)
        rc = outcome->ended ? outcome->rc : killed(status, why);
    if (outcome->ended && outcome->rc)
        message_set(why, rc, "%s", outcome->why.text);
    munmap(outcome, sizeof(*outcome));
    return rc;
}
