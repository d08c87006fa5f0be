/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/devices/nbd.c toolstack/common/message.c tests/unit/host.c
 *
 * Network block devices for qcow2 images: the kernel's files are below a directory of the test's,
 * and so is the run-time directory; qemu-nbd is a few files of /proc. The tool is killed before and
 * behind each change that it makes to the file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/paths.h"
#include "devices/host.h"
#include "devices/run.h"
#include "tap.h"

#define TAG    "paravane-7-vbd-51712"
#define OTHER  "paravane-8-vbd-51712"
#define KILLED 137

static char root[] = "/tmp/test_nbd.XXXXXX";
static struct message why;
static uint64_t now_ms;

/* ---- The file system ------------------------------------------------------------------------ */

static unsigned changes, die_at; /* before the how manieth change the tool is killed; 0: never */
static int disconnects;

static void change(void)
{
    if (++changes == die_at)
        _exit(KILLED);
}

static void below(const char *path, char real[256])
{
    static const char *const moved[] = {"/sys/block/", "/proc/", "/dev/nbd", PATH_RUN};
    bool moves = false;

    for (unsigned i = 0; i < sizeof(moved) / sizeof(moved[0]); i++)
        moves |= strncmp(path, moved[i], strlen(moved[i])) == 0;
    snprintf(real, 256, "%s%s", moves ? root : "", path);
}

/* In the place of libc's. */
int open(const char *path, int flags, ...)
{
    char real[256];
    va_list args;

    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    below(path, real);
    if (flags & O_CREAT)
        change();
    return (int)syscall(SYS_open, real, flags, mode);
}

int access(const char *path, int mode)
{
    char real[256];

    below(path, real);
    return (int)syscall(SYS_access, real, mode);
}

int stat(const char *restrict path, struct stat *restrict status)
{
    char real[256];

    below(path, real);
    return (int)syscall(SYS_stat, real, status);
}

int unlink(const char *path)
{
    char real[256];

    below(path, real);
    change();
    return (int)syscall(SYS_unlink, real);
}

int mkdir(const char *path, mode_t mode)
{
    (void)path, (void)mode; /* there already */
    return 0;
}

int symlink(const char *target, const char *path)
{
    char real[256];

    below(path, real);
    change();
    return (int)syscall(SYS_symlink, target, real);
}

ssize_t readlink(const char *restrict path, char *restrict to, size_t size)
{
    char real[256];

    below(path, real);
    return syscall(SYS_readlink, real, to, size);
}

ssize_t write(int fd, const void *from, size_t size)
{
    if (fd > STDERR_FILENO)
        change();
    return syscall(SYS_write, fd, from, size);
}

static void put(const char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *text, const char *format, ...)
{
    char path[200], real[256];
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    snprintf(real, sizeof(real), "%s%s", root, path);
    for (char *at = strchr(real + sizeof(root), '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        syscall(SYS_mkdir, real, 0700);
        *at = '/';
    }
    int fd = (int)syscall(SYS_open, real, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t size = strlen(text);
    if (fd < 0 || syscall(SYS_write, fd, text, size) != (ssize_t)size)
        bail_out("%s cannot be written", real);
    close(fd);
}

static void gone(const char *path)
{
    char real[256];

    snprintf(real, sizeof(real), "%s%s", root, path);
    syscall(SYS_unlink, real);
}

/* ---- The kernel and qemu-nbd ---------------------------------------------------------------- */

enum server { SERVES, FAILS, HANGS, LOSES_THE_RACE };
static enum server server;

static void serve(unsigned number, const char *tag)
{
    char arguments[128];

    snprintf(arguments, sizeof(arguments), "qemu-nbd\n--description=%s\nx", tag);
    put(arguments, "/proc/%u/cmdline", 900 + number);
    char real[256];
    snprintf(real, sizeof(real), "%s/proc/%u/cmdline", root, 900 + number);
    int fd = (int)syscall(SYS_open, real, O_RDWR);
    for (off_t at = 0; at < (off_t)strlen(arguments); at++)
        if (arguments[at] == '\n')
            syscall(SYS_pwrite64, fd, "", 1, at);
    close(fd);
    snprintf(arguments, sizeof(arguments), "%u\n", 900 + number);
    put(arguments, "/sys/block/nbd%u/pid", number);
    put("2048\n", "/sys/block/nbd%u/size", number);
}

static void stop(unsigned number)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/block/nbd%u/pid", number);
    gone(path);
    put("0\n", "/sys/block/nbd%u/size", number);
}

int run_program(char *const argv[], char *const environment[], unsigned patience_ms,
                struct message *reason)
{
    unsigned number = 99;
    const char *tag = "";

    (void)environment, (void)patience_ms;
    for (unsigned i = 0; argv[i] != NULL; i++) {
        sscanf(argv[i], "--connect=/dev/nbd%u", &number);
        if (strncmp(argv[i], "--description=", 14) == 0)
            tag = argv[i] + 14;
    }
    change();
    if (server == FAILS)
        return message_set(reason, -EIO, "qemu-nbd failed");
    if (server == LOSES_THE_RACE) {
        server = SERVES;
        serve(number, "somebody's");
        return message_set(reason, -EIO, "qemu-nbd failed: it is in use");
    }
    serve(number, tag);
    if (server == HANGS)
        put("0\n", "/sys/block/nbd%u/size", number);
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    char link[64], path[256] = "";
    unsigned number = 99;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    syscall(SYS_readlink, link, path, sizeof(path) - 1);
    if (request != NBD_DISCONNECT || sscanf(path + strlen(root), "/dev/nbd%u", &number) != 1)
        bail_out("an ioctl that nobody knows, of %s", path);
    disconnects++;
    stop(number);
    return 0;
}

uint64_t host_now_ms(void)
{
    return now_ms;
}

void host_pause(unsigned *step)
{
    (*step)++;
    now_ms += 50;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static const struct host_image image = {.path = "/images/data", .tag = TAG, .patience_ms = 1000};

/* Two devices, both free, and no lock. */
static void begin(void)
{
    server = SERVES;
    changes = die_at = 0;
    disconnects = 0;
    for (unsigned i = 0; i < 2; i++) {
        char path[64];

        put("", "/dev/nbd%u", i);
        put("", PATH_RUN "/nbd%u.sock", i);
        stop(i);
        snprintf(path, sizeof(path), PATH_RUN "/nbd%u.lock", i);
        gone(path);
    }
}

static int choose(void)
{
    unsigned number = 99;
    int rc = nbd_choose(&number, &why);

    return rc ? rc : (int)number;
}

static int make(unsigned number)
{
    dev_t device;

    return nbd_make(number, &image, &device, &why);
}

static void test_life(void)
{
    begin();
    is(choose(), 0, "the first is free");
    is(make(0), 0, "it serves an image");
    is(choose(), 1, "then the second is");
    is(nbd_free(0, OTHER, 1000, &why), 0, "who has no device of that tag");
    ok(disconnects == 0 && choose() == 1, "takes none away");
    is(nbd_free(0, TAG, 1000, &why), 0, "who has it");
    ok(disconnects == 1 && choose() == 0, "frees it");
    is(nbd_free(0, TAG, 1000, &why), 0, "once more");
    is(disconnects, 1, "is nothing");
    make(0);
    stop(0);
    is(choose(), 1, "a device whose server was killed is not given out");
    is(make(0), -EBUSY, "nor taken");
    nbd_free(0, TAG, 1000, &why);
    is(choose(), 0, "until it is freed");
    serve(0, "somebody's");
    serve(1, "somebody's");
    is(choose(), -EBUSY, "all are in use: %s", why.text);
}

static void test_failures(void)
{
    begin();
    server = LOSES_THE_RACE;
    is(make(0), -EBUSY, "another was faster: another number");
    is(choose(), 1, "is tried");
    stop(0);
    is(choose(), 0, "and that one forgotten");
    server = FAILS;
    is(make(0), -EIO, "qemu-nbd fails");
    is(nbd_free(0, TAG, 1000, &why), 0, "what the record says is freed");
    is(choose(), 0, "and nothing stays");
    server = HANGS;
    is(make(0), -ETIMEDOUT, "it comes to nothing");
    is(nbd_free(0, TAG, 1000, &why), 0, "the server is ended");
    ok(disconnects == 1 && choose() == 0, "and the device free");
}

static void free_it(void)
{
    nbd_free(0, TAG, 1000, &why);
}

static void make_it(void)
{
    make(0);
}

/* Whether it was killed before change `at`; by then the record names the device, and nbd_free() is
 * what the next tool does. */
static bool killed(void (*work)(void), unsigned at, unsigned *wrong)
{
    int status;
    pid_t tool = fork();

    if (tool == 0) {
        changes = 0;
        die_at = at;
        work();
        _exit(0);
    }
    waitpid(tool, &status, 0);
    *wrong += nbd_free(0, TAG, 1000, &why) != 0 || choose() != 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == KILLED;
}

static void test_killed(void)
{
    unsigned kills = 0, wrong = 0;

    do
        begin();
    while (killed(make_it, kills + 1, &wrong) && ++kills < 20);
    ok(kills >= 2, "killed before %u changes", kills);
    is(wrong, 0, "the device is free for the next");
    kills = 0;
    do {
        begin();
        make(0);
    } while (killed(free_it, kills + 1, &wrong) && ++kills < 20);
    ok(kills >= 2, "killed before %u changes of freeing", kills);
    is(wrong, 0, "it is freed by the next");
}

int main(void)
{
    if (mkdtemp(root) == NULL)
        root[0] = '\0';
    if (syscall(SYS_access, root, F_OK))
        bail_out("no temporary directory");
    test_life();
    test_failures();
    test_killed();
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command) ? 1 : done();
}
