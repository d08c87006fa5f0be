/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traps of kernel mode: who deals with one. In this order: the handler of its vector, the innermost
 * trap_catch(), and at last the report that ends the domain.
 *
 * A catcher belongs to the code that was interrupted: an upcall starts with none.
 */
#include "trap_internal.h"

#include <pv/console.h>
#include <pv/hypercall.h>
#include <pv/start.h>

#define VECTORS     256
#define CHAIN_DEPTH 24

static trap_handler *handlers[VECTORS];

trap_handler *trap_set_handler(unsigned vector, trap_handler *handler)
{
    return vector < VECTORS ? __atomic_exchange_n(&handlers[vector], handler, __ATOMIC_SEQ_CST)
                            : NULL;
}

unsigned long trap_fault_address(void)
{
    return vcpu_local()->fault_address;
}

/* ---- Catching ----------------------------------------------------------------------------- */

unsigned long catch_call(struct trap_catcher *catcher, unsigned long (*function)(void *argument),
                         void *argument);
extern const char catch_resume[];

struct trap_result trap_catch(unsigned long (*function)(void *argument), void *argument)
{
    struct vcpu_local *local = vcpu_local();
    struct trap_catcher catcher = {
        .events = !local->info->evtchn_upcall_mask,
        .outer = local->catcher,
        .user = local->user,
        .result = {.vector = -1},
    };

    local->catcher = &catcher;
    unsigned long value = catch_call(&catcher, function, argument);
    local->catcher = catcher.outer;
    if (catcher.result.vector < 0)
        catcher.result.value = value;
    return catcher.result;
}

static void catch_trap(struct vcpu_local *local, struct trap_frame *frame)
{
    struct trap_catcher *catcher = local->catcher;

    catcher->result = (struct trap_result){
        .vector = (int)frame->vector,
        .error = frame->error,
        .rip = frame->rip,
        .address = frame->vector == TRAP_PF ? local->fault_address : 0,
    };
    local->catcher = catcher->outer;
    local->user = catcher->user;
    trap_return_to(frame, catch_resume, catcher, catcher->rsp, catcher->rflags, catcher->events);
}

static unsigned long read_word(void *argument)
{
    return **(uint64_t *volatile *)argument;
}

bool try_read(const void *address, uint64_t *value)
{
    struct trap_result result = trap_catch(read_word, &address);

    if (result.vector < 0)
        *value = result.value;
    return result.vector < 0;
}

struct word_write {
    uint64_t *address, value;
};

static unsigned long write_word(void *argument)
{
    const struct word_write *write = argument;

    *(volatile uint64_t *)write->address = write->value;
    return 0;
}

bool try_write(void *address, uint64_t value)
{
    return trap_catch(write_word, &(struct word_write){address, value}).vector < 0;
}

/* ---- Reporting ---------------------------------------------------------------------------- */

static const char *const names[TRAP_VECTORS] = {
    [TRAP_DE] = "divide error",
    [TRAP_DB] = "debug",
    [TRAP_NMI] = "NMI",
    [TRAP_BP] = "breakpoint",
    [TRAP_OF] = "overflow",
    [TRAP_BR] = "bound range",
    [TRAP_UD] = "invalid opcode",
    [TRAP_NM] = "no FPU",
    [TRAP_DF] = "double fault",
    [TRAP_TS] = "invalid TSS",
    [TRAP_NP] = "segment not present",
    [TRAP_SS] = "stack segment",
    [TRAP_GP] = "general protection",
    [TRAP_PF] = "page fault",
    [TRAP_MF] = "FPU error",
    [TRAP_AC] = "alignment check",
    [TRAP_XF] = "SIMD error",
};

static const char *vector_name(uint64_t vector)
{
    if (vector == USER_FAILSAFE)
        return "failsafe callback: a data segment cannot be loaded";
    return vector < TRAP_VECTORS && names[vector] ? names[vector] : "trap";
}

/* Frame pointers lead upwards; what they point to may be anything. */
static void dump_chain(const struct trap_frame *frame)
{
    uint64_t at = frame->rbp, next, address;

    console_printf("calls: %lx", frame->rip);
    for (unsigned i = 0; i < CHAIN_DEPTH && at != 0 && at % 8 == 0; i++) {
        if (!try_read((const void *)at, &next) || !try_read((const void *)(at + 8), &address))
            break;
        console_printf(" %lx", address);
        if (next <= at)
            break;
        at = next;
    }
    console_printf("\n");
}

void trap_dump(const struct trap_frame *frame)
{
    console_printf("vCPU %u, vector %#lx (%s), error %#lx, %s mode\n", this_vcpu(), frame->vector,
                   vector_name(frame->vector), frame->error,
                   (frame->cs & 3) == 3 ? "user" : "kernel");
    if (frame->vector == TRAP_PF)
        console_printf("fault address %#lx\n", trap_fault_address());
    console_printf("rip %016lx  rsp %016lx  rflags %08lx  cs %04lx  ss %04lx\n", frame->rip,
                   frame->rsp, frame->rflags, frame->cs, frame->ss & 0xffff);
    console_printf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", frame->rax, frame->rbx,
                   frame->rcx, frame->rdx);
    console_printf("rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n", frame->rsi, frame->rdi,
                   frame->rbp, frame->r8);
    console_printf("r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n", frame->r9, frame->r10,
                   frame->r11, frame->r12);
    console_printf("r13 %016lx  r14 %016lx  r15 %016lx\n", frame->r13, frame->r14, frame->r15);
    dump_chain(frame);
}

/* A second trap while one is reported, on any vCPU, has nothing to add. */
static void __attribute__((noreturn)) report(const struct trap_frame *frame)
{
    static bool reporting;

    if (!__atomic_exchange_n(&reporting, true, __ATOMIC_SEQ_CST)) {
        console_printf("guest: trap without handler\n");
        trap_dump(frame);
    }
    shutdown(SHUTDOWN_crash);
}

/* ---- Dispatch ----------------------------------------------------------------------------- */

void trap_return_to(struct trap_frame *frame, const char *place, void *context, uint64_t rsp,
                    uint64_t rflags, bool events)
{
    frame->rip = (uint64_t)place;
    frame->cs = FLAT_KERNEL_CS & ~3u; /* for the hypercall iret, privilege 0 is kernel mode */
    frame->ss = FLAT_KERNEL_SS;
    frame->rsp = rsp;
    frame->rdi = (uint64_t)context;
    frame->rflags = (rflags & ~RFLAGS_IF) | (events ? RFLAGS_IF : 0);
}

void trap_dispatch(struct trap_frame *frame)
{
    struct vcpu_local *local = vcpu_local();
    trap_handler *handler = handlers[frame->vector % VECTORS];

    if (frame->vector == TRAP_PF)
        local->fault_address = local->info->arch.cr2;
    if ((frame->cs & 3) == 3 && local->user != NULL)
        user_leave(frame);
    else if (frame->vector < VECTORS && handler != NULL && handler(frame))
        return;
    else if (local->catcher != NULL)
        catch_trap(local, frame);
    else
        report(frame);
}

void trap_event(struct trap_frame *frame)
{
    struct vcpu_local *local = vcpu_local();
    struct trap_catcher *catcher = local->catcher;

    local->catcher = NULL;
    event_upcall(frame);
    local->catcher = catcher;
}
