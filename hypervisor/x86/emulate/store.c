/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores of a guest kernel to its page tables, which are mapped read-only (writable page tables in
 * the ABI's words).
 *
 * Every store is made by compare-and-exchange on what was read before, so that it is atomic whether
 * the guest locked it or not. Invariant: the guest's registers change only after memory has; a
 * store that is refused changes nothing.
 */
#include "core/guest.h"
#include "x86/emulate/emulate.h"
#include "x86/x86.h"

#define RFLAGS_PF (1ul << 2)
#define RFLAGS_AF (1ul << 4)
#define RFLAGS_ZF (1ul << 6)
#define RFLAGS_SF (1ul << 7)
#define RFLAGS_ARITHMETIC                                                                          \
    (X86_RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | X86_RFLAGS_OF)

enum store_kind {
    STORE_NONE,
    STORE_MOV,
    STORE_STOS,
    STORE_MOVS,
    STORE_XCHG,
    STORE_ADD,
    STORE_OR,
    STORE_AND,
    STORE_SUB,
    STORE_XOR,
    STORE_INC,
    STORE_DEC,
    STORE_BTS,
    STORE_BTR,
    STORE_BTC,
    STORE_XADD,
    STORE_CMPXCHG,
    STORE_CMPXCHG8B,
};

struct store {
    enum store_kind kind;
    unsigned size;
    uint64_t va;
    uint64_t operand; /* source, or bit number */
    /* Results. */
    uint64_t old, new;
    uint64_t flags, flags_changed;
    bool equal; /* CMPXCHG: the comparison held */
};

/* ---- Which store it is ---------------------------------------------------------------------- */

/* By bits 5:3 of the opcode, or of ModRM in group 1. ADC, SBB and CMP are not for page tables. */
static const enum store_kind alu_kinds[8] = {STORE_ADD, STORE_OR,  STORE_NONE, STORE_NONE,
                                             STORE_AND, STORE_SUB, STORE_XOR,  STORE_NONE};
static const enum store_kind bit_kinds[8] = {[5] = STORE_BTS, [6] = STORE_BTR, [7] = STORE_BTC};

static enum store_kind kind_one_byte(const struct insn *i)
{
    unsigned extension = insn_extension(i);

    if (i->opcode < 0x40)
        return alu_kinds[i->opcode >> 3];
    switch (i->opcode) {
    case 0x80:
    case 0x81:
    case 0x83:
        return alu_kinds[extension];
    case 0x86:
    case 0x87:
        return STORE_XCHG;
    case 0x88:
    case 0x89:
    case 0xa2:
    case 0xa3:
        return STORE_MOV;
    case 0xa4:
    case 0xa5:
        return STORE_MOVS;
    case 0xaa:
    case 0xab:
        return STORE_STOS;
    case 0xc6:
    case 0xc7:
        return extension == 0 ? STORE_MOV : STORE_NONE;
    case 0xfe:
    case 0xff:
        return extension == 0 ? STORE_INC : extension == 1 ? STORE_DEC : STORE_NONE;
    default:
        return STORE_NONE;
    }
}

static enum store_kind kind_two_byte(const struct insn *i)
{
    switch (i->opcode) {
    case OP_0F | 0xab:
        return STORE_BTS;
    case OP_0F | 0xb3:
        return STORE_BTR;
    case OP_0F | 0xbb:
        return STORE_BTC;
    case OP_0F | 0xba:
        return bit_kinds[insn_extension(i)];
    case OP_0F | 0xb0:
    case OP_0F | 0xb1:
        return STORE_CMPXCHG;
    case OP_0F | 0xc0:
    case OP_0F | 0xc1:
        return STORE_XADD;
    case OP_0F | 0xc3: /* MOVNTI */
        return i->op_size >= 4 ? STORE_MOV : STORE_NONE;
    case OP_0F | 0xc7: /* with REX.W it is CMPXCHG16B: two entries at once are not offered */
        return insn_extension(i) == 1 && i->op_size != 8 ? STORE_CMPXCHG8B : STORE_NONE;
    default:
        return STORE_NONE;
    }
}

static bool has_immediate(const struct insn *i)
{
    return i->opcode == 0x80 || i->opcode == 0x81 || i->opcode == 0x83 || i->opcode == 0xc6 ||
           i->opcode == 0xc7 || i->opcode == (OP_0F | 0xba);
}

static bool is_bit_store(const struct store *s)
{
    return s->kind == STORE_BTS || s->kind == STORE_BTR || s->kind == STORE_BTC;
}

static bool is_string_store(const struct store *s)
{
    return s->kind == STORE_STOS || s->kind == STORE_MOVS;
}

/*
 * A bit number in a register counts from the operand's address on, signed, and so moves the
 * address; an immediate one stays within the operand (Intel SDM 2A, BTS).
 */
static void locate_bit(struct store *s, const struct insn *i)
{
    unsigned bits = s->size * 8;

    if (!has_immediate(i)) {
        int64_t nr = (int64_t)(s->operand << (64 - bits)) >> (64 - bits);
        s->va += (uint64_t)((nr >> __builtin_ctz(bits)) * (int64_t)s->size);
    }
    s->operand &= bits - 1;
}

static bool find_store(struct cpu_user_regs *regs, const struct insn *i, struct store *s)
{
    s->size = i->op_size;
    s->flags = s->flags_changed = 0;
    s->equal = false;
    s->kind = (i->opcode & OP_0F) ? kind_two_byte(i) : kind_one_byte(i);
    bool string = is_string_store(s);

    if (s->kind == STORE_NONE || (!string && !i->is_memory))
        return false;
    if ((i->prefixes & PREFIX_LOCK) && (s->kind == STORE_MOV || string))
        return false;
    if (s->kind == STORE_CMPXCHG8B)
        s->size = 8;

    if (string) {
        s->va = regs->rdi & size_mask(i->addr_size);
        s->operand = regs->rax & size_mask(s->size);
        return true;
    }
    s->va = segment_base(i->segment) + insn_offset(regs, i);
    if (has_immediate(i))
        s->operand = (uint64_t)i->immediate & size_mask(s->size);
    else if (i->has_modrm)
        s->operand = insn_read_reg(regs, i, i->reg, s->size);
    else
        s->operand = regs->rax & size_mask(s->size);
    if (is_bit_store(s))
        locate_bit(s, i);
    return true;
}

/* ---- What it makes of the old value --------------------------------------------------------- */

static uint64_t sign_bit(unsigned size)
{
    return 1ull << (size * 8 - 1);
}

/* Intel SDM 1, 3.4.3.1. */
static uint64_t result_flags(uint64_t val, unsigned size)
{
    uint64_t flags = 0;

    if ((val & size_mask(size)) == 0)
        flags |= RFLAGS_ZF;
    if (val & sign_bit(size))
        flags |= RFLAGS_SF;
    if (!__builtin_parity((unsigned)(val & 0xff)))
        flags |= RFLAGS_PF;
    return flags;
}

static uint64_t add(struct store *s, uint64_t a, uint64_t b)
{
    uint64_t sum = (a + b) & size_mask(s->size);

    s->flags = result_flags(sum, s->size) | ((a ^ b ^ sum) & RFLAGS_AF);
    if (sum < a)
        s->flags |= X86_RFLAGS_CF;
    if (~(a ^ b) & (a ^ sum) & sign_bit(s->size))
        s->flags |= X86_RFLAGS_OF;
    s->flags_changed = RFLAGS_ARITHMETIC;
    return sum;
}

static uint64_t subtract(struct store *s, uint64_t a, uint64_t b)
{
    uint64_t difference = (a - b) & size_mask(s->size);

    s->flags = result_flags(difference, s->size) | ((a ^ b ^ difference) & RFLAGS_AF);
    if (a < b)
        s->flags |= X86_RFLAGS_CF;
    if ((a ^ b) & (a ^ difference) & sign_bit(s->size))
        s->flags |= X86_RFLAGS_OF;
    s->flags_changed = RFLAGS_ARITHMETIC;
    return difference;
}

static uint64_t logic(struct store *s, uint64_t val)
{
    s->flags = result_flags(val, s->size);
    s->flags_changed = RFLAGS_ARITHMETIC;
    return val;
}

static uint64_t change_bit(struct store *s)
{
    uint64_t bit = 1ull << s->operand;

    s->flags = (s->old & bit) ? X86_RFLAGS_CF : 0;
    s->flags_changed = X86_RFLAGS_CF;
    if (s->kind == STORE_BTS)
        return s->old | bit;
    return s->kind == STORE_BTR ? s->old & ~bit : s->old ^ bit;
}

/* When the comparison fails the CPU writes the old value back: so do we. */
static uint64_t compare(struct cpu_user_regs *regs, struct store *s)
{
    if (s->kind == STORE_CMPXCHG8B) {
        uint64_t expected = (uint32_t)regs->rax | (regs->rdx << 32);
        s->equal = s->old == expected;
        s->flags = s->equal ? RFLAGS_ZF : 0;
        s->flags_changed = RFLAGS_ZF;
        return s->equal ? (uint32_t)regs->rbx | (regs->rcx << 32) : s->old;
    }
    s->equal = subtract(s, regs->rax & size_mask(s->size), s->old) == 0;
    return s->equal ? s->operand : s->old;
}

static uint64_t compute(struct cpu_user_regs *regs, struct store *s)
{
    switch (s->kind) {
    case STORE_ADD:
    case STORE_XADD:
        return add(s, s->old, s->operand);
    case STORE_SUB:
        return subtract(s, s->old, s->operand);
    case STORE_INC:
    case STORE_DEC: {
        uint64_t val = s->kind == STORE_INC ? add(s, s->old, 1) : subtract(s, s->old, 1);
        s->flags_changed &= ~X86_RFLAGS_CF;
        return val;
    }
    case STORE_OR:
        return logic(s, s->old | s->operand);
    case STORE_AND:
        return logic(s, s->old & s->operand);
    case STORE_XOR:
        return logic(s, s->old ^ s->operand);
    case STORE_BTS:
    case STORE_BTR:
    case STORE_BTC:
        return change_bit(s);
    case STORE_CMPXCHG:
    case STORE_CMPXCHG8B:
        return compare(regs, s);
    default:
        return s->operand;
    }
}

/* ---- Carrying it out ------------------------------------------------------------------------ */

enum commit_result { COMMIT_DONE, COMMIT_CONTENDED, COMMIT_REFUSED };

static enum commit_result commit(struct cpu_user_regs *regs, struct store *s,
                                 const struct store_ops *ops, void *ctx)
{
    if (ops->read(ctx, s->va, s->size, &s->old) != 0)
        return COMMIT_REFUSED;
    for (unsigned n = 0; n < STORE_MAX_ATTEMPTS; n++) {
        s->old &= size_mask(s->size);
        s->new = compute(regs, s);
        uint64_t found = s->old;
        int err = ops->cmpxchg(ctx, s->va, s->size, &found, s->new);
        if (err == 0)
            return COMMIT_DONE;
        if (err < 0)
            return COMMIT_REFUSED;
        s->old = found;
    }
    return COMMIT_CONTENDED;
}

static void finish(struct cpu_user_regs *regs, const struct insn *i, const struct store *s)
{
    if (s->kind == STORE_XCHG || s->kind == STORE_XADD)
        insn_write_reg(regs, i, i->reg, s->size, s->old);
    if (s->kind == STORE_CMPXCHG && !s->equal)
        insn_write_reg(regs, i, 0, s->size, s->old);
    if (s->kind == STORE_CMPXCHG8B && !s->equal) {
        regs->rax = (uint32_t)s->old;
        regs->rdx = s->old >> 32;
    }
    regs->rflags = (regs->rflags & ~s->flags_changed) | (s->flags & s->flags_changed);
    retire_insn(regs, i->length);
}

/* One step; a repeated instruction stays until its count is used up. */
static void finish_string(struct cpu_user_regs *regs, const struct insn *i, const struct store *s)
{
    uint64_t mask = size_mask(i->addr_size);
    uint64_t step = (regs->rflags & X86_RFLAGS_DF) ? -(uint64_t)s->size : s->size;
    bool last = true;

    regs->rdi = (regs->rdi + step) & mask;
    if (s->kind == STORE_MOVS)
        regs->rsi = (regs->rsi + step) & mask;
    if (i->prefixes & (PREFIX_REP | PREFIX_REPNE)) {
        regs->rcx = (regs->rcx - 1) & mask;
        last = regs->rcx == 0;
    }
    retire_insn(regs, last ? i->length : 0);
}

/* The source of MOVS is any guest memory. False: a #PF has been injected. */
static bool read_source(struct cpu_user_regs *regs, const struct insn *i, struct store *s)
{
    uint64_t va = segment_base(i->segment) + (regs->rsi & size_mask(i->addr_size));
    size_t missing;

    s->operand = 0;
    missing = guest_copy_in(&s->operand, VADDR(va), s->size);
    if (missing != 0)
        inject_data_fault(va, s->size - missing, false);
    return missing == 0;
}

/* False: these bytes do not begin with a plain store. */
static __attribute__((noinline)) bool plain_decode(uint64_t code, struct plain_store *s)
{
    unsigned rex = code & 0xff, opcode = (code >> 8) & 0xff;
    unsigned mod = (code >> 22) & 3, nr = (code >> 19) & 7, rm = (code >> 16) & 7;
    if ((rex & 0xf8) != (0x40 | REX_W) || (opcode != 0x87 && opcode != 0x89) || mod == 3 ||
        rm == 4 || (mod == 0 && rm == 5))
        return false;
    int64_t displacement = mod == 0 ? 0 : mod == 1 ? (int8_t)(code >> 24) : (int32_t)(code >> 24);
    *s = (struct plain_store){.code = code,
                              .displacement = displacement,
                              .reg = insn_register_word[nr | (rex & REX_R) << 1],
                              .base = insn_register_word[rm | (rex & REX_B) << 3],
                              .length = mod == 0   ? 3
                                        : mod == 1 ? 4
                                                   : 7,
                              .exchanges = opcode == 0x87};
    return true;
}

bool plain_store_find(struct cpu_user_regs *regs, uint64_t fault_va, struct plain_store *s)
{
    uint64_t code;

    if (regs->cs != FLAT_RING3_CS64 || (regs->rip & ~PAGE_MASK) > PAGE_SIZE - sizeof(code) ||
        guest_copy_in(&code, VADDR(regs->rip), sizeof(code)) != 0)
        return false;
    if (unlikely(code != s->code || s->length == 0) && !plain_decode(code, s))
        return false;
    uint64_t va = ((const uint64_t *)regs)[s->base] + (uint64_t)s->displacement;
    return va == fault_va && (va & 7) == 0;
}

bool emulate_store(struct cpu_user_regs *regs, uint64_t fault_va, const struct store_ops *ops,
                   void *ctx)
{
    struct insn i;
    struct store s;

    enum fetch_result fetched = fetch_insn(regs, &i);
    if (fetched != FETCH_OK)
        return fetched == FETCH_FAULTED;
    if (!find_store(regs, &i, &s))
        return false;
    /* Aligned, so that it cannot reach into a second entry; and really what faulted. */
    if ((s.va & (s.size - 1)) != 0 || fault_va - s.va >= s.size)
        return false;
    if (s.kind == STORE_MOVS && !read_source(regs, &i, &s))
        return true;

    enum commit_result result = commit(regs, &s, ops, ctx);
    if (result != COMMIT_DONE)
        return result == COMMIT_CONTENDED;
    if (is_string_store(&s))
        finish_string(regs, &i, &s);
    else
        finish(regs, &i, &s);
    return true;
}
