/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening kernels. The ELF headers are read from a private copy in memory, so that a file that
 * changes meanwhile is either that or an error, never a surprise behind a check.
 */
#include "builder/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unpack/trim.h"
#include "unpack/unpack.h"

/* Headers and notes of any kernel lie in its first part or are found through it; all of the image
 * is mapped, and only what is looked at is read from the disk. */
static int read_notes(struct kernel_file *k, const char *path, struct message *why)
{
    const char *reason = NULL;
    void *image = mmap(NULL, k->size, PROT_READ, MAP_PRIVATE, k->fd, 0);

    if (image == MAP_FAILED)
        return message_errno(why, -errno, "%s: cannot be mapped", path);
    int rc = elf_read_kernel(&k->kernel, image, k->size, &reason);
    munmap(image, k->size);
    return rc ? message_set(why, -EINVAL, "%s: %s", path, reason) : 0;
}

static bool is_elf(int fd)
{
    char magic[4];

    return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && memcmp(magic, "\177ELF", 4) == 0;
}

/* Replaces k->fd by an ELF image in memory. */
static int unpack(struct kernel_file *k, const char *path, struct message *why)
{
    struct unpack_report report = {0};
    int to = memfd_create("kernel", MFD_CLOEXEC);

    if (to < 0)
        return message_errno(why, -errno, "%s: no memory to unpack it", path);
    if (unpack_kernel(k->fd, to, UNPACK_DEFAULT_LIMIT, &report) != UNPACK_OK) {
        close(to);
        return message_set(why, -EINVAL, "%s: %s", path, report.error);
    }
    int rc = trim_segments(to);
    if (rc) {
        close(to);
        return message_errno(why, rc, "%s: cannot be unpacked", path);
    }
    close(k->fd);
    k->fd = to;
    return 0;
}

static int prepare(struct kernel_file *k, const char *path, struct message *why)
{
    struct stat st;
    int rc = is_elf(k->fd) ? 0 : unpack(k, path, why);

    if (rc)
        return rc;
    if (fstat(k->fd, &st))
        return message_errno(why, -errno, "%s", path);
    if (st.st_size <= 0)
        return message_set(why, -EINVAL, "%s: is no file with a kernel in it", path);
    k->size = (uint64_t)st.st_size;
    return read_notes(k, path, why);
}

int kernel_file_open(struct kernel_file *k, const char *path, struct message *why)
{
    struct stat st;

    k->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe must not hold it up */
    if (k->fd < 0)
        return message_errno(why, -errno, "%s: the kernel cannot be opened", path);
    int rc = 0;
    if (fstat(k->fd, &st) || !S_ISREG(st.st_mode))
        rc = message_set(why, -EINVAL, "%s: the kernel must be a regular file", path);
    if (rc == 0)
        rc = prepare(k, path, why);
    if (rc)
        kernel_file_close(k);
    return rc;
}

void kernel_file_close(struct kernel_file *k)
{
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
}
