/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor tables. Owns each CPU's reserved GDT page and TSS, and the IDT.
 *
 * Invariant: the reserved page (page 14 of the CPU's window) is hypervisor memory that no guest
 * ever maps, and is present whether or not a guest's GDT pages lie below it.
 */
#include "x86/desc.h"

#include "core/abi.h"
#include "core/heap.h"
#include "core/lib.h"
#include "x86/paging.h"
#include "x86/x86.h"

/* Descriptors (Intel SDM 3A 3.4.5), present, with the accessed bit set beforehand. */
#define DESC_CODE64_RING0 0x00af9b000000ffffull
#define DESC_DATA_RING0   0x00cf93000000ffffull
#define DESC_CODE32_RING0 0x00cf9b000000ffffull
#define DESC_CODE64_RING3 0x00affb000000ffffull
#define DESC_CODE32_RING3 0x00cffb000000ffffull
#define DESC_DATA_RING3   0x00cff3000000ffffull
#define DESC_TYPE_LDT     0x2ull
#define DESC_TYPE_TSS     0x9ull
#define DESC_PRESENT      (1ull << 47)

#define WINDOW_BITS (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX)

DEFINE_PER_CPU(struct tss, tss) __attribute__((aligned(128)));
/* The reserved page in the direct map. */
static DEFINE_PER_CPU(uint64_t *, gdt_page);
DEFINE_PER_CPU(uint64_t *, desc_window);

static_assert(offsetof(struct tss, io_bitmap) == 104, "the architecture's layout");
static_assert(FLAT_RING3_CS64 == FLAT_RING3_CS32 + 16, "SYSRET: 64-bit code is 16 above 32-bit");
static_assert(FLAT_RING3_SS64 == FLAT_RING3_CS32 + 8, "SYSRET: SS is 8 above 32-bit code");
static_assert(HV_SS == HV_CS + 8, "SYSCALL: SS is 8 above CS");

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
#define GATE_INTERRUPT 0x8eu /* present, interrupt gate */
#define IDT_GATES      256u

static struct idt_gate idt[IDT_GATES] __attribute__((aligned(4096)));

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static uint64_t *slot(uint64_t *page, unsigned selector)
{
    return &page[(selector - FIRST_RESERVED_GDT_BYTE) / 8];
}

/* A descriptor of 16 bytes (Intel SDM 3A 7.2.3). */
static void set_system_desc(uint64_t *desc, uint64_t type, uint64_t base, uint64_t limit)
{
    desc[1] = base >> 32;
    desc[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | type << 40 | DESC_PRESENT |
              (limit & 0xf0000) << 32 | (base & 0xff000000) << 32;
}

static void tss_init(struct tss *t)
{
    uint64_t block = (uintptr_t)cpu_info() & ~(STACK_SIZE - 1);
    t->rsp[0] = (uintptr_t)&cpu_info()->guest_regs.es;
    t->ist[IST_NMI - 1] = block + (STACK_PAGE_NMI + 1) * PAGE_SIZE;
    t->ist[IST_DF - 1] = block + (STACK_PAGE_DF + 1) * PAGE_SIZE;
    t->ist[IST_MC - 1] = block + (STACK_PAGE_MC + 1) * PAGE_SIZE;
    t->ist[IST_DB - 1] = block + (STACK_PAGE_DB + 1) * PAGE_SIZE;
    t->iomap_base = TSS_IOMAP_NONE;
    cpu_info()->iomap_base = (uint16_t *)((char *)t + offsetof(struct tss, iomap_base));
    memset(t->io_bitmap, 0xff, sizeof(t->io_bitmap));
    t->io_bitmap_end = 0xff;
}

static void gdt_fill(uint64_t *page, const struct tss *t)
{
    *slot(page, HV_CS) = DESC_CODE64_RING0;
    *slot(page, HV_SS) = DESC_DATA_RING0;
    *slot(page, HV_CS32) = DESC_CODE32_RING0;
    *slot(page, FLAT_RING3_CS32) = DESC_CODE32_RING3;
    *slot(page, FLAT_RING3_DS32) = DESC_DATA_RING3;
    *slot(page, FLAT_RING3_CS64) = DESC_CODE64_RING3;
    set_system_desc(slot(page, HV_TSS), DESC_TYPE_TSS, (uintptr_t)t, sizeof(*t) - 1);
}

static void gdt_load(uint64_t window)
{
    struct table_register gdtr = {(FIRST_RESERVED_GDT_PAGE + 1) * PAGE_SIZE - 1, window};
    __asm__ volatile("lgdt %0" ::"m"(gdtr));
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs"
                     :
                     : "i"(HV_CS)
                     : "rax", "memory");
}

void desc_init_cpu(unsigned cpu)
{
    uint64_t window = DESC_WINDOW_START + cpu * DESC_WINDOW_SIZE;
    uint64_t *page = hv_alloc(NULL, PAGE_SIZE);
    if (page == NULL ||
        paging_map_page(window + FIRST_RESERVED_GDT_BYTE, virt_to_mfn(page), WINDOW_BITS) != 0)
        panic("No memory for the descriptor tables of CPU %u", cpu);
    tss_init(&this_cpu(tss));
    gdt_fill(page, &this_cpu(tss));
    this_cpu(gdt_page) = page;
    this_cpu(desc_window) = paging_l1_entry(window);

    gdt_load(window);
    __asm__ volatile("ltr %w0" ::"r"(HV_TSS));
    desc_load_ldt(0);
    struct table_register idtr = {sizeof(idt) - 1, (uintptr_t)idt};
    __asm__ volatile("lidt %0" ::"m"(idtr));
}

void desc_load_ldt(unsigned entries)
{
    uint16_t selector = 0;
    if (entries != 0) {
        uint64_t base = DESC_WINDOW_START + cpu_id() * DESC_WINDOW_SIZE + DESC_LDT_OFFSET;
        set_system_desc(slot(this_cpu(gdt_page), HV_LDT), DESC_TYPE_LDT, base, entries * 8ul - 1);
        selector = HV_LDT;
    }
    __asm__ volatile("lldt %0" ::"r"(selector) : "memory");
}

void idt_set_gate(unsigned vector, void (*entry)(void), unsigned ist, unsigned dpl)
{
    uint64_t offset = (uintptr_t)entry;
    idt[vector] = (struct idt_gate){
        .offset_low = (uint16_t)offset,
        .selector = HV_CS,
        .ist = (uint8_t)ist,
        .type = (uint8_t)(GATE_INTERRUPT | dpl << 5),
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}
