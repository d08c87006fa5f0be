/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments' trailing zeroes. The file is changed only where a program header says less than before,
 * and where it held zeroes.
 */
#include "unpack/trim.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define PAGE        4096u
#define MAX_HEADERS 64u

static int read_exactly(int fd, void *to, size_t bytes, off_t at)
{
    ssize_t n = pread(fd, to, bytes, at);

    if (n < 0)
        return -errno;
    return (size_t)n == bytes ? 0 : -EINVAL;
}

/* How many of the file's bytes [offset, offset + size) come before zeroes to the end. */
static int used_bytes(int fd, uint64_t offset, uint64_t size, uint64_t *used)
{
    static const char zeroes[PAGE];
    char page[PAGE];

    for (*used = size; *used > 0;) {
        size_t part = *used % PAGE ? *used % PAGE : PAGE;
        int rc = read_exactly(fd, page, part, (off_t)(offset + *used - part));

        if (rc != 0)
            return rc;
        if (memcmp(page, zeroes, part) != 0)
            return 0;
        *used -= part;
    }
    return 0;
}

static int trim_one(int fd, Elf64_Phdr *h, off_t where)
{
    uint64_t used;
    int rc = used_bytes(fd, h->p_offset, h->p_filesz, &used);

    if (rc != 0 || used == h->p_filesz)
        return rc;
    /* Holes are a saving, not a need: not every file system has them. */
    (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(h->p_offset + used),
                    (off_t)(h->p_filesz - used));
    h->p_filesz = used;
    return pwrite(fd, h, sizeof(*h), where) == sizeof(*h) ? 0 : -EIO;
}

static bool can_trim(const Elf64_Ehdr *e)
{
    return memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 && e->e_ident[EI_CLASS] == ELFCLASS64 &&
           e->e_ident[EI_DATA] == ELFDATA2LSB && e->e_phentsize == sizeof(Elf64_Phdr) &&
           e->e_phnum <= MAX_HEADERS;
}

int trim_segments(int fd)
{
    Elf64_Ehdr e;
    Elf64_Phdr h[MAX_HEADERS];
    int rc = read_exactly(fd, &e, sizeof(e), 0);

    if (rc == 0 && !can_trim(&e))
        return 0;
    if (rc == 0)
        rc = read_exactly(fd, h, e.e_phnum * sizeof(h[0]), (off_t)e.e_phoff);
    for (unsigned i = 0; rc == 0 && i < e.e_phnum; i++)
        if (h[i].p_type == PT_LOAD)
            rc = trim_one(fd, &h[i], (off_t)(e.e_phoff + i * sizeof(h[0])));
    /* Headers that point nowhere are the business of who reads the file. */
    return rc == -EINVAL ? 0 : rc;
}
