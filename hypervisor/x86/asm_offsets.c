/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Offsets and sizes for assembly. Compiled to text only: each line "->NAME value" becomes a
 * definition in asm_offsets.h.
 */
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/version.h"
#include "x86/desc.h"
#include "x86/traps.h"
#include "x86/x86.h"

#define DEFINE(name, value) __asm__ volatile("\n->" #name " %0" ::"i"(value))
#define REG(name, field)    DEFINE(REGS_##name, offsetof(struct cpu_user_regs, field))

void asm_offsets(void);

void asm_offsets(void)
{
    REG(r15, r15);
    REG(rax, rax);
    REG(rcx, rcx);
    REG(r11, r11);
    REG(error_code, error_code);
    REG(entry_vector, entry_vector);
    REG(rip, rip);
    REG(cs, cs);
    REG(rflags, rflags);
    REG(rsp, rsp);
    REG(ss, ss);
    REG(es, es);

    DEFINE(CPUINFO_current, offsetof(struct cpu_info, current));
    DEFINE(CPUINFO_percpu_offset, offsetof(struct cpu_info, percpu_offset));
    DEFINE(CPUINFO_iomap_base, offsetof(struct cpu_info, iomap_base));
    DEFINE(CPUINFO_mode_switches, offsetof(struct cpu_info, mode_switches));
    DEFINE(CPUINFO_sizeof, sizeof(struct cpu_info));

    DEFINE(VCPU_info, offsetof(struct vcpu, info));
    DEFINE(VCPU_in_kernel, offsetof(struct vcpu, arch.in_kernel));
    DEFINE(VCPU_fast_entry, offsetof(struct vcpu, arch.fast_entry));
    DEFINE(VCPU_exit_work, offsetof(struct vcpu, arch.exit_work));
    DEFINE(VCPU_cr3_kernel, offsetof(struct vcpu, arch.cr3_kernel));
    DEFINE(VCPU_cr3_user, offsetof(struct vcpu, arch.cr3_user));
    DEFINE(VCPU_cr2, offsetof(struct vcpu, arch.cr2));
    DEFINE(VCPU_INFO_cr2, offsetof(struct vcpu_info, arch.cr2));
    DEFINE(VCPU_page_fault_address, offsetof(struct vcpu, arch.trap.address[X86_TRAP_PF]));
    DEFINE(VCPU_page_fault_flags, offsetof(struct vcpu, arch.trap.flags[X86_TRAP_PF]));
    DEFINE(VCPU_entry_frame, offsetof(struct vcpu, arch.entry_frame));
    DEFINE(VCPU_syscall_address, offsetof(struct vcpu, arch.syscall_callback.address));
    DEFINE(VCPU_iomap_kernel, offsetof(struct vcpu, arch.iomap_base_kernel));
    DEFINE(VCPU_iomap_user, offsetof(struct vcpu, arch.iomap_base_user));

    DEFINE(ABI_VERSION, ABI_VERSION);
    DEFINE(HC_AGAIN, HC_AGAIN);
    DEFINE(HYPERCALL_ARGS_sizeof, sizeof(struct hypercall_args));
    DEFINE(MSR_SHADOW_GS_BASE, MSR_SHADOW_GS_BASE);

    DEFINE(RFLAGS_IF, X86_RFLAGS_IF);
    DEFINE(RFLAGS_FIXED, X86_RFLAGS_FIXED);
    DEFINE(RFLAGS_TF, X86_RFLAGS_TF);
    DEFINE(RFLAGS_RF, X86_RFLAGS_RF);
    DEFINE(IRET_RFLAGS, IRET_RFLAGS);
    DEFINE(FLAT_CS64, FLAT_RING3_CS64);
    DEFINE(FLAT_CS32, FLAT_RING3_CS32);
    DEFINE(FLAT_SS, FLAT_RING3_SS64);
    DEFINE(PF_USER, PF_USER);
    DEFINE(TRAP_GATE_MASKS, TRAP_GATE_MASKS);
    DEFINE(HYPERCALL_iret, __HYPERVISOR_iret);
    DEFINE(HYPERCALL_xen_version, __HYPERVISOR_xen_version);
    DEFINE(VGCF_in_syscall, VGCF_in_syscall);

    DEFINE(IRET_rax, offsetof(struct iret_context, rax));
    DEFINE(IRET_r11, offsetof(struct iret_context, r11));
    DEFINE(IRET_rcx, offsetof(struct iret_context, rcx));
    DEFINE(IRET_flags, offsetof(struct iret_context, flags));
    DEFINE(IRET_rip, offsetof(struct iret_context, rip));
    DEFINE(IRET_cs, offsetof(struct iret_context, cs));
    DEFINE(IRET_rflags, offsetof(struct iret_context, rflags));
    DEFINE(IRET_rsp, offsetof(struct iret_context, rsp));
    DEFINE(IRET_ss, offsetof(struct iret_context, ss));
}
