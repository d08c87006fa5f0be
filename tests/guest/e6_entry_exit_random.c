/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E6, at random: all vCPUs enter user mode again and again, with code, flags, segments and
 * addresses drawn by lot, between hypercalls that change where the kernel is entered, while others
 * send them events and NMIs.
 *
 * What user mode does is bytes without a meaning, so it may loop: a timer then overwrites the code
 * with breakpoints. The check is that every vCPU comes back from each entry with an exception or a
 * system call, that its kernel state is as before, and that the machine stays (its audit runs at
 * the end).
 *
 *   test: vcpus=2,4 parallel=yes limit=120
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"
#include "user.h"

__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end\n"
        "user_code: .skip 64, 0xcc\n"
        "user_code_end:\n"
        ".popsection\n");

#define CODE_BYTES 48u
#define GIVE_UP_NS 3000000u

static unsigned long rounds;
static unsigned long entries[MAX_VCPUS], odd[MAX_VCPUS], lost[MAX_VCPUS];
static evtchn_port_t ports[MAX_VCPUS];

/* Instructions that leave user mode in ways of their own, or change what the next one does. */
static const struct {
    uint8_t size, bytes[7];
} instructions[] = {
    {2, {0x0f, 0x05}},                            /* SYSCALL */
    {2, {0x0f, 0x34}},                            /* SYSENTER */
    {2, {0xcd, 0x80}},                            /* INT */
    {2, {0xcd, 0x03}},                            /* */
    {1, {0xcc}},                                  /* INT3 */
    {1, {0xce}},                                  /* INTO */
    {1, {0xf1}},                                  /* ICEBP */
    {1, {0xf4}},                                  /* HLT */
    {1, {0xfa}},                                  /* CLI */
    {2, {0x0f, 0x0b}},                            /* UD2 */
    {1, {0x9c}},                                  /* PUSHF */
    {1, {0x9d}},                                  /* POPF */
    {2, {0x48, 0xcf}},                            /* IRETQ */
    {1, {0xcf}},                                  /* IRET */
    {1, {0xcb}},                                  /* RETF */
    {2, {0x8e, 0xd8}},                            /* MOV DS, EAX */
    {2, {0x8e, 0xd0}},                            /* MOV SS, EAX */
    {2, {0x8e, 0xe8}},                            /* MOV GS, EAX */
    {3, {0x0f, 0x20, 0xc0}},                      /* MOV RAX, CR0 */
    {3, {0x0f, 0x23, 0xf8}},                      /* MOV DR7, RAX */
    {2, {0x0f, 0x30}},                            /* WRMSR */
    {2, {0x0f, 0x32}},                            /* RDMSR */
    {3, {0x0f, 0x01, 0xf8}},                      /* SWAPGS */
    {3, {0x0f, 0x01, 0xd1}},                      /* XSETBV */
    {1, {0xec}},                                  /* IN */
    {1, {0x6d}},                                  /* INS */
    {7, {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2}}, /* CPUID by force */
    {1, {0x50}},                                  /* PUSH RAX */
    {3, {0x48, 0x8b, 0x03}},                      /* MOV RAX, [RBX] */
    {3, {0x48, 0x89, 0x03}},                      /* MOV [RBX], RAX */
    {2, {0xff, 0xe3}},                            /* JMP RBX */
    {3, {0x48, 0x87, 0xe3}},                      /* XCHG RSP, RBX */
};
#define NR_INSTRUCTIONS (sizeof(instructions) / sizeof(instructions[0]))

static uint64_t any_address(void)
{
    static const uint64_t pool[] = {0,
                                    0x00007ffffffffff8,
                                    0x0000800000000000,
                                    0xffff7ffffffffff8,
                                    HYPERVISOR_VIRT_START,
                                    HYPERVISOR_VIRT_START + 0x20000000000,
                                    HYPERVISOR_VIRT_END - 8,
                                    HYPERVISOR_VIRT_END,
                                    ~7ul};
    switch (random_below(4)) {
    case 0:
        return pool[random_below(sizeof(pool) / sizeof(pool[0]))] + random_below(16) - 8;
    case 1:
        return random_u64();
    default:
        return USER_CODE + random_below(3 * PAGE_SIZE);
    }
}

static unsigned any_selector(void)
{
    static const uint16_t pool[] = {USER_CS64, USER_CS32, USER_SS, 0xe008, 0xe010, 7, 0xf, 0x33};
    return random_below(4) ? pool[random_below(sizeof(pool) / sizeof(pool[0]))]
                           : (unsigned)random_below(0x10000);
}

static void fill_code(uint8_t *code)
{
    unsigned at = 0;
    memset(code, 0xcc, PAGE_SIZE);
    while (at < CODE_BYTES) {
        unsigned n = (unsigned)random_below(NR_INSTRUCTIONS + 4);
        if (n >= NR_INSTRUCTIONS) {
            code[at++] = (uint8_t)random_u64();
            continue;
        }
        memcpy(code + at, instructions[n].bytes, instructions[n].size);
        at += instructions[n].size;
    }
}

static void stop_code(void *code)
{
    memset(code, 0xcc, PAGE_SIZE);
}

static void fill_registers(struct trap_frame *frame)
{
    uint64_t *registers[] = {&frame->rax, &frame->rbx, &frame->rcx, &frame->rdx, &frame->rsi,
                             &frame->rdi, &frame->rbp, &frame->r8,  &frame->r11, &frame->r15};
    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        *registers[i] = random_below(2) ? any_address() : any_selector();
    frame->rip = random_below(8) ? USER_CODE + random_below(CODE_BYTES) : any_address();
    frame->rsp = random_below(3) ? USER_STACK - 64 : any_address();
    frame->cs = (random_below(4) ? (random_below(2) ? USER_CS64 : USER_CS32) : any_selector()) | 3u;
    frame->ss = random_below(4) ? USER_SS : any_selector();
    /* Without IF the timer could not stop it. */
    frame->rflags = (random_below(2) ? 0 : random_u64() & 0x3ffdff) | RFLAGS_IF | 2;
}

/* Between two entries: what changes the next. The library's own settings are put back by it. */
static void disturb(unsigned id)
{
    struct multicall_entry calls[2] = {
        {.op = __HYPERVISOR_stack_switch, .args = {any_selector(), any_address()}},
        {.op = __HYPERVISOR_set_segment_base, .args = {SEGBASE_GS_USER, any_address()}},
    };
    unsigned other = (unsigned)random_below(nr_vcpus());
    switch (random_below(8)) {
    case 0:
        HYPERVISOR_multicall(calls, 2);
        break;
    case 1:
        HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, any_selector());
        break;
    case 2:
        HYPERVISOR_set_segment_base(SEGBASE_FS, any_address());
        break;
    case 3:
        HYPERVISOR_vcpu_op(VCPUOP_send_nmi, other, NULL);
        break;
    case 4:
        event_send(ports[other]);
        break;
    case 5:
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        break;
    case 6:
        HYPERVISOR_set_debugreg((unsigned)random_below(4), any_address());
        HYPERVISOR_set_debugreg(7, random_u64() & 0xffff00ff);
        break;
    default:
        lost[id] += this_vcpu() != id;
        break;
    }
}

static bool known(int reason)
{
    return (reason >= 0 && reason < TRAP_VECTORS && reason != TRAP_DF) ||
           (reason >= 0x80 && reason <= USER_SYSENTER);
}

static bool on_nmi(struct trap_frame *frame)
{
    (void)frame;
    return true;
}

/* Breakpoints on what the kernel uses, set by disturb(): go on. */
static bool on_debug(struct trap_frame *frame)
{
    frame->rflags = (frame->rflags | RFLAGS_RF) & ~RFLAGS_TF;
    return true;
}

static void on_event(evtchn_port_t port, void *data)
{
    (void)port;
    (void)data;
}

static void run_vcpu(void *data)
{
    struct user_space user;
    unsigned id = this_vcpu();
    (void)data;
    if (!user_space_make(&user)) {
        odd[id] = ~0ul;
        return;
    }
    for (unsigned long i = 0; i < rounds; i++) {
        struct trap_frame frame = {0};
        fill_code(user.code);
        fill_registers(&frame);
        disturb(id);
        timer_set(monotonic_ns() + GIVE_UP_NS, stop_code, user.code);
        if (known(user_enter(&frame)))
            entries[id]++;
        else
            odd[id]++;
        HYPERVISOR_set_debugreg(7, 0);
        if (this_vcpu() != id)
            lost[id]++;
    }
    timer_set(0, NULL, NULL);
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    rounds = argument(argc, argv, "rounds", 800);
    trap_set_handler(TRAP_NMI, on_nmi);
    trap_set_handler(TRAP_DB, on_debug);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        ports[i] = (evtchn_port_t)event_bind_ipi(i, on_event, NULL);
    vcpus_run(run_vcpu, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++) {
        is(entries[i], rounds, "vCPU %u comes back from each entry", i);
        is(odd[i] + lost[i], 0, "and is what it was: %u", i);
    }
    return done();
}
