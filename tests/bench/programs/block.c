/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: block DEVICE
 * Reads and writes a disk without a cache between (O_DIRECT), one request after the other or 32 at
 * once by the kernel's asynchronous I/O. One operation is one request.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/fs.h>

#include "batch.h"

#define SMALL 4096u
#define LARGE (1u << 20)
#define DEPTH 32u

static int disk;
static uint64_t disk_size, at;
static char *buffer; /* DEPTH times LARGE */
static aio_context_t context;

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: %s\n", what);
        exit(1);
    }
}

/* The place of the next request: one behind the other, and again from the beginning. */
static uint64_t next(unsigned size)
{
    if (at + size > disk_size)
        at = 0;
    at += size;
    return at - size;
}

static void read_one(unsigned size, unsigned n)
{
    while (n--)
        check(pread(disk, buffer, size, (off_t)next(size)) == size, "read");
}

static void write_one(unsigned size, unsigned n)
{
    while (n--)
        check(pwrite(disk, buffer, size, (off_t)next(size)) == size, "write");
}

static void many(unsigned command, unsigned size, unsigned n)
{
    struct iocb requests[DEPTH], *list[DEPTH];
    struct io_event done[DEPTH];

    for (; n >= DEPTH; n -= DEPTH) {
        for (unsigned i = 0; i < DEPTH; i++) {
            requests[i] = (struct iocb){.aio_lio_opcode = (uint16_t)command,
                                        .aio_fildes = (uint32_t)disk,
                                        .aio_buf = (uintptr_t)buffer + i * LARGE,
                                        .aio_nbytes = size,
                                        .aio_offset = (int64_t)next(size)};
            list[i] = &requests[i];
        }
        check(syscall(SYS_io_submit, context, DEPTH, list) == DEPTH, "submit");
        check(syscall(SYS_io_getevents, context, DEPTH, DEPTH, done, NULL) == DEPTH, "wait");
        for (unsigned i = 0; i < DEPTH; i++)
            check(done[i].res == size, "a request");
    }
}

OPERATION(read_4k)
{
    read_one(SMALL, n);
}

OPERATION(write_4k)
{
    write_one(SMALL, n);
}

OPERATION(read_1m)
{
    read_one(LARGE, n);
}

OPERATION(write_1m)
{
    write_one(LARGE, n);
}

OPERATION(read_4k_32)
{
    many(IOCB_CMD_PREAD, SMALL, n);
}

OPERATION(write_4k_32)
{
    many(IOCB_CMD_PWRITE, SMALL, n);
}

OPERATION(read_1m_32)
{
    many(IOCB_CMD_PREAD, LARGE, n);
}

OPERATION(write_1m_32)
{
    many(IOCB_CMD_PWRITE, LARGE, n);
}

static const struct operation operations[] = {
    MEASURED(read_4k, 64),    MEASURED(write_4k, 64),    MEASURED(read_1m, 4),
    MEASURED(write_1m, 4),    MEASURED(read_4k_32, 64),  MEASURED(write_4k_32, 64),
    MEASURED(read_1m_32, 32), MEASURED(write_1m_32, 32),
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    check(argc == 2, "block DEVICE");
    disk = open(argv[1], O_RDWR | O_DIRECT);
    check(disk >= 0 && ioctl(disk, BLKGETSIZE64, &disk_size) == 0, argv[1]);
    buffer = mmap(NULL, DEPTH * LARGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    check(buffer != MAP_FAILED && syscall(SYS_io_setup, DEPTH, &context) == 0, "memory");
    memset(buffer, 1, DEPTH * LARGE);
    /* A page of the memory-backed disk is there once it has been written. */
    write_one(LARGE, (unsigned)(disk_size / LARGE));
    batch_all(operations, sizeof(operations) / sizeof(operations[0]));
    return 0;
}
