/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: micro [PROGRAM]      a program to be executed, or /nothing
 * What common system calls cost, in instructions: /init of the benchmark's small initramfs, and a
 * program of guests. The loop and the instructions of the system call in user mode are in it.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"

#define PAGE          4096UL
#define TOUCHED_PAGES 256
#define SCRUBBED_S    3 /* 3 GiB take one */

static int zero_fd;
static int self_pipe[2];
static int echo_pipe[2], answer_pipe[2]; /* to the other process and back */
static const char *program;              /* nothing.c */

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: %s\n", what);
        while (getpid() == 1)
            pause();
        exit(1);
    }
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
static pid_t echo;

static void start_echo(void)
{
    char byte;

    echo = fork();
    check(echo >= 0, "fork");
    while (echo == 0) {
        check(read(echo_pipe[0], &byte, 1) == 1, "read from a pipe");
        check(write(answer_pipe[1], &byte, 1) == 1, "write to a pipe");
    }
}

/* Waits until a child has ended as it should. */
static void await_end(pid_t child)
{
    int status;

    check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child process");
}

OPERATION(fork_exit)
{
    while (n--) {
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        await_end(child);
    }
}

OPERATION(fork_exec)
{
    while (n--) {
        pid_t child = fork();

        if (child == 0) {
            execl(program, program, (char *)NULL);
            _exit(1);
        }
        await_end(child);
    }
}

OPERATION(vfork_exec)
{
    while (n--) {
        pid_t child = vfork();

        if (child == 0) {
            execl(program, program, (char *)NULL);
            _exit(1);
        }
        await_end(child);
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

/*
 * To read-only and back: of a page alone between others, with which it could be one area. It is
 * mapped for this alone, and not in the section: a process that forks has nothing but itself.
 */
static void op_mprotect_pair(unsigned n)
{
    char *pages = map(3 * PAGE), *page = pages + PAGE;

    check(mprotect(pages, 3 * PAGE, PROT_NONE) == 0, "mprotect");
    check(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
    *page = 1;
    MARK_HERE(mprotect_pair);
    while (n--) {
        mprotect(page, PAGE, PROT_READ);
        mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    }
    MARK_HERE(end);
    munmap(pages, 3 * PAGE);
}

OPERATION(signal)
{
    while (n--)
        check(raise(SIGUSR1) == 0, "raise");
}

static void on_signal(int number)
{
    (void)number;
}

/* Whose turn it is: of two threads. */
static int turn;

static void give_turn(int to)
{
    __atomic_store_n(&turn, to, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1);
}

static void await_turn(int own)
{
    while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) != own)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !own, NULL);
}

static void *other_thread(void *count)
{
    for (unsigned n = *(unsigned *)count; n > 0; n--) {
        await_turn(1);
        give_turn(0);
    }
    return NULL;
}

/* One operation is two switches, as of pipe_round_trip. In a process of its own: this one's address
 * space stays as it is. Begin and end of process and thread are not in the section. */
static void op_thread_switch(unsigned n)
{
    pthread_t other;
    pid_t child = fork();

    if (child == 0) {
        check(pthread_create(&other, NULL, other_thread, &(unsigned){n}) == 0, "pthread_create");
        MARK_HERE(thread_switch);
        while (n--) {
            give_turn(1);
            await_turn(0);
        }
        MARK_HERE(end);
        _exit(0);
    }
    await_end(child);
}

/* To an absolute time some 100 us from now: the program is idle, which does not count. */
OPERATION(timer)
{
    struct timespec at;

    while (n--) {
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_nsec += 100000;
        if (at.tv_nsec >= 1000000000)
            at.tv_nsec -= 1000000000, at.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
}

static const struct operation operations[] = {
    MEASURED(getpid, 1000),
    MEASURED(read_zero, 1000),
    MEASURED(clock_gettime, 1000),
    MEASURED(sched_yield, 1000),
    MEASURED(signal, 500),
    MEASURED(pipe_self, 500),
    MEASURED(pipe_round_trip, 500),
    MEASURED(thread_switch, 500),
    MEASURED(fork_exit, 20),
    MEASURED(fork_exec, 20),
    MEASURED(vfork_exec, 20),
    MEASURED(mmap_untouched, 200),
    MEASURED(mmap_touch, TOUCHED_PAGES),
    MEASURED(mprotect_pair, 200),
    MEASURED(timer, 50),
};

int main(int argc, char **argv)
{
    MARK_HERE(init);
    /* Linux gives to /init what it does not know of its command line. */
    program = getpid() != 1 && argc > 1 ? argv[1] : "/nothing";
    setvbuf(stdout, NULL, _IOLBF, 0);
    zero_fd = open("/dev/zero", O_RDONLY);
    check(zero_fd >= 0, "/dev/zero");
    check(pipe(self_pipe) == 0 && pipe(echo_pipe) == 0 && pipe(answer_pipe) == 0, "pipe");
    signal(SIGUSR1, on_signal);
    check(prctl(PR_SET_TIMERSLACK, 1) == 0, "timer slack");
    start_echo();
    /* While nothing else is to be done a hypervisor clears what memory is free. */
    sleep(SCRUBBED_S);
    printf("bench: start\n");
    batch_all(operations, sizeof(operations) / sizeof(operations[0]));
    printf("bench: end\n");
    while (getpid() == 1)
        pause();
    kill(echo, SIGKILL);
    return 0;
}
