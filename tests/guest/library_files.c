/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C library on the board support library: the command line, files in memory, memory and
 * printing from several vCPUs.
 *
 * newlib asks the system below it for some twenty functions: read(), write(), sbrk() and so on. The
 * board support library has them, for a console and for files that live in memory, so a program
 * that was written for a POSIX system and is content with one process runs as a guest.
 *
 *   test: vcpus=1,4 args='one "two words" th"r"ee'
 *   test: vcpus=1 memory=4 args='one "two words" th"r"ee'
 */
#include <pv/smp.h>
#include <pv/start.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static void arguments(int argc, char **argv)
{
    ok(argc >= 4, "the words of the command line are arguments");
    ok(strcmp(argv[0], "guest") == 0, "argv[0] is the program's name");
    ok(argc >= 4 && strcmp(argv[1], "one") == 0, "a word");
    ok(argc >= 4 && strcmp(argv[2], "two words") == 0, "words in quotes are one");
    ok(argc >= 4 && strcmp(argv[3], "three") == 0, "quotes within a word");
    ok(argv[argc] == NULL, "NULL ends them");
}

static void streams(void)
{
    char line[32] = "";
    int number = 0;
    FILE *f = fopen("/numbers", "w");

    ok(f != NULL, "a new file");
    if (f == NULL)
        return;
    for (int i = 0; i < 5000; i++)
        fprintf(f, "%d\n", i);
    is(fclose(f), 0, "it is written");
    f = fopen("numbers", "r");
    ok(f != NULL, "it can be opened again, by another name of it");
    ok(f && fseek(f, -5, SEEK_END) == 0 && fgets(line, sizeof(line), f) &&
           strcmp(line, "4999\n") == 0,
       "its end is what was written last");
    ok(f && fseek(f, 0, SEEK_SET) == 0 && fscanf(f, "%*d %*d %d", &number) == 1 && number == 2,
       "and its start what was written first");
    if (f)
        fclose(f);
    f = fopen("/numbers", "a");
    ok(f && fputs("end\n", f) >= 0 && ftell(f) == 23894 && fclose(f) == 0, "it can be appended to");
    errno = 0;
    ok(fopen("/none", "r") == NULL && errno == ENOENT, "a file that is not there");
}

static void descriptors(void)
{
    char text[8] = "";
    struct stat st;
    int fd = open("/a", O_RDWR | O_CREAT | O_EXCL, 0644);

    ok(fd > 2, "open() of a new file");
    is(write(fd, "hello", 5), 5, "write()");
    is(lseek(fd, 2, SEEK_SET), 2, "lseek()");
    is(read(fd, text, 8), 3, "read() to the end");
    ok(strcmp(text, "llo") == 0, "what was written");
    is(lseek(fd, 100, SEEK_SET), 100, "lseek() behind the end");
    is(write(fd, "x", 1), 1, "write() there");
    ok(fstat(fd, &st) == 0 && st.st_size == 101 && S_ISREG(st.st_mode), "fstat() tells the size");
    ok(lseek(fd, 50, SEEK_SET) == 50 && read(fd, text, 1) == 1 && text[0] == 0, "0 in the hole");
    is(unlink("/a"), 0, "unlink() of an open file");
    is(stat("/a", &st), -1, "its name is gone");
    is(read(fd, text, 1), 1, "it can be read still");
    is(close(fd), 0, "close()");
    ok(read(fd, text, 1) == -1 && errno == EBADF, "a closed descriptor");
    ok(isatty(1) && fstat(1, &st) == 0 && S_ISCHR(st.st_mode), "standard output is a terminal");
}

static void names(void)
{
    struct stat st;

    is(mkdir("/dir", 0755), 0, "mkdir()");
    ok(mkdir("/dir", 0755) == -1 && errno == EEXIST, "a directory that is there");
    ok(mkdir("/no/dir", 0755) == -1 && errno == ENOENT, "one in none");
    int fd = open("/dir/./../dir//f", O_WRONLY | O_CREAT, 0644);
    ok(fd > 2 && close(fd) == 0 && stat("/dir/f", &st) == 0, "a path with dots");
    ok(open("/dir/f/g", O_WRONLY | O_CREAT, 0644) == -1 && errno == ENOTDIR, "a file is no folder");
    ok(open("/dir", O_WRONLY) == -1 && errno == EISDIR, "a directory is not written");
    ok(rmdir("/dir") == -1 && errno == ENOTEMPTY, "a directory with a file stays");
    is(rename("/dir/f", "/numbers"), 0, "rename() over another file");
    ok(stat("/numbers", &st) == 0 && st.st_size == 0 && st.st_nlink == 1, "takes its place");
    ok(stat("/dir/f", &st) == -1 && errno == ENOENT, "the old name is gone");
    ok(link("/numbers", "/other") == 0 && stat("/other", &st) == 0 && st.st_nlink == 2, "link()");
    ok(unlink("/other") == 0 && unlink("/numbers") == 0 && rmdir("/dir") == 0,
       "all can be removed");
}

static unsigned wrong;

/* Each vCPU has its errno and its own memory; malloc() and stdio are shared. */
static void use_library(void *data)
{
    char name[16], text[32];

    (void)data;
    snprintf(name, sizeof(name), "/v%u", this_vcpu());
    for (int i = 0; i < 50; i++) {
        char *memory = malloc(100 + (size_t)i * 10);
        FILE *f = fopen(name, "w+");
        bool good = memory && f && fprintf(f, "%u %d", this_vcpu(), i) > 0;
        errno = (int)this_vcpu() + 1000;
        snprintf(text, sizeof(text), "%u %d", this_vcpu(), i);
        good = good && fseek(f, 0, SEEK_SET) == 0 && fgets(memory, 100, f) &&
               strcmp(memory, text) == 0 && errno == (int)this_vcpu() + 1000;
        if (f)
            fclose(f);
        free(memory);
        if (!good)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    }
}

static unsigned constructed;

__attribute__((constructor)) static void construct(void)
{
    constructed++;
}

int main(int argc, char **argv)
{
    char text[40];

    is(constructed, 1, "constructors ran");
    arguments(argc, argv);
    streams();
    descriptors();
    names();
    vcpus_run(use_library, NULL);
    is(wrong, 0, "all vCPUs use the C library");
    snprintf(text, sizeof(text), "%.3f %lld %zu %s", 1.5, 1ll << 40, sizeof(text), "x");
    ok(strcmp(text, "1.500 1099511627776 40 x") == 0, "printf() of numbers");
    ok(strcmp(xen_error(-XEN_EINVAL), "XEN_EINVAL") == 0, "names of errors");
    return done();
}
