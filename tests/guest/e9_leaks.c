/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test: vcpus=1,4 memory=16
 *
 * Class E9: what the hypervisor hands out without having set it.
 *
 * Every answer is a structure that the hypervisor keeps on its stack or in a frame of its own. If
 * it sets the fields but not the padding between them, or copies more than it filled in, a guest
 * reads what another domain or the hypervisor had there. The debug hypervisor fills its stack and
 * its free frames with poison, so that such bytes can be told; here, all answers are looked at:
 * those of the hypercall table, platform_op, grant_table_op, the strings, fresh memory, and the
 * registers that come back.
 *
 * That memory which a guest gets is zero is more than the ABI promises: it only promises that
 * nothing of another domain is in it.
 */
#include "leaks.h"

#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#define SPACE 2048 /* for an answer, and to see that nothing is written behind it */

static uint8_t first[SPACE] __attribute__((aligned(64))), second[SPACE];

/* ---- The table ---------------------------------------------------------------------------- */

static bool untouched(const uint8_t *data, size_t from, uint8_t fill)
{
    for (size_t i = from; i < SPACE; i++)
        if (data[i] != fill)
            return false;
    return true;
}

/* Neither poison nor addresses; says where. */
static bool clean(const void *data, size_t size, const char *what)
{
    long poison = leak_poison(data, size), address = leak_address(data, size);
    if (poison >= 0)
        diag("%s: poison at +%ld", what, poison);
    if (address >= 0)
        diag("%s: an address of the hypervisor's at +%ld", what, address);
    return poison < 0 && address < 0;
}

/* What is given out whole is given twice, over different bytes: one that stays was not set. */
static void check_out(const struct leak_row *row)
{
    bool all = true;
    memset(first, 0x5a, SPACE);
    memset(second, 0xa5, SPACE);
    long r1 = leak_call(row, first), r2 = leak_call(row, second);
    if (r1 < 0 || r2 < 0) {
        ok(untouched(first, 0, 0x5a), "%s: a refusal writes nothing", row->name);
        return;
    }
    for (unsigned i = 0; i < row->size && all; i++) {
        all = first[i] != 0x5a || second[i] != 0xa5;
        if (!all)
            diag("%s: byte %u of %u was not set", row->name, i, row->size);
    }
    ok(all, "%s: all of the answer is set", row->name);
    ok(clean(first, row->size, row->name), "%s: the answer is clean", row->name);
    ok(untouched(first, row->size, 0x5a), "%s: nothing is written behind the answer", row->name);
}

static void check_inout(const struct leak_row *row)
{
    memset(first, 0x5a, SPACE);
    memset(first, 0, row->size);
    (void)leak_call(row, first);
    ok(clean(first, row->size, row->name), "%s: the answer is clean", row->name);
    ok(untouched(first, row->size, 0x5a), "%s: nothing is written behind the answer", row->name);
}

static void test_table(void)
{
    for (size_t i = 0; i < LEAK_ROWS; i++) {
        if (leak_rows[i].direction == LEAK_OUT)
            check_out(&leak_rows[i]);
        else if (leak_rows[i].direction == LEAK_INOUT)
            check_inout(&leak_rows[i]);
    }
}

/* ---- Strings ------------------------------------------------------------------------------ */

static bool zero_behind_end(const char *text, size_t size)
{
    for (size_t i = strnlen(text, size); i < size; i++)
        if (text[i] != 0)
            return false;
    return strnlen(text, size) < size;
}

#define CHECK_STRING(command, type)                                                                \
    do {                                                                                           \
        type text;                                                                                 \
        memset(text, 0x5a, sizeof(text));                                                          \
        HYPERVISOR_xen_version(command, text);                                                     \
        ok(zero_behind_end(text, sizeof(text)), #command ": zeroes behind the text");              \
    } while (0)

static void test_strings(void)
{
    xen_compile_info_t info;
    CHECK_STRING(XENVER_extraversion, xen_extraversion_t);
    CHECK_STRING(XENVER_capabilities, xen_capabilities_info_t);
    CHECK_STRING(XENVER_changeset, xen_changeset_info_t);
    CHECK_STRING(XENVER_commandline, xen_commandline_t);
    memset(&info, 0x5a, sizeof(info));
    HYPERVISOR_xen_version(XENVER_compile_info, &info);
    ok(zero_behind_end(info.compiler, sizeof(info.compiler)) &&
           zero_behind_end(info.compile_by, sizeof(info.compile_by)) &&
           zero_behind_end(info.compile_domain, sizeof(info.compile_domain)) &&
           zero_behind_end(info.compile_date, sizeof(info.compile_date)),
       "XENVER_compile_info: zeroes behind the texts");
}

/* ---- Operations that the table has no rows for ---------------------------------------------- */

/* Symbols are addresses of the hypervisor, for the control domain; the others change the machine.
 */
static bool platform_asks(unsigned command)
{
    return command != XENPF_enter_acpi_sleep && command != XENPF_settime32 &&
           command != XENPF_settime64 && command != XENPF_get_symbol;
}

static void test_platform(void)
{
    bool good = true, bounded = true;
    for (unsigned command = 0; command < 80; command++) {
        struct xen_platform_op *op = (void *)first;
        char name[32];
        if (!platform_asks(command))
            continue;
        memset(first, 0x5a, SPACE);
        memset(op, 0, sizeof(*op));
        op->cmd = command;
        op->interface_version = XENPF_INTERFACE_VERSION;
        (void)HYPERVISOR_platform_op(op);
        snprintf(name, sizeof(name), "platform_op %u", command);
        good &= clean(op, sizeof(*op), name);
        bounded &= untouched(first, sizeof(*op), 0x5a);
    }
    ok(good, "platform_op: the answers are clean");
    ok(bounded, "platform_op: nothing is written behind the answers");
}

static void test_grants(void)
{
    bool good = true;
    for (unsigned command = 0; command < 16; command++) {
        char name[32];
        if (command == GNTTABOP_set_version) /* which clears the table */
            continue;
        memset(first, 0, SPACE);
        (void)HYPERVISOR_grant_table_op(command, first, 1);
        snprintf(name, sizeof(name), "grant_table_op %u", command);
        good &= clean(first, SPACE, name);
    }
    ok(good, "grant_table_op: the answers are clean");
}

/* ---- Memory ------------------------------------------------------------------------------- */

#define FRAMES 16

static uint64_t *pages[FRAMES];

/* Pages full of something are given back, so that their frames are the next to be given out. */
static bool give_back(void)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
        if (!pages[i])
            pages[i] = page_alloc();
        xen_pfn_t frame = virt_to_mfn(pages[i]);
        memset(pages[i], 0x77, PAGE_SIZE);
        set_xen_guest_handle(r.extent_start, &frame);
        if (pte_set(pages[i], 0) != 0 || HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) != 1)
            return false;
    }
    return true;
}

/* They come anew: what is in them. */
static bool take_and_look(unsigned command)
{
    bool zero = true;
    for (unsigned i = 0; i < FRAMES; i++) {
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
        xen_pfn_t frame = virt_to_pfn(pages[i]);
        set_xen_guest_handle(r.extent_start, &frame);
        if (HYPERVISOR_memory_op(command, &r) != 1 ||
            pte_set(pages[i], pte_make(frame, PTE_KERNEL_RW)) != 0)
            return false;
        p2m[virt_to_pfn(pages[i])] = frame;
        for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
            zero &= pages[i][k] == 0;
    }
    return zero;
}

static bool exchange_and_look(void)
{
    bool zero = true;
    for (unsigned i = 0; i < FRAMES; i++) {
        xen_pfn_t in = virt_to_mfn(pages[i]), out = virt_to_pfn(pages[i]);
        struct xen_memory_exchange e = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
                                        .out = {.nr_extents = 1, .domid = DOMID_SELF}};
        set_xen_guest_handle(e.in.extent_start, &in);
        set_xen_guest_handle(e.out.extent_start, &out);
        memset(pages[i], 0x77, PAGE_SIZE);
        if (pte_set(pages[i], 0) != 0 || HYPERVISOR_memory_op(XENMEM_exchange, &e) != 0 ||
            pte_set(pages[i], pte_make(out, PTE_KERNEL_RW)) != 0)
            return false;
        p2m[virt_to_pfn(pages[i])] = out;
        for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
            zero &= pages[i][k] == 0;
    }
    return zero;
}

static void test_memory(void)
{
    ok(give_back() && take_and_look(XENMEM_populate_physmap), "populated memory is zero");
    ok(give_back() && take_and_look(XENMEM_increase_reservation), "increased memory is zero");
    ok(exchange_and_look(), "exchanged memory is zero");
}

/* ---- Registers ---------------------------------------------------------------------------- */

enum { REGISTERS = 15 };
uint64_t call_registers[REGISTERS];

/*
 * Hypercall `number` with (a1, a2), the other registers set to 0x11 and so on; all of them are kept
 * in call_registers[] behind it, in the order rax rbx rcx rdx rsi rdi rbp r8 to r15.
 */
void call_and_keep(uint64_t number, uint64_t a1, uint64_t a2);
__asm__(
    ".text\n"
    ".globl call_and_keep\n"
    "call_and_keep:\n"
    "   push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "   mov %rdi, %rax\n"
    "   mov %rsi, %rdi\n"
    "   mov %rdx, %rsi\n"
    "   shl $5, %rax\n"
    "   add $hypercall_page, %rax\n"
    "   mov $0x11, %ebx; mov $0x12, %ecx; mov $0x13, %edx; mov $0x14, %ebp\n"
    "   mov $0x15, %r8d; mov $0x16, %r9d; mov $0x17, %r10d; mov $0x18, %r11d\n"
    "   mov $0x19, %r12d; mov $0x1a, %r13d; mov $0x1b, %r14d; mov $0x1c, %r15d\n"
    "   call *%rax\n"
    "   mov %rax, call_registers; mov %rbx, call_registers+8; mov %rcx, call_registers+16\n"
    "   mov %rdx, call_registers+24; mov %rsi, call_registers+32; mov %rdi, call_registers+40\n"
    "   mov %rbp, call_registers+48; mov %r8, call_registers+56; mov %r9, call_registers+64\n"
    "   mov %r10, call_registers+72; mov %r11, call_registers+80; mov %r12, call_registers+88\n"
    "   mov %r13, call_registers+96; mov %r14, call_registers+104; mov %r15, call_registers+112\n"
    "   pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "   ret\n");

static bool registers_kept(void)
{
    static const uint8_t at[] = {1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    static const uint8_t value[] = {0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
                                    0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c};
    for (size_t i = 0; i < sizeof(at); i++)
        if (call_registers[at[i]] != value[i])
            return false;
    return true;
}

static void test_registers(void)
{
    struct xen_feature_info features = {0};
    call_and_keep(__HYPERVISOR_xen_version, XENVER_version, 0);
    ok(registers_kept(), "a hypercall changes no register but RAX");
    call_and_keep(__HYPERVISOR_xen_version, XENVER_get_features, (uint64_t)&features);
    ok(registers_kept(), "nor does one with an answer in memory");
    call_and_keep(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    ok(registers_kept(), "nor one that goes through the scheduler");
    call_and_keep(63, 0, 0);
    ok(registers_kept(), "nor one that there is not");
    is_error(call_registers[0], -XEN_ENOSYS, "which says so");
}

static struct trap_frame seen;

static bool keep_frame(struct trap_frame *frame)
{
    seen = *frame;
    frame->rip += 2; /* UD2 */
    return true;
}

static void test_trap(void)
{
    trap_set_handler(TRAP_UD, keep_frame);
    __asm__ volatile("ud2" : : : "memory");
    trap_set_handler(TRAP_UD, NULL);
    ok(clean(&seen, sizeof(seen), "trap frame"), "a trap's frame is clean");
    is(seen.error, 0, "a trap without error code has none");
    is(seen.cs & ~0xfffful, 0, "nothing is above CS");
}

/* ---- The FPU ------------------------------------------------------------------------------ */

#define XSTATE_ALL 7u /* x87, SSE, AVX (SDM 1 13.1) */

uint8_t fpu_area[1024] __attribute__((aligned(64)));
volatile unsigned fpu_done;

/* The first instructions of a vCPU: its registers as they are. RDI is 1 when there is AVX. */
extern char fpu_entry[];
__asm__(".text\n"
        "fpu_entry:\n"
        "   mov %rdi, %rbx\n"
        "   test %rbx, %rbx\n"
        "   jz 1f\n"
        "   mov %cr4, %rax; or $0x40000, %rax; mov %rax, %cr4\n" /* OSXSAVE */
        "   xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax\n"
        "   xsetbv\n"
        "   mov $7, %eax; xor %edx, %edx\n"
        "   xsave fpu_area\n"
        "   jmp 2f\n"
        "1: fxsave fpu_area\n"
        "2: movl $1, fpu_done\n"
        "3: mov $24, %eax\n" /* __HYPERVISOR_vcpu_op */
        "   mov $2, %edi\n"  /* VCPUOP_down, of the last vCPU */
        "   mov fpu_vcpu, %esi\n"
        "   syscall\n"
        "   jmp 3b\n");
_Static_assert(__HYPERVISOR_vcpu_op == 24 && VCPUOP_down == 2, "fpu_entry");
unsigned fpu_vcpu;

/* XSETBV needs CR4.OSXSAVE (SDM 2, XSETBV). */
static bool avx_enable(void)
{
    uint32_t a = 1, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (!(c & (1u << 26)) || !(c & (1u << 28))) /* XSAVE, AVX */
        return false;
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1ul << 18));
    return true;
}

/* On every CPU, so that whichever the new vCPU runs on has something in its registers. */
static void fill_registers(void)
{
    for (int cpu = 0; cpu < 64; cpu++) {
        struct sched_pin_override pin = {.pcpu = cpu};
        if (HYPERVISOR_sched_op(SCHEDOP_pin_override, &pin) != 0)
            break;
        __asm__ volatile("pcmpeqb %%xmm0, %%xmm0; movaps %%xmm0, %%xmm1; movaps %%xmm0, %%xmm7\n"
                         "movaps %%xmm0, %%xmm8; movaps %%xmm0, %%xmm15; fld1; fldpi\n"
                         "fstp %%st(0); fstp %%st(0)"
                         :
                         :
                         : "xmm0", "xmm1", "xmm7", "xmm8", "xmm15");
        if (avx_enable())
            __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $7, %%eax; xsetbv\n"
                             "vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0; vmovaps %%ymm0, %%ymm15"
                             :
                             :
                             : "eax", "ecx", "edx", "xmm0", "xmm15");
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    }
    struct sched_pin_override unpin = {.pcpu = -1};
    HYPERVISOR_sched_op(SCHEDOP_pin_override, &unpin);
}

static bool area_zero(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (fpu_area[i] != 0)
            return false;
    return true;
}

static void test_fpu(void)
{
    static struct vcpu_guest_context context;
    bool avx = avx_enable();
    if (nr_vcpus() == 1) {
        skip(4, "one vCPU");
        return;
    }
    fill_registers();
    fpu_vcpu = nr_vcpus() - 1;
    vcpu_context_make(&context, fpu_vcpu, NULL, NULL);
    context.user_regs.rip = (unsigned long)fpu_entry;
    context.user_regs.rdi = avx;
    is_error(HYPERVISOR_vcpu_op(VCPUOP_initialise, fpu_vcpu, &context), 0, "a vCPU is made");
    HYPERVISOR_vcpu_op(VCPUOP_up, fpu_vcpu, NULL);
    while (!fpu_done || HYPERVISOR_vcpu_op(VCPUOP_is_up, fpu_vcpu, NULL) == 1)
        cpu_relax();
    /* SDM 1 10.5.1 and 13.4: ST0 to ST7 at 32, XMM at 160, the upper halves of YMM at 576. */
    ok(area_zero(32, 160), "its x87 registers are zero");
    ok(area_zero(160, 416), "its SSE registers are zero");
    ok(!avx || area_zero(576, 832), "its AVX registers are zero");
}

int main(void)
{
    test_fpu();
    test_table();
    test_strings();
    test_platform();
    test_grants();
    test_memory();
    test_registers();
    test_trap();
    return done();
}
