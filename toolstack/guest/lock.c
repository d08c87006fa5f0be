/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/paths.h"

int file_lock(const char *path, struct message *why)
{
    mkdir(PATH_RUN, 0755);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return message_errno(why, -errno, "%s cannot be opened", path);
    while (flock(fd, LOCK_EX))
        if (errno != EINTR) {
            int rc = -errno;

            close(fd);
            return message_errno(why, rc, "%s cannot be locked", path);
        }
    return fd;
}
