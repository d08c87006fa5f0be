/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction decoder: bytes in, struct insn out, no guest state touched.
 *
 * Invariant: out->length never exceeds INSN_MAX or the bytes given, and an opcode without a row in
 * the tables is DECODE_UNKNOWN.
 */
#include "x86/emulate/decode.h"

/* What follows an opcode byte. */
enum operand_form {
    KNOWN = 1u << 0,
    MODRM = 1u << 1,
    BYTE_OP = 1u << 2, /* operates on bytes whatever the prefixes say */
    IMM8 = 1u << 3,
    IMM = 1u << 4,   /* immediate of the operand size, at most four bytes, sign-extended */
    MOFFS = 1u << 5, /* an address of the address size */
    QUAD = 1u << 6,  /* operand size is 8 without REX.W */
    REGS = 1u << 7,  /* mod is ignored: both operands are registers (MOV CR, MOV DR) */
};

#define ALU_STORE(base) [(base)] = KNOWN | MODRM | BYTE_OP, [(base) + 1] = KNOWN | MODRM

/* Intel SDM 2, table A-2. */
static const uint8_t one_byte[256] = {
    ALU_STORE(0x00),          /* ADD */
    ALU_STORE(0x08),          /* OR */
    ALU_STORE(0x20),          /* AND */
    ALU_STORE(0x28),          /* SUB */
    ALU_STORE(0x30),          /* XOR */
    [0x6c] = KNOWN | BYTE_OP, /* INS */
    [0x6d] = KNOWN,
    [0x6e] = KNOWN | BYTE_OP, /* OUTS */
    [0x6f] = KNOWN,
    [0x80] = KNOWN | MODRM | BYTE_OP | IMM8, /* ADD OR ADC SBB AND SUB XOR CMP */
    [0x81] = KNOWN | MODRM | IMM,
    [0x83] = KNOWN | MODRM | IMM8,
    [0x86] = KNOWN | MODRM | BYTE_OP, /* XCHG */
    [0x87] = KNOWN | MODRM,
    [0x88] = KNOWN | MODRM | BYTE_OP, /* MOV */
    [0x89] = KNOWN | MODRM,
    [0xa2] = KNOWN | BYTE_OP | MOFFS, /* MOV moffs, rAX */
    [0xa3] = KNOWN | MOFFS,
    [0xa4] = KNOWN | BYTE_OP, /* MOVS */
    [0xa5] = KNOWN,
    [0xaa] = KNOWN | BYTE_OP, /* STOS */
    [0xab] = KNOWN,
    [0xc6] = KNOWN | MODRM | BYTE_OP | IMM8, /* MOV immediate */
    [0xc7] = KNOWN | MODRM | IMM,
    [0xe4] = KNOWN | BYTE_OP | IMM8, /* IN, OUT */
    [0xe5] = KNOWN | IMM8,
    [0xe6] = KNOWN | BYTE_OP | IMM8,
    [0xe7] = KNOWN | IMM8,
    [0xec] = KNOWN | BYTE_OP,
    [0xed] = KNOWN,
    [0xee] = KNOWN | BYTE_OP,
    [0xef] = KNOWN,
    [0xf4] = KNOWN,                   /* HLT */
    [0xfa] = KNOWN,                   /* CLI */
    [0xfb] = KNOWN,                   /* STI */
    [0xfe] = KNOWN | MODRM | BYTE_OP, /* INC DEC */
    [0xff] = KNOWN | MODRM,
};

/* Intel SDM 2, table A-3. */
static const uint8_t two_byte[256] = {
    [0x01] = KNOWN | MODRM,               /* LMSW INVLPG XSETBV RDTSCP */
    [0x06] = KNOWN,                       /* CLTS */
    [0x08] = KNOWN,                       /* INVD */
    [0x09] = KNOWN,                       /* WBINVD */
    [0x20] = KNOWN | MODRM | QUAD | REGS, /* MOV from and to CR and DR */
    [0x21] = KNOWN | MODRM | QUAD | REGS,
    [0x22] = KNOWN | MODRM | QUAD | REGS,
    [0x23] = KNOWN | MODRM | QUAD | REGS,
    [0x30] = KNOWN,                   /* WRMSR */
    [0x31] = KNOWN,                   /* RDTSC */
    [0x32] = KNOWN,                   /* RDMSR */
    [0xa2] = KNOWN,                   /* CPUID */
    [0xab] = KNOWN | MODRM,           /* BTS */
    [0xb0] = KNOWN | MODRM | BYTE_OP, /* CMPXCHG */
    [0xb1] = KNOWN | MODRM,
    [0xb3] = KNOWN | MODRM,           /* BTR */
    [0xba] = KNOWN | MODRM | IMM8,    /* BT BTS BTR BTC */
    [0xbb] = KNOWN | MODRM,           /* BTC */
    [0xc0] = KNOWN | MODRM | BYTE_OP, /* XADD */
    [0xc1] = KNOWN | MODRM,
    [0xc3] = KNOWN | MODRM, /* MOVNTI */
    [0xc7] = KNOWN | MODRM, /* CMPXCHG8B */
};

typedef int32_t unaligned_int32_t __attribute__((aligned(1), may_alias));

struct cursor {
    const uint8_t *bytes;
    size_t count, at;
    bool out_of_bytes;
};

static uint8_t next_byte(struct cursor *c)
{
    if (c->at >= c->count) {
        c->out_of_bytes = true;
        return 0;
    }
    return c->bytes[c->at++];
}

/* A little-endian number of 1, 2, 4 or 8 bytes, sign-extended. */
static int64_t next_number(struct cursor *c, unsigned size)
{
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++)
        val |= (uint64_t)next_byte(c) << (8 * i);
    unsigned unused = 64 - 8 * size;
    return (int64_t)(val << unused) >> unused;
}

/* True when the byte was a legacy prefix. The last of two segment or repeat prefixes counts. */
static bool take_prefix(struct insn *i, uint8_t byte)
{
    switch (byte) {
    case 0x26:
        i->segment = SEG_ES;
        return true;
    case 0x2e:
        i->segment = SEG_CS;
        return true;
    case 0x36:
        i->segment = SEG_SS;
        return true;
    case 0x3e:
        i->segment = SEG_DS;
        return true;
    case 0x64:
        i->segment = SEG_FS;
        return true;
    case 0x65:
        i->segment = SEG_GS;
        return true;
    case 0x66:
        i->prefixes |= PREFIX_OPSIZE;
        return true;
    case 0x67:
        i->prefixes |= PREFIX_ADDRSIZE;
        return true;
    case 0xf0:
        i->prefixes |= PREFIX_LOCK;
        return true;
    case 0xf2:
        i->prefixes = (uint8_t)((i->prefixes & ~PREFIX_REP) | PREFIX_REPNE);
        return true;
    case 0xf3:
        i->prefixes = (uint8_t)((i->prefixes & ~PREFIX_REPNE) | PREFIX_REP);
        return true;
    default:
        return false;
    }
}

/* Prefixes and opcode. A REX prefix counts only just before the opcode (Intel SDM 2, 2.2.1). */
static uint8_t decode_opcode(struct cursor *c, struct insn *i)
{
    uint8_t byte = next_byte(c);
    while (!c->out_of_bytes) {
        if ((byte & 0xf0) == 0x40)
            i->rex = byte;
        else if (take_prefix(i, byte))
            i->rex = 0;
        else
            break;
        byte = next_byte(c);
    }
    if (byte != 0x0f) {
        i->opcode = byte;
        return one_byte[byte];
    }
    byte = next_byte(c);
    i->opcode = (uint16_t)(OP_0F | byte);
    return two_byte[byte];
}

/* Intel SDM 2, tables 2-2, 2-3 and 2-7 (RIP-relative addressing). */
static void decode_memory(struct cursor *c, struct insn *i)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7;

    i->is_memory = true;
    i->base = (uint8_t)(rm | ((i->rex & REX_B) ? 8 : 0));
    if (rm == 4) {
        uint8_t sib = next_byte(c);
        rm = sib & 7;
        i->scale = sib >> 6;
        i->index = (uint8_t)(((sib >> 3) & 7) | ((i->rex & REX_X) ? 8 : 0));
        if (i->index == 4)
            i->index = REG_NONE;
        i->base = (uint8_t)(rm | ((i->rex & REX_B) ? 8 : 0));
        if (rm == 5 && mod == 0)
            i->base = REG_NONE;
    } else if (rm == 5 && mod == 0) {
        i->base = REG_NONE;
        i->rip_relative = true;
    }

    if (mod == 1)
        i->displacement = next_number(c, 1);
    else if (mod == 2 || i->base == REG_NONE)
        i->displacement = next_number(c, 4);
}

static void decode_modrm(struct cursor *c, struct insn *i, uint8_t form)
{
    i->has_modrm = true;
    i->modrm = next_byte(c);
    i->reg = (uint8_t)(insn_extension(i) | ((i->rex & REX_R) ? 8 : 0));
    i->rm = (uint8_t)((i->modrm & 7) | ((i->rex & REX_B) ? 8 : 0));
    if (i->modrm < 0xc0 && !(form & REGS))
        decode_memory(c, i);
}

static uint8_t operand_size(const struct insn *i, uint8_t form)
{
    if (form & BYTE_OP)
        return 1;
    if ((form & QUAD) || (i->rex & REX_W))
        return 8;
    return (i->prefixes & PREFIX_OPSIZE) ? 2 : 4;
}

/*
 * What stores to page tables and MSR accesses look like, without bounds to look after: LOCK, REX,
 * an opcode, ModRM without SIB or RIP, a displacement, a byte. False: decode it the general way.
 */
#define PLAIN_MAX 10u

static bool decode_plain(const uint8_t *at, struct insn *i)
{
    const uint8_t *start = at;
    if (*at == 0xf0) {
        i->prefixes = PREFIX_LOCK;
        at++;
    }
    if ((*at & 0xf0) == 0x40)
        i->rex = *at++;
    unsigned map = *at == 0x0f ? OP_0F : 0;
    at += map != 0;
    uint8_t form = map ? two_byte[*at] : one_byte[*at];
    i->opcode = (uint16_t)(map | *at++);
    if (!(form & KNOWN) || (form & (IMM | MOFFS | REGS)))
        return false;
    if (form & MODRM) {
        unsigned mod = *at >> 6, rm = *at & 7;
        i->has_modrm = true;
        i->modrm = *at++;
        i->reg = (uint8_t)(insn_extension(i) | ((i->rex & REX_R) ? 8 : 0));
        i->rm = (uint8_t)(rm | ((i->rex & REX_B) ? 8 : 0));
        if (mod != 3) {
            if (rm == 4 || (rm == 5 && mod == 0))
                return false;
            i->is_memory = true;
            i->base = i->rm;
        }
        if (mod == 1) {
            i->displacement = (int8_t)*at++;
        } else if (mod == 2) {
            i->displacement = *(const unaligned_int32_t *)at;
            at += sizeof(int32_t);
        }
    }
    if (form & IMM8)
        i->immediate = (int8_t)*at++;
    i->op_size = operand_size(i, form);
    i->addr_size = 8;
    i->length = (uint8_t)(at - start);
    return true;
}

enum decode_result decode_insn(const uint8_t *bytes, size_t count, struct insn *out)
{
    *out = (struct insn){.base = REG_NONE, .index = REG_NONE};
    if (count >= PLAIN_MAX && decode_plain(bytes, out))
        return DECODE_OK;

    struct cursor c = {.bytes = bytes, .count = count < INSN_MAX ? count : INSN_MAX};

    *out = (struct insn){.base = REG_NONE, .index = REG_NONE};
    uint8_t form = decode_opcode(&c, out);
    if (!c.out_of_bytes && !(form & KNOWN))
        return DECODE_UNKNOWN;

    out->op_size = operand_size(out, form);
    out->addr_size = (out->prefixes & PREFIX_ADDRSIZE) ? 4 : 8;
    if (form & MODRM)
        decode_modrm(&c, out, form);
    if (form & MOFFS) {
        out->is_memory = true;
        out->displacement = next_number(&c, out->addr_size);
    }
    if (form & IMM8)
        out->immediate = next_number(&c, 1);
    if (form & IMM)
        out->immediate = next_number(&c, MIN(out->op_size, (uint8_t)4));

    out->length = (uint8_t)c.at;
    if (!c.out_of_bytes)
        return DECODE_OK;
    return count >= INSN_MAX ? DECODE_UNKNOWN : DECODE_TRUNCATED;
}

#define AT(reg) offsetof(struct cpu_user_regs, reg) / sizeof(uint64_t)
const uint8_t insn_register_word[16] = {AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp),
                                        AT(rsi), AT(rdi), AT(r8),  AT(r9),  AT(r10), AT(r11),
                                        AT(r12), AT(r13), AT(r14), AT(r15)};
#undef AT

/* Without REX, byte registers 4-7 are AH CH DH BH (Intel SDM 2, table 2-2). */
static bool is_high_byte(const struct insn *i, unsigned nr, unsigned size)
{
    return size == 1 && i->rex == 0 && nr >= 4 && nr < 8;
}

uint64_t insn_read_reg(struct cpu_user_regs *regs, const struct insn *i, unsigned nr, unsigned size)
{
    if (is_high_byte(i, nr, size))
        return (*insn_register(regs, nr - 4) >> 8) & 0xff;
    return *insn_register(regs, nr) & size_mask(size);
}

void insn_write_reg(struct cpu_user_regs *regs, const struct insn *i, unsigned nr, unsigned size,
                    uint64_t val)
{
    bool high = is_high_byte(i, nr, size);
    uint64_t *reg = insn_register(regs, high ? nr - 4 : nr);
    uint64_t mask = size == 4 ? ~0ull : size_mask(size);

    val &= size_mask(size);
    if (high)
        *reg = (*reg & ~0xff00ull) | (val << 8);
    else
        *reg = (*reg & ~mask) | val;
}

uint64_t insn_offset(struct cpu_user_regs *regs, const struct insn *i)
{
    uint64_t offset = (uint64_t)i->displacement;

    if (i->base != REG_NONE)
        offset += *insn_register(regs, i->base);
    if (i->index != REG_NONE)
        offset += *insn_register(regs, i->index) << i->scale;
    if (i->rip_relative)
        offset += regs->rip + i->length;
    return offset & size_mask(i->addr_size);
}
