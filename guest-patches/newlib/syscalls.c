/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the C library calls (newlib's documentation, "System Calls"): descriptors of the console and
 * of files in memory. There are no processes and no signals; fork(), execve() and wait() are
 * missing on purpose, so a program that needs them does not link.
 */
#include "files.h"
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pv/clock.h>
#include <pv/console.h>

#define DESCRIPTORS    64
#define CONSOLE        3u /* descriptors below are the console */
/* How often input is looked for: typing is slow. */
#define INPUT_INTERVAL (5 * NS_PER_SEC / 1000)

static struct descriptor {
    struct file *file; /* NULL: free */
    size_t at;
    int flags;
} descriptors[DESCRIPTORS];
static struct spinlock descriptors_lock;

static int fail(int error)
{
    errno = error;
    return -1;
}

static int result(int error)
{
    return error ? fail(error) : 0;
}

static bool is_console(int fd)
{
    return (unsigned)fd < CONSOLE;
}

/* NULL and errno set when it is none of a file. */
static struct descriptor *descriptor_of(int fd)
{
    struct descriptor *d = (unsigned)fd < DESCRIPTORS ? &descriptors[fd] : NULL;

    if (d == NULL || d->file == NULL) {
        errno = is_console(fd) ? ESPIPE : EBADF;
        return NULL;
    }
    return d;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static int descriptor_make(struct file *file, int flags)
{
    int fd = CONSOLE;

    spin_lock(&descriptors_lock);
    while (fd < DESCRIPTORS && descriptors[fd].file != NULL)
        fd++;
    if (fd < DESCRIPTORS)
        descriptors[fd] = (struct descriptor){file, 0, flags};
    spin_unlock(&descriptors_lock);
    return fd < DESCRIPTORS ? fd : -1;
}

int open(const char *path, int flags, ...)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    struct file *file;
    int fd = -1, error = file_get(path, flags & O_CREAT, flags & O_EXCL, &file);

    if (error)
        return fail(error);
    if (file_is_directory(file) && writes)
        error = EISDIR;
    else if (writes && (flags & O_TRUNC))
        error = file_truncate(file, 0);
    if (!error) {
        fd = descriptor_make(file, flags);
        error = fd < 0 ? EMFILE : 0;
    }
    if (error) {
        file_put(file);
        return fail(error);
    }
    return fd;
}

int close(int fd)
{
    if (is_console(fd))
        return 0;
    spin_lock(&descriptors_lock);
    struct descriptor *d = descriptor_of(fd);
    struct file *file = d != NULL ? d->file : NULL;
    if (d != NULL)
        d->file = NULL;
    spin_unlock(&descriptors_lock);
    if (file == NULL)
        return -1;
    file_put(file);
    return 0;
}

/* ---- Reading and writing ------------------------------------------------------------------ */

/* Waits for the first character, as a terminal does: echoes, and a line ends it. */
static int console_input(char *text, size_t size)
{
    size_t n = 0;

    while (n < size) {
        if (console_read(text + n, 1) == 0) {
            sleep_ns(INPUT_INTERVAL);
            continue;
        }
        if (text[n] == '\r')
            text[n] = '\n';
        console_write(text + n, 1);
        if (text[n++] == '\n')
            break;
    }
    return (int)n;
}

/* newlib's read() and write() return an int here, so that is the most that one does. */
static size_t at_most(size_t size)
{
    return size < INT_MAX ? size : INT_MAX;
}

_READ_WRITE_RETURN_TYPE read(int fd, void *data, size_t size)
{
    size = at_most(size);
    if (fd == STDIN_FILENO)
        return console_input(data, size);
    struct descriptor *d = descriptor_of(fd);
    if (d == NULL || (d->flags & O_ACCMODE) == O_WRONLY)
        return fail(EBADF);
    if (file_is_directory(d->file))
        return fail(EISDIR);
    size_t n = file_read(d->file, d->at, data, size);
    d->at += n;
    return (int)n;
}

_READ_WRITE_RETURN_TYPE write(int fd, const void *data, size_t size)
{
    size = at_most(size);
    if (is_console(fd)) {
        console_write(data, size);
        return (int)size;
    }
    struct descriptor *d = descriptor_of(fd);
    if (d == NULL || (d->flags & O_ACCMODE) == O_RDONLY)
        return fail(EBADF);
    if (d->flags & O_APPEND)
        d->at = file_size(d->file);
    int error = file_write(d->file, d->at, data, size);
    if (error)
        return fail(error);
    d->at += size;
    return (int)size;
}

off_t lseek(int fd, off_t offset, int whence)
{
    struct descriptor *d = descriptor_of(fd);

    if (d == NULL)
        return -1;
    off_t from = whence == SEEK_CUR   ? (off_t)d->at
                 : whence == SEEK_END ? (off_t)file_size(d->file)
                                      : 0;
    if ((whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) || from + offset < 0)
        return fail(EINVAL);
    d->at = (size_t)(from + offset);
    return from + offset;
}

int ftruncate(int fd, off_t size)
{
    const struct descriptor *d = descriptor_of(fd);

    if (d == NULL)
        return -1;
    return size < 0 ? fail(EINVAL) : result(file_truncate(d->file, (size_t)size));
}

/* ---- What is known of files --------------------------------------------------------------- */

int isatty(int fd)
{
    if (is_console(fd))
        return 1;
    if (descriptor_of(fd) != NULL)
        errno = ENOTTY;
    return 0;
}

int fstat(int fd, struct stat *stat)
{
    if (is_console(fd)) {
        memset(stat, 0, sizeof(*stat));
        stat->st_mode = S_IFCHR | 0600;
        stat->st_blksize = BUFSIZ;
        return 0;
    }
    const struct descriptor *d = descriptor_of(fd);
    if (d == NULL)
        return -1;
    file_stat(d->file, stat);
    return 0;
}

int stat(const char *path, struct stat *stat)
{
    struct file *file;
    int error = file_get(path, false, false, &file);

    if (error)
        return fail(error);
    file_stat(file, stat);
    file_put(file);
    return 0;
}

int fcntl(int fd, int command, ...)
{
    const struct descriptor *d = is_console(fd) ? NULL : descriptor_of(fd);

    if (d == NULL && !is_console(fd))
        return -1;
    if (command == F_GETFL)
        return d != NULL ? d->flags : O_RDWR;
    return command == F_GETFD || command == F_SETFD ? 0 : fail(EINVAL);
}

int mkdir(const char *path, mode_t mode)
{
    (void)mode;
    return result(file_make_directory(path));
}

int unlink(const char *path)
{
    return result(file_remove(path));
}

int rmdir(const char *path)
{
    return result(file_remove(path));
}

int rename(const char *from, const char *to)
{
    return result(file_rename(from, to));
}

int link(const char *from, const char *to)
{
    return result(file_link(from, to));
}

/* ---- Processes ---------------------------------------------------------------------------- */

int getpid(void)
{
    return 1;
}

/* A signal to itself ends the domain as the signal's default action would end a process. */
int kill(int process, int signal)
{
    if (process != getpid())
        return fail(ESRCH);
    if (signal != 0)
        fatal("signal %d", signal);
    return 0;
}
