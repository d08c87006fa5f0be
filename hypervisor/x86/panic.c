/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stopping for good, and saying why. Works with any lock held and any CPU in any state: the other
 * CPUs are stopped, locks are waited for only so long, and a fault on the way leads to the next
 * step instead of starting again.
 */
#include "x86/panic.h"

#include "core/atomic.h"
#include "core/cmdline.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/log.h"
#include "x86/boot/boot.h"
#include "x86/paging.h"
#include "x86/smp.h"
#include "x86/symbols.h"
#include "x86/time.h"
#include "x86/traps.h"
#include "x86/x86.h"

#define TRACE_LINES    24u
#define REBOOT_DELAY_S 5u

static void noreturn_fn halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* ---- Printing ----------------------------------------------------------------------------- */

static void show_address(const char *head, uintptr_t addr)
{
    size_t offset;
    const char *name = symbol_find(addr, &offset);

    if (name != NULL)
        log_always("%s%016lx %s+%#zx", head, addr, name, offset);
    else
        log_always("%s%016lx", head, addr);
}

/*
 * Is this a return address: in the text, with a call instruction before it? E8 rel32, or FF /2 with
 * its address in a register or in memory (SDM 2A, CALL), 2 to 7 bytes long.
 */
static bool is_return_address(uintptr_t addr)
{
    const uint8_t *code = (const uint8_t *)addr;

    if (!is_text_address(addr) || addr < (uintptr_t)image_start + 7)
        return false;
    if (code[-5] == 0xe8)
        return true;
    for (int n = 2; n <= 7; n++)
        if (code[-n] == 0xff && (code[1 - n] & 0x38) == 0x10)
            return true;
    return false;
}

/* End of the stack that `sp` is on: one of the exceptions' own pages, or the CPU's main stack. */
static uintptr_t stack_end(uintptr_t sp)
{
    if (sp % STACK_SIZE < STACK_PAGE_GUARD * PAGE_SIZE)
        return ROUND_UP(sp + 1, PAGE_SIZE);
    return ROUND_UP(sp + 1, STACK_SIZE) - sizeof(struct cpu_info);
}

void show_stack_trace(uintptr_t sp)
{
    unsigned lines = 0;

    if (sp < HV_VIRT_START || sp >= HV_VIRT_END) {
        log_always("the stack pointer %016lx is not the hypervisor's", sp);
        return;
    }
    if (sp % STACK_SIZE >> PAGE_SHIFT == STACK_PAGE_GUARD) {
        log_always("the stack has overflowed");
        sp = ROUND_UP(sp + 1, PAGE_SIZE);
    }
    log_always("calls (return addresses found on the stack, old ones included):");
    for (uintptr_t at = ROUND_UP(sp, sizeof(uint64_t)); at < stack_end(sp) && lines < TRACE_LINES;
         at += sizeof(uint64_t)) {
        uintptr_t addr = *(const uintptr_t *)at;

        if (is_return_address(addr)) {
            show_address("  ", addr);
            lines++;
        }
    }
}

static void show_general_registers(const struct cpu_user_regs *r)
{
    log_always("rax %016lx rbx %016lx rcx %016lx", r->rax, r->rbx, r->rcx);
    log_always("rdx %016lx rsi %016lx rdi %016lx", r->rdx, r->rsi, r->rdi);
    log_always("rbp %016lx rsp %016lx r8  %016lx", r->rbp, r->rsp, r->r8);
    log_always("r9  %016lx r10 %016lx r11 %016lx", r->r9, r->r10, r->r11);
    log_always("r12 %016lx r13 %016lx r14 %016lx", r->r12, r->r13, r->r14);
    log_always("r15 %016lx cs %04x ss %04x rflags %lx", r->r15, r->cs, r->ss, r->rflags);
}

void show_registers(const struct cpu_user_regs *regs)
{
    const struct vcpu *v = current_vcpu();

    if (!regs_from_guest(regs))
        show_address("rip ", regs->rip);
    else if (v != NULL)
        log_always("rip %016lx in d%uv%u", regs->rip, v->domain->id.v, v->id);
    show_general_registers(regs);
    log_always("cr0 %lx cr2 %016lx cr3 %016lx cr4 %lx", READ_CR(0), READ_CR(2), READ_CR(3),
               READ_CR(4));
    log_always("fs base %016lx gs base %016lx vector %u error code %x", rdmsr(MSR_FS_BASE),
               rdmsr(MSR_GS_BASE), regs->entry_vector, regs->error_code);
    if (!regs_from_guest(regs))
        show_stack_trace(regs->rsp);
}

/* ---- Stopping ----------------------------------------------------------------------------- */

/* CPU that stops the machine, plus one. */
static unsigned stopping_cpu;

static void wait_seconds(unsigned seconds)
{
    /* A read of port 0x80 takes about a microsecond; for a panic before the TSC's rate is known. */
    if (time_tsc_khz() == 0)
        for (unsigned i = 0; i < seconds * 1000000u; i++)
            (void)inb(0x80);
    for (unsigned i = 0; i < seconds * 1000u; i++)
        time_delay_us(1000);
}

void machine_failed(void)
{
    lock_break_all();
    smp_halt_others();
    console_start_sync();
    if (options.noreboot) {
        log_always("halted, as noreboot says");
        halt();
    }
    log_always("rebooting in %u seconds", REBOOT_DELAY_S);
    wait_seconds(REBOOT_DELAY_S);
    arch_machine_end(MACHINE_RESTART);
}

/* regs: of the trap; or NULL, and the caller's stack from `sp` on says what there is to know. */
static void noreturn_fn stop_machine(const struct cpu_user_regs *regs, uintptr_t sp,
                                     const char *message)
{
    static unsigned step;
    static char first_message[LOG_TEXT_MAX];
    unsigned nobody = 0, cpu = cpu_id();

    irq_disable();
    /* Another CPU that gets here while the first one prints has nothing to add. */
    if (!atomic_cas(&stopping_cpu, &nobody, cpu + 1) && nobody != cpu + 1)
        halt();
    /* Each step is done once; a fault inside one comes back here and goes on with the next. */
    switch (step++) {
    case 0:
        str_copy(first_message, message, sizeof(first_message));
        lock_break_all();
        smp_halt_others();
        console_start_sync();
        log_always("Paravane is stopping on CPU %u: %s", cpu, message);
        if (regs != NULL)
            show_registers(regs);
        else
            show_stack_trace(sp);
        step++;
        break;
    case 1:
        log_always("another fault while printing: %s", message);
        break;
    default:
        halt();
    }
    log_always("Paravane stopped: %s", first_message);
    machine_failed();
}

void panic(const char *format, ...)
{
    char message[LOG_TEXT_MAX];
    va_list args;

    va_start(args, format);
    fmt_vstring(message, sizeof(message), format, args);
    va_end(args);
    stop_machine(NULL, (uintptr_t)__builtin_frame_address(0), message);
}

void assert_failed(const char *what, const char *file, int line)
{
    char message[LOG_TEXT_MAX];

    fmt_string(message, sizeof(message), "%s:%d: impossible state: %s", file, line, what);
    stop_machine(NULL, (uintptr_t)__builtin_frame_address(0), message);
}

void fatal_trap(const struct cpu_user_regs *regs, const char *what)
{
    stop_machine(regs, regs->rsp, what);
}

void boot_stop(const char *format, ...)
{
    char message[LOG_TEXT_MAX];
    va_list args;

    irq_disable();
    va_start(args, format);
    fmt_vstring(message, sizeof(message), format, args);
    va_end(args);
    console_start_sync();
    log_always("cannot boot: %s", message);
    halt();
}
