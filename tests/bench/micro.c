/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /init of the benchmark: what common system calls cost, in instructions.
 *
 * Under -icount shift=1 every executed instruction takes 2 ns, and QEMU's TSC runs at 1 GHz: two
 * ticks are one instruction. An operation is repeated in batches; a batch's time is divided by its
 * repetitions, with the loop and the instructions of the system call in user mode in it. The
 * median of the batches is printed, so that a timer's tick in one of them does not count. All is
 * done in two passes: what differs between them is not to be compared with anything.
 *
 *   bench NAME PASS MEDIAN REPETITIONS      MEDIAN in hundredths of an instruction
 *
 * Marks (count.c) are put on the functions op_NAME, on op_init and on op_end.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSES                2
#define BATCHES               15
#define TICKS_PER_INSTRUCTION 2
#define PAGE                  4096UL
#define TOUCHED_PAGES         256

#define OPERATION(name) __attribute__((noinline, used)) void op_##name(unsigned int n)

static int zero_fd;
static int self_pipe[2];
static int echo_pipe[2], answer_pipe[2]; /* to the other process and back */
static char *protected_page;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed\n");
        for (;;)
            pause();
    }
}

static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static long system_call(long number)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(number) : "rcx", "r11", "memory");
    return result;
}

OPERATION(getpid)
{
    while (n--)
        system_call(SYS_getpid);
}

OPERATION(read_zero)
{
    char byte;

    while (n--)
        check(read(zero_fd, &byte, 1) == 1, "read /dev/zero");
}

OPERATION(clock_gettime)
{
    struct timespec now;

    while (n--)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

OPERATION(sched_yield)
{
    while (n--)
        system_call(SYS_sched_yield);
}

OPERATION(pipe_self)
{
    char byte = 0;

    while (n--) {
        check(write(self_pipe[1], &byte, 1) == 1, "write to a pipe");
        check(read(self_pipe[0], &byte, 1) == 1, "read from a pipe");
    }
}

OPERATION(pipe_round_trip)
{
    char byte = 0;

    while (n--) {
        check(write(echo_pipe[1], &byte, 1) == 1, "write to a pipe");
        check(read(answer_pipe[0], &byte, 1) == 1, "read from a pipe");
    }
}

/* The other end of op_pipe_round_trip: a process that sends back what it is sent. */
static void start_echo(void)
{
    char byte;
    pid_t child = fork();

    check(child >= 0, "fork");
    while (child == 0) {
        check(read(echo_pipe[0], &byte, 1) == 1, "read from a pipe");
        check(write(answer_pipe[1], &byte, 1) == 1, "write to a pipe");
    }
}

OPERATION(fork_exit)
{
    while (n--) {
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        check(child > 0 && waitpid(child, NULL, 0) == child, "fork");
    }
}

OPERATION(fork_exec)
{
    while (n--) {
        pid_t child = fork();

        if (child == 0) {
            execl("/init", "/init", "exit", (char *)NULL);
            _exit(1);
        }
        check(child > 0 && waitpid(child, NULL, 0) == child, "fork");
    }
}

OPERATION(vfork_exec)
{
    while (n--) {
        pid_t child = vfork();

        if (child == 0) {
            execl("/init", "/init", "exit", (char *)NULL);
            _exit(1);
        }
        check(child > 0 && waitpid(child, NULL, 0) == child, "vfork");
    }
}

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(p != MAP_FAILED, "mmap");
    return p;
}

OPERATION(mmap_untouched)
{
    while (n--)
        munmap(map(PAGE), PAGE);
}

/* One operation is one page. */
OPERATION(mmap_touch)
{
    for (; n >= TOUCHED_PAGES; n -= TOUCHED_PAGES) {
        char *p = map(TOUCHED_PAGES * PAGE);

        for (unsigned int i = 0; i < TOUCHED_PAGES; i++)
            *(volatile char *)(p + i * PAGE) = 1;
        munmap(p, TOUCHED_PAGES * PAGE);
    }
}

/* To read-only and back. */
OPERATION(mprotect_pair)
{
    while (n--) {
        mprotect(protected_page, PAGE, PROT_READ);
        mprotect(protected_page, PAGE, PROT_READ | PROT_WRITE);
    }
}

/* Marks: /init has begun; what is counted for an operation has ended. */
OPERATION(init)
{
    __asm__ volatile("" ::"r"(n));
}

OPERATION(end)
{
    __asm__ volatile("" ::"r"(n));
}

static const struct {
    const char *name;
    void (*run)(unsigned int n);
    unsigned int repetitions;
} operations[] = {
    {"getpid", op_getpid, 1000},
    {"read_zero", op_read_zero, 1000},
    {"clock_gettime", op_clock_gettime, 1000},
    {"sched_yield", op_sched_yield, 1000},
    {"pipe_self", op_pipe_self, 500},
    {"pipe_round_trip", op_pipe_round_trip, 500},
    {"fork_exit", op_fork_exit, 20},
    {"fork_exec", op_fork_exec, 20},
    {"vfork_exec", op_vfork_exec, 20},
    {"mmap_untouched", op_mmap_untouched, 200},
    {"mmap_touch", op_mmap_touch, TOUCHED_PAGES},
    {"mprotect_pair", op_mprotect_pair, 200},
};

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static uint64_t median(void (*run)(unsigned int), unsigned int repetitions)
{
    uint64_t batches[BATCHES];

    run(repetitions);
    for (unsigned int i = 0; i < BATCHES; i++) {
        uint64_t start = ticks();

        run(repetitions);
        batches[i] = ticks() - start;
        op_end(i);
    }
    qsort(batches, BATCHES, sizeof(batches[0]), ascending);
    return batches[BATCHES / 2] * 100 / TICKS_PER_INSTRUCTION / repetitions;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return 0;
    op_init(0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    zero_fd = open("/dev/zero", O_RDONLY);
    check(zero_fd >= 0, "/dev/zero");
    check(pipe(self_pipe) == 0 && pipe(echo_pipe) == 0 && pipe(answer_pipe) == 0, "pipe");
    start_echo();
    protected_page = map(PAGE);
    *protected_page = 1;
    printf("bench: start\n");
    for (int pass = 1; pass <= PASSES; pass++) {
        for (unsigned int i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
            uint64_t result = median(operations[i].run, operations[i].repetitions);

            printf("bench %s %d %llu %u\n", operations[i].name, pass, (unsigned long long)result,
                   operations[i].repetitions);
        }
    }
    printf("bench: end\n");
    for (;;)
        pause();
}
