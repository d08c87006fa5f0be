/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain made by hand that runs: its registers are read where they are, and changed.
 *
 * A CPU may hold a vCPU's floating-point, segment and debug registers as long as it runs no other
 * one: what is read must be the true ones all the same.
 */
#include <cpuid.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "four_ways.h"
#include "tiny_guest.h"

extern const char tiny_guest[], tiny_guest_end[], tiny_guest_kernel[], tiny_guest_kernel_end[],
    tiny_guest_user[], tiny_guest_user_end[], tiny_guest_syscall[];

static uint64_t guest_address(const char *symbol)
{
    return (uint64_t)TINY_VA(TINY_CODE) + (uint64_t)(symbol - tiny_guest);
}

#define PRESENT  0x01ull
#define WRITABLE 0x02ull
#define USER     0x04ull
#define USED     0x60ull /* accessed, dirty */

#define FXSAVE_FCW   0
#define FXSAVE_MXCSR 24
#define FXSAVE_XMM   160

struct tiny {
    xc_interface *xch;
    uint32_t domid;
    xen_pfn_t mfn[TINY_FRAMES];
    volatile char *data;
};

/* ---- Building ----------------------------------------------------------------------------- */

static uint64_t entry(const struct tiny *t, unsigned frame, uint64_t flags)
{
    return t->mfn[frame] << XC_PAGE_SHIFT | PRESENT | USER | USED | flags;
}

static bool write_page(const struct tiny *t, unsigned frame, const void *page)
{
    return xc_copy_to_domain_page(t->xch, t->domid, t->mfn[frame], page) == 0;
}

static bool write_tables(const struct tiny *t)
{
    uint64_t l4[512] = {0}, l3[512] = {0}, l2[512] = {0}, l1[512] = {0};
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = t->mfn[0]};

    l4[0] = entry(t, 1, WRITABLE);
    l3[0] = entry(t, 2, WRITABLE);
    l2[TINY_BASE >> 21] = entry(t, 3, WRITABLE);
    for (unsigned i = 0; i < TINY_FRAMES; i++)
        l1[i] = entry(t, i, i < TINY_TABLES ? 0 : WRITABLE);
    return write_page(t, 0, l4) && write_page(t, 1, l3) && write_page(t, 2, l2) &&
           write_page(t, 3, l1) &&
           check_is(xc_mmuext_op(t->xch, &pin, 1, t->domid), 0, "its page tables are pinned");
}

/* CPUID leaf 7: the guest's CPUs have what the control domain's have. */
static uint32_t may_write_bases(void)
{
    unsigned a, b = 0, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_FSGSBASE;
}

static void xmm_pattern(unsigned n, uint8_t out[16])
{
    for (unsigned i = 0; i < 16; i++)
        out[i] = (uint8_t)(n * 16 + i + 1);
}

static bool write_contents(const struct tiny *t)
{
    static char code[XC_PAGE_SIZE], data[XC_PAGE_SIZE];
    sched_shutdown_t shutdown = {.reason = SHUTDOWN_reboot};
    uint32_t mxcsr = TINY_MXCSR, fsgsbase = may_write_bases();
    uint16_t fcw = TINY_FCW;

    memcpy(code, tiny_guest, (size_t)(tiny_guest_end - tiny_guest));
    memcpy(data + AT_SHUTDOWN, &shutdown, sizeof(shutdown));
    memcpy(data + AT_MXCSR, &mxcsr, sizeof(mxcsr));
    memcpy(data + AT_FCW, &fcw, sizeof(fcw));
    memcpy(data + AT_FSGSBASE, &fsgsbase, sizeof(fsgsbase));
    for (unsigned i = 0; i < 16; i++)
        xmm_pattern(i, (uint8_t *)data + AT_XMM + i * 16);
    return write_page(t, TINY_CODE, code) && write_page(t, TINY_DATA, data);
}

static void set_entry_point(const struct tiny *t, vcpu_guest_context_x86_64_t *c)
{
    memset(c, 0, sizeof(*c));
    c->user_regs.rip = TINY_VA(TINY_CODE);
    c->user_regs.rsp = c->kernel_sp = TINY_STACK_TOP;
    c->user_regs.rflags = 0x202; /* IF, and the bit that is always set */
    c->user_regs.cs = FLAT_KERNEL_CS_X86_64;
    c->user_regs.ss = FLAT_KERNEL_SS_X86_64;
    c->kernel_ss = FLAT_KERNEL_SS_X86_64;
    c->ctrlreg[3] = t->mfn[0] << XC_PAGE_SHIFT;
    c->ctrlreg[1] = c->ctrlreg[3]; /* the user's page tables */
    c->syscall_callback_eip = guest_address(tiny_guest_syscall);
    c->flags = VGCF_in_kernel_X86_64 | VGCF_online_X86_64;
}

static bool build(struct tiny *t)
{
    vcpu_guest_context_any_t context;

    if (!populate(t->xch, t->domid, TINY_FRAMES, t->mfn) || !write_contents(t) || !write_tables(t))
        return false;
    t->data = xc_map_foreign_range(t->xch, t->domid, XC_PAGE_SIZE, PROT_READ, t->mfn[TINY_DATA]);
    if (!check(t->data != NULL, "its data are mapped"))
        return false;
    set_entry_point(t, &context.x64);
    context.x64.ctrlreg[3] = ~0ull << XC_PAGE_SHIFT;
    FAILS(xc_vcpu_setcontext(t->xch, t->domid, 0, &context), EINVAL,
          "page tables that it does not have are refused");
    set_entry_point(t, &context.x64);
    return check_is(xc_vcpu_setcontext(t->xch, t->domid, 0, &context), 0,
                    "its first registers are set");
}

/* ---- Watching ----------------------------------------------------------------------------- */

static uint64_t word(const struct tiny *t, unsigned at)
{
    return *(volatile uint64_t *)(t->data + at);
}

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 2000000};

    nanosleep(&moment, NULL);
}

/* Until the word has another value. */
static bool wait_change(const struct tiny *t, unsigned at, uint64_t from)
{
    for (int i = 0; i < 5000 && word(t, at) == from; i++)
        wait_a_moment();
    return word(t, at) != from;
}

static bool wait_for(const struct tiny *t, unsigned at, uint64_t value)
{
    for (int i = 0; i < 5000 && word(t, at) != value; i++)
        wait_a_moment();
    return word(t, at) == value;
}

static bool wait_shutdown(const struct tiny *t, xc_dominfo_t *info)
{
    for (int i = 0; i < 5000; i++) {
        if (xc_domain_getinfo(t->xch, t->domid, 1, info) != 1 || info->shutdown || info->crashed)
            return true;
        wait_a_moment();
    }
    return false;
}

/* ---- Registers ---------------------------------------------------------------------------- */

/* Where a guest is: in which loop, with which stack. */
struct place {
    const char *loop, *end;
    uint64_t stack;
    bool in_kernel;
};

static const struct place in_kernel = {tiny_guest_kernel, tiny_guest_kernel_end, TINY_STACK_TOP,
                                       true};
static const struct place in_user = {tiny_guest_user, tiny_guest_user_end, TINY_USER_STACK_TOP,
                                     false};

static const uint8_t outside[16] = "changed outside";

static void check_general(const cpu_user_regs_x86_64_t *r, const struct place *place)
{
    const uint64_t found[] = {r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, 0,
                              r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};
    int wrong = 0;

    for (unsigned i = 0; i < 16; i++)
        if (i != 7 && found[i] != (uint64_t)TINY_REGISTER(i) && ++wrong)
            printf("# register %u is %#llx\n", i, (unsigned long long)found[i]);
    check_is(wrong, 0, "the general registers are those that it loaded");
    check(r->rip >= guest_address(place->loop) && r->rip < guest_address(place->end),
          "it is in its loop");
    check_is((long long)r->rsp, (long long)place->stack, "its stack pointer is where it was");
    check_is((long long)(r->rflags & 0x202), 0x202, "its interrupts are on");
    /* The flat segments of kernel and user are the same. */
    check(r->cs == FLAT_USER_CS64 && r->ss == FLAT_USER_SS64, "its segments are flat");
}

static void check_fpu(const vcpu_guest_context_x86_64_t *c, const struct place *place)
{
    const uint8_t *image = (const uint8_t *)&c->fpu_ctxt;
    uint8_t wanted[16];
    uint16_t fcw;
    uint32_t mxcsr;
    int wrong = 0;

    memcpy(&fcw, image + FXSAVE_FCW, sizeof(fcw));
    memcpy(&mxcsr, image + FXSAVE_MXCSR, sizeof(mxcsr));
    check(c->flags & VGCF_I387_VALID, "its floating-point registers are told");
    check_is(fcw, TINY_FCW, "the x87 control word is the one that it loaded");
    check_is(mxcsr, TINY_MXCSR, "so is MXCSR");
    for (unsigned i = 0; i < 16; i++) {
        xmm_pattern(i, wanted);
        if (i == 1 && !place->in_kernel) /* it was changed before it went there */
            memcpy(wanted, outside, sizeof(wanted));
        wrong += memcmp(image + FXSAVE_XMM + i * 16, wanted, 16) != 0;
    }
    check_is(wrong, 0, "so are the XMM registers");
}

static void check_context(const struct tiny *t, const vcpu_guest_context_x86_64_t *c,
                          const struct place *place)
{
    const uint32_t known = VGCF_in_kernel_X86_64 | VGCF_online_X86_64;

    check_general(&c->user_regs, place);
    check_fpu(c, place);
    check_is((long long)c->fs_base, TINY_FS_BASE, "so is the base of FS");
    check_is((long long)c->gs_base_kernel, TINY_GS_KERNEL, "so is the kernel's base of GS");
    check_is((long long)c->gs_base_user, TINY_GS_USER, "so is the user's base of GS");
    check_is((long long)c->debugreg[0], TINY_DEBUG_VA, "so is DR0");
    check_is((long long)c->debugreg[7], TINY_DEBUG_ENABLE, "so is DR7");
    check(c->ctrlreg[3] == t->mfn[0] << XC_PAGE_SHIFT && c->ctrlreg[1] == c->ctrlreg[3],
          "its page tables are those that it has");
    check_is((long long)c->kernel_sp, TINY_STACK_TOP, "its kernel's stack is told");
    check(c->syscall_callback_eip == guest_address(tiny_guest_syscall),
          "its entry of system calls is told");
    check_is(c->flags & known, VGCF_online_X86_64 | (place->in_kernel ? VGCF_in_kernel_X86_64 : 0),
             "it is where it is, and online");
}

/* ---- Running ------------------------------------------------------------------------------ */

static void test_paused(const struct tiny *t)
{
    vcpu_guest_context_any_t context;
    uint64_t count;

    check_is(xc_domain_pause(t->xch, t->domid), 0, "it is paused");
    count = word(t, AT_COUNTER);
    wait_a_moment();
    check(word(t, AT_COUNTER) == count, "it counts no more");
    memset(&context, 0, sizeof(context));
    check_is(xc_vcpu_getcontext(t->xch, t->domid, 0, &context), 0, "its registers are read");
    check_context(t, &context.x64, &in_kernel);
    check(xc_translate_foreign_address(t->xch, t->domid, 0, TINY_VA(TINY_DATA)) ==
              t->mfn[TINY_DATA],
          "its page tables are read");
    check(xc_translate_foreign_address(t->xch, t->domid, 0, TINY_VA(TINY_FRAMES)) == 0,
          "where nothing is mapped nothing is found");
    /* As they were: nothing changes. */
    check_is(xc_vcpu_setcontext(t->xch, t->domid, 0, &context), 0, "its registers are put back");
    check_is(xc_domain_unpause(t->xch, t->domid), 0, "it is unpaused");
    check(wait_change(t, AT_COUNTER, count), "it counts again");
    check_is(xc_vcpu_getcontext(t->xch, t->domid, 0, &context), 0,
             "its registers are read while it runs");
    check_context(t, &context.x64, &in_kernel);
}

/* It may still be elsewhere for a moment when it is bound. */
static bool wait_cpu(const struct tiny *t, unsigned cpu)
{
    xc_vcpuinfo_t info = {.cpu = cpu + 1};

    for (int i = 0; i < 5000 && info.cpu != cpu; i++) {
        if (xc_vcpu_getinfo(t->xch, t->domid, 0, &info))
            return false;
        wait_a_moment();
    }
    return info.cpu == cpu && info.online && info.cpu_time > 0;
}

static void test_moved(const struct tiny *t)
{
    xc_cpumap_t map = xc_cpumap_alloc(t->xch);

    for (int cpu = 1; cpu >= 0; cpu--) {
        memset(map, 0, (size_t)xc_get_cpumap_size(t->xch));
        xc_cpumap_setcpu(cpu, map);
        check_is(xc_vcpu_setaffinity(t->xch, t->domid, 0, map, NULL, XEN_VCPUAFFINITY_HARD), 0,
                 "it is bound to a CPU");
        check(wait_cpu(t, (unsigned)cpu) && wait_change(t, AT_COUNTER, word(t, AT_COUNTER)) &&
                  wait_cpu(t, (unsigned)cpu),
              "it runs there");
    }
    check(xc_domain_get_cpu_usage(t->xch, t->domid, 0) > 0, "its time is counted");
    free(map);
}

/* It goes to its user mode when it notices. */
static void test_changed(const struct tiny *t)
{
    vcpu_guest_context_any_t context;

    check_is(xc_domain_pause(t->xch, t->domid), 0, "it is paused again");
    check_is(xc_vcpu_getcontext(t->xch, t->domid, 0, &context), 0, "its registers are read again");
    context.x64.user_regs.r15 = TINY_NOTICE;
    context.x64.user_regs.r14 = 0x1234567890abcdefull;
    memcpy((uint8_t *)&context.x64.fpu_ctxt + FXSAVE_XMM + 16, outside, sizeof(outside));
    context.x64.flags |= VGCF_I387_VALID;
    check_is(xc_vcpu_setcontext(t->xch, t->domid, 0, &context), 0, "three are changed");
    check_is(xc_domain_unpause(t->xch, t->domid), 0, "it is unpaused again");
    check(wait_for(t, AT_STATE, STATE_USER), "it notices one, and goes to its user mode");
    check(word(t, AT_R14) == 0x1234567890abcdefull, "it has seen the second");
    check(memcmp((const void *)(t->data + AT_XMM1), outside, sizeof(outside)) == 0,
          "it has seen the third");
}

static void test_user(const struct tiny *t)
{
    vcpu_guest_context_any_t context;
    xc_dominfo_t info;

    check_is(xc_vcpu_getcontext(t->xch, t->domid, 0, &context), 0,
             "its registers are read while it is in its user mode");
    check_context(t, &context.x64, &in_user);
    check_is(xc_domain_pause(t->xch, t->domid), 0, "it is paused there");
    check_is(xc_vcpu_getcontext(t->xch, t->domid, 0, &context), 0, "its registers are read there");
    check_context(t, &context.x64, &in_user);
    context.x64.user_regs.r15 = TINY_NOTICE;
    check_is(xc_vcpu_setcontext(t->xch, t->domid, 0, &context), 0, "one is changed");
    check_is(xc_domain_unpause(t->xch, t->domid), 0, "it goes on");
    check(wait_shutdown(t, &info) && info.shutdown && !info.crashed &&
              info.shutdown_reason == SHUTDOWN_reboot,
          "it notices, and its kernel shuts it down for its own reason");
    check(word(t, AT_STATE) == STATE_DONE, "by its entry of system calls");
}

void test_running(xc_interface *xch)
{
    struct tiny t = {.xch = xch, .domid = new_domain(xch, 1)};

    if (t.domid == 0)
        return;
    if (build(&t)) {
        check_is(xc_domain_unpause(xch, t.domid), 0, "it is started");
        if (check(wait_for(&t, AT_STATE, STATE_KERNEL), "it runs")) {
            test_paused(&t);
            test_moved(&t);
            test_changed(&t);
            test_user(&t);
        }
    }
    if (t.data != NULL)
        munmap((void *)t.data, XC_PAGE_SIZE);
    check_is(xc_domain_destroy(xch, t.domid), 0, "a domain that has run is destroyed");
    check(wait_gone(xch, t.domid), "it is gone");
}
