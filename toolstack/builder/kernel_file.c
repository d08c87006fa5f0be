/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening kernels. Headers and notes are read once, into a copy of that part of the file, so that a
 * file that changes meanwhile is either that or an error, never a surprise behind a check.
 */
#include "builder/kernel_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unpack/trim.h"
#include "unpack/unpack.h"

#define WHOLE_MAX (64ull << 20) /* kernels that are older than notes in segments are small */

/* ---- The copy ----------------------------------------------------------------------------- */

/* Bytes [offset, offset + bytes) of the file, to their place in the copy. What lies beyond its end
 * stays zero: elf_read_kernel() looks at the size first, too. */
static int copy_part(const struct kernel_file *k, uint8_t *copy, uint64_t offset, uint64_t bytes)
{
    while (offset < k->size && bytes > 0) {
        uint64_t part = bytes < k->size - offset ? bytes : k->size - offset;
        ssize_t n = pread(k->fd, copy + offset, part, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* The headers, and the notes that segments hold: with most kernels nothing else is looked at. */
static int copy_notes(const struct kernel_file *k, uint8_t *copy)
{
    Elf64_Ehdr h;
    Elf64_Phdr p;
    int rc = copy_part(k, copy, 0, sizeof(h));

    if (rc || k->size < sizeof(h))
        return rc;
    memcpy(&h, copy, sizeof(h));
    rc = copy_part(k, copy, h.e_phoff, (uint64_t)h.e_phnum * sizeof(p));
    for (unsigned i = 0; rc == 0 && i < h.e_phnum; i++) {
        uint64_t at = h.e_phoff + i * sizeof(p);

        if (at < h.e_phoff || at > k->size || sizeof(p) > k->size - at)
            break;
        memcpy(&p, copy + at, sizeof(p));
        if (p.p_type == PT_NOTE)
            rc = copy_part(k, copy, p.p_offset, p.p_filesz);
    }
    return rc;
}

/*
 * Of a kernel whose notes are elsewhere all is read: what the sections say, and what is wrong.
 * Where the first look is enough, a second one would see nothing else.
 */
static int read_copy(struct kernel_file *k, uint8_t *copy, const char *path, struct message *why)
{
    const char *reason = NULL;
    int rc = copy_notes(k, copy);
    bool good = rc == 0 && elf_read_kernel(&k->kernel, copy, k->size, &reason) == 0;

    if (rc == 0 && !good && k->size <= WHOLE_MAX) {
        rc = copy_part(k, copy, 0, k->size);
        good = rc == 0 && elf_read_kernel(&k->kernel, copy, k->size, &reason) == 0;
    }
    if (rc == -ENODATA)
        return message_set(why, -EIO, "%s: it became shorter while it was read", path);
    if (rc)
        return message_errno(why, rc, "%s: cannot be read", path);
    return good ? 0 : message_set(why, -EINVAL, "%s: %s", path, reason);
}

/* A mapping of the file itself would end the process when somebody truncates it (SIGBUS). */
static int read_notes(struct kernel_file *k, const char *path, struct message *why)
{
    void *copy = mmap(NULL, k->size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (copy == MAP_FAILED)
        return message_errno(why, -errno, "%s: no memory to read it", path);
    int rc = read_copy(k, copy, path, why);
    munmap(copy, k->size);
    return rc;
}

/* ---- Files -------------------------------------------------------------------------------- */

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
