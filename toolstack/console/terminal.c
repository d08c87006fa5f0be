/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ptys.
 */
#include "console/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Bytes go through as they are. The slave's first open and close also make the master say, from
 * then on, whether anybody has it open. */
static int make_raw(const struct terminal *terminal)
{
    struct termios settings;
    int fd = open(terminal->path, O_RDWR | O_NOCTTY | O_CLOEXEC), rc = 0;

    if (fd < 0)
        return -errno;
    if (tcgetattr(fd, &settings)) {
        rc = -errno;
    } else {
        cfmakeraw(&settings);
        if (tcsetattr(fd, TCSANOW, &settings))
            rc = -errno;
    }
    close(fd);
    return rc;
}

int terminal_open(struct terminal *terminal, int inotify, struct message *why)
{
    int rc = 0;

    *terminal = (struct terminal){.notice = -1, .slave = -1};
    terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (terminal->master < 0)
        return message_errno(why, -errno, "no pty can be had (is devpts mounted on /dev/pts?)");
    if (grantpt(terminal->master) || unlockpt(terminal->master))
        rc = -errno;
    else
        rc = -ptsname_r(terminal->master, terminal->path, sizeof(terminal->path));
    if (rc == 0)
        rc = make_raw(terminal);
    if (rc == 0) {
        terminal->notice = inotify_add_watch(inotify, terminal->path, IN_OPEN | IN_CLOSE);
        if (terminal->notice < 0)
            rc = -errno;
    }
    if (rc == 0)
        return 0;
    close(terminal->master);
    return message_errno(why, rc, "the pty %s cannot be used", terminal->path);
}

void terminal_close(struct terminal *terminal, int inotify)
{
    inotify_rm_watch(inotify, terminal->notice);
    if (terminal->slave >= 0)
        close(terminal->slave);
    terminal->slave = -1;
}

bool terminal_viewed(const struct terminal *terminal)
{
    struct pollfd fd = {.fd = terminal->master};

    return poll(&fd, 1, 0) >= 0 && !(fd.revents & POLLHUP);
}

ssize_t terminal_write(const struct terminal *terminal, const char *bytes, size_t count)
{
    ssize_t n = write(terminal->master, bytes, count);

    return n < 0 ? -errno : n;
}

ssize_t terminal_read(const struct terminal *terminal, char *bytes, size_t count)
{
    ssize_t n = read(terminal->master, bytes, count);

    return n < 0 ? -errno : n;
}

/* On its way to the slave, and there: Linux has a buffer of each end. */
void terminal_flush(const struct terminal *terminal)
{
    int slave = open(terminal->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    tcflush(terminal->master, TCOFLUSH);
    if (slave < 0)
        return;
    tcflush(slave, TCIFLUSH);
    close(slave);
}

size_t terminal_unread(struct terminal *terminal)
{
    int count = 0;

    if (terminal->slave < 0)
        terminal->slave = open(terminal->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal->slave < 0 || ioctl(terminal->slave, FIONREAD, &count))
        return 0;
    return (size_t)count;
}
