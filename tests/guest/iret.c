/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercall iret: the way back from a trap, to user mode or within the kernel.
 *
 * Its argument is a frame at the stack pointer, struct iret_context: RAX, R11, RCX, flags, and the
 * hardware's RIP, CS, RFLAGS, RSP, SS. The privilege in CS chooses the mode: 3 is user mode, 0, 1
 * and 2 are the kernel, which runs in ring 3 all the same. IF in RFLAGS becomes the event mask;
 * IOPL, VM and the like are not the guest's to set. All registers that the frame does not name
 * stay. With VGCF_in_syscall the kernel says that it returns from SYSCALL, which has destroyed RCX
 * and R11 anyway: then they, CS and SS of the frame do not count (xen/arch-x86/xen-x86_64.h).
 *
 *   test: vcpus=1
 */
#include <pv/memory.h>
#include <pv/trap.h>

#include "raw.h"
#include "tap.h"
#include "user.h"

extern const char user_report[], user_read_kernel[], user_step[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_report, user_read_kernel, user_step\n"
        "user_code:\n"
        /* int 0x80 keeps all registers; R11, RCX, RFLAGS, CS, SS are then in the frame. */
        "user_report: int $0x80\n"
        "user_step: nop\n"
        "   int $0x80\n"
        "user_read_kernel: mov (%rbx), %rax\n"
        "user_code_end:\n"
        ".popsection\n");

enum { AT_INT80 = 0, AT_PF = 1, AT_LANDING = 2, AT_SS = 3, AT_DB = 4, AT_GP = 5 };
enum frame { FRAME_RCX, FRAME_R11, FRAME_RIP, FRAME_CS, FRAME_RFLAGS, FRAME_RSP, FRAME_SS };

static char landing_stack[8192] __attribute__((aligned(16)));

static struct iret_context to_user(const char *label)
{
    return (struct iret_context){.rax = 0x1111,
                                 .r11 = 0x2222,
                                 .rcx = 0x3333,
                                 .rip = user_address(label),
                                 .cs = USER_CS64,
                                 .rflags = RFLAGS_IF | 2,
                                 .rsp = USER_STACK,
                                 .ss = USER_SS};
}

static struct iret_context to_kernel(unsigned privilege)
{
    return (struct iret_context){.rax = 0x4444,
                                 .r11 = 0x5555,
                                 .rcx = 0x6666,
                                 .rip = raw_entry(AT_LANDING),
                                 .cs = (FLAT_KERNEL_CS & ~3u) | privilege,
                                 .rflags = RFLAGS_IF | 2,
                                 .rsp = (unsigned long)landing_stack + 4096,
                                 .ss = FLAT_KERNEL_SS};
}

/* True when every register that no frame names is as raw_load said. */
static bool others_kept(void)
{
    for (unsigned i = 0; i < RAW_REGISTERS; i++) {
        bool named = i == RAW_RAX || i == RAW_RCX || i == RAW_R11;
        if (!named && raw_regs[i] != raw_load[i])
            return false;
    }
    return true;
}

static void test_kernel_mode(void)
{
    for (unsigned privilege = 0; privilege < 3; privilege++) {
        struct iret_context frame = to_kernel(privilege);
        is(raw_iret(&frame), AT_LANDING, "iret to privilege %u goes on in the kernel", privilege);
        is(raw_regs[RAW_RAX], 0x4444, "RAX is the frame's (%u)", privilege);
        is(raw_regs[RAW_R11], 0x5555, "R11 is the frame's (%u)", privilege);
        is(raw_regs[RAW_RCX], 0x6666, "RCX is the frame's (%u)", privilege);
        is(raw_rsp, landing_stack + 4096, "RSP is the frame's (%u)", privilege);
        ok(others_kept(), "all other registers stay (%u)", privilege);
        ok(!raw_masked, "IF unmasks events (%u)", privilege);
    }
    struct iret_context frame = to_kernel(0);
    frame.rflags = 2;
    is(raw_iret(&frame), AT_LANDING, "iret without IF");
    ok(raw_masked, "masks events");
    frame = to_kernel(0);
    frame.ss &= ~3ul;
    is(raw_iret(&frame), AT_LANDING, "privilege 0 in SS is taken as 3");
}

static void test_flags(void)
{
    static const struct {
        unsigned long flag;
        const char *name;
        bool settable;
    } flags[] = {
        {0x1, "CF", true},
        {0x4, "PF", true},
        {0x10, "AF", true},
        {0x40, "ZF", true},
        {0x80, "SF", true},
        {RFLAGS_DF, "DF", true},
        {0x800, "OF", true},
        {RFLAGS_AC, "AC", true},
        {RFLAGS_ID, "ID", true},
        {RFLAGS_NT, "NT", true},
        {RFLAGS_IOPL, "IOPL", false},
        {RFLAGS_VM, "VM", false},
        {RFLAGS_VIF, "VIF", false},
        {RFLAGS_VIP, "VIP", false},
        {1ul << 40, "bit 40", false},
        {8, "bit 3", false},
    };
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct iret_context frame = to_kernel(0);
        frame.rflags |= flags[i].flag;
        is(raw_iret(&frame), AT_LANDING, "iret to the kernel with %s", flags[i].name);
        is(raw_flags & flags[i].flag, flags[i].settable ? flags[i].flag : 0, "%s of the kernel %s",
           flags[i].name, flags[i].settable ? "is set" : "stays clear");
        frame = to_user(user_report);
        frame.rflags |= flags[i].flag;
        is(raw_iret(&frame), AT_INT80, "iret to user mode with %s", flags[i].name);
        is(raw_words[FRAME_RFLAGS] & flags[i].flag, flags[i].settable ? flags[i].flag : 0,
           "%s of user mode %s", flags[i].name, flags[i].settable ? "is set" : "stays clear");
    }
}

static void test_user_mode(void)
{
    for (unsigned i = 0; i < RAW_REGISTERS; i++)
        raw_load[i] = 0x0101010101010101ul * (i + 1);
    struct iret_context frame = to_user(user_report);
    is(raw_iret(&frame), AT_INT80, "iret to privilege 3 goes to user mode");
    is(raw_regs[RAW_RAX], 0x1111, "RAX of user mode is the frame's");
    is(raw_words[FRAME_R11], 0x2222, "R11 of user mode is the frame's");
    is(raw_words[FRAME_RCX], 0x3333, "RCX of user mode is the frame's");
    ok(others_kept(), "all other registers of user mode stay");
    is(raw_words[FRAME_RSP], USER_STACK, "RSP of user mode is the frame's");
    is(raw_words[FRAME_CS] & 0xffff, USER_CS64, "CS of user mode is the frame's");
    is(raw_words[FRAME_SS], USER_SS, "SS of user mode is the frame's");

    frame = to_user(user_report);
    frame.rflags &= ~RFLAGS_IF;
    is(raw_iret(&frame), AT_INT80, "iret to user mode without IF");
    is(raw_words[FRAME_CS] >> 32 & 0xff, 1, "keeps events masked in user mode");

    frame = to_user(user_read_kernel);
    raw_load[RAW_RBX] = (uint64_t)landing_stack;
    is(raw_iret(&frame), AT_PF, "user mode has its own page table: the kernel's memory faults");
    is(raw_words[FRAME_RIP] & 5, 4, "as not present, to a user's access");

    frame = to_user(user_step);
    frame.rflags |= RFLAGS_TF;
    is(raw_iret(&frame), AT_DB, "TF is for the first instruction of user mode");
    is(raw_words[FRAME_RIP], user_address(user_step) + 1, "which has been executed");
    HYPERVISOR_set_debugreg(6, 0);
}

static void test_in_syscall(void)
{
    struct iret_context frame = to_user(user_report);
    frame.flags = VGCF_in_syscall;
    frame.rflags |= RFLAGS_CF;
    is(raw_iret(&frame), AT_INT80, "iret with VGCF_in_syscall goes to user mode");
    is(raw_regs[RAW_RAX], 0x1111, "RAX is the frame's after a system call");
    is(raw_words[FRAME_RSP], USER_STACK, "RSP is the frame's after a system call");
    is(raw_words[FRAME_RFLAGS], RFLAGS_IF | RFLAGS_CF | 2, "RFLAGS are the frame's");
    frame = to_user(user_report);
    frame.flags = VGCF_in_syscall;
    frame.cs = 3;
    frame.ss = 0xfff3;
    is(raw_iret(&frame), AT_INT80, "with VGCF_in_syscall CS and SS do not count");
    is(raw_words[FRAME_CS] & 0xffff, FLAT_USER_CS64, "CS is the flat 64-bit segment");
    frame = to_user(user_report);
    frame.flags = ~(unsigned long)VGCF_in_syscall;
    is(raw_iret(&frame), AT_INT80, "other flags mean nothing");
    is(raw_words[FRAME_R11], 0x2222, "R11 is then the frame's");
}

static void test_failures(void)
{
    static const struct {
        const char *name;
        unsigned long cs, ss;
        int entry; /* 0: the CPU may choose */
        unsigned error;
    } bad[] = {
        {"a null CS", 3, USER_SS, AT_GP, 0},
        {"CS of a segment that is data", USER_SS, USER_SS, AT_GP, USER_SS & 0xfffc},
        {"CS beyond the GDT", 0xfffb, USER_SS, AT_GP, 0xfff8},
        {"CS that nobody has set", 0x4003, USER_SS, AT_GP, 0x4000},
        {"SS of a segment that is code", USER_CS64, USER_CS64, AT_GP, USER_CS64 & 0xfffc},
        {"SS beyond the GDT", USER_CS64, 0xfffb, AT_GP, 0xfff8},
        {"CS in an LDT that is not there", 7, USER_SS, AT_GP, 4},
        {"CS of the hypervisor", 0xe008 | 3, USER_SS, AT_GP, 0xe008},
        {"SS of the hypervisor", USER_CS64, 0xe010 | 3, AT_GP, 0xe010},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct iret_context frame = to_user(user_report);
        frame.cs = bad[i].cs;
        frame.ss = bad[i].ss;
        unsigned long rip = frame.rip;
        is(raw_iret(&frame), bad[i].entry, "%s raises an exception", bad[i].name);
        is(raw_words[2], bad[i].error, "whose error code names the selector: %s", bad[i].name);
        is(raw_words[FRAME_RIP + 1], rip, "at the frame's RIP: %s", bad[i].name);
        is(raw_words[FRAME_RSP + 1], USER_STACK, "with its RSP: %s", bad[i].name);
        is(raw_words[FRAME_CS + 1] & 3, 3, "as of user mode: %s", bad[i].name);
        is(raw_regs[RAW_RBX], raw_load[RAW_RBX], "and its registers: %s", bad[i].name);
    }
    struct iret_context frame = to_user(user_report);
    frame.rip = NON_CANONICAL;
    is(raw_iret(&frame), AT_GP, "a RIP that is not canonical raises #GP");
    is(raw_words[FRAME_RIP + 1], NON_CANONICAL, "at that RIP");

    frame = to_user(user_report);
    frame.rip = HYPERVISOR_FIRST;
    is(raw_iret(&frame), AT_PF, "a RIP in the hypervisor's range is a page fault of user mode");
    is(raw_words[FRAME_RIP] & 0x14, 0x14, "for executing what user mode may not");
}

int main(void)
{
    struct user_space user;
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    raw_gate(0x80, 3, raw_entry(AT_INT80));
    raw_gate(TRAP_PF, 0, raw_entry(AT_PF));
    raw_gate(TRAP_GP, 0, raw_entry(AT_GP));
    raw_gate(TRAP_DB, 0, raw_entry(AT_DB));
    raw_gate(TRAP_SS, 0, raw_entry(AT_SS));
    test_kernel_mode();
    test_flags();
    test_user_mode();
    test_in_syscall();
    test_failures();
    return done();
}
