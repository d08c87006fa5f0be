/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port I/O that the CPU did not let through: IN, OUT, INS and OUTS.
 *
 * Whether the guest may execute it at all is the guest's own business (its virtual IOPL, or the
 * bitmap of PHYSDEVOP_set_iobitmap in user mode); whether it reaches the machine is the domain's
 * (ports.c). What it may execute but not reach reads as all ones and swallows writes, as an empty
 * bus does.
 */
#include "core/domain.h"
#include "core/guest.h"
#include "core/softirq.h"
#include "x86/emulate/emulate.h"
#include "x86/emulate/ports.h"
#include "x86/pci.h"
#include "x86/x86.h"

#define PCI_ADDRESS_PORT   0xcf8u
#define PCI_DATA_PORT      0xcfcu
#define PCI_ADDRESS_ENABLE 0x80000000u
#define RESET_CONTROL_PORT 0xcf9u /* the chip set's, one byte wide among the PCI ports */

/*
 * The guest kernel's bitmap is in its own address space. Interrupts are off, so that nobody finds
 * page tables of the other mode loaded.
 */
static size_t read_kernel_memory(const struct vcpu *v, void *dst, vaddr_t src, size_t n)
{
    if (v->arch.in_kernel)
        return guest_copy_in(dst, src, n);
    unsigned long flags = irq_save();
    WRITE_CR(3, v->arch.cr3_kernel);
    size_t missing = guest_copy_in(dst, src, n);
    WRITE_CR(3, v->arch.cr3_user);
    cpu_info()->mode_switches += 2;
    irq_restore(flags);
    return missing;
}

/* Bits that cannot be read count as set, which is: denied. */
static bool guest_bitmap_permits(const struct vcpu *v, unsigned port, unsigned size)
{
    uint8_t bits[2];

    if (port + size > v->arch.iobmp_limit)
        return false;
    size_t missing = read_kernel_memory(v, bits, VADDR(v->arch.iobmp.v + port / 8), sizeof(bits));
    for (size_t n = 0; n < missing; n++)
        bits[sizeof(bits) - 1 - n] = 0xff;
    unsigned mask = ((1u << size) - 1) << (port % 8);
    return ((bits[0] | ((unsigned)bits[1] << 8)) & mask) == 0;
}

static bool may_execute(const struct vcpu *v, unsigned port, unsigned size)
{
    return ports_iopl_ok(v, v->arch.in_kernel) || guest_bitmap_permits(v, port, size);
}

/* ---- What is behind the ports --------------------------------------------------------------- */

/* Where an access to 0xcfc-0xcff goes. Bits 27:24 are AMD's extension to 4 KiB (BKDG F3x..., ECS).
 */
static bool config_target(const struct vcpu *v, unsigned port, unsigned size, unsigned *reg)
{
    uint32_t address = v->arch.pci_cf8;

    *reg = ((address >> 16) & 0xf00) | (address & 0xfc) | (port & 3);
    return v->domain->is_privileged && (address & PCI_ADDRESS_ENABLE) && *reg % size == 0;
}

static bool reaches_machine(const struct vcpu *v, unsigned port, unsigned size)
{
    if (port == RESET_CONTROL_PORT && size == 1)
        return v->domain->is_privileged;
    return ports_allowed(v->domain, port, size);
}

static uint32_t port_read(struct vcpu *v, unsigned port, unsigned size)
{
    unsigned reg;

    if (port == PCI_ADDRESS_PORT && size == 4)
        return v->arch.pci_cf8;
    if ((port & ~3u) == PCI_DATA_PORT) {
        if (!config_target(v, port, size, &reg))
            return ~0u;
        uint32_t address = v->arch.pci_cf8;
        return pci_config_read(0, (address >> 16) & 0xff, (address >> 8) & 0xff, reg, size);
    }
    if (!reaches_machine(v, port, size))
        return ~0u;
    if (size == 1)
        return inb((uint16_t)port);
    return size == 2 ? inw((uint16_t)port) : inl((uint16_t)port);
}

static void port_write(struct vcpu *v, unsigned port, unsigned size, uint32_t val)
{
    unsigned reg;

    if (port == PCI_ADDRESS_PORT && size == 4) {
        v->arch.pci_cf8 = val;
    } else if ((port & ~3u) == PCI_DATA_PORT) {
        if (!config_target(v, port, size, &reg))
            return;
        uint32_t address = v->arch.pci_cf8;
        pci_config_write(0, (address >> 16) & 0xff, (address >> 8) & 0xff, reg, size, val);
    } else if (reaches_machine(v, port, size)) {
        if (size == 1)
            outb((uint16_t)port, (uint8_t)val);
        else if (size == 2)
            outw((uint16_t)port, (uint16_t)val);
        else
            outl((uint16_t)port, val);
    }
}

/* ---- The instructions ----------------------------------------------------------------------- */

/* One element of INS or OUTS. False: a #PF has been injected, the registers stand. */
static bool string_step(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i, bool out,
                        unsigned size)
{
    uint64_t mask = size_mask(i->addr_size);
    uint64_t *pointer = out ? &regs->rsi : &regs->rdi;
    uint64_t va = (*pointer & mask) + (out ? segment_base(i->segment) : 0);
    unsigned port = regs->rdx & 0xffff;
    uint32_t val = 0;

    if (out) {
        size_t missing = guest_copy_in(&val, VADDR(va), size);
        if (missing != 0) {
            inject_data_fault(va, size - missing, false);
            return false;
        }
        port_write(v, port, size, val);
    } else {
        val = port_read(v, port, size);
        size_t missing = guest_copy_out(VADDR(va), &val, size);
        if (missing != 0) {
            inject_data_fault(va, size - missing, true);
            return false;
        }
    }
    uint64_t step = (regs->rflags & X86_RFLAGS_DF) ? -(uint64_t)size : size;
    *pointer = (*pointer + step) & mask;
    return true;
}

static enum io_result emulate_string(struct vcpu *v, struct cpu_user_regs *regs,
                                     const struct insn *i, bool out, unsigned size)
{
    uint64_t mask = size_mask(i->addr_size);

    if (!(i->prefixes & (PREFIX_REP | PREFIX_REPNE)))
        return string_step(v, regs, i, out, size) ? IO_DONE : IO_FAULTED;

    unsigned budget = (unsigned)PAGE_SIZE / size;
    while ((regs->rcx & mask) != 0) {
        if (budget-- == 0 || preempt_wanted())
            return IO_AGAIN;
        if (!string_step(v, regs, i, out, size))
            return IO_FAULTED;
        regs->rcx = (regs->rcx - 1) & mask;
    }
    return IO_DONE;
}

/* The opcodes: bit 1 is the direction in each group, bit 0 byte or word. */
enum io_result emulate_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    unsigned size = MIN(i->op_size, (uint8_t)4); /* REX.W has no meaning here */
    bool string = i->opcode >= 0x6c && i->opcode <= 0x6f;
    bool immediate_port = i->opcode >= 0xe4 && i->opcode <= 0xe7;
    bool out = (i->opcode & 2) != 0;
    unsigned port = immediate_port ? (uint8_t)i->immediate : regs->rdx & 0xffff;

    if (!string && !immediate_port && !(i->opcode >= 0xec && i->opcode <= 0xef))
        return IO_REFUSED;
    if ((i->prefixes & PREFIX_LOCK) || !may_execute(v, port, size))
        return IO_REFUSED;
    if (string)
        return emulate_string(v, regs, i, out, size);
    if (out)
        port_write(v, port, size, (uint32_t)(regs->rax & size_mask(size)));
    else
        insn_write_reg(regs, i, 0, size, port_read(v, port, size));
    return IO_DONE;
}
