/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader to C: the Multiboot headers, the checks of what the CPU must have, the first
 * page tables, and the switch to 64-bit mode.
 *
 * The code runs where the loader put it. %ebp holds the machine address of `head`, the first byte
 * of the image, and every address before paging is on is taken relative to it.
 */
#include "x86/boot/boot.h"

#define HERE(sym) ((sym) - head)(%ebp)

#define CR0_PE 0x00000001
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900
#define EFLAGS_ID 0x200000

#define TABLE_BITS 0x003    /* present, writable */
#define LARGE_BITS 0x083    /* and a 2 MiB page */

#define SLOT(va) (((va) >> 39) & 511)
#define L3_INDEX(va) (((va) >> 30) & 511)
#define EARLY_IMAGE_LARGE_PAGES 8
#define EARLY_DIRECT_TABLES 4   /* 1 GiB each: all that a 32-bit pointer of the loader reaches */

/* ---- Headers for the loaders ------------------------------------------------------------- */

#define MB1_MAGIC 0x1badb002
/* Modules on page boundaries; a memory map; the address fields below instead of ELF headers. */
#define MB1_FLAGS 0x00010003
#define MB2_MAGIC 0xe85250d6
#define MB2_OPTIONAL 1
#define MB2_TAG_END 0
#define MB2_TAG_ADDRESS 2
#define MB2_TAG_ENTRY 3
#define MB2_TAG_CONSOLE 4
#define MB2_TAG_FRAMEBUFFER 5
#define MB2_TAG_MODULE_ALIGN 6
#define MB2_TAG_RELOCATABLE 10
#define MB2_CONSOLE_TEXT 2
#define MB2_PREFER_LOWEST 1

        .section .text.head, "ax"
        .globl head
head:

/*
 * Multiboot 1 (specification 0.6.96, 3.1). The address fields make QEMU and GRUB copy the file's
 * bytes as they stand, so that the image may be ELF64; paravane.lds keeps file offsets and
 * addresses in step.
 */
        .balign 8
multiboot1_header:
        .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
        .long multiboot1_header - head + IMAGE_PHYS_PREFERRED
        .long IMAGE_PHYS_PREFERRED                      /* first byte to load */
        .long image_data_end - head + IMAGE_PHYS_PREFERRED
        .long image_end - head + IMAGE_PHYS_PREFERRED   /* zeroed up to here */
        .long start - head + IMAGE_PHYS_PREFERRED

/* Multiboot 2 (specification 2.0, 3.1), the same way, and at another address if need be. */
        .balign 8
multiboot2_header:
        .long MB2_MAGIC, 0, multiboot2_end - multiboot2_header
        .long -(MB2_MAGIC + (multiboot2_end - multiboot2_header))

        .short MB2_TAG_ADDRESS, 0
        .long 24
        .long multiboot2_header - head + IMAGE_PHYS_PREFERRED
        .long IMAGE_PHYS_PREFERRED
        .long image_data_end - head + IMAGE_PHYS_PREFERRED
        .long image_end - head + IMAGE_PHYS_PREFERRED
        .short MB2_TAG_ENTRY, 0
        .long 12, start - head + IMAGE_PHYS_PREFERRED
        .balign 8
        .short MB2_TAG_CONSOLE, MB2_OPTIONAL
        .long 12, MB2_CONSOLE_TEXT
        .balign 8
        .short MB2_TAG_FRAMEBUFFER, MB2_OPTIONAL
        .long 20, 0, 0, 0       /* width, height, depth: as the loader likes */
        .balign 8
        .short MB2_TAG_MODULE_ALIGN, 0
        .long 8
        .short MB2_TAG_RELOCATABLE, 0
        .long 24, IMAGE_PHYS_PREFERRED, 0xffffffff, IMAGE_PHYS_ALIGN, MB2_PREFER_LOWEST
        .short MB2_TAG_END, 0
        .long 8
multiboot2_end:

/* ---- 32-bit entry: %eax the loader's magic, %ebx its information ------------------------- */

        .code32
        .globl start
start:
        cli
        cld
        mov %eax, %esi
        /*
         * Where are we? A call needs four bytes of stack, and the loader's information is the only
         * memory known to be ours: borrow its first word.
         */
        mov (%ebx), %edx
        lea 4(%ebx), %esp
        call 1f
1:      pop %ebp
        mov %edx, (%ebx)
        sub $(1b - head), %ebp

        lea HERE(boot_stack + STACK_SIZE - BOOT_STACK_RESERVE), %esp
        push %ebx
        call check_cpu
        call make_tables
        pop %ebx

        mov $CR4_PAE, %eax
        mov %eax, %cr4
        lea HERE(boot_l4), %eax
        mov %eax, %cr3
        mov $EFER, %ecx
        rdmsr
        or $EFER_LME_NXE, %eax
        wrmsr
        mov %cr0, %eax
        or $(CR0_PG | CR0_WP | CR0_PE), %eax
        mov %eax, %cr0

        /* The descriptor table's address depends on where we are, so its pointer is made here. */
        lea HERE(boot_gdt), %eax
        push %eax
        pushw $(boot_gdt_end - boot_gdt - 1)
        lgdt (%esp)
        add $6, %esp
        push $(boot_gdt_code - boot_gdt)
        lea HERE(start64), %eax
        push %eax
        lret

/* Stops the machine with a message unless the CPU has long mode and NX (AMD APM 3, appendix E). */
check_cpu:
        pushf
        pop %eax
        mov %eax, %ecx
        xor $EFLAGS_ID, %eax
        push %eax
        popf
        pushf
        pop %eax
        xor %ecx, %eax
        test $EFLAGS_ID, %eax
        jz no_long_mode

        mov $0x80000000, %eax
        cpuid
        cmp $0x80000001, %eax
        jb no_long_mode
        mov $0x80000001, %eax
        cpuid
        bt $29, %edx
        jnc no_long_mode
        bt $20, %edx
        jnc no_nx
        ret

no_long_mode:
        lea HERE(text_no_long_mode), %esi
        jmp early_stop
no_nx:
        lea HERE(text_no_nx), %esi

/* Prints the string at %esi on com1 and on the VGA text screen's first line, and halts. */
#define COM1 0x3f8
#define VGA_TEXT 0xb8000
#define VGA_ATTRIBUTE 0x4f00
early_stop:
        mov $VGA_TEXT, %edi
        mov $(COM1 + 3), %edx           /* line control: divisor latch */
        mov $0x80, %al
        out %al, %dx
        mov $COM1, %edx                 /* divisor 1: 115200 baud */
        mov $1, %al
        out %al, %dx
        mov $(COM1 + 1), %edx
        mov $0, %al
        out %al, %dx
        mov $(COM1 + 3), %edx           /* 8n1 */
        mov $3, %al
        out %al, %dx
1:      lodsb
        test %al, %al
        jz 4f
        movzbl %al, %ebx
        mov $(COM1 + 5), %edx           /* line status: wait for room, but not for ever */
        mov $100000, %ecx
2:      in %dx, %al
        test $0x20, %al
        loopz 2b
        mov $COM1, %edx
        mov %bl, %al
        out %al, %dx
        or $VGA_ATTRIBUTE, %ebx
        mov %bx, (%edi)
        add $2, %edi
        jmp 1b
4:      cli
        hlt
        jmp 4b

/*
 * The first page tables: 4 GiB one to one, the same again at DIRECTMAP_START, and the image at its
 * linked address. All writable and executable; paging_init() replaces them.
 */
make_tables:
        lea HERE(boot_l2_low), %edi
        mov $LARGE_BITS, %eax
        mov $(EARLY_DIRECT_TABLES * 512), %ecx
1:      mov %eax, (%edi)
        movl $0, 4(%edi)
        add $0x200000, %eax
        add $8, %edi
        loop 1b

        lea HERE(boot_l2_image), %edi
        lea LARGE_BITS(%ebp), %eax
        mov $EARLY_IMAGE_LARGE_PAGES, %ecx
1:      mov %eax, (%edi)
        add $0x200000, %eax
        add $8, %edi
        loop 1b

        lea HERE(boot_l3_low), %edi
        lea HERE(boot_l2_low + TABLE_BITS), %eax
        mov $EARLY_DIRECT_TABLES, %ecx
1:      mov %eax, (%edi)
        add $0x1000, %eax
        add $8, %edi
        loop 1b

        lea HERE(boot_l2_image + TABLE_BITS), %eax
        mov %eax, HERE(boot_l3_image + 8 * L3_INDEX(IMAGE_VIRT_START))
        lea HERE(boot_l3_low + TABLE_BITS), %eax
        mov %eax, HERE(boot_l4)
        mov %eax, HERE(boot_l4 + 8 * SLOT(DIRECTMAP_START))
        lea HERE(boot_l3_image + TABLE_BITS), %eax
        mov %eax, HERE(boot_l4 + 8 * SLOT(IMAGE_VIRT_START))
        ret

/* ---- 64-bit: leave the one-to-one map for the linked address, and call C ------------------ */

        .code64
start64:
        movabs $1f, %rax
        jmp *%rax
1:      xor %eax, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov %eax, %fs
        mov %eax, %gs
        lea boot_stack + STACK_SIZE - BOOT_STACK_RESERVE(%rip), %rsp
        mov %esi, %edi                  /* start_hypervisor(magic, info, machine address) */
        mov %ebx, %esi
        mov %ebp, %edx
        xor %ebp, %ebp
        call start_hypervisor
        ud2

        .balign 8
boot_gdt:
        .quad 0
boot_gdt_code:
        .quad 0x00af9b000000ffff        /* 64-bit code, ring 0 */
boot_gdt_end:

text_no_long_mode:
        .asciz "Paravane: this CPU has no 64-bit mode (CPUID 0x80000001 EDX bit 29); stopped.\r\n"
text_no_nx:
        .asciz "Paravane: this CPU has no NX, or the firmware turned it off; stopped.\r\n"

        .section .bss.tables, "aw", @nobits
        .balign 4096
boot_l4:        .skip 4096
boot_l3_low:    .skip 4096
boot_l3_image:  .skip 4096
boot_l2_image:  .skip 4096
boot_l2_low:    .skip 4096 * EARLY_DIRECT_TABLES

        .section .note.GNU-stack, "", @progbits
