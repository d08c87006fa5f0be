/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qcow2 images: qemu-nbd serves one to a network block device of the control domain's kernel,
 * which blkback takes as any other. A qemu-nbd bears its tag among its arguments, so that a number
 * found in the store leads to the right one or to none.
 *
 * A device whose server died is not free: blkback has it open still, and the kernel gives it to no
 * other server until then. So each has a lock from before it is made until it is freed: a symbolic
 * link to the tag, as a link is never there without what it says, whoever is killed meanwhile.
 */
#include "devices/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/paths.h"
#include "devices/run.h"

#define MAX_NBD    4096
#define TAG_OPTION "--description="

extern char **environ;

/* A number in a file of the device's directory in sysfs; 0: none. */
static unsigned long nbd_value(unsigned number, const char *name)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof(path), "/sys/block/nbd%u/%s", number, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    return size > 0 ? strtoul(text, NULL, 10) : 0;
}

/* `pid` is there while the device has a server. */
static bool nbd_used(unsigned number)
{
    return nbd_value(number, "pid") != 0;
}

static bool nbd_has_tag(unsigned number, const char *tag)
{
    char path[64], arguments[4096];
    snprintf(path, sizeof(path), "/proc/%lu/cmdline", nbd_value(number, "pid"));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, arguments, sizeof(arguments) - 1);
    close(fd);
    arguments[size > 0 ? size : 0] = '\0';
    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(arguments + at) + 1)
        if (strncmp(arguments + at, TAG_OPTION, strlen(TAG_OPTION)) == 0 &&
            strcmp(arguments + at + strlen(TAG_OPTION), tag) == 0)
            return true;
    return false;
}

static void lock_path(unsigned number, char path[64])
{
    snprintf(path, 64, PATH_RUN "/nbd%u.lock", number);
}

static void socket_path(unsigned number, char path[64])
{
    snprintf(path, 64, PATH_RUN "/nbd%u.sock", number);
}

static bool lock_exists(unsigned number)
{
    char path[64], holder[1];
    lock_path(number, path);
    return readlink(path, holder, sizeof(holder)) >= 0;
}

static int lock_take(unsigned number, const char *tag, struct message *why)
{
    char path[64];
    mkdir(PATH_RUN, 0755); /* there most often */
    lock_path(number, path);
    if (symlink(tag, path) == 0)
        return 0;
    return errno == EEXIST ? message_set(why, -EBUSY, "/dev/nbd%u was taken", number)
                           : message_errno(why, -errno, "cannot make %s", path);
}

static void lock_drop(unsigned number, const char *tag)
{
    char path[64], holder[128] = "", socket[64];
    lock_path(number, path);
    if (readlink(path, holder, sizeof(holder) - 1) < 0 || strcmp(holder, tag) != 0)
        return;
    socket_path(number, socket);
    unlink(socket); /* of a server that was killed */
    unlink(path);
}

int nbd_choose(unsigned *number, struct message *why)
{
    char path[64];
    for (unsigned i = 0; i < MAX_NBD; i++) {
        snprintf(path, sizeof(path), "/sys/block/nbd%u", i);
        if (access(path, F_OK) != 0) {
            if (i > 0)
                return message_set(why, -EBUSY,
                                   "all %u network block devices are in use (the kernel module "
                                   "nbd has the parameter nbds_max)",
                                   i);
            break;
        }
        if (!nbd_used(i) && !lock_exists(i)) {
            *number = i;
            return 0;
        }
    }
    return message_set(why, -ENODEV,
                       "images of format qcow2 need network block devices, and there is no "
                       "/dev/nbd0: load the kernel module nbd (modprobe nbd)");
}

/* The server runs before the kernel has the device's size. */
static int wait_ready(unsigned number, const struct host_image *image, struct message *why)
{
    uint64_t end = host_now_ms() + image->patience_ms;
    for (unsigned step = 0; !nbd_used(number) || nbd_value(number, "size") == 0; host_pause(&step))
        if (host_now_ms() >= end)
            return message_set(why, -ETIMEDOUT, "/dev/nbd%u does not become ready with %s", number,
                               image->path);
    return nbd_has_tag(number, image->tag)
               ? 0
               : message_set(why, -EBUSY, "/dev/nbd%u was taken by another program", number);
}

static int serve(unsigned number, const struct host_image *image, dev_t *device,
                 struct message *why)
{
    char path[32], connect[48], where[64], socket[80], tag[96], read_only[] = "--read-only";
    snprintf(path, sizeof(path), "/dev/nbd%u", number);
    snprintf(connect, sizeof(connect), "--connect=%s", path);
    socket_path(number, where);
    snprintf(socket, sizeof(socket), "--socket=%s", where);
    snprintf(tag, sizeof(tag), TAG_OPTION "%s", image->tag);
    char program[] = "qemu-nbd", format[] = "--format=qcow2", fork[] = "--fork";
    char cache[24], discard[24], *file = strdup(image->path);
    snprintf(cache, sizeof(cache), "--cache=%s", image->direct_io ? "none" : "writeback");
    snprintf(discard, sizeof(discard), "--discard=%s", image->discard ? "unmap" : "ignore");
    char *argv[] = {program,
                    format,
                    fork,
                    connect,
                    socket,
                    tag,
                    cache,
                    discard,
                    image->read_only ? read_only : file,
                    image->read_only ? file : NULL,
                    NULL};

    if (file == NULL)
        return message_errno(why, -ENOMEM, "cannot serve %s", image->path);
    int rc = run_program(argv, environ, image->patience_ms, why);
    free(file);
    if (rc == -ENOENT)
        return message_set(why, rc,
                           "images of format qcow2 need the program qemu-nbd: install the "
                           "package qemu-utils, or turn %s into a raw one (qemu-img convert)",
                           image->path);
    if (rc == -EIO && nbd_used(number) && !nbd_has_tag(number, image->tag))
        return -EBUSY;
    if (rc == 0)
        rc = wait_ready(number, image, why);
    struct stat status;
    if (rc == 0 && stat(path, &status) != 0)
        rc = message_errno(why, -errno, "cannot find %s", path);
    if (rc == 0)
        *device = status.st_rdev;
    return rc;
}

int nbd_make(unsigned number, const struct host_image *image, dev_t *device, struct message *why)
{
    int rc = lock_take(number, image->tag, why);
    if (rc != 0)
        return rc;
    rc = serve(number, image, device, why);
    if (rc == -EBUSY) /* another number is tried, and this one forgotten */
        lock_drop(number, image->tag);
    return rc;
}

static int disconnect(unsigned number, const char *tag, unsigned patience_ms, struct message *why)
{
    if (!nbd_used(number) || !nbd_has_tag(number, tag))
        return 0;
    char path[32];
    snprintf(path, sizeof(path), "/dev/nbd%u", number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == EROFS)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return message_errno(why, -errno, "cannot open %s", path);
    fsync(fd); /* what the kernel still holds of the guest's writes */
    int rc = ioctl(fd, NBD_DISCONNECT) == 0 ? 0 : -errno;
    close(fd);
    if (rc != 0)
        return message_errno(why, rc, "cannot disconnect %s", path);
    uint64_t end = host_now_ms() + patience_ms;
    for (unsigned step = 0; nbd_used(number) && nbd_has_tag(number, tag); host_pause(&step))
        if (host_now_ms() >= end)
            return message_set(why, -ETIMEDOUT, "qemu-nbd does not let %s go", path);
    return 0;
}

int nbd_free(unsigned number, const char *tag, unsigned patience_ms, struct message *why)
{
    int rc = disconnect(number, tag, patience_ms, why);
    if (rc == 0)
        lock_drop(number, tag);
    return rc;
}
