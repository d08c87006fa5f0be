/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor tables: each CPU's reserved GDT page and TSS, and the IDT that all CPUs share.
 */
#ifndef X86_DESC_H
#define X86_DESC_H

#include "core/percpu.h"

/* Stacks of the interrupt-stack table: 1-based numbers as in a gate. */
#define IST_NONE 0u
#define IST_NMI  1u
#define IST_DF   2u
#define IST_MC   3u
#define IST_DB   4u

#define IO_BITMAP_BYTES 8192u

/* 64-bit task-state segment (Intel SDM 3A 7.7) with an I/O permission bitmap behind it. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* ist[IST_x - 1] */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t iomap_base; /* TSS_IOMAP_NONE or TSS_IOMAP_BASE */
    uint8_t io_bitmap[IO_BITMAP_BYTES];
    uint8_t io_bitmap_end; /* all ones (Intel SDM 1, 19.5.2) */
} __attribute__((packed));

#define TSS_IOMAP_BASE ((uint16_t)offsetof(struct tss, io_bitmap))
/* Beyond the limit: ring 3 may use no port. */
#define TSS_IOMAP_NONE ((uint16_t)sizeof(struct tss))

DECLARE_PER_CPU(struct tss, tss);
/* The page-table entries of this CPU's window, DESC_WINDOW_PAGES of them: windows are aligned. */
DECLARE_PER_CPU(uint64_t *, desc_window);

/*
 * This CPU, once: make and load its GDT page, TSS and IDT register. The 14 pages below the reserved
 * one are left unmapped, for the guest's. Takes the stack that it runs on for the CPU's own.
 */
void desc_init_cpu(unsigned cpu);
/* Load the LDT register: the table in this CPU's window, or none when entries is 0. */
void desc_load_ldt(unsigned entries);
/* All gates are interrupt gates. Before other CPUs run. */
void idt_set_gate(unsigned vector, void (*entry)(void), unsigned ist, unsigned dpl);

#endif
