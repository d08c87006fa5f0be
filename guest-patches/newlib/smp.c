/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs: how many there are, and starting and stopping those behind the first.
 *
 * A vCPU can be initialised only once (VCPUOP_initialise). So the first start gives it a stack, its
 * private data and a context; its main loop runs one function after another, and takes the vCPU
 * down between them. What it runs next is stored before it is brought up, and read when it is up
 * again. That it is down is the hypervisor's word alone (VCPUOP_is_up); there is no state beside.
 */
#include "internal.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>

#include <stdlib.h>
#include <string.h>

#define STACK_ORDER     4u
#define RFLAGS_AT_ENTRY 0x202ul /* IF, and bit 1, which is always set */

_Static_assert(STACK_SIZE == PAGE_SIZE << STACK_ORDER, "a stack is a number of pages");

struct start {
    void (*function)(void *data);
    void *data;
    bool initialised; /* by VCPUOP_initialise, here or by the program */
};

static struct start starts[MAX_VCPUS];
static struct spinlock start_lock;
static unsigned vcpu_count;

/* The shared page has room for the first 32 only (xen/xen.h, XEN_LEGACY_MAX_VCPUS). Aligned to its
 * size, so that none crosses a page. */
static struct vcpu_info further_infos[MAX_VCPUS - XEN_LEGACY_MAX_VCPUS]
    __attribute__((aligned(sizeof(struct vcpu_info))));

unsigned this_vcpu(void)
{
    return vcpu_local()->id;
}

unsigned nr_vcpus(void)
{
    return vcpu_count;
}

/* vCPUs are numbered without gaps; what is not there answers -XEN_ENOENT. */
void smp_init(void)
{
    vcpu_count = 1;
    while (vcpu_count < MAX_VCPUS && HYPERVISOR_vcpu_op(VCPUOP_is_up, vcpu_count, NULL) >= 0)
        vcpu_count++;
    starts[0].initialised = true;
}

bool vcpu_is_running(unsigned vcpu)
{
    return HYPERVISOR_vcpu_op(VCPUOP_is_up, vcpu, NULL) == 1;
}

/* ---- vcpu_info ----------------------------------------------------------------------------- */

/* Where `local`'s info is to be, which need not be entered in vcpu_locals yet. */
static long register_info(struct vcpu_local *local, struct vcpu_info *to)
{
    struct vcpu_register_vcpu_info op = {
        .mfn = virt_to_mfn(to),
        .offset = (uint32_t)((unsigned long)to & ~PAGE_MASK),
    };
    bool enabled = events_disable(); /* until the new place is known: it has the mask now */
    long result = HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, local->id, &op);

    if (result == 0)
        local->info = to;
    events_restore(enabled);
    return result;
}

long vcpu_info_move(unsigned vcpu, struct vcpu_info *to)
{
    struct vcpu_local *local = vcpu < MAX_VCPUS ? vcpu_locals[vcpu] : NULL;

    return local ? register_info(local, to) : -XEN_ENOENT;
}

/* ---- Starting ------------------------------------------------------------------------------ */

/* The private data of a vCPU, made when it is first needed. */
static struct vcpu_local *local_of(unsigned vcpu)
{
    struct vcpu_local *local = vcpu_locals[vcpu];
    void *stack;

    if (local)
        return local;
    local = calloc(1, sizeof(*local));
    stack = pages_alloc(STACK_ORDER);
    if (!local || !stack)
        fatal("no memory for vCPU %u", vcpu);
    vcpu_local_init(local, vcpu, stack);
    if (vcpu >= XEN_LEGACY_MAX_VCPUS) {
        long result = register_info(local, &further_infos[vcpu - XEN_LEGACY_MAX_VCPUS]);

        if (result != 0)
            fatal("vCPU %u has no place for its vcpu_info: %s", vcpu, xen_error(result));
    }
    /* It starts with events disabled. */
    __atomic_store_n(&local->info->evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vcpu_locals[vcpu], local, __ATOMIC_RELEASE);
    return local;
}

void vcpu_context_make(struct vcpu_guest_context *context, unsigned vcpu,
                       void (*function)(void *data), void *data)
{
    struct vcpu_local *local = local_of(vcpu);
    unsigned long stack_end = (unsigned long)local->stack + STACK_SIZE;

    memset(context, 0, sizeof(*context));
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = (unsigned long)secondary_entry;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.rflags = RFLAGS_AT_ENTRY;
    context->user_regs.rsp = stack_end;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->user_regs.rdi = (unsigned long)function;
    context->user_regs.rsi = (unsigned long)data;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = stack_end;
    context->ctrlreg[3] = xen_pfn_to_cr3(tables_root());
    context->gs_base_kernel = (unsigned long)local;
    trap_context_make(context);
}

static long initialise(unsigned vcpu)
{
    static struct vcpu_guest_context context; /* start_lock is held */
    long result;

    vcpu_context_make(&context, vcpu, starts[vcpu].function, starts[vcpu].data);
    result = HYPERVISOR_vcpu_op(VCPUOP_initialise, vcpu, &context);
    if (result == 0 || result == -XEN_EEXIST)
        starts[vcpu].initialised = true;
    return result == -XEN_EEXIST ? 0 : result;
}

long vcpu_start(unsigned vcpu, void (*function)(void *data), void *data)
{
    long result = 0;

    if (vcpu >= vcpu_count)
        return -XEN_ENOENT;
    spin_lock(&start_lock);
    if (vcpu_is_running(vcpu)) {
        result = -XEN_EBUSY;
    } else {
        starts[vcpu].function = function;
        starts[vcpu].data = data;
        if (!starts[vcpu].initialised)
            result = initialise(vcpu);
        if (result == 0)
            result = HYPERVISOR_vcpu_op(VCPUOP_up, vcpu, NULL);
    }
    spin_unlock(&start_lock);
    return result;
}

/* Down with events disabled: what is sent to the vCPU meanwhile waits until it is up again. */
void secondary_main(void (*function)(void *data), void *data)
{
    const struct start *start = &starts[this_vcpu()];

    trap_init_vcpu();
    for (;;) {
        clock_init_vcpu();
        events_enable();
        function(data);
        (void)events_disable();
        (void)HYPERVISOR_vcpu_op(VCPUOP_down, this_vcpu(), NULL);
        function = __atomic_load_n(&start->function, __ATOMIC_ACQUIRE);
        data = start->data;
    }
}

/* ---- Waiting ------------------------------------------------------------------------------- */

void vcpu_join(unsigned vcpu)
{
    while (vcpu_is_running(vcpu))
        vcpu_give_way();
}

void vcpus_run(void (*function)(void *data), void *data)
{
    for (unsigned i = 0; i < vcpu_count; i++) {
        long result = i == this_vcpu() ? 0 : vcpu_start(i, function, data);

        if (result != 0)
            fatal("vCPU %u does not start: %s", i, xen_error(result));
    }
    function(data);
    for (unsigned i = 0; i < vcpu_count; i++) {
        if (i != this_vcpu())
            vcpu_join(i);
    }
}
