/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 32-bit program, with no C library, so that a 64-bit Debian builds it: system calls by int 0x80
 * and by the kernel's vsyscall entry (SYSENTER or SYSCALL in compatibility mode), a signal handler
 * and its return, a page fault in fresh memory, a thread area (GDT segment), a child process.
 * Prints TAP.
 */
typedef unsigned int u32;

enum {
    NR_exit = 1,
    NR_fork = 2,
    NR_write = 4,
    NR_waitpid = 7,
    NR_getpid = 20,
    NR_kill = 37,
    NR_sigaction = 67,
    NR_mmap2 = 192,
    NR_set_thread_area = 243,
    SIGUSR1 = 10,
    AT_SYSINFO = 32,
};

static u32 vsyscall_entry;
static int checks, failures;
static volatile int signals_seen;

static u32 call(u32 nr, u32 a, u32 b, u32 c)
{
    u32 result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static u32 mmap2(const u32 args[6])
{
    u32 result;

    __asm__ volatile("push %%ebp\n\t"
                     "mov 20(%%eax), %%ebp\n\t"
                     "mov 16(%%eax), %%edi\n\t"
                     "mov 12(%%eax), %%esi\n\t"
                     "mov 8(%%eax), %%edx\n\t"
                     "mov 4(%%eax), %%ecx\n\t"
                     "mov (%%eax), %%ebx\n\t"
                     "mov %1, %%eax\n\t"
                     "int $0x80\n\t"
                     "pop %%ebp"
                     : "=a"(result)
                     : "i"(NR_mmap2), "0"(args)
                     : "ebx", "ecx", "edx", "esi", "edi", "memory");
    return result;
}

static u32 call_vsyscall(u32 nr)
{
    u32 result;

    __asm__ volatile("call *%1"
                     : "=a"(result)
                     : "m"(vsyscall_entry), "0"(nr)
                     : "memory", "ecx", "edx");
    return result;
}

static void print(const char *text)
{
    u32 size = 0;

    while (text[size])
        size++;
    call(NR_write, 1, (u32)text, size);
}

static void ok(int good, const char *name)
{
    char number[4] = {(char)('0' + ++checks), ' ', 0};

    failures += !good;
    print(good ? "ok " : "not ok ");
    print(number);
    print(name);
    print("\n");
}

static void on_signal(int signal)
{
    (void)signal;
    signals_seen++;
}

static void check_signal(void)
{
    /* The kernel's old sigaction: handler, mask, flags, restorer. Without SA_RESTORER the return
     * goes through the vDSO. */
    struct {
        void (*handler)(int);
        u32 mask, flags;
        void (*restorer)(void);
    } action = {on_signal, 0, 0, 0};

    call(NR_sigaction, SIGUSR1, (u32)&action, 0);
    for (int i = 0; i < 100; i++)
        call(NR_kill, call(NR_getpid, 0, 0, 0), SIGUSR1, 0);
    ok(signals_seen == 100, "100 signals were handled and returned from");
}

static void check_memory(void)
{
    const u32 args[6] = {0, 1u << 20, 3 /* read, write */, 0x22 /* private, anonymous */, ~0u, 0};
    u32 base = mmap2(args);
    int good = base < 0xfffff000u;

    for (u32 at = 0; good && at < 1u << 20; at += 4096) {
        good = *(u32 *)(base + at) == 0;
        *(u32 *)(base + at) = base + at;
    }
    for (u32 at = 0; good && at < 1u << 20; at += 4096)
        good = *(u32 *)(base + at) == base + at;
    ok(good, "fresh pages are zero and keep what is written");
}

static void check_thread_area(void)
{
    static u32 cell = 0x1234abcd;
    /* struct user_desc: entry, base, limit, then seg_32bit and useable. */
    struct {
        u32 entry, base, limit, flags;
    } area = {~0u, (u32)&cell, 0xfffff, 0x51};
    u32 value = 0;

    if (!call(NR_set_thread_area, (u32)&area, 0, 0))
        __asm__ volatile("mov %1, %%gs\n\tmov %%gs:0, %0" : "=r"(value) : "r"(area.entry * 8 + 3));
    ok(value == cell, "a thread-area segment reaches its base");
}

static void check_child(void)
{
    u32 status = 0;
    u32 child = call(NR_fork, 0, 0, 0);

    if (!child)
        call(NR_exit, 42, 0, 0);
    ok(call(NR_waitpid, child, (u32)&status, 0) == child && status == 42 << 8,
       "a child's exit status arrives");
}

__attribute__((used)) static void start_c(u32 *stack)
{
    u32 *p = stack + 1 + stack[0] + 1; /* behind argc and argv */

    while (*p++)
        ;
    for (; p[0]; p += 2)
        if (p[0] == AT_SYSINFO)
            vsyscall_entry = p[1];

    u32 pid = call(NR_getpid, 0, 0, 0);
    ok(pid > 0 && pid < 0xfffff000u, "int 0x80 answers");
    ok(vsyscall_entry && call_vsyscall(NR_getpid) == pid, "the vsyscall entry answers alike");
    check_signal();
    check_memory();
    check_thread_area();
    check_child();
    print("1..6\n");
    call(NR_exit, failures != 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tpush %eax\n\tcall start_c\n");
