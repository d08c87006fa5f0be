/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon as a process.
 */
#include "common/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/paths.h"

int background_detach(struct background *self)
{
    int ends[2], status;
    char byte;

    pid_t child = pipe2(ends, O_CLOEXEC) ? -1 : fork();
    if (child < 0) {
        fprintf(stderr, "%s: cannot go into the background: %s\n", self->program, strerror(errno));
        return 1;
    }
    close(ends[child != 0]);
    if (child == 0) {
        setsid();
        self->tell = ends[1];
        return -1;
    }
    if (read(ends[0], &byte, 1) == 1)
        return 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#define ENDING_MS      500u
#define ENDING_STEP_MS 20u

/* Bytes of the pid file that are locked: a daemon has it; that daemon is ready. */
enum { LOCK_CLAIM, LOCK_READY };

/* Locks of an open file, not of a process: man 2 fcntl. */
static int lock_byte(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

bool background_is_dead(const char *pid_file)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_READY, .l_len = 1};
    int fd = open(pid_file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool dead = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
    close(fd);
    return dead;
}

/* Opened and locked; -EAGAIN: the one before took it away meanwhile. */
static int lock_file(struct background *self)
{
    struct stat mine, there;
    int fd = open(self->pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        return -errno;
    int rc = lock_byte(fd, LOCK_CLAIM);
    if (rc == 0 &&
        (fstat(fd, &mine) || stat(self->pid_file, &there) || mine.st_ino != there.st_ino))
        rc = -EAGAIN;
    if (rc)
        close(fd);
    else
        self->lock = fd;
    return rc;
}

int background_claim(struct background *self, struct message *why)
{
    char text[16];
    int rc;

    mkdir(PATH_RUN, 0755);
    /* One that was killed a moment ago has its lock until the kernel is done with it. */
    for (unsigned waited = 0; (rc = lock_file(self)) == -EAGAIN || rc == -EBUSY; waited++) {
        if (rc == -EBUSY && waited >= ENDING_MS / ENDING_STEP_MS)
            break;
        usleep(ENDING_STEP_MS * 1000);
    }
    if (rc == -EBUSY)
        return message_set(why, rc, "%s is locked: another %s runs", self->pid_file, self->program);
    if (rc == 0) {
        int size = snprintf(text, sizeof(text), "%d\n", getpid());
        if (ftruncate(self->lock, 0) || pwrite(self->lock, text, (size_t)size, 0) != size)
            rc = -errno;
    }
    return rc ? message_errno(why, rc, "%s cannot be written", self->pid_file) : 0;
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

void background_ready(struct background *self)
{
    if (self->lock >= 0)
        lock_byte(self->lock, LOCK_READY);
    notify_manager();
    if (self->tell < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
    if (write(self->tell, "", 1) != 1)
        fprintf(stderr, "%s: who started it has gone\n", self->program);
    close(self->tell);
    self->tell = -1;
}

void background_end(struct background *self)
{
    if (self->lock < 0)
        return;
    unlink(self->pid_file);
    close(self->lock);
    self->lock = -1;
}
