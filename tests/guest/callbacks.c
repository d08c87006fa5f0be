/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Callbacks: where the kernel is entered for what is no exception.
 *
 *   event      an event channel is pending (the PV interrupt)
 *   failsafe   a data selector of the guest could not be loaded again when its turn came
 *   syscall    SYSCALL of 64-bit user code;   syscall32: of 32-bit user code (AMD's CPUs)
 *   sysenter   SYSENTER of user code (Intel's CPUs)
 *   nmi        a non-maskable interrupt: from hardware, or by VCPUOP_send_nmi
 *
 * They are set by HYPERVISOR_callback_op(), three of them also by the older set_callbacks(), and
 * the NMI's by nmi_op(). CALLBACKF_mask_events asks for events to be masked at the entry; for
 * events and NMIs they always are. Three cannot be taken back: without them the hypervisor would
 * have nowhere to go. An NMI handler is not interrupted by another NMI before its iret.
 *
 *   test: vcpus=1
 */
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "raw.h"
#include "tap.h"
#include "user.h"

/* The library's own, to be put back. */
extern char callback_event[], callback_failsafe[], callback_syscall[], callback_nmi[];

extern const char user_syscall[], user_syscall32[], user_sysenter[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_syscall, user_syscall32, user_sysenter\n"
        "user_code:\n"
        "user_syscall:   syscall\n"
        "1: jmp 1b\n"
        "user_syscall32: .code32\n"
        "   syscall\n"
        "2: jmp 2b\n"
        "user_sysenter:  sysenter\n"
        "3: jmp 3b\n"
        ".code64\n"
        "user_code_end:\n"
        ".popsection\n");

enum frame { FRAME_RCX, FRAME_R11, FRAME_RIP, FRAME_CS, FRAME_RFLAGS, FRAME_RSP, FRAME_SS };

static struct iret_context to_user(const char *label, unsigned long cs)
{
    return (struct iret_context){.rax = 0x77,
                                 .rip = user_address(label),
                                 .cs = cs,
                                 .rflags = RFLAGS_IF | 2,
                                 .rsp = USER_STACK,
                                 .ss = USER_SS};
}

static int enter(const char *label, unsigned long cs)
{
    struct iret_context frame = to_user(label, cs);
    return raw_iret(&frame);
}

static void test_syscall(void)
{
    is_error(raw_callback(CALLBACKTYPE_syscall, 0, raw_entry(0)), 0, "syscall can be registered");
    is(enter(user_syscall, USER_CS64), 0, "SYSCALL comes there");
    is(raw_regs[RAW_RAX], 0x77, "RAX is the caller's");
    is(raw_words[FRAME_RIP], user_address(user_syscall) + 2, "RIP in the frame is behind it");
    is(raw_words[FRAME_RCX], raw_words[FRAME_RIP], "RCX below the frame is RIP, as SYSCALL has it");
    is(raw_words[FRAME_R11] & ~RFLAGS_IOPL, RFLAGS_IF | 2, "R11 below the frame is RFLAGS");
    is(raw_words[FRAME_CS] & 3, 3, "CS is shown with privilege 3: user mode was interrupted");
    is(raw_words[FRAME_RSP], USER_STACK, "RSP is the caller's");
    ok(!raw_masked, "without the flag events stay as they were");
    is_error(raw_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, raw_entry(1)), 0,
             "and with the flag");
    is(enter(user_syscall, USER_CS64), 1, "SYSCALL comes to the address set last");
    ok(raw_masked, "with the flag events are masked");
    is(raw_words[FRAME_CS] >> 32 & 0xff, 0, "the mask before is in the frame");
    is(raw_words[FRAME_RIP], user_address(user_syscall) + 2, "RIP is in this frame, too");
    is(raw_words[FRAME_RSP], USER_STACK, "and RSP");
}

static void test_syscall32(void)
{
    is_error(raw_callback(CALLBACKTYPE_syscall32, CALLBACKF_mask_events, raw_entry(2)), 0,
             "syscall32 can be registered");
    if (cpu_is_intel()) {
        skip(4, "Intel's CPUs have no SYSCALL in 32-bit code");
    } else {
        is(enter(user_syscall32, USER_CS32), 2, "SYSCALL of 32-bit code comes there");
        is(raw_words[FRAME_RIP], user_address(user_syscall32) + 2, "RIP is behind it");
        is(raw_words[FRAME_CS] & 0xffff, USER_CS32, "CS is the 32-bit segment");
        ok(raw_masked, "events are masked at syscall32, as asked for");
    }
    is_error(raw_callback(CALLBACKTYPE_sysenter, 0, raw_entry(3)), 0, "sysenter can be registered");
    if (!cpu_is_intel()) {
        skip(2, "only Intel's CPUs have SYSENTER in 64-bit mode");
    } else {
        is(enter(user_sysenter, USER_CS32), 3, "SYSENTER of 32-bit code comes there");
        is(raw_words[FRAME_CS] & 3, 3, "user mode is shown as interrupted");
    }
}

static void send_event(void *argument)
{
    event_send(*(evtchn_port_t *)argument);
    /* The upcall comes at the latest when the hypercall returns. */
}

static void test_event(void)
{
    evtchn_port_t port = (evtchn_port_t)event_bind_ipi(0, NULL, NULL);
    event_unmask(port);
    raw_callback(CALLBACKTYPE_event, 0, raw_entry(6));
    /* What raw_call() does, but events are unmasked only when they have their own callback again.
     */
    int entry = raw_call_asm(send_event, &port);
    raw_masked = !events_disable();
    raw_callback(CALLBACKTYPE_event, 0, (unsigned long)callback_event);
    event_mask(port);
    event_clear(port);
    events_enable();
    is(entry, 6, "an event comes to the event callback");
    ok(raw_masked, "events are masked there without asking");
    is(raw_words[FRAME_CS] & 3, 0, "the kernel was interrupted");
    event_close(port);
}

static void send_nmi(void *argument)
{
    (void)argument;
    HYPERVISOR_vcpu_op(VCPUOP_send_nmi, 0, NULL);
}

/* Lands at raw_entry(7) in kernel mode: the iret that ends an NMI's handler. */
static int land(void)
{
    static char stack[4096] __attribute__((aligned(16)));
    struct iret_context frame = {.rip = raw_entry(7),
                                 .cs = FLAT_KERNEL_CS & ~3,
                                 .rflags = RFLAGS_IF | 2,
                                 .rsp = (unsigned long)stack + 2048,
                                 .ss = FLAT_KERNEL_SS};
    return raw_iret(&frame);
}

static void test_nmi(void)
{
    struct xennmi_callback cb = {.handler_address = raw_entry(0)};
    is_error(HYPERVISOR_nmi_op(XENNMI_register_callback, &cb), 0, "nmi_op registers a callback");
    is(raw_call(send_nmi, NULL), 0, "an NMI comes there");
    ok(raw_masked, "events are masked in an NMI's handler");
    is(raw_call(send_nmi, NULL), -1, "another NMI waits as long as the handler runs");
    is(land(), 0, "it comes at the handler's iret");
    is(land(), 7, "the iret of the second goes where it should");
    bool enabled = events_disable();
    is(raw_call(send_nmi, NULL), 0, "masking events does not mask NMIs");
    events_restore(enabled);
    land();

    cb.handler_address = NON_CANONICAL;
    is_error(HYPERVISOR_nmi_op(XENNMI_register_callback, &cb), -XEN_EINVAL,
             "nmi_op refuses an address that is not canonical");
    is_error(HYPERVISOR_nmi_op(XENNMI_register_callback, (void *)8), -XEN_EFAULT,
             "nmi_op with an argument that cannot be read");
    is_error(HYPERVISOR_nmi_op(2, &cb), -XEN_ENOSYS, "nmi_op 2 is not there");
    is_error(HYPERVISOR_nmi_op(~0u, &cb), -XEN_ENOSYS, "nor is nmi_op ~0");

    is_error(HYPERVISOR_nmi_op(XENNMI_unregister_callback, NULL), 0, "nmi_op takes it back");
    is(raw_call(send_nmi, NULL), -1, "without a callback an NMI is lost or waits");
    is_error(raw_callback(CALLBACKTYPE_nmi, 0, raw_entry(1)), 0, "callback_op registers it, too");
    raw_call(send_nmi, NULL);
    is(raw_call(send_nmi, NULL) | 1, 1 | -1, "and NMIs are counted as one");
    land();
    raw_callback(CALLBACKTYPE_nmi, 0, (unsigned long)callback_nmi);
}

static void test_register_errors(void)
{
    static const unsigned missing[] = {CALLBACKTYPE_sysenter_deprecated, 6, 8, 0x8000, 0xffff};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is_error(raw_callback(missing[i], 0, raw_entry(0)), -XEN_ENOSYS, "type %#x is not there",
                 missing[i]);
    static const unsigned types[] = {CALLBACKTYPE_event,    CALLBACKTYPE_failsafe,
                                     CALLBACKTYPE_syscall,  CALLBACKTYPE_nmi,
                                     CALLBACKTYPE_sysenter, CALLBACKTYPE_syscall32};
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        is_error(raw_callback(types[i], 0, NON_CANONICAL), -XEN_EINVAL,
                 "type %u at an address that is not canonical", types[i]);
    is_error(raw_callback(CALLBACKTYPE_syscall32, 0, HYPERVISOR_FIRST), -XEN_EINVAL,
             "an address in the hypervisor's range is refused");
    for (const struct address *a = addresses(16); a->name != NULL; a++)
        if (!a->readable)
            is_error(HYPERVISOR_callback_op(CALLBACKOP_register, a->address), -XEN_EFAULT,
                     "register with an argument at %s", a->name);
    is_error(HYPERVISOR_callback_op(2, NULL), -XEN_ENOSYS, "callback_op 2 is not there");
    is_error(HYPERVISOR_callback_op(~0u, NULL), -XEN_ENOSYS, "nor is callback_op ~0");
}

static void test_unregister(void)
{
    static const struct {
        uint16_t type;
        int result;
    } cases[] = {
        {CALLBACKTYPE_event, -XEN_EINVAL},
        {CALLBACKTYPE_failsafe, -XEN_EINVAL},
        {CALLBACKTYPE_syscall, -XEN_EINVAL},
        {CALLBACKTYPE_sysenter, -XEN_EINVAL},
        {CALLBACKTYPE_syscall32, -XEN_EINVAL},
        {CALLBACKTYPE_nmi, 0},
        {6, -XEN_ENOSYS},
        {0xffff, -XEN_ENOSYS},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct callback_unregister arg = {.type = cases[i].type};
        is_error(HYPERVISOR_callback_op(CALLBACKOP_unregister, &arg), cases[i].result,
                 "unregister type %#x", cases[i].type);
    }
    is_error(HYPERVISOR_callback_op(CALLBACKOP_unregister, (void *)8), -XEN_EFAULT,
             "unregister with an argument that cannot be read");
    raw_callback(CALLBACKTYPE_nmi, 0, (unsigned long)callback_nmi);
}

/* The older call: all three at once, without flags. */
static void test_set_callbacks(void)
{
    unsigned long event = (unsigned long)callback_event;
    is_error(HYPERVISOR_set_callbacks(event, raw_entry(2), raw_entry(3)), 0,
             "set_callbacks sets three at once");
    is(enter(user_syscall, USER_CS64), 3, "SYSCALL comes to the third");
    ok(!raw_masked, "set_callbacks clears the flags");
    is_error(HYPERVISOR_set_callbacks(event, NON_CANONICAL, raw_entry(4)), -XEN_EINVAL,
             "set_callbacks refuses an address that is not canonical");
    is(enter(user_syscall, USER_CS64), 3, "and then sets none of the three");
    HYPERVISOR_set_callbacks(event, (unsigned long)callback_failsafe,
                             (unsigned long)callback_syscall);
}

int main(void)
{
    struct user_space user;
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    test_syscall();
    test_syscall32();
    test_event();
    test_nmi();
    test_register_errors();
    test_unregister();
    test_set_callbacks();
    return done();
}
