/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU's TCG that counts executed instructions, exactly, between marks.
 *
 *   -plugin count.so,out=FILE,text=LOW-HIGH,mark=NAME:ADDRESS,mark=...
 *
 * A mark is an address, or an instruction of programs/mark.h, wherever it lies; when it is
 * executed, a section of FILE ends and one begins that bears its name, or "#" and its number.
 * Counting begins at the first mark. A section is what was executed from its mark up to the next
 * one:
 *
 *   section NAME
 *   low N               below the non-canonical hole: user programs, code before paging is on
 *   hypervisor N        L4 slots 256-271, which the PV ABI gives to the hypervisor
 *   kernel N            above them
 *   cr3 N               of all these: moves to CR3,
 *   invlpg N            and INVLPG and INVPCID
 *   ADDRESS N           an instruction of `text`; those are in `hypervisor` too
 *
 * A REP string instruction counts once an iteration, and one that faults counts again when it is
 * repeated, as with -icount. What a halted CPU waits is in no count.
 *
 * QEMU 7.2's package has no header for plugins. Declared here is what this one uses of version 1 of
 * the interface (QEMU's manual, "QEMU TCG Plugins"; enumerations are ints of the C ABI).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT         __attribute__((visibility("default")))
#define PLUGIN_VERSION 1
#define NO_REGISTERS   0
#define INLINE_ADD_U64 0

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*translated)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*executed)(unsigned int cpu, void *data),
                                            int registers, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int operation,
                                                void *counter, uint64_t addend);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

#define HYPERVISOR_START UINT64_C(0xffff800000000000)
#define HYPERVISOR_END   UINT64_C(0xffff880000000000)

#define MARK_BASE 0x50560000u /* also in programs/mark.h */
#define MAX_MARKS 256

enum { LOW, HYPERVISOR, KERNEL, CR3, INVLPG, CLASSES };
static const char *const class_names[] = {"low", "hypervisor", "kernel", "cr3", "invlpg"};
static uint64_t classes[CLASSES];

static uint64_t text_low, text_high;
static uint64_t *text; /* a counter for each byte of [text_low, text_high) */

static struct mark {
    char name[32];
    uint64_t address;
} marks[MAX_MARKS], numbered[MAX_MARKS];
static unsigned int mark_count;

static FILE *out;
static const struct mark *current;

/* Ends the current section and begins that of `mark`. */
static void mark_executed(unsigned int cpu, void *mark)
{
    (void)cpu;
    uint64_t text_sum = 0;

    if (current) {
        fprintf(out, "section %s\n", current->name);
        for (uint64_t i = 0; i < text_high - text_low; i++) {
            if (text[i]) {
                fprintf(out, "%" PRIx64 " %" PRIu64 "\n", text_low + i, text[i]);
                text_sum += text[i];
            }
        }
        classes[HYPERVISOR] += text_sum;
        for (unsigned int i = 0; i < CLASSES; i++)
            fprintf(out, "%s %" PRIu64 "\n", class_names[i], classes[i]);
        fflush(out);
    }
    memset(classes, 0, sizeof(classes));
    memset(text, 0, (text_high - text_low) * sizeof(*text));
    current = mark;
}

static uint64_t *counter_of(uint64_t address)
{
    if (address >= text_low && address < text_high)
        return &text[address - text_low];
    if (address < HYPERVISOR_START)
        return &classes[LOW];
    return &classes[address < HYPERVISOR_END ? HYPERVISOR : KERNEL];
}

/* Intel SDM 2B: MOV to CR3 is 0F 22 /3 of registers, INVLPG 0F 01 /7 of memory, INVPCID 66 0F
 * 38 82. Behind a REX prefix, if there is one. */
static void count_special(struct qemu_plugin_insn *insn)
{
    const uint8_t *code = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    int class = CLASSES;

    while (size > 3 && (code[0] == 0x66 || (code[0] & 0xf0) == 0x40))
        code++, size--;
    if (size < 3 || code[0] != 0x0f)
        return;
    if (code[1] == 0x22 && (code[2] & 0xf8) == 0xd8)
        class = CR3;
    else if (code[1] == 0x01 && (code[2] & 0x38) == 0x38 && code[2] < 0xc0)
        class = INVLPG;
    else if (code[1] == 0x38 && code[2] == 0x82)
        class = INVLPG;
    if (class != CLASSES)
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &classes[class], 1);
}

/* NOPL disp32(%rax) is 0F 1F 80 and the displacement. */
static const struct mark *mark_of(const struct qemu_plugin_insn *insn)
{
    const uint8_t *code = qemu_plugin_insn_data(insn);
    uint32_t number;

    if (qemu_plugin_insn_size(insn) != 7 || memcmp(code, "\x0f\x1f\x80", 3) != 0)
        return NULL;
    memcpy(&number, code + 3, sizeof(number));
    number -= MARK_BASE;
    if (number >= MAX_MARKS)
        return NULL;
    snprintf(numbered[number].name, sizeof(numbered[number].name), "#%u", number);
    return &numbered[number];
}

static void on_mark(struct qemu_plugin_insn *insn, const struct mark *mark)
{
    qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_executed, NO_REGISTERS, (void *)mark);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(tb);

    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);

        for (unsigned int m = 0; m < mark_count; m++) {
            if (marks[m].address == address)
                on_mark(insn, &marks[m]);
        }
        if (mark_of(insn))
            on_mark(insn, mark_of(insn));
        count_special(insn);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, counter_of(address), 1);
    }
}

/* Takes one argument. Returns false when it is not understood. */
static bool parse(const char *argument)
{
    if (strncmp(argument, "out=", 4) == 0)
        return (out = fopen(argument + 4, "w")) != NULL;
    if (sscanf(argument, "text=%" SCNx64 "-%" SCNx64, &text_low, &text_high) == 2)
        return text_low < text_high;
    if (mark_count < MAX_MARKS && sscanf(argument, "mark=%31[^:]:%" SCNx64, marks[mark_count].name,
                                         &marks[mark_count].address) == 2) {
        mark_count++;
        return true;
    }
    return false;
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!parse(argv[i])) {
            fprintf(stderr, "count: what is %s?\n", argv[i]);
            return -1;
        }
    }
    text = calloc(text_high - text_low + 1, sizeof(*text));
    if (!out || !text)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
