/* SPDX-License-Identifier: BSD-2-Clause */
/* The x86 part of domains and vCPUs. */
#ifndef ARCH_DOMAIN_H
#define ARCH_DOMAIN_H

#include "core/abi.h"
#include "core/cpumask.h"
#include "core/frame.h"
#include "x86/emulate/plain.h"

struct pirq_map;
struct io_bitmap;
struct fpu_area;
struct spare_slots;

struct callback {
    uint64_t address; /* 0: none */
    bool disables_events;
};

/*
 * What a vCPU's kernel said of each vector (struct trap_info; trap_gate() and trap_gate_set() in
 * x86/traps.h). In three arrays, as the structure's padding would take a quarter of a vCPU's
 * memory.
 */
struct trap_table {
    uint64_t address[256]; /* 0: none */
    uint16_t cs[256];
    uint8_t flags[256];
};

struct arch_vcpu {
    struct cpu_user_regs regs; /* while not on a CPU */
    bool in_kernel;            /* guest mode: kernel (true) or user */
    bool fast_entry;           /* entry.S may enter the kernel, and leave it, without C */
    bool fast_entry_wanted;    /* it may, if the kernel stack is guest memory */
    bool exit_work;            /* exit_to_guest_work() has something to do before the guest runs */
    bool nmi_blocked;          /* in an NMI's handler, until its iret */
    uint8_t iopl;              /* virtual IOPL, as PHYSDEVOP_set_iopl or iret set it */

    mfn_t kernel_table, user_table; /* L4 in use; each with its references; INVALID_MFN: none */
    uint64_t cr3_kernel, cr3_user;  /* as a change of mode loads them (tlb_mode_cr3) */

    uint64_t kernel_sp;
    uint16_t kernel_ss;
    /* Where entry.S puts the frame of a system call: below kernel_sp, aligned. */
    uint64_t entry_frame;
    uint32_t iomap_base_kernel, iomap_base_user; /* for the TSS, by guest mode */
    int32_t loaded_on;       /* the CPU that has its state in registers; -1: none */
    uint16_t ds, es, fs, gs; /* while not on a CPU */
    bool failsafe_due;       /* a selector could not be loaded: the failsafe callback is owed */
    struct trap_table trap;
    struct callback event_callback, failsafe_callback, syscall_callback, syscall32_callback,
        sysenter_callback;

    uint64_t cr0, cr2, cr4; /* as the guest believes them; cr2 is in vcpu_info too */
    uint64_t debugreg[8];
    uint64_t fs_base, gs_base_kernel, gs_base_user; /* while not on a CPU */

    mfn_t gdt_frame[14]; /* each with a FT_SEGDESC reference, INVALID_MFN beyond */
    unsigned gdt_entries;
    mfn_t ldt_frame[16]; /* mapped so far, each with a FT_SEGDESC reference; INVALID_MFN: not */
    uint64_t ldt_base;
    unsigned ldt_entries;

    struct fpu_area *fpu;
    bool fpu_dirty; /* registers on CPU v->cpu are newer than fpu */
    uint64_t xcr0, xcr0_accum;

    vaddr_t iobmp; /* PHYSDEVOP_set_iobitmap: the guest's own bitmap for user mode */
    unsigned iobmp_limit;
    uint32_t pci_cf8; /* the guest's 0xcf8 latch */
    uint32_t tsc_aux;

    uint64_t time_area_tsc; /* the TSC base in the guest's vcpu_time_info, if that is not stale */

    struct plain_store plain_store; /* the last one of its kernel */

    struct torn_tables torn; /* page tables being taken down piecemeal */
    /* L4 tables in use not long ago, + 1, each with its references (x86/mm/spare.c); 0: none */
#define SPARE_ROOTS 4u
    uint64_t spare_root[SPARE_ROOTS];
    uint8_t spare_kernel, spare_user; /* the places where they were found the last time */
    unsigned spare_turn;              /* whose place is given to the next, when there is none */
};

struct arch_domain {
    cpumask_t dirty_cpus; /* CPUs that a vCPU of it runs on or was last loaded on */
    struct pirq_map *pirqs;
    struct io_bitmap *ports;         /* I/O ports it may use directly; NULL: none */
    struct spare_slots *spare_slots; /* references kept (x86/mm/spare.c); NULL: none ever */
    bool all_iomem;                  /* may map any device memory that is not the hypervisor's */
    unsigned tsc_khz;
};

#endif
