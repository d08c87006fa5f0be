/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk's target is, and small questions to the kernel. Nothing is changed here.
 */
#include "devices/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

uint64_t host_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void host_pause(unsigned *step)
{
    *step = *step == 0 ? 1 : *step < 25 ? 2 * *step : 50;
    usleep(*step * 1000);
}

bool host_backend_exists(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "/sys/bus/xen-backend/devices/%s", name);
    return access(path, F_OK) == 0;
}

/* O_EXCL on a block device: the kernel refuses when it is mounted, or part of a volume. */
static int check_device(const char *path, bool write, struct message *why)
{
    int fd = open(path, (write ? O_RDWR | O_EXCL : O_RDONLY) | O_CLOEXEC);
    if (fd < 0 && errno == EBUSY)
        return message_set(why, -EBUSY,
                           "%s is in use by the control domain itself (mounted, swap, or part of "
                           "a volume): a guest that writes to it would destroy what is on it",
                           path);
    if (fd < 0)
        return message_errno(why, -errno, "cannot open %s", path);
    close(fd);
    return 0;
}

int host_target(const char *path, bool write, struct host_target *target, struct message *why)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return message_errno(why, -errno, "cannot find the disk's target %s", path);
    *target = (struct host_target){.is_device = S_ISBLK(status.st_mode)};
    if (target->is_device) {
        target->device = status.st_rdev;
        snprintf(target->identity, sizeof(target->identity), "b%x-%x", major(status.st_rdev),
                 minor(status.st_rdev));
        return check_device(path, write, why);
    }
    if (!S_ISREG(status.st_mode))
        return message_set(why, -EINVAL, "%s is neither a file nor a block device", path);
    if (status.st_size == 0)
        return message_set(why, -EINVAL,
                           "%s is empty: give it a size (truncate -s 4G %s), or make a file "
                           "system in it",
                           path, path);
    if (access(path, write ? R_OK | W_OK : R_OK) != 0)
        return message_errno(why, -errno, "cannot open %s", path);
    snprintf(target->identity, sizeof(target->identity), "f%llx-%llx",
             (unsigned long long)status.st_dev, (unsigned long long)status.st_ino);
    return 0;
}
