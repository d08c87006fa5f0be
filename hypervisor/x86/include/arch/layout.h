/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's virtual address space: L4 slots 256-271, the same in every page table. All else
 * is the guest's. Bounds from xen/arch-x86/xen-x86_64.h (HYPERVISOR_VIRT_START, _END, MACH2PHYS_*).
 *
 *   slot 256       machine-to-phys table (M2P), readable by guests in ring 3
 *   slot 260       per-CPU windows: guest GDT and LDT of the vCPU that runs there
 *   slot 261       frame table; fixed maps; the hypervisor's image
 *   slots 262-271  direct map of all RAM (5 TiB)
 *
 * Included by assembly.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#ifdef __ASSEMBLER__
#define LAYOUT_CONST(x) x
#else
#define LAYOUT_CONST(x) x##ul
#endif

#define HV_SLOT_FIRST 256
#define HV_SLOT_LAST  271
#define HV_VIRT_START LAYOUT_CONST(0xffff800000000000)
#define HV_VIRT_END   LAYOUT_CONST(0xffff880000000000)

#define M2P_VIRT_START LAYOUT_CONST(0xffff800000000000)
#define M2P_VIRT_END   LAYOUT_CONST(0xffff804000000000)

/* A window of 32 pages a CPU: 16 of GDT, 16 of LDT. */
#define DESC_WINDOW_START LAYOUT_CONST(0xffff820000000000)
#define DESC_WINDOW_PAGES 32
#define DESC_WINDOW_SIZE  LAYOUT_CONST(0x20000)
#define DESC_LDT_OFFSET   LAYOUT_CONST(0x10000)

#define FRAME_TABLE_START LAYOUT_CONST(0xffff828000000000)
#define FRAME_TABLE_END   LAYOUT_CONST(0xffff82c000000000)
/* Device memory and others' frames, mapped page by page by map_device() and kin. */
#define VMAP_START        LAYOUT_CONST(0xffff82c000000000)
#define VMAP_END          LAYOUT_CONST(0xffff82d000000000)
/* Linked here, position-independent in C (-fpie): the top 2 GiB belong to the guest's kernel. */
#define IMAGE_VIRT_START  LAYOUT_CONST(0xffff82d080000000)
#define IMAGE_VIRT_END    LAYOUT_CONST(0xffff82d0c0000000)
#define DIRECTMAP_START   LAYOUT_CONST(0xffff830000000000)
#define DIRECTMAP_END     LAYOUT_CONST(0xffff880000000000)

/* A CPU's stack: aligned to its size, struct cpu_info at its top. */
#define STACK_ORDER 3
#define STACK_SIZE  LAYOUT_CONST(0x8000)

#endif
