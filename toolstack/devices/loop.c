/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loop devices for raw images. A loop device bears a tag in its name field, set in the same ioctl
 * that binds it, so that whoever finds its number in the store can tell whether it is still the
 * one that was meant: a number is free for others as soon as it is given back.
 */
#include "devices/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_loop(unsigned number, int flags)
{
    char path[32];
    snprintf(path, sizeof(path), "/dev/loop%u", number);
    int fd = open(path, flags | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int loop_choose(unsigned *number, struct message *why)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return message_errno(why, -errno,
                             "cannot open /dev/loop-control, needed for images (is the kernel "
                             "module loop loaded?)");
    int free_one = ioctl(control, LOOP_CTL_GET_FREE);
    int error = -errno;
    close(control);
    if (free_one < 0)
        return message_errno(why, error, "the kernel gives no free loop device");
    *number = (unsigned)free_one;
    return 0;
}

static int configure(int loop, int file, const struct host_image *image)
{
    struct loop_config config = {.fd = (uint32_t)file};
    config.info.lo_flags =
        (image->read_only ? LO_FLAGS_READ_ONLY : 0u) | (image->direct_io ? LO_FLAGS_DIRECT_IO : 0u);
    snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", image->tag);
    return ioctl(loop, LOOP_CONFIGURE, &config) == 0 ? 0 : -errno;
}

int loop_make(unsigned number, const struct host_image *image, dev_t *device, struct message *why)
{
    int access = image->read_only ? O_RDONLY : O_RDWR;
    int file = open(image->path, access | O_CLOEXEC);
    if (file < 0)
        return message_errno(why, -errno, "cannot open %s", image->path);
    int loop = open_loop(number, access);
    int rc = loop < 0 ? loop : configure(loop, file, image);
    close(file);
    struct stat status;
    if (rc == 0 && fstat(loop, &status) != 0)
        rc = -errno;
    if (rc == 0)
        *device = status.st_rdev;
    if (loop >= 0)
        close(loop);
    if (rc != 0)
        message_errno(why, rc, "cannot bind %s to /dev/loop%u", image->path, number);
    return rc;
}

int loop_free(unsigned number, const char *tag, struct message *why)
{
    int loop = open_loop(number, O_RDONLY);
    if (loop < 0)
        return loop == -ENOENT || loop == -ENXIO
                   ? 0
                   : message_errno(why, loop, "cannot open /dev/loop%u", number);
    struct loop_info64 info = {0};
    int rc = 0;
    if (ioctl(loop, LOOP_GET_STATUS64, &info) != 0)
        rc = errno == ENXIO ? 0 : -errno; /* bound to nothing */
    else if (strncmp((const char *)info.lo_file_name, tag, LO_NAME_SIZE - 1) == 0 &&
             ioctl(loop, LOOP_CLR_FD) != 0 && errno != ENXIO)
        rc = -errno;
    close(loop);
    return rc == 0 ? 0 : message_errno(why, rc, "cannot give back /dev/loop%u", number);
}
