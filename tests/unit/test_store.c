/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulated stores. Each instruction is also executed by the host's own CPU, from the same registers
 * and memory: both must leave the same behind.
 *
 * links: tests/unit/host.c hypervisor/x86/emulate/store.c hypervisor/x86/emulate/decode.c
 */
#include "x86/emulate/emulate.h"

#include <sys/mman.h>

#include "host.h"
#include "x86/x86.h"

#define B(...) {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Flags: CF PF AF ZF SF OF. AF is undefined after AND, OR, XOR and the bit instructions. */
#define FLAGS       0x8d5ul
#define FLAGS_LOGIC 0x8c5ul
#define FLAGS_BIT   0x41ul /* CF; ZF stays as it was */

struct row {
    const char *text;
    uint8_t bytes[16];
    size_t length;
    uint64_t flags; /* those that are defined */
};

/* All store to where RDI points (with 16 bytes of the table on either side). */
static const struct row rows[] = {
    {"mov %rdx,(%rdi)", B(0x48, 0x89, 0x17), FLAGS},
    {"mov %edx,(%rdi)", B(0x89, 0x17), FLAGS},
    {"mov %dx,(%rdi)", B(0x66, 0x89, 0x17), FLAGS},
    {"mov %dh,(%rdi)", B(0x88, 0x37), FLAGS},
    {"movq $-2,(%rdi)", B(0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff), FLAGS},
    {"movl $-2,(%rdi)", B(0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff), FLAGS},
    {"movb $0x80,(%rdi)", B(0xc6, 0x07, 0x80), FLAGS},
    {"movnti %rdx,(%rdi)", B(0x48, 0x0f, 0xc3, 0x17), FLAGS},
    {"xchg %rdx,(%rdi)", B(0x48, 0x87, 0x17), FLAGS},
    {"xchg %rdx,-8(%rdi)", B(0x48, 0x87, 0x57, 0xf8), FLAGS},
    {"xchg %rbx,-8(%rdi)", B(0x48, 0x87, 0x9f, 0xf8, 0xff, 0xff, 0xff), FLAGS},
    {"mov %rcx,-8(%rdi)", B(0x48, 0x89, 0x4f, 0xf8), FLAGS},
    {"mov %rax,-8(%rdi)", B(0x48, 0x89, 0x87, 0xf8, 0xff, 0xff, 0xff), FLAGS},
    {"mov %rdx,(%rdi) by SIB", B(0x48, 0x89, 0x14, 0x27), FLAGS},
    {"mov %rdi,(%rdi)", B(0x48, 0x89, 0x3f), FLAGS},
    {"xchg %edx,(%rdi)", B(0x87, 0x17), FLAGS},
    {"xchg %dl,(%rdi)", B(0x86, 0x17), FLAGS},
    {"add %rdx,(%rdi)", B(0x48, 0x01, 0x17), FLAGS},
    {"lock add %edx,(%rdi)", B(0xf0, 0x01, 0x17), FLAGS},
    {"add %dl,(%rdi)", B(0x00, 0x17), FLAGS},
    {"addq $-1,(%rdi)", B(0x48, 0x83, 0x07, 0xff), FLAGS},
    {"addl $0x12345,(%rdi)", B(0x81, 0x07, 0x45, 0x23, 0x01, 0x00), FLAGS},
    {"sub %rdx,(%rdi)", B(0x48, 0x29, 0x17), FLAGS},
    {"lock subw $0x100,(%rdi)", B(0xf0, 0x66, 0x81, 0x2f, 0x00, 0x01), FLAGS},
    {"sub %dl,(%rdi)", B(0x28, 0x17), FLAGS},
    {"or %rdx,(%rdi)", B(0x48, 0x09, 0x17), FLAGS_LOGIC},
    {"lock orb $2,(%rdi)", B(0xf0, 0x80, 0x0f, 0x02), FLAGS_LOGIC},
    {"and %rdx,(%rdi)", B(0x48, 0x21, 0x17), FLAGS_LOGIC},
    {"lock andq $-3,(%rdi)", B(0xf0, 0x48, 0x83, 0x27, 0xfd), FLAGS_LOGIC},
    {"xor %dx,(%rdi)", B(0x66, 0x31, 0x17), FLAGS_LOGIC},
    {"xorl $0x800000,(%rdi)", B(0x81, 0x37, 0x00, 0x00, 0x80, 0x00), FLAGS_LOGIC},
    {"incq (%rdi)", B(0x48, 0xff, 0x07), FLAGS},
    {"lock incb (%rdi)", B(0xf0, 0xfe, 0x07), FLAGS},
    {"decl (%rdi)", B(0xff, 0x0f), FLAGS},
    {"lock btsq $5,(%rdi)", B(0xf0, 0x48, 0x0f, 0xba, 0x2f, 0x05), FLAGS_BIT},
    {"btrl $37,(%rdi)", B(0x0f, 0xba, 0x37, 37), FLAGS_BIT},
    {"btcw $15,(%rdi)", B(0x66, 0x0f, 0xba, 0x3f, 15), FLAGS_BIT},
    {"lock bts %rsi,(%rdi)", B(0xf0, 0x48, 0x0f, 0xab, 0x37), FLAGS_BIT},
    {"lock btr %esi,(%rdi)", B(0xf0, 0x0f, 0xb3, 0x37), FLAGS_BIT},
    {"btc %si,(%rdi)", B(0x66, 0x0f, 0xbb, 0x37), FLAGS_BIT},
    {"lock xadd %rdx,(%rdi)", B(0xf0, 0x48, 0x0f, 0xc1, 0x17), FLAGS},
    {"xadd %edx,(%rdi)", B(0x0f, 0xc1, 0x17), FLAGS},
    {"lock cmpxchg %rdx,(%rdi)", B(0xf0, 0x48, 0x0f, 0xb1, 0x17), FLAGS},
    {"cmpxchg %edx,(%rdi)", B(0x0f, 0xb1, 0x17), FLAGS},
    {"cmpxchg %dl,(%rdi)", B(0x0f, 0xb0, 0x17), FLAGS},
    {"lock cmpxchg8b (%rdi)", B(0xf0, 0x0f, 0xc7, 0x0f), FLAGS},
    {"stosq", B(0x48, 0xab), FLAGS},
    {"stosb", B(0xaa), FLAGS},
    {"movsq", B(0x48, 0xa5), FLAGS},
    {"movsl", B(0xa5), FLAGS},
};

/* ---- What the emulator is built on ---------------------------------------------------------- */

static const uint8_t *code;
static size_t code_length;
static unsigned data_faults;

enum fetch_result fetch_insn(struct cpu_user_regs *regs, struct insn *out)
{
    (void)regs;
    return decode_insn(code, code_length, out) == DECODE_OK ? FETCH_OK : FETCH_REFUSED;
}

uint64_t segment_base(unsigned segment)
{
    return segment == SEG_GS ? 0x100 : 0;
}

void inject_data_fault(uint64_t va, size_t done, bool write)
{
    (void)va;
    (void)done;
    (void)write;
    data_faults++;
}

void retire_insn(struct cpu_user_regs *regs, unsigned length)
{
    regs->rip += length;
}

/* The page table: memory of the test's. */
static uint64_t table[8];
static int races;    /* so many times another CPU is faster */
static bool refusal; /* of the new value */
static unsigned plain_stores;

static int fake_read(void *ctx, uint64_t va, unsigned size, uint64_t *val)
{
    (void)ctx;
    *val = 0;
    memcpy(val, (void *)(uintptr_t)va, size);
    return 0;
}

static int fake_cmpxchg(void *ctx, uint64_t va, unsigned size, uint64_t *old, uint64_t val)
{
    uint64_t now = 0;

    (void)ctx;
    if (refusal)
        return -1;
    if (races != 0) {
        races--;
        ((uint8_t *)(uintptr_t)va)[0] ^= 0x40;
    }
    memcpy(&now, (void *)(uintptr_t)va, size);
    if (now != *old) {
        *old = now;
        return 1;
    }
    memcpy((void *)(uintptr_t)va, &val, size);
    return 0;
}

static const struct store_ops ops = {.read = fake_read, .cmpxchg = fake_cmpxchg};

/* As whoever has the page table does it, when the store is one of the plain ones. */
static bool carry_out(struct cpu_user_regs *regs, uint64_t va)
{
    static struct plain_store s;
    uint64_t old = 0;

    if (!plain_store_find(regs, va, &s))
        return emulate_store(regs, va, &ops, NULL);
    plain_stores++;
    while (fake_cmpxchg(NULL, va, sizeof(old), &old, ((uint64_t *)regs)[s.reg]) != 0)
        ;
    if (s.exchanges)
        ((uint64_t *)regs)[s.reg] = old;
    retire_insn(regs, s.length);
    return true;
}

static bool emulate(struct cpu_user_regs *regs, const uint8_t *bytes, size_t length, uint64_t va)
{
    /* Half of the time where and as a kernel has it, so that it may be known by its first bytes. */
    static uint8_t pages[2 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
    uint8_t *at = pages + PAGE_SIZE - (size_t)rand() % 32;

    memcpy(at, bytes, length);
    code = bytes;
    code_length = length;
    regs->cs = rand() % 2 != 0 ? FLAT_RING3_CS64 : 0;
    regs->rip = (uintptr_t)at;
    bool done = carry_out(regs, va);
    regs->rip -= (uintptr_t)at;
    regs->cs = 0;
    return done;
}

/* ---- The host's CPU ------------------------------------------------------------------------- */

static uint8_t *executable;

static void run_native(struct cpu_user_regs *regs, const struct row *r)
{
    uint64_t flags = regs->rflags & FLAGS, a = regs->rax, b = regs->rbx, c = regs->rcx,
             d = regs->rdx, si = regs->rsi, di = regs->rdi;

    memcpy(executable, r->bytes, r->length);
    executable[r->length] = 0xc3;
    register void *target __asm__("r8") = executable;
    register uint64_t in_out __asm__("r9") = flags;
    __asm__ volatile("sub $128, %%rsp\n" /* past the red zone */
                     "pushq %%r9\n popfq\n call *%%r8\n pushfq\n popq %%r9\n"
                     "add $128, %%rsp\n"
                     : "+r"(in_out), "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di)
                     : "r"(target)
                     : "memory", "cc");
    regs->rax = a;
    regs->rbx = b;
    regs->rcx = c;
    regs->rdx = d;
    regs->rsi = si;
    regs->rdi = di;
    regs->rflags = in_out & FLAGS;
}

static uint64_t random64(void)
{
    static const uint64_t corners[] = {0,          1,          0x7f,  0x80,       0x7fff,    0x8000,
                                       0x7fffffff, 0x80000000, ~0ull, ~0ull >> 1, 1ull << 63};
    if (rand() % 3 == 0)
        return corners[(unsigned)rand() % ARRAY_SIZE(corners)];
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

static uint64_t source;

/* Registers such that the store falls on table[3], or for bit stores near it. */
static struct cpu_user_regs random_regs(const struct row *r)
{
    struct cpu_user_regs regs = {.rax = random64(),
                                 .rbx = random64(),
                                 .rcx = random64(),
                                 .rdx = random64(),
                                 .rdi = (uintptr_t)&table[3],
                                 .rflags = (uint64_t)rand() & FLAGS};
    regs.rsi = strstr(r->text, "movs") ? (uintptr_t)&source : (uint64_t)(rand() % 256 - 128);
    if (rand() % 2 == 0) { /* so that comparisons hold sometimes */
        regs.rax = table[3];
        regs.rdx = strstr(r->text, "8b") ? table[3] >> 32 : regs.rdx;
    }
    return regs;
}

static uint64_t store_address(const struct row *r, const struct cpu_user_regs *regs)
{
    unsigned bits = strstr(r->text, "%rsi") ? 64 : strstr(r->text, "%esi") ? 32 : 16;
    if (strstr(r->text, "-8("))
        return regs->rdi - 8;
    if (!strstr(r->text, "si,"))
        return regs->rdi;
    int64_t nr = (int64_t)(regs->rsi << (64 - bits)) >> (64 - bits);
    return regs->rdi + (uint64_t)((nr >> __builtin_ctz(bits)) * (int64_t)(bits / 8));
}

static bool same_outcome(const struct row *r)
{
    uint64_t before[ARRAY_SIZE(table)], emulated[ARRAY_SIZE(table)];

    for (size_t n = 0; n < ARRAY_SIZE(table); n++)
        table[n] = random64();
    source = random64();
    memcpy(before, table, sizeof(table));
    struct cpu_user_regs regs = random_regs(r), native = regs;
    if (!emulate(&regs, r->bytes, r->length, store_address(r, &regs)))
        return false;
    memcpy(emulated, table, sizeof(table));
    memcpy(table, before, sizeof(table));
    run_native(&native, r);
    uint64_t keep = strstr(r->text, "bt") ? FLAGS_BIT : r->flags;
    return memcmp(emulated, table, sizeof(table)) == 0 && regs.rip == r->length &&
           regs.rax == native.rax && regs.rbx == native.rbx && regs.rcx == native.rcx &&
           regs.rdx == native.rdx && regs.rsi == native.rsi && regs.rdi == native.rdi &&
           ((regs.rflags ^ native.rflags) & keep) == 0;
}

static void test_against_cpu(void)
{
    executable = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (executable == MAP_FAILED)
        bail_out("no executable memory");
    srand(2);
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        unsigned different = 0;
        for (unsigned round = 0; round < 2000; round++)
            different += !same_outcome(&rows[n]);
        is(different, 0, "%s as the CPU does it", rows[n].text);
    }
    ok(plain_stores > 1000, "%u of them were known by their first bytes", plain_stores);
}

/* ---- By hand -------------------------------------------------------------------------------- */

static void test_repeated(void)
{
    static const uint8_t rep_stosq[] = {0xf3, 0x48, 0xab};
    struct cpu_user_regs regs = {.rax = 5, .rcx = 2, .rdi = (uintptr_t)&table[0]};

    table[0] = table[1] = 9;
    ok(emulate(&regs, rep_stosq, 3, regs.rdi));
    ok(regs.rip == 0 && regs.rcx == 1 && regs.rdi == (uintptr_t)&table[1] && table[0] == 5 &&
           table[1] == 9,
       "rep stosq: one step");
    ok(emulate(&regs, rep_stosq, 3, regs.rdi));
    ok(regs.rip == 3 && regs.rcx == 0 && table[1] == 5, "and the last");

    regs = (struct cpu_user_regs){.rdi = (uintptr_t)&table[1], .rflags = X86_RFLAGS_DF};
    ok(emulate(&regs, rep_stosq + 1, 2, regs.rdi));
    is(regs.rdi, (uintptr_t)&table[0], "downwards");

    static const uint8_t movsq[] = {0x48, 0xa5};
    regs = (struct cpu_user_regs){.rdi = (uintptr_t)&table[1], .rsi = 0x10};
    table[1] = 7;
    ok(emulate(&regs, movsq, 2, regs.rdi), "movsq from nowhere is a fault");
    ok(data_faults == 1 && table[1] == 7 && regs.rip == 0, "of the source");
}

static void test_races(void)
{
    static const uint8_t lock_inc[] = {0xf0, 0x48, 0xff, 0x07};
    struct cpu_user_regs regs = {.rdi = (uintptr_t)&table[0]};

    table[0] = 0;
    races = 3;
    ok(emulate(&regs, lock_inc, 4, regs.rdi));
    ok(table[0] == 0x41 && regs.rip == 4, "an increment is not lost to a race");
    races = 1000;
    regs.rip = 0;
    ok(emulate(&regs, lock_inc, 4, regs.rdi));
    is(regs.rip, 0, "after too many the guest tries again");
    races = 0;
}

static void test_refused(void)
{
    static const struct row refused[] = {
        {"cmpxchg16b", B(0x48, 0x0f, 0xc7, 0x0f), 0},
        {"lock mov", B(0xf0, 0x48, 0x89, 0x07), 0},
        {"lock stosq", B(0xf0, 0x48, 0xab), 0},
        {"adc", B(0x48, 0x83, 0x17, 0x01), 0},
        {"cmp", B(0x48, 0x83, 0x3f, 0x01), 0},
        {"register operand", B(0x48, 0x89, 0xc7), 0},
        {"mov with extension 1", B(0x48, 0xc7, 0x0f, 0x01, 0, 0, 0), 0},
        {"call (%rdi)", B(0xff, 0x17), 0},
        {"bt", B(0x48, 0x0f, 0xba, 0x27, 0x05), 0},
        {"cli", B(0xfa), 0},
        {"mov %rax,%gs:(%rdi) is elsewhere", B(0x65, 0x48, 0x89, 0x07), 0},
    };
    uint64_t was = table[0] = 0x123;

    for (size_t n = 0; n < ARRAY_SIZE(refused); n++) {
        struct cpu_user_regs regs = {.rdi = (uintptr_t)&table[0]}, before = regs;
        bool done = emulate(&regs, refused[n].bytes, refused[n].length, regs.rdi);
        ok(!done && table[0] == was && memcmp(&regs, &before, sizeof(regs)) == 0, "%s is refused",
           refused[n].text);
    }

    static const uint8_t mov[] = {0x48, 0x89, 0x07}, add[] = {0x48, 0x01, 0x07};
    struct cpu_user_regs regs = {.rdi = (uintptr_t)&table[0] + 4};
    ok(!emulate(&regs, mov, 3, regs.rdi), "misaligned is refused");
    regs.rdi = (uintptr_t)&table[0];
    ok(!emulate(&regs, mov, 3, regs.rdi + 8), "a fault behind the operand is not its own");
    ok(!emulate(&regs, mov, 3, regs.rdi - 1), "nor one before it");
    ok(emulate(&regs, mov, 3, regs.rdi + 7), "one on its last byte is");
    refusal = true;
    regs = (struct cpu_user_regs){.rdi = (uintptr_t)&table[0], .rflags = FLAGS};
    ok(!emulate(&regs, add, 3, regs.rdi), "a value that is not allowed");
    ok(regs.rip == 0 && regs.rflags == FLAGS, "changes no register");
    refusal = false;
}

int main(void)
{
    test_against_cpu();
    test_repeated();
    test_races();
    test_refused();
    return done();
}
