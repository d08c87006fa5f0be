/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O ports: IN and OUT in kernel and user mode.
 *
 * Two things must permit an access. The guest itself: its virtual IOPL (PHYSDEVOP_set_iopl; the
 * kernel counts as ring 1, user mode as ring 3), or for single ports a bitmap of the kernel's
 * (PHYSDEVOP_set_iobitmap); else the instruction raises #GP. And the domain's rights: the control
 * domain reaches all ports but those that the hypervisor drives itself, which read as ones.
 *
 *   test: vcpus=1,4
 */
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"
#include "user.h"

#define PORT        0x80u /* the POST code's: anybody may write there */
#define PORT_CMOS   0x70u
#define PORT_PIC    0x21u /* the hypervisor's */
#define PCI_ADDRESS 0xcf8u
#define PCI_DATA    0xcfcu

extern const char user_in[], user_out[], user_ins[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_in, user_out, user_ins\n"
        "user_code:\n"
        "user_in: in %dx, %al\n ud2\n"
        "user_out: out %al, %dx\n ud2\n"
        "user_ins: rep insb\n ud2\n"
        "user_code_end:\n"
        ".popsection\n");

static struct user_space user;
static uint8_t bits[8192];

static void set_iopl(unsigned iopl)
{
    struct physdev_set_iopl arg = {.iopl = iopl};
    HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &arg);
}

static void set_bitmap(unsigned ports)
{
    struct physdev_set_iobitmap arg = {.nr_ports = ports};
    arg.bitmap.p = bits;
    HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &arg);
}

static unsigned long in_byte(void *port)
{
    uint8_t value;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "d"((unsigned)(unsigned long)port));
    return value;
}

static unsigned long in_long(void *port)
{
    uint32_t value;
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "d"((unsigned)(unsigned long)port));
    return value;
}

static unsigned long out_byte(void *port)
{
    __asm__ volatile("outb %b0, %w1" : : "a"(0), "d"((unsigned)(unsigned long)port));
    return 0;
}

static int kernel_in(unsigned port)
{
    return trap_catch(in_byte, (void *)(unsigned long)port).vector;
}

static int user_does(const char *label, unsigned port)
{
    struct trap_frame frame = user_at(label);
    frame.rdx = port;
    frame.rcx = 4;
    frame.rdi = USER_DATA;
    return user_enter(&frame);
}

static void test_iopl(void)
{
    set_iopl(0);
    is(kernel_in(PORT), TRAP_GP, "with IOPL 0 the kernel may not use ports");
    is(trap_catch(out_byte, (void *)PORT).vector, TRAP_GP, "for writing, either");
    is(user_does(user_in, PORT), TRAP_GP, "nor user mode");
    set_iopl(1);
    is(kernel_in(PORT), -1, "with IOPL 1 the kernel may");
    is(trap_catch(out_byte, (void *)PORT).vector, -1, "write, too");
    is(user_does(user_in, PORT), TRAP_GP, "user mode may not");
    set_iopl(2);
    is(user_does(user_in, PORT), TRAP_GP, "nor with IOPL 2");
    set_iopl(3);
    is(user_does(user_in, PORT), TRAP_UD, "with IOPL 3 it may");
    is(user_does(user_out, PORT), TRAP_UD, "write, too, and goes on");
    is(user_does(user_ins, PORT), TRAP_UD, "and read a row of bytes");
    set_iopl(1);
    is(user_does(user_in, PORT), TRAP_GP, "until IOPL is lowered");
}

static void test_bitmap(void)
{
    memset(bits, 0xff, sizeof(bits));
    bits[PORT / 8] = (uint8_t) ~(1u << (PORT % 8));
    set_bitmap(65536);
    is(user_does(user_in, PORT), TRAP_UD, "a clear bit permits a port to user mode");
    is(user_does(user_out, PORT), TRAP_UD, "for writing, too");
    is(user_does(user_in, PORT + 1), TRAP_GP, "but not the next port");
    set_bitmap(PORT);
    is(user_does(user_in, PORT), TRAP_GP, "a bitmap that ends before permits nothing");
    set_bitmap(PORT + 1);
    is(user_does(user_in, PORT), TRAP_UD, "one that ends behind does");
    set_bitmap(0);
    is(user_does(user_in, PORT), TRAP_GP, "none permits nothing");
    bits[PORT_PIC / 8] = 0;
    set_bitmap(65536);
    is(user_does(user_in, PORT_PIC), TRAP_UD, "a port of the hypervisor can be permitted");
    set_bitmap(0);
}

static void test_hypervisors(void)
{
    set_iopl(1);
    struct trap_result r = trap_catch(in_byte, (void *)PORT_PIC);
    is(r.vector, -1, "the kernel may try the hypervisor's ports");
    is(r.value, 0xff, "and reads ones");
    is(trap_catch(out_byte, (void *)PORT_PIC).vector, -1, "what it writes is lost");
    is(kernel_in(PORT_CMOS + 1), -1, "the clock's memory is there");
}

static void test_pci(void)
{
    uint32_t address = 0x80000000u;
    __asm__ volatile("outl %0, %w1" : : "a"(address), "d"(PCI_ADDRESS));
    struct trap_result r = trap_catch(in_long, (void *)PCI_ADDRESS);
    is(r.value, address, "the PCI address register reads back");
    r = trap_catch(in_long, (void *)PCI_DATA);
    is(r.value & 0xffff, 0x8086, "the host bridge tells its vendor");
    address = 0;
    __asm__ volatile("outl %0, %w1" : : "a"(address), "d"(PCI_ADDRESS));
    r = trap_catch(in_long, (void *)PCI_DATA);
    is(r.value, 0xffffffff, "without the enable bit there is nothing");
    set_iopl(0);
    is(trap_catch(in_long, (void *)PCI_DATA).vector, TRAP_GP, "nor anything without IOPL");
}

int main(void)
{
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    test_iopl();
    test_bitmap();
    test_hypervisors();
    test_pci();
    return done();
}
