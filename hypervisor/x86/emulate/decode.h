/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding of 64-bit-mode instructions (Intel SDM 2, chapter 2 and appendix A): only those that a
 * PV kernel may leave to the hypervisor. All others are refused, so that nobody can act on an
 * instruction that was not understood whole.
 */
#ifndef X86_EMULATE_DECODE_H
#define X86_EMULATE_DECODE_H

#include "core/abi.h"

#define INSN_MAX 15u /* bytes; a longer instruction raises #GP (Intel SDM 2, 2.3.11) */

/* Opcodes behind the byte 0f have this bit. */
#define OP_0F 0x100u

enum insn_segment { SEG_DEFAULT, SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

enum insn_prefix {
    PREFIX_LOCK = 1u << 0,
    PREFIX_REPNE = 1u << 1,
    PREFIX_REP = 1u << 2,
    PREFIX_OPSIZE = 1u << 3,
    PREFIX_ADDRSIZE = 1u << 4,
};

/* Bits of a REX prefix (Intel SDM 2, table 2-4). */
#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

#define REG_NONE 0xffu /* no base or index register */

struct insn {
    uint16_t opcode;  /* the byte, with OP_0F for the second map */
    uint8_t length;   /* in bytes, prefixes and immediate included */
    uint8_t prefixes; /* enum insn_prefix */
    uint8_t segment;  /* enum insn_segment: an override that 64-bit mode heeds or ignores */
    uint8_t rex;      /* 0: none */
    uint8_t op_size;  /* 1, 2, 4 or 8 bytes */
    uint8_t addr_size;
    bool has_modrm;
    bool is_memory; /* ModRM (or the moffs form) names memory */
    uint8_t modrm;
    uint8_t reg, rm; /* ModRM fields extended by REX; rm only when !is_memory */
    uint8_t base, index, scale;
    bool rip_relative;
    int64_t displacement;
    int64_t immediate; /* sign-extended */
};

enum decode_result { DECODE_OK, DECODE_TRUNCATED, DECODE_UNKNOWN };

/* Decode the instruction at the head of `bytes`. Truncated: more bytes than these are needed. */
enum decode_result decode_insn(const uint8_t *bytes, size_t count, struct insn *out);

/* The opcode extension in ModRM: bits 5:3 without REX. */
static inline unsigned insn_extension(const struct insn *i)
{
    return (i->modrm >> 3) & 7;
}

/* A register by its number 0-15 (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8...). */
extern const uint8_t insn_register_word[16];
static inline uint64_t *insn_register(struct cpu_user_regs *regs, unsigned nr)
{
    return (uint64_t *)regs + insn_register_word[nr & 15];
}
/* Read and write as an operand of `size` bytes: AH..BH without REX; 4-byte writes clear the top. */
uint64_t insn_read_reg(struct cpu_user_regs *regs, const struct insn *i, unsigned nr,
                       unsigned size);
void insn_write_reg(struct cpu_user_regs *regs, const struct insn *i, unsigned nr, unsigned size,
                    uint64_t val);

/* Offset of the memory operand, before a segment base is added; wrapped to the address size. */
uint64_t insn_offset(struct cpu_user_regs *regs, const struct insn *i);

static inline uint64_t size_mask(unsigned size)
{
    return size >= 8 ? ~0ull : (1ull << (size * 8)) - 1;
}

#endif
