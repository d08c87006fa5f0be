/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls that set up the virtual CPU: trap table, callbacks, kernel stack, segment bases; and
 * the entry from assembly to the dispatcher.
 */
#include <arch/cpu.h>
#include <arch/memory.h>

#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "x86/bounce.h"
#include "x86/extable.h"
#include "x86/pv_calls.h"
#include "x86/traps.h"
#include "x86/x86.h"

/* ---- From entry_syscall.S and back --------------------------------------------------------- */

static_assert(XENVER_version == 0 && HC_REWOUND == INT64_MIN, "entry*.S test for them");

void arch_hypercall_rewind(unsigned nr, unsigned nargs, const uint64_t *args)
{
    struct cpu_user_regs *regs = guest_regs();
    uint64_t *const at[] = {&regs->rdi, &regs->rsi, &regs->rdx, &regs->r10, &regs->r8, &regs->r9};
    regs->rip -= SYSCALL_LENGTH;
    regs->rax = nr;
    for (unsigned i = 0; i < nargs; i++)
        *at[i] = args[i];
}

/* The stub that each entry of a hypercall page is (xen/arch-x86/xen-x86_64.h): 32 bytes. */
void hypercall_page_fill(uint8_t *page)
{
    /* clang-format off */
    static const uint8_t plain[] = {0x51, 0x41, 0x53,                   /* push rcx; push r11 */
                                    0xb8, 0,    0,    0, 0, 0x0f, 0x05, /* mov $nr, %eax; syscall */
                                    0x41, 0x5b, 0x59, 0xc3};            /* pop r11; pop rcx; ret */
    static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50,              /* push rcx, r11, rax */
                                   0xb8, __HYPERVISOR_iret, 0, 0, 0, 0x0f, 0x05};
    /* clang-format on */
    memset(page, 0xcc, PAGE_SIZE);
    for (unsigned nr = 0; nr < PAGE_SIZE / 32; nr++) {
        uint8_t *stub = page + nr * 32;
        if (nr == __HYPERVISOR_iret) {
            memcpy(stub, iret, sizeof(iret));
            continue;
        }
        memcpy(stub, plain, sizeof(plain));
        stub[4] = (uint8_t)nr;
    }
}

int pv_hypercall_page_write(struct vcpu *v, uint64_t mfn)
{
    int rc = frame_get_both(MFN(mfn), v->domain, FT_WRITABLE);
    if (rc)
        return rc;
    hypercall_page_fill(mfn_to_virt(MFN(mfn)));
    frame_put_both(MFN(mfn));
    return 0;
}

/* ---- Trap table and callbacks ------------------------------------------------------------- */

/* A code address the guest may be sent to: canonical and not the hypervisor's. */
static bool entry_point_ok(uint64_t va)
{
    return guest_range_ok(VADDR(va), 1);
}

static uint16_t code_selector(uint16_t sel)
{
    return (uint16_t)(sel | 3);
}

long hc_set_trap_table(struct vcpu *v, struct hypercall_args *a)
{
    vaddr_t list = VADDR(a->arg[0]);
    if (list.v == 0) {
        memset(&v->arch.trap, 0, sizeof(v->arch.trap));
        return 0;
    }
    /* One entry a vector at most, and the sentinel. */
    for (unsigned i = 0; i <= ARRAY_SIZE(v->arch.trap.address); i++) {
        struct trap_info ti;
        if (guest_read(&ti, VADDR(list.v + i * sizeof(ti))))
            return -XEN_EFAULT;
        if (ti.address == 0)
            return 0;
        if (!entry_point_ok(ti.address))
            return -XEN_EINVAL;
        ti.cs = code_selector(ti.cs);
        trap_gate_set(v, ti);
    }
    return -XEN_E2BIG;
}

static struct callback *callback_slot(struct vcpu *v, uint16_t type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &v->arch.event_callback;
    case CALLBACKTYPE_failsafe:
        return &v->arch.failsafe_callback;
    case CALLBACKTYPE_syscall:
        return &v->arch.syscall_callback;
    case CALLBACKTYPE_syscall32:
        return &v->arch.syscall32_callback;
    case CALLBACKTYPE_sysenter:
        return &v->arch.sysenter_callback;
    default:
        return NULL;
    }
}

/* Where NMIs go is the gate of their vector: a trap table or a first context may set it, too. */
static long nmi_callback_set(struct vcpu *v, uint64_t address)
{
    if (!entry_point_ok(address))
        return -XEN_EINVAL;
    trap_gate_set(
        v, (struct trap_info){
               .vector = X86_TRAP_NMI, .flags = 4, .cs = FLAT_KERNEL_CS, .address = address});
    return 0;
}

static long nmi_callback_clear(struct vcpu *v)
{
    trap_gate_set(v, (struct trap_info){.vector = X86_TRAP_NMI});
    return 0;
}

static long callback_set(struct vcpu *v, uint16_t type, uint64_t address, bool masks)
{
    struct callback *cb = callback_slot(v, type);
    if (type == CALLBACKTYPE_nmi)
        return nmi_callback_set(v, address);
    if (cb == NULL)
        return -XEN_ENOSYS;
    if (!entry_point_ok(address))
        return -XEN_EINVAL;
    *cb = (struct callback){.address = address, .disables_events = masks};
    bounce_update_fast_entry(v);
    return 0;
}

long callback_register(struct vcpu *v, struct callback_register *arg)
{
    bool masks = (arg->flags & CALLBACKF_mask_events) || arg->type == CALLBACKTYPE_event;
    return callback_set(v, arg->type, arg->address, masks);
}

long callback_unregister(struct vcpu *v, struct callback_unregister *arg)
{
    /* What programs and events can cause must have somewhere to go; NMIs can be done without. */
    if (arg->type == CALLBACKTYPE_nmi)
        return nmi_callback_clear(v);
    return callback_slot(v, arg->type) == NULL ? -XEN_ENOSYS : -XEN_EINVAL;
}

long hc_set_callbacks(struct vcpu *v, struct hypercall_args *a)
{
    for (unsigned i = 0; i < 3; i++)
        if (!entry_point_ok(a->arg[i]))
            return -XEN_EINVAL;
    v->arch.event_callback = (struct callback){a->arg[0], true};
    v->arch.failsafe_callback = (struct callback){a->arg[1], false};
    v->arch.syscall_callback = (struct callback){a->arg[2], false};
    bounce_update_fast_entry(v);
    return 0;
}

long nmi_register_callback(struct vcpu *v, struct xennmi_callback *arg)
{
    return v->id == 0 ? nmi_callback_set(v, arg->handler_address) : -XEN_EINVAL;
}

long nmi_unregister_callback(struct vcpu *v, void *arg)
{
    (void)arg;
    return nmi_callback_clear(v);
}

/* ---- Stack and segments ------------------------------------------------------------------- */

int pv_set_kernel_stack(struct vcpu *v, uint64_t ss, uint64_t sp)
{
    v->arch.kernel_ss = (uint16_t)(ss | 3);
    v->arch.kernel_sp = sp;
    bounce_update_stack(v);
    return 0;
}

long hc_stack_switch(struct vcpu *v, struct hypercall_args *a)
{
    return pv_set_kernel_stack(v, a->arg[0], a->arg[1]);
}

/* The selector of user mode's GS: loading it sets the base that user mode will have, too. */
static void load_user_gs(uint16_t sel)
{
    uint32_t value = sel;
    unsigned long flags = irq_save();
    __asm__ volatile("swapgs\n"
                     "1: mov %k0, %%gs\n"
                     "2: mfence\n"
                     "swapgs\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "3: xor %k0, %k0\n"
                     "   jmp 1b\n"
                     ".popsection\n" EXTABLE_ASM("1b", "2b", "3b")
                     : "+r"(value)::"memory");
    irq_restore(flags);
}

long hc_set_segment_base(struct vcpu *v, struct hypercall_args *a)
{
    uint64_t base = a->arg[1];
    (void)v;
    if ((uint32_t)a->arg[0] != SEGBASE_GS_USER_SEL && !is_canonical(base))
        return -XEN_EINVAL;
    /* The caller is in kernel mode: the other GS base is user mode's. */
    switch ((uint32_t)a->arg[0]) {
    case SEGBASE_FS:
        wrmsr(MSR_FS_BASE, base);
        return 0;
    case SEGBASE_GS_USER:
        wrmsr(MSR_SHADOW_GS_BASE, base);
        return 0;
    case SEGBASE_GS_KERNEL:
        wrmsr(MSR_GS_BASE, base);
        return 0;
    case SEGBASE_GS_USER_SEL:
        load_user_gs((uint16_t)base);
        return 0;
    default:
        return -XEN_EINVAL;
    }
}
