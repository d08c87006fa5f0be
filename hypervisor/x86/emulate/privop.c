/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Privileged instructions of guests, and the forced-emulation CPUID.
 *
 * The guest kernel runs in ring 3 and is told so by the ABI; what stock kernels execute
 * nevertheless is carried out here as if it ran in ring 0, for the guest's own state only. User
 * mode gets what a real CPU would give it: ports by IOPL, the time stamp counter by CR4.TSD.
 */
#include "core/domain.h"
#include "core/guest.h"
#include "core/lib.h"
#include "core/sched.h"
#include "x86/cpuid.h"
#include "x86/debugreg.h"
#include "x86/emulate/control.h"
#include "x86/emulate/emulate.h"
#include "x86/emulate/ports.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/tlb.h"
#include "x86/traps.h"
#include "x86/x86.h"

enum outcome {
    DONE,
    AGAIN,   /* RIP stays; the instruction is tried again after pending work */
    REFUSED, /* the guest gets its #GP */
    TRAPPED, /* another trap has been injected */
};

static void set_edx_eax(struct cpu_user_regs *regs, uint64_t val)
{
    regs->rax = (uint32_t)val;
    regs->rdx = val >> 32;
}

static uint64_t edx_eax(const struct cpu_user_regs *regs)
{
    return (uint32_t)regs->rax | (regs->rdx << 32);
}

static void execute_cpuid(struct vcpu *v, struct cpu_user_regs *regs, bool forced)
{
    struct cpuid_regs r;

    if (forced)
        guest_cpuid_forced(v, (uint32_t)regs->rax, (uint32_t)regs->rcx, &r);
    else
        guest_cpuid(v, (uint32_t)regs->rax, (uint32_t)regs->rcx, &r);
    regs->rax = r.a;
    regs->rbx = r.b;
    regs->rcx = r.c;
    regs->rdx = r.d;
}

/* ---- Machine registers ---------------------------------------------------------------------- */

static enum outcome from_control(enum control_result r)
{
    return r == CONTROL_DONE ? DONE : r == CONTROL_AGAIN ? AGAIN : REFUSED;
}

/*
 * Kernels read some registers before they have a #GP handler: they then get 0 instead of a crash
 * (xen/arch-x86/xen.h, set_trap_table).
 */
static enum outcome execute_rdmsr(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t val = 0;

    if (!guest_rdmsr(v, (uint32_t)regs->rcx, &val) && v->arch.trap.address[X86_TRAP_GP] != 0)
        return REFUSED;
    set_edx_eax(regs, val);
    return DONE;
}

static enum outcome execute_mov_cr(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    uint64_t *reg = insn_register(regs, i->rm), val;

    if (i->opcode == (OP_0F | 0x22))
        return from_control(control_write(v, i->reg, *reg));
    if (!control_read(v, i->reg, &val))
        return REFUSED;
    *reg = val;
    return DONE;
}

static enum outcome execute_mov_dr(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    uint64_t *reg = insn_register(regs, i->rm), val;

    if (i->opcode == (OP_0F | 0x23))
        return debugreg_set(v, i->reg, *reg) == 0 ? DONE : REFUSED;
    if (debugreg_get(v, i->reg, &val) != 0)
        return REFUSED;
    *reg = val;
    return DONE;
}

/* Caches matter only to a domain that drives devices. */
static enum outcome execute_wbinvd(const struct vcpu *v)
{
    if (v->domain->arch.ports != NULL || v->domain->arch.all_iomem)
        __asm__ volatile("wbinvd" ::: "memory");
    return DONE;
}

/* LMSW writes CR0's low four bits, and cannot clear PE (Intel SDM 2A, LMSW). */
static enum outcome execute_lmsw(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    uint16_t word = 0;
    uint64_t cr0;

    if (i->is_memory) {
        uint64_t va = segment_base(i->segment) + insn_offset(regs, i);
        size_t missing = guest_copy_in(&word, VADDR(va), sizeof(word));
        if (missing != 0) {
            inject_data_fault(va, sizeof(word) - missing, false);
            return TRAPPED;
        }
    } else {
        word = (uint16_t)*insn_register(regs, i->rm);
    }
    if (!control_read(v, 0, &cr0))
        return REFUSED;
    return from_control(control_write(v, 0, (cr0 & ~0xeul) | (word & 0xf)));
}

/* Only the vCPU's own translations: of an address in the hypervisor's range there are none. */
static enum outcome execute_invlpg(struct cpu_user_regs *regs, const struct insn *i)
{
    uint64_t va = segment_base(i->segment) + insn_offset(regs, i);

    if (is_canonical(va) && guest_range_ok(VADDR(va), 1))
        tlb_flush_page_local(va);
    return DONE;
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

#define MODRM_XSETBV 0xd1u
#define MODRM_RDTSCP 0xf9u

static enum outcome execute_rdtsc(const struct vcpu *v, struct cpu_user_regs *regs, bool aux)
{
    if (!v->arch.in_kernel && (v->arch.cr4 & X86_CR4_TSD))
        return REFUSED;
    set_edx_eax(regs, rdtsc());
    if (aux)
        regs->rcx = v->arch.tsc_aux;
    return DONE;
}

/* Opcode 0f 01, in kernel mode. */
static enum outcome execute_group7(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    if (i->modrm == MODRM_XSETBV)
        return fpu_set_xcr0(v, (uint32_t)regs->rcx, edx_eax(regs)) ? DONE : REFUSED;
    if (insn_extension(i) == 6)
        return execute_lmsw(v, regs, i);
    if (insn_extension(i) == 7 && i->is_memory)
        return execute_invlpg(regs, i);
    return REFUSED;
}

static enum outcome execute_kernel(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    switch (i->opcode) {
    case 0xf4: /* HLT: as SCHEDOP_block, which lets events in */
        v->info->evtchn_upcall_mask = 0;
        vcpu_block();
        return DONE;
    case OP_0F | 0x01:
        return execute_group7(v, regs, i);
    case OP_0F | 0x06: /* CLTS */
        fpu_set_ts(v, false);
        return DONE;
    case OP_0F | 0x08: /* INVD would lose others' data: WBINVD instead */
    case OP_0F | 0x09:
        return execute_wbinvd(v);
    case OP_0F | 0x20:
    case OP_0F | 0x22:
        return execute_mov_cr(v, regs, i);
    case OP_0F | 0x21:
    case OP_0F | 0x23:
        return execute_mov_dr(v, regs, i);
    case OP_0F | 0x30:
        return guest_wrmsr(v, (uint32_t)regs->rcx, edx_eax(regs)) ? DONE : REFUSED;
    case OP_0F | 0x32:
        return execute_rdmsr(v, regs);
    default:
        return REFUSED;
    }
}

static enum outcome execute(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    switch (emulate_io(v, regs, i)) {
    case IO_DONE:
        return DONE;
    case IO_AGAIN:
        return AGAIN;
    case IO_FAULTED:
        return TRAPPED;
    case IO_REFUSED:
        break;
    }
    if (i->prefixes & PREFIX_LOCK)
        return REFUSED;
    switch (i->opcode) {
    case 0xfa: /* CLI, STI: what they would mask is masked by the ABI's own means only */
    case 0xfb:
        return ports_iopl_ok(v, v->arch.in_kernel) ? DONE : REFUSED;
    case OP_0F | 0x31:
        return execute_rdtsc(v, regs, false);
    case OP_0F | 0xa2:
        execute_cpuid(v, regs, false);
        return DONE;
    case OP_0F | 0x01:
        if (i->modrm == MODRM_RDTSCP)
            return execute_rdtsc(v, regs, true);
        break;
    default:
        break;
    }
    return v->arch.in_kernel ? execute_kernel(v, regs, i) : REFUSED;
}

bool emulate_privileged(struct cpu_user_regs *regs)
{
    struct insn i;

    switch (fetch_insn(regs, &i)) {
    case FETCH_FAULTED:
        return true;
    case FETCH_REFUSED:
        return false;
    case FETCH_OK:
        break;
    }
    switch (execute(current_vcpu(), regs, &i)) {
    case DONE:
        retire_insn(regs, i.length);
        return true;
    case AGAIN:
    case TRAPPED:
        return true;
    default:
        return false;
    }
}

/* ud2; .ascii "xen"; cpuid: XEN_CPUID of xen/arch-x86/xen.h. */
bool emulate_forced_cpuid(struct cpu_user_regs *regs)
{
    static const uint8_t sequence[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};
    uint8_t bytes[sizeof(sequence)];

    size_t missing = guest_copy_in(bytes, VADDR(regs->rip), sizeof(bytes));
    size_t have = sizeof(bytes) - missing;
    if (have < 2 || memcmp(bytes, sequence, have) != 0)
        return false;
    if (missing != 0) {
        pv_inject_page_fault(PF_FETCH | (current_vcpu()->arch.in_kernel ? 0 : PF_USER),
                             regs->rip + have);
        return true;
    }
    execute_cpuid(current_vcpu(), regs, true);
    retire_insn(regs, sizeof(sequence));
    return true;
}
