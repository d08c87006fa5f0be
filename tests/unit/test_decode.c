/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction decoder, against what the GNU assembler and disassembler say.
 *
 * links: tests/unit/host.c hypervisor/x86/emulate/decode.c
 */
#include "x86/emulate/decode.h"

#include "host.h"

#define NONE   0xff
#define B(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Register n holds (n + 1) << 20, RIP 0x7000. */
#define R(n) (((uint64_t)(n) + 1) << 20)

struct row {
    const char *text;
    const uint8_t *bytes;
    size_t length;
    uint16_t opcode;
    uint8_t op_size;
    uint8_t reg;      /* NONE: no ModRM */
    uint64_t operand; /* offset in memory, or the number of the other register */
    int64_t immediate;
};

static const struct row rows[] = {
    {"mov %rax,(%rdi)", B(0x48, 0x89, 0x07), 0x89, 8, 0, R(7), 0},
    {"mov %r9,0x10(%r10,%r11,8)", B(0x4f, 0x89, 0x4c, 0xda, 0x10), 0x89, 8, 9,
     R(10) + 8 * R(11) + 0x10, 0},
    {"movb $0x12,0x1234(%rip)", B(0xc6, 0x05, 0x34, 0x12, 0, 0, 0x12), 0xc6, 1, 0,
     0x7000 + 7 + 0x1234, 0x12},
    {"movq $-2,(%rsp)", B(0x48, 0xc7, 0x04, 0x24, 0xfe, 0xff, 0xff, 0xff), 0xc7, 8, 0, R(4), -2},
    {"movl $0x12345678,(%r12)", B(0x41, 0xc7, 0x04, 0x24, 0x78, 0x56, 0x34, 0x12), 0xc7, 4, 0,
     R(12), 0x12345678},
    {"movw $0x1234,(%r13)", B(0x66, 0x41, 0xc7, 0x45, 0, 0x34, 0x12), 0xc7, 2, 0, R(13), 0x1234},
    {"mov %eax,(%rbp,%rcx,4)", B(0x89, 0x44, 0x8d, 0), 0x89, 4, 0, R(5) + 4 * R(1), 0},
    {"mov %ah,(%rdx)", B(0x88, 0x22), 0x88, 1, 4, R(2), 0},
    {"mov %sil,(%rdx)", B(0x40, 0x88, 0x32), 0x88, 1, 6, R(2), 0},
    {"mov %al,moffs", B(0xa2, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11), 0xa2, 1, NONE,
     0x1122334455667788, 0},
    {"mov %rax,moffs", B(0x48, 0xa3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11), 0xa3, 8, NONE,
     0x1122334455667788, 0},
    {"mov %eax,moffs32", B(0x67, 0xa3, 0x88, 0x77, 0x66, 0x85), 0xa3, 4, NONE, 0x85667788, 0},
    {"mov %rax,0x1000", B(0x48, 0x89, 0x04, 0x25, 0, 0x10, 0, 0), 0x89, 8, 0, 0x1000, 0},
    {"mov %rax,-16", B(0x48, 0x89, 0x04, 0x25, 0xf0, 0xff, 0xff, 0xff), 0x89, 8, 0, -16ull, 0},
    {"mov %rax,-0x80(%rdi)", B(0x48, 0x89, 0x47, 0x80), 0x89, 8, 0, R(7) - 0x80, 0},
    {"mov %rax,0x12345678(%r13)", B(0x49, 0x89, 0x85, 0x78, 0x56, 0x34, 0x12), 0x89, 8, 0,
     R(13) + 0x12345678, 0},
    {"mov %rax,(,%rbp,2)", B(0x48, 0x89, 0x04, 0x6d, 0, 0, 0, 0), 0x89, 8, 0, 2 * R(5), 0},
    {"mov %rax,(%rdx,%r12)", B(0x4a, 0x89, 0x04, 0x22), 0x89, 8, 0, R(2) + R(12), 0},
    {"lock cmpxchg %rcx,(%rdi)", B(0xf0, 0x48, 0x0f, 0xb1, 0x0f), OP_0F | 0xb1, 8, 1, R(7), 0},
    {"lock cmpxchg8b (%rdi)", B(0xf0, 0x0f, 0xc7, 0x0f), OP_0F | 0xc7, 4, 1, R(7), 0},
    {"cmpxchg16b (%rdi)", B(0x48, 0x0f, 0xc7, 0x0f), OP_0F | 0xc7, 8, 1, R(7), 0},
    {"lock btsq $5,(%rdi)", B(0xf0, 0x48, 0x0f, 0xba, 0x2f, 5), OP_0F | 0xba, 8, 5, R(7), 5},
    {"lock addq $-1,(%rdi)", B(0xf0, 0x48, 0x83, 0x07, 0xff), 0x83, 8, 0, R(7), -1},
    {"addq $0x12345,(%rdi)", B(0x48, 0x81, 0x07, 0x45, 0x23, 0x01, 0), 0x81, 8, 0, R(7), 0x12345},
    {"andb $0xfe,(%rdi)", B(0x80, 0x27, 0xfe), 0x80, 1, 4, R(7), -2},
    {"subw $0x100,(%rdi)", B(0x66, 0x81, 0x2f, 0, 1), 0x81, 2, 5, R(7), 0x100},
    {"movnti %rax,(%rdi)", B(0x48, 0x0f, 0xc3, 0x07), OP_0F | 0xc3, 8, 0, R(7), 0},
    {"xor %r15,(%rdi)", B(0x4c, 0x31, 0x3f), 0x31, 8, 15, R(7), 0},
    {"rep stosq", B(0xf3, 0x48, 0xab), 0xab, 8, NONE, 0, 0},
    {"movsb", B(0xa4), 0xa4, 1, NONE, 0, 0},
    {"in $0x71,%al", B(0xe4, 0x71), 0xe4, 1, NONE, 0, 0x71},
    {"in (%dx),%ax", B(0x66, 0xed), 0xed, 2, NONE, 0, 0},
    {"out %eax,(%dx)", B(0xef), 0xef, 4, NONE, 0, 0},
    {"rep outsw %gs:(%rsi),(%dx)", B(0x65, 0x66, 0xf3, 0x6f), 0x6f, 2, NONE, 0, 0},
    {"hlt", B(0xf4), 0xf4, 4, NONE, 0, 0},
    {"clts", B(0x0f, 0x06), OP_0F | 0x06, 4, NONE, 0, 0},
    {"mov %cr0,%rax", B(0x0f, 0x20, 0xc0), OP_0F | 0x20, 8, 0, 0, 0},
    {"mov %r15,%cr3", B(0x41, 0x0f, 0x22, 0xdf), OP_0F | 0x22, 8, 3, 15, 0},
    {"mov %cr8,%rdx", B(0x44, 0x0f, 0x20, 0xc2), OP_0F | 0x20, 8, 8, 2, 0},
    {"mov %cr0,%rax, mod 0 ignored", B(0x0f, 0x20, 0x00), OP_0F | 0x20, 8, 0, 0, 0},
    {"mov %r9,%db0", B(0x41, 0x0f, 0x23, 0xc1), OP_0F | 0x23, 8, 0, 9, 0},
    {"rdtscp", B(0x0f, 0x01, 0xf9), OP_0F | 0x01, 4, 7, 1, 0},
    {"invlpg 0x40(%rax,%rbx,2)", B(0x0f, 0x01, 0x7c, 0x58, 0x40), OP_0F | 0x01, 4, 7,
     R(0) + 2 * R(3) + 0x40, 0},
    {"lmsw (%r11)", B(0x41, 0x0f, 0x01, 0x33), OP_0F | 0x01, 4, 6, R(11), 0},
    {"cpuid", B(0x0f, 0xa2), OP_0F | 0xa2, 4, NONE, 0, 0},
};

static struct cpu_user_regs make_regs(void)
{
    struct cpu_user_regs regs = {.rip = 0x7000};
    for (unsigned n = 0; n < 16; n++)
        *insn_register(&regs, n) = R(n);
    return regs;
}

static void test_row(const struct row *r)
{
    struct cpu_user_regs regs = make_regs();
    struct insn i;

    is(decode_insn(r->bytes, r->length, &i), DECODE_OK, "%s", r->text);
    bool same = i.length == r->length && i.opcode == r->opcode && i.op_size == r->op_size &&
                i.immediate == r->immediate && i.has_modrm == (r->reg != NONE);
    if (i.has_modrm)
        same = same && i.reg == r->reg;
    if (i.is_memory)
        same = same && insn_offset(&regs, &i) == r->operand;
    else if (i.has_modrm)
        same = same && i.rm == r->operand;
    ok(same, "%s: length %u opcode %#x size %u", r->text, i.length, i.opcode, i.op_size);

    bool truncated = true;
    for (size_t n = 0; n < r->length; n++) {
        enum decode_result result = decode_insn(r->bytes, n, &i);
        truncated = truncated && result == DECODE_TRUNCATED;
    }
    ok(truncated, "%s: any shorter is truncated", r->text);
}

static void test_prefixes(void)
{
    struct insn i;
    uint8_t bytes[32];

    (void)decode_insn(B(0x65, 0x48, 0x89, 0x07), &i);
    is(i.segment, SEG_GS, "GS override");
    (void)decode_insn(B(0x64, 0x2e, 0x48, 0x89, 0x07), &i);
    is(i.segment, SEG_CS, "the last segment override counts");
    (void)decode_insn(B(0x48, 0x66, 0x89, 0x07), &i);
    is(i.op_size, 2, "REX before another prefix is ignored");
    (void)decode_insn(B(0x66, 0x48, 0x89, 0x07), &i);
    is(i.op_size, 8, "REX.W wins over the operand-size prefix");
    (void)decode_insn(B(0xf3, 0xf2, 0xab), &i);
    is(i.prefixes, PREFIX_REPNE, "the last repeat prefix counts");
    (void)decode_insn(B(0x67, 0x48, 0x89, 0x07), &i);
    is(i.addr_size, 4, "address-size prefix");
    struct cpu_user_regs regs = {.rdi = 0x1fffffff8};
    is(insn_offset(&regs, &i), 0xfffffff8, "which wraps the offset");

    memset(bytes, 0x66, sizeof(bytes));
    is(decode_insn(bytes, 14, &i), DECODE_TRUNCATED, "14 prefixes: there could be an opcode");
    is(decode_insn(bytes, 15, &i), DECODE_UNKNOWN, "15 prefixes: there cannot");
    bytes[14] = 0xf4;
    is(decode_insn(bytes, 15, &i), DECODE_OK, "15 bytes are allowed");
    is(i.length, 15);
    bytes[14] = 0x66;
    bytes[15] = 0xf4;
    is(decode_insn(bytes, 16, &i), DECODE_UNKNOWN, "16 are not");
    is(decode_insn(bytes, 0, &i), DECODE_TRUNCATED, "no byte at all");
}

static void test_unknown(void)
{
    static const uint8_t unknown[][4] = {{0x8b, 0x07},
                                         {0xc3},
                                         {0xcc},
                                         {0x0f, 0x05},
                                         {0x0f, 0x0b},
                                         {0x0f, 0x33},
                                         {0x0f, 0x38, 0x00, 0x00},
                                         {0x9d},
                                         {0xcf}};
    struct insn i;

    for (size_t n = 0; n < ARRAY_SIZE(unknown); n++)
        is(decode_insn(unknown[n], 4, &i), DECODE_UNKNOWN, "opcode %02x %02x is none of ours",
           unknown[n][0], unknown[n][1]);
}

static void test_registers(void)
{
    struct cpu_user_regs regs = {.rax = 0x1122334455667788, .rsi = 0x99};
    struct insn plain = {0}, rex = {.rex = 0x40};

    is(insn_read_reg(&regs, &plain, 4, 1), 0x77, "AH without REX");
    is(insn_read_reg(&regs, &rex, 6, 1), 0x99, "SIL with");
    is(insn_read_reg(&regs, &plain, 0, 2), 0x7788);
    is(insn_read_reg(&regs, &plain, 0, 4), 0x55667788);
    insn_write_reg(&regs, &plain, 4, 1, 0xab);
    is(regs.rax, 0x112233445566ab88, "AH written");
    insn_write_reg(&regs, &plain, 0, 2, 0xffff0001);
    is(regs.rax, 0x1122334455660001, "2 bytes keep the rest");
    insn_write_reg(&regs, &plain, 0, 4, 0xffffffff00000002);
    is(regs.rax, 2, "4 bytes clear the upper half");
    insn_write_reg(&regs, &plain, 0, 8, ~0ull);
    is(regs.rax, -1);
}

/* Whatever the bytes: never beyond them, never longer than 15. */
static void test_random(void)
{
    bool good = true;

    srand(1);
    for (unsigned round = 0; round < 200000; round++) {
        size_t count = (size_t)rand() % 17;
        uint8_t *bytes = malloc(count != 0 ? count : 1); /* on the heap: ASan sees the end */
        for (size_t n = 0; n < count; n++)
            bytes[n] = (uint8_t)(rand() >> 7);
        struct insn i;
        struct cpu_user_regs regs = make_regs();
        if (decode_insn(bytes, count, &i) == DECODE_OK) {
            good = good && i.length <= count && i.length <= INSN_MAX && i.length > 0;
            (void)insn_offset(&regs, &i);
        }
        free(bytes);
    }
    ok(good, "random bytes");
}

/* ---- The short way and the general one ----------------------------------------------------------
 */

static bool same(const struct insn *a, const struct insn *b)
{
    return a->opcode == b->opcode && a->length == b->length && a->prefixes == b->prefixes &&
           a->segment == b->segment && a->rex == b->rex && a->op_size == b->op_size &&
           a->addr_size == b->addr_size && a->has_modrm == b->has_modrm &&
           a->is_memory == b->is_memory && a->modrm == b->modrm && a->reg == b->reg &&
           a->rm == b->rm && a->base == b->base && a->index == b->index && a->scale == b->scale &&
           a->rip_relative == b->rip_relative && a->displacement == b->displacement &&
           a->immediate == b->immediate;
}

/* With only its own bytes an instruction is decoded the general way: to the same. */
static void test_both_ways(void)
{
    static const uint8_t rexes[] = {0, 0x41, 0x44, 0x48, 0x4f};
    unsigned long differ = 0, compared = 0;

    for (unsigned n = 0; n < 2 * 2 * ARRAY_SIZE(rexes) << 16; n++) {
        uint8_t bytes[15] = {0}, at = 0, rex = rexes[(n >> 18) % ARRAY_SIZE(rexes)];
        struct insn whole, own;
        if (n & 1u << 16)
            bytes[at++] = 0xf0;
        if (rex)
            bytes[at++] = rex;
        if (n & 1u << 17)
            bytes[at++] = 0x0f;
        bytes[at++] = (uint8_t)n;
        bytes[at++] = (uint8_t)(n >> 8);
        for (uint8_t tail = 0x83; at < sizeof(bytes); tail = (uint8_t)(tail + 0x25))
            bytes[at++] = tail;
        if (decode_insn(bytes, sizeof(bytes), &whole) != DECODE_OK || whole.length > 9)
            continue;
        compared++;
        differ += decode_insn(bytes, whole.length, &own) != DECODE_OK || !same(&whole, &own) ||
                  decode_insn(bytes, whole.length - 1u, &own) == DECODE_OK;
    }
    ok(differ == 0 && compared > 50000, "%lu of %lu instructions are decoded in two ways", differ,
       compared);
}

int main(void)
{
    test_both_ways();
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
        test_row(&rows[n]);
    test_prefixes();
    test_unknown();
    test_registers();
    test_random();
    return done();
}
