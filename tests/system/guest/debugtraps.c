/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug traps of a program under a debugger. A breakpoint on data that MOV SS reads is held back by
 * one instruction; when that is SYSCALL or INT3, the trap is met by the first instruction of the
 * handler (CVE-2018-8897). Each must leave the program, and the machine, in order. Prints TAP.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEBUGREG(n) offsetof(struct user, u_debugreg[n])
/* DR7: breakpoint 0 on two bytes read or written, breakpoint 1 on four bytes written, both local.
 */
#define ARM_BOTH    ((0x7ul << 16) | (0xdul << 20) | 1 | 4)
#define ROUNDS      100
#define STEPS_MAX   20000

static unsigned short ss_value;
static volatile int watched;
static int checks, failures;

static void check(int good, const char *what)
{
    checks++;
    failures += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", checks, what);
}

static void traced(void)
{
    __asm__ volatile("mov %%ss, %0" : "=m"(ss_value));
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    watched = 1;
    for (int i = 0; i < ROUNDS; i++) {
        long result;
        __asm__ volatile("mov %1, %%ss\n\tsyscall"
                         : "=a"(result)
                         : "m"(ss_value), "a"(39L) /* getpid */
                         : "rcx", "r11", "memory");
        if (result != getpid())
            _exit(1);
    }
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile("mov %0, %%ss\n\tint3" ::"m"(ss_value) : "memory");
    _exit(7);
}

static int breakpoints(void)
{
    int status, stops = 0;
    pid_t child = fork();
    if (child == 0)
        traced();
    waitpid(child, &status, 0);
    /* The same address in both processes: the child is a fork. */
    check(!ptrace(PTRACE_POKEUSER, child, DEBUGREG(0), &ss_value) &&
              !ptrace(PTRACE_POKEUSER, child, DEBUGREG(1), &watched) &&
              !ptrace(PTRACE_POKEUSER, child, DEBUGREG(7), ARM_BOTH),
          "debug registers can be set");
    check(ptrace(PTRACE_POKEUSER, child, DEBUGREG(2), 0xffff82d080000000ul) != 0,
          "but not to the hypervisor's addresses");
    for (;;) {
        ptrace(PTRACE_CONT, child, 0, 0);
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status))
            break;
        if (WSTOPSIG(status) != SIGTRAP)
            return -1;
        stops++;
    }
    check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the program runs to its end");
    return stops;
}

static void single_steps(void)
{
    int status, steps = 0;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        for (int i = 0; i < 20; i++)
            getppid();
        _exit(9);
    }
    waitpid(child, &status, 0);
    while (WIFSTOPPED(status) && steps < STEPS_MAX) {
        ptrace(PTRACE_SINGLESTEP, child, 0, 0);
        waitpid(child, &status, 0);
        steps++;
    }
    check(WIFEXITED(status) && WEXITSTATUS(status) == 9 && steps > 60,
          "single steps lead through system calls");
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    int stops = breakpoints();
    check(stops >= ROUNDS, "breakpoints and INT3 stop it");
    single_steps();
    printf("1..%d\n", checks);
    return failures != 0;
}
