/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/unpack/trim.c tests/unit/host.c
 *
 * Kernels whose segments end in zeroes: what is left in the program headers, and that nothing else
 * of the file changes.
 */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "toolstack/unpack/trim.h"

#define PAGE  4096u
#define BYTES (16u * PAGE)

static char image[BYTES], after[BYTES];

static void put_segment(unsigned nr, uint32_t type, uint64_t offset, uint64_t size)
{
    Elf64_Phdr h = {.p_type = type, .p_offset = offset, .p_filesz = size, .p_memsz = size + PAGE};

    memcpy(image + sizeof(Elf64_Ehdr) + nr * sizeof(h), &h, sizeof(h));
}

static void put_header(unsigned segments)
{
    Elf64_Ehdr e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
                    .e_phoff = sizeof(e),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = (uint16_t)segments};

    memset(image, 0, sizeof(image));
    memcpy(image, &e, sizeof(e));
}

/* The result of trimming `image`, which is then in `after`. */
static int trim(size_t bytes)
{
    int fd = memfd_create("image", 0), rc;

    if (fd < 0 || write(fd, image, bytes) != (ssize_t)bytes)
        abort();
    rc = trim_segments(fd);
    is(lseek(fd, 0, SEEK_END), bytes, "the file keeps its size");
    if (pread(fd, after, bytes, 0) != (ssize_t)bytes)
        abort();
    close(fd);
    return rc;
}

static uint64_t file_size(unsigned nr)
{
    Elf64_Phdr h;

    memcpy(&h, after + sizeof(Elf64_Ehdr) + nr * sizeof(h), sizeof(h));
    return h.p_filesz;
}

static void test_segments(void)
{
    put_header(4);
    put_segment(0, PT_LOAD, PAGE, 3 * PAGE);
    put_segment(1, PT_LOAD, 5 * PAGE + 100, 2 * PAGE); /* nothing in it */
    put_segment(2, PT_NOTE, 8 * PAGE, PAGE);
    put_segment(3, PT_LOAD, 10 * PAGE, 3 * PAGE + 7);
    image[PAGE + 5] = 1;
    image[10 * PAGE + 3 * PAGE + 6] = 1; /* the last byte */
    is(trim(BYTES), 0, "a kernel is trimmed");
    is(file_size(0), PAGE, "what follows the last page that is not zero is left out");
    is(file_size(1), 0, "of a segment of zeroes nothing is left");
    is(file_size(2), PAGE, "only loaded segments are looked at");
    is(file_size(3), 3 * PAGE + 7, "a segment that ends in something stays");
    memset(after + sizeof(Elf64_Ehdr), 0, 4 * sizeof(Elf64_Phdr));
    memset(image + sizeof(Elf64_Ehdr), 0, 4 * sizeof(Elf64_Phdr));
    is(memcmp(image, after, BYTES), 0, "no other byte changes");
}

static void unchanged(const char *what)
{
    is(trim(BYTES), 0, "%s: no error", what);
    is(memcmp(image, after, BYTES), 0, "%s: unchanged", what);
}

static void test_others(void)
{
    put_header(1);
    put_segment(0, PT_LOAD, 15 * PAGE, 2 * PAGE);
    unchanged("a segment that passes the end of the file");
    put_segment(0, PT_LOAD, UINT64_MAX - PAGE, PAGE);
    unchanged("a segment at no place at all");
    put_segment(0, PT_LOAD, PAGE, PAGE);
    image[EI_CLASS] = ELFCLASS32;
    unchanged("32 bits");
    put_header(UINT16_MAX);
    unchanged("more headers than any kernel has");
    memset(image, 'x', sizeof(image));
    unchanged("no ELF file");
    is(trim(10), 0, "a few bytes: no error");
}

int main(void)
{
    test_segments();
    test_others();
    return done();
}
