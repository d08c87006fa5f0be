/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu_op: a vCPU's way from nothing to running and back.
 *
 * It is given registers once (VCPUOP_initialise: struct vcpu_guest_context, all checked), brought
 * up, taken down and up again as often as one likes; any vCPU may do that to any other. Taken down
 * in the midst of something, it goes on there when it is up again. Its vcpu_info may be moved out
 * of the shared page, once. Timers have a test of their own, and what is published about time, too.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/start.h>
#include <pv/trap.h>

#define NON_CANONICAL 0x0000800000000000ul

static long op(unsigned cmd, unsigned vcpu, void *arg)
{
    return HYPERVISOR_vcpu_op(cmd, vcpu, arg);
}

static void test_arguments(void)
{
    static const unsigned with_argument[] = {
        VCPUOP_get_runstate_info,  VCPUOP_register_runstate_memory_area,
        VCPUOP_set_periodic_timer, VCPUOP_set_singleshot_timer,
        VCPUOP_register_vcpu_info, VCPUOP_register_vcpu_time_memory_area,
    };
    void *bad = (void *)HYPERVISOR_VIRT_START;

    for (unsigned cmd = 0; cmd <= VCPUOP_register_vcpu_time_memory_area; cmd++) {
        is_error(op(cmd, nr_vcpus(), bad), -XEN_ENOENT, "operation %u on no vCPU", cmd);
        is_error(op(cmd, ~0u, bad), -XEN_ENOENT, "operation %u on vCPU 2^32-1", cmd);
    }
    for (unsigned i = 0; i < sizeof(with_argument) / sizeof(with_argument[0]); i++)
        is_error(op(with_argument[i], 0, bad), -XEN_EFAULT,
                 "operation %u with a hypervisor address", with_argument[i]);
    is_error(op(14, 0, bad), -XEN_ENOSYS, "operation 14, which there is not");
    is_error(op(~0u, 0, bad), -XEN_ENOSYS, "operation 2^32-1");
    if (nr_vcpus() > 1) /* the only CPU of a machine is where its vCPU is pinned, for Xen */
        is_error(op(VCPUOP_get_physid, 0, bad), -XEN_EINVAL, "the CPU of a vCPU that roams");
}

/* ---- Registers that are refused ------------------------------------------------------------- */

static struct vcpu_guest_context context;
static unsigned counter, stop;

static void count(void *data)
{
    (void)data;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
        cpu_relax();
    }
}

static void refused(unsigned vcpu, const char *what)
{
    is_error(op(VCPUOP_initialise, vcpu, &context), -XEN_EINVAL, "initialise with %s", what);
    is_error(op(VCPUOP_up, vcpu, NULL), -XEN_EINVAL, "it has no registers after %s", what);
    vcpu_context_make(&context, vcpu, count, NULL);
}

static void test_bad_context(unsigned vcpu)
{
    is_error(op(VCPUOP_is_up, vcpu, NULL), 0, "vCPU %u is not up", vcpu);
    is_error(op(VCPUOP_up, vcpu, NULL), -XEN_EINVAL, "nor can it be, without registers");
    is_error(op(VCPUOP_initialise, vcpu, (void *)HYPERVISOR_VIRT_START), -XEN_EFAULT,
             "initialise from a hypervisor address");
    is_error(op(VCPUOP_initialise, vcpu, NULL), -XEN_EFAULT, "initialise from address 0");
    vcpu_context_make(&context, vcpu, count, NULL);
    context.user_regs.rip = NON_CANONICAL;
    refused(vcpu, "a bad RIP");
    context.event_callback_eip = NON_CANONICAL;
    refused(vcpu, "a bad event callback");
    context.failsafe_callback_eip = NON_CANONICAL;
    refused(vcpu, "a bad failsafe callback");
    context.syscall_callback_eip = NON_CANONICAL;
    refused(vcpu, "a bad syscall callback");
    context.fs_base = NON_CANONICAL;
    refused(vcpu, "a bad FS base");
    context.gs_base_kernel = NON_CANONICAL;
    refused(vcpu, "a bad GS base");
    context.gs_base_user = NON_CANONICAL;
    refused(vcpu, "a bad GS base of user mode");
    context.gdt_ents = 8192;
    refused(vcpu, "a GDT that is too large");
    context.gdt_ents = 512;
    context.gdt_frames[0] = ~0ul;
    refused(vcpu, "a GDT in no frame");
    context.ctrlreg[3] = 0;
    refused(vcpu, "a page table in frame 0");
    context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(page_alloc()));
    refused(vcpu, "a page for a page table, with a writable mapping");
}

/* ---- Up and down ---------------------------------------------------------------------------- */

/* Whether the vCPU counts on within a while. */
static bool counts(void)
{
    unsigned before = __atomic_load_n(&counter, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; i < 200; i++) {
        sleep_ns(100000);
        if (__atomic_load_n(&counter, __ATOMIC_SEQ_CST) != before)
            return true;
    }
    return false;
}

/* It may still be running for a moment when VCPUOP_down of another returns. */
static bool stands_still(void)
{
    sleep_ns(3000000);
    for (unsigned i = 0; i < 3; i++) {
        unsigned before = __atomic_load_n(&counter, __ATOMIC_SEQ_CST);

        sleep_ns(1000000);
        if (__atomic_load_n(&counter, __ATOMIC_SEQ_CST) != before)
            return false;
    }
    return true;
}

static void test_life(unsigned vcpu)
{
    is_error(op(VCPUOP_initialise, vcpu, &context), 0, "initialise");
    is_error(op(VCPUOP_is_up, vcpu, NULL), 0, "that does not start it");
    is_error(op(VCPUOP_initialise, vcpu, &context), -XEN_EEXIST, "initialise twice");
    is_error(op(VCPUOP_up, vcpu, NULL), 0, "up");
    is_error(op(VCPUOP_is_up, vcpu, NULL), 1, "it is up");
    ok(counts(), "and runs");
    is_error(op(VCPUOP_up, vcpu, NULL), 0, "up when up");
    is_error(op(VCPUOP_initialise, vcpu, &context), -XEN_EEXIST, "initialise while it runs");
    for (unsigned i = 0; i < 5; i++) {
        is_error(op(VCPUOP_down, vcpu, NULL), 0, "down, round %u", i);
        is_error(op(VCPUOP_is_up, vcpu, NULL), 0, "it is down, round %u", i);
        ok(stands_still(), "and does not run, round %u", i);
        is_error(op(VCPUOP_down, vcpu, NULL), 0, "down when down, round %u", i);
        is_error(op(VCPUOP_up, vcpu, NULL), 0, "up again, round %u", i);
        ok(counts(), "it goes on where it was, round %u", i);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    vcpu_join(vcpu);
    is_error(op(VCPUOP_is_up, vcpu, NULL), 0, "it takes itself down");
}

/* ---- NMI ------------------------------------------------------------------------------------ */

static unsigned nmis, nmi_on;

static bool note_nmi(struct trap_frame *frame)
{
    (void)frame;
    nmi_on = this_vcpu();
    __atomic_add_fetch(&nmis, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void wait_nmi(void *data)
{
    (void)data;
    while (!__atomic_load_n(&nmis, __ATOMIC_SEQ_CST))
        cpu_relax();
}

static void test_nmi(void)
{
    (void)trap_set_handler(TRAP_NMI, note_nmi);
    is_error(op(VCPUOP_send_nmi, 0, NULL), 0, "send an NMI to oneself");
    is(nmis, 1, "it has come when the hypercall returns");
    is(nmi_on, 0, "on this vCPU");
    is_error(op(VCPUOP_send_nmi, 0, &context), -XEN_EINVAL, "it takes no argument");
    is(nmis, 1, "and none has come then");
    if (nr_vcpus() > 1) {
        nmis = 0;
        (void)vcpu_start(1, wait_nmi, NULL);
        is_error(op(VCPUOP_send_nmi, 1, NULL), 0, "send an NMI to another vCPU");
        vcpu_join(1);
        is(nmi_on, 1, "it comes there");
    }
    (void)trap_set_handler(TRAP_NMI, NULL);
}

/* ---- vcpu_info ------------------------------------------------------------------------------ */

static long register_info(unsigned vcpu, uint64_t mfn, uint32_t offset)
{
    struct vcpu_register_vcpu_info info = {.mfn = mfn, .offset = offset};

    return op(VCPUOP_register_vcpu_info, vcpu, &info);
}

static void count_event(evtchn_port_t port, void *data)
{
    (void)port;
    __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
}

static void wait_stop(void *data)
{
    (void)data;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        cpu_relax();
}

static void test_info(void)
{
    struct vcpu_info *page = page_alloc(), *old = &shared_info->vcpu_info[0], *info = page + 1;
    uint64_t mfn = virt_to_mfn(page);
    unsigned events = 0;
    long port = event_bind_ipi(0, count_event, &events);

    is_error(register_info(0, mfn, PAGE_SIZE - sizeof(*info) + 8), -XEN_ENXIO,
             "a vcpu_info that does not fit in its page");
    is_error(register_info(0, mfn, ~0u - 7), -XEN_ENXIO, "offset 2^32-8");
    is_error(register_info(0, ~0ull, 0), -XEN_EINVAL, "a vcpu_info in no frame");
    is_error(register_info(0, 1ull << 40, 0), -XEN_EINVAL, "a vcpu_info beyond memory");
    is_error(register_info(0, tables_root(), 0), -XEN_EINVAL, "a vcpu_info in a page table");
    if (nr_vcpus() > 1) {
        stop = 0;
        (void)vcpu_start(1, wait_stop, NULL);
        is_error(register_info(1, mfn, 0), -XEN_EINVAL, "the vcpu_info of another that runs");
        __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
        vcpu_join(1);
        is_error(vcpu_info_move(1, page), 0, "of another that is down");
        ok(page->evtchn_upcall_mask, "it is masked, as it was");
    }
    is_error(vcpu_info_move(0, info), 0, "one's own vcpu_info moves");
    ok(info->time.version != 0 && info->time.tsc_to_system_mul != 0, "time is there now");
    is_error(register_info(0, mfn, 128), -XEN_EINVAL, "it moves once");
    events = 0;
    memset(old, 0, sizeof(*old));
    (void)event_send((evtchn_port_t)port);
    is(events, 1, "events are signalled there");
    is(old->evtchn_upcall_pending, 0, "and no longer in the shared page");
    (void)event_close((evtchn_port_t)port);
}

int main(void)
{
    test_arguments();
    if (nr_vcpus() > 1) {
        test_bad_context(nr_vcpus() - 1);
        test_life(nr_vcpus() - 1);
    }
    test_nmi();
    test_info();
    return done();
}
