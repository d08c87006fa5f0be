/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/common/background.c toolstack/common/message.c
 *
 * Daemons as processes: one of its kind, known to be dead when it was killed, in the background
 * once it is ready, its failure told to who started it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/background.h"
#include "tap.h"

static char path[] = "/tmp/test_background.XXXXXX";
static char pid_file[64];

static struct background daemon_process(void)
{
    return (struct background){.program = "test", .pid_file = pid_file, .lock = -1, .tell = -1};
}

static void test_claim(void)
{
    struct background one = daemon_process(), two = daemon_process();
    struct message why = {.file = NULL};
    char text[16] = "";

    ok(!background_is_dead(pid_file), "without a file nobody knows of a daemon");
    is(background_claim(&one, &why), 0, "the first has the file");
    FILE *f = fopen(pid_file, "r");
    ok(f != NULL && fgets(text, sizeof(text), f) != NULL && atoi(text) == getpid(),
       "its number is there");
    fclose(f);
    ok(background_is_dead(pid_file), "it is not ready yet");
    background_ready(&one);
    ok(!background_is_dead(pid_file), "now it is");
    is(background_claim(&two, &why), -EBUSY, "there is no second one");
    ok(strstr(why.text, "another test runs") != NULL, "a message says so");
    ok(!background_is_dead(pid_file), "and nothing changes for the first");
    background_end(&one);
    is(access(pid_file, F_OK), -1, "at its end the file goes");
    is(background_claim(&two, &why), 0, "then another one can be");
    background_end(&two);
}

/* One that is killed leaves its file. */
static void test_killed(void)
{
    struct background mine = daemon_process();
    struct message why = {.file = NULL};
    int ends[2];
    char byte;

    if (pipe(ends))
        bail_out("no pipe");
    pid_t child = fork();
    if (child == 0) {
        background_claim(&mine, &why);
        background_ready(&mine);
        if (write(ends[1], "", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    ok(read(ends[0], &byte, 1) == 1 && !background_is_dead(pid_file), "one lives");
    is(background_claim(&mine, &why), -EBUSY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    ok(access(pid_file, F_OK) == 0 && background_is_dead(pid_file), "it is killed: it is dead");
    is(background_claim(&mine, &why), 0, "its file is taken over");
    background_end(&mine);
    close(ends[0]);
    close(ends[1]);
}

/* What the process that calls background_detach() ends with. */
static int status_of(bool ready, int end)
{
    struct background mine = daemon_process();
    int status = -1;

    fflush(stdout);
    pid_t parent = fork();
    if (parent == 0) {
        int rc = background_detach(&mine);
        if (rc >= 0)
            _exit(rc);
        if (ready)
            background_ready(&mine);
        _exit(end);
    }
    waitpid(parent, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_detach(void)
{
    is(status_of(true, 7), 0, "who starts it goes on when it is ready");
    is(status_of(false, 1), 1, "or learns that it failed");
    is(status_of(false, 2), 2, "and how");
}

static void test_manager(void)
{
    struct background mine = daemon_process();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[32] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
        bail_out("no socket");
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    background_ready(&mine);
    is(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
    is_str(text, "READY=1", "systemd is told");
    unsetenv("NOTIFY_SOCKET");
    close(fd);
    unlink(address.sun_path);
}

int main(void)
{
    if (mkdtemp(path) == NULL)
        bail_out("no directory can be made");
    snprintf(pid_file, sizeof(pid_file), "%s/pid", path);
    test_claim();
    test_killed();
    test_detach();
    test_manager();
    rmdir(path);
    return done();
}
