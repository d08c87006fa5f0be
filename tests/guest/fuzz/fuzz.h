/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the hypercall fuzzer share.
 *
 * A call is made in four steps, each in a file of its own: it is thought of (generate_*.c, or
 * corpus.c out of one made before), made harmless for the fuzzer itself (guard.c), made, and looked
 * at for values that later calls may use (values.c) and for whether it is worth keeping (corpus.c).
 *
 * The data of a call lie at the end of a vCPU's arena, with an unmapped page behind it: a count
 * that is too large makes the hypervisor read and write there, and nowhere else in the guest.
 */
#ifndef FUZZ_H
#define FUZZ_H

/* The table has what a control domain may do, too. */
#define __XEN_TOOLS__ 1
#include <pv/abi.h>

#include <xen/domctl.h>
#include <xen/sysctl.h>

#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include "../tap.h"

#define CALL_WORDS    64u /* 8 bytes each, of data that arguments point to */
#define CALL_ARGS     5u
#define FUZZ_VCPUS    4u
#define ARENA_PAGES   2u
#define NR_HYPERCALLS 64u
#define NR_COMMANDS   96u

struct call {
    uint32_t nr;
    uint32_t words; /* of data */
    uint64_t arg[CALL_ARGS];
    uint64_t data[CALL_WORDS];
};

/* ---- The grammar (grammar.c) ---------------------------------------------------------------- */

enum arg_kind {
    ARG_NONE,
    ARG_CMD,
    ARG_PTR,
    ARG_COUNT,
    ARG_DOMID,
    ARG_MFN,
    ARG_MADDR,
    ARG_VA,
    ARG_PTE,
    ARG_FLAGS,
    ARG_REG,
    ARG_NUM,
    NR_ARG_KINDS
};

struct grammar_arg {
    enum arg_kind kind;
    bool array;
    uint16_t size; /* of what ARG_PTR points to, an element when it is an array; 0: see commands */
};

/* One hypercall of hypervisor/core/hypercalls.def. */
struct grammar {
    const char *name; /* NULL: there is no such hypercall */
    const char *text; /* what the table says of the arguments */
    uint8_t nargs;
    bool vcpu_first; /* (command, vCPU, pointer) */
    uint8_t nr_commands;
    struct grammar_arg arg[CALL_ARGS];
};

struct grammar_command {
    const char *name;
    uint16_t nr, command, size;
};

extern struct grammar grammar[NR_HYPERCALLS];
extern const struct grammar_command grammar_commands[];
extern const unsigned nr_grammar_commands;

/* Reads the texts. False: the table says something of an argument that the fuzzer does not know. */
bool grammar_start(void);
const struct grammar_command *grammar_command(unsigned nr, uint64_t command);
/* A hypercall of the table, and of one its commands, by chance. */
unsigned grammar_pick(void);
const struct grammar_command *grammar_pick_command(unsigned nr);

/* ---- The playground (playground.c) ----------------------------------------------------------- */

/*
 * Pages, page tables and address space that calls may do anything with. The addresses are in a
 * part of the address space of its own: one page table maps the pages ("home"), another is for
 * whatever the calls map there ("window").
 */
#define PLAY_START  0x0000020000000000ul
#define PLAY_HOME   PLAY_START
#define PLAY_WINDOW (PLAY_START + 512 * PAGE_SIZE)
#define PLAY_END    (PLAY_START + 1024 * PAGE_SIZE)
#define PLAY_PAGES  64u
#define PLAY_SLOTS  512u
#define PLAY_TABLES 24u  /* the first of the pages, from which page tables are made */
#define PLAY_ROOM   256u /* frames that the domain may have beyond those that it has */

struct playground {
    unsigned long mfn[PLAY_PAGES]; /* changed by calls of all vCPUs: a hint */
    uint8_t phase[PLAY_PAGES];     /* as what a page is being used, a hint: see generate_mmu.c */
    uint8_t level[PLAY_PAGES];
    uint64_t home_table, window_table, table2, table3; /* machine addresses of the page tables */
};
extern struct playground play;

bool playground_start(void);
/* Puts right what can be, from time to time. */
void playground_repair(void);
unsigned play_any_page(void);
static inline unsigned long play_home(unsigned page)
{
    return PLAY_HOME + page * PAGE_SIZE;
}
/* The machine address of the entry that maps an address of the playground. */
uint64_t play_entry(unsigned long va);

/* ---- Values (values.c) --------------------------------------------------------------------------
 */

enum pool { POOL_PORT, POOL_GREF, POOL_HANDLE, POOL_MFN, POOL_PINNED, POOL_PIRQ, NR_POOLS };

uint64_t pool_get(enum pool pool);
void pool_add(enum pool pool, uint64_t value);
/* In one of n cases. */
static inline bool one_in(unsigned n)
{
    return random_below(n) == 0;
}
uint64_t value_number(void); /* one that is often a bound of something */
uint64_t value_small(void);
uint64_t value_mfn(void);
uint64_t value_pte(unsigned level);
uint64_t value_maddr(void); /* of a page-table entry, mostly */
uint64_t value_va(void);
uint64_t value_domid(void);
/* This domain, and one to be unkind to (peer=N). */
extern domid_t fuzz_self, fuzz_peer;
/* Of update_va_mapping, for a page that a call after it needs: seldom on all vCPUs, as that takes
 * longer than all the rest when there are more of them than the machine has CPUs. */
uint64_t value_flush(void);
uint64_t value_word(void); /* of a structure of which nothing is known */
uint64_t value_argument(enum arg_kind kind);
/* Remembers what a successful call gave out. */
void values_harvest(const struct call *call, long result);

/* ---- One vCPU's fuzzing --------------------------------------------------------------------- */

#define CORPUS_CALLS 64u
#define SEEN_BITS    16384u

struct fuzzer {
    unsigned id;
    unsigned long arena, arena_end; /* the vCPU's, for data of calls */
    uint64_t made, good, digest;
    uint32_t count[NR_HYPERCALLS][NR_COMMANDS][2]; /* [..][0]: succeeded */
    struct call corpus[CORPUS_CALLS];
    unsigned nr_corpus;
    uint8_t seen[SEEN_BITS / 8];
    struct call call;    /* under way */
    struct call before;  /* the same, as it was before it was made */
    uint64_t fs, gs;     /* segment bases of the library */
    unsigned restore;    /* RESTORE_*: what is put right behind the call */
    uint64_t restore_id; /* of the watchdog, or the vCPU */
};

enum restore {
    RESTORE_TRAPS = 1,    /* trap table and callbacks */
    RESTORE_SEGMENTS = 2, /* FS and GS bases */
    RESTORE_DEBUG = 4,
    RESTORE_TS = 8,
    RESTORE_VCPU = 16,
    RESTORE_WATCHDOG = 32,
};

/* Where data of so many words lie. */
static inline unsigned long call_data(const struct fuzzer *f, const struct call *call)
{
    return f->arena_end - call->words * 8ul;
}

/* ---- Calls (generate_*.c, corpus.c, guard.c, replay.c) --------------------------------------- */

/* By the grammar alone; and with knowledge of the operation. */
void generate_any(struct fuzzer *f, struct call *call);
void generate_mmu(struct fuzzer *f, struct call *call);
void generate_grant(struct fuzzer *f, struct call *call);
void generate_memory(struct fuzzer *f, struct call *call);
void generate_event(struct fuzzer *f, struct call *call);
void generate_multicall(struct fuzzer *f, struct call *call);

bool corpus_mutated(struct fuzzer *f, struct call *call);
void corpus_consider(struct fuzzer *f, const struct call *call, long result);

/* Makes the call one that the fuzzer survives; false: there is no such. */
bool guard(struct fuzzer *f, struct call *call);
bool guard_start(void);
/* Frames that calls must not name. */
bool guard_frame(uint64_t mfn);
void guard_allow_frame(uint64_t mfn);

/* ---- Making one (call.c) -----------------------------------------------------------------------
 */

/* Sets a call up whose `arg`th argument points to `bytes` of zeroed data; returns them. */
void *call_begin(const struct fuzzer *f, struct call *call, unsigned nr, unsigned arg,
                 size_t bytes);
/* The address that data at `pointer` within the call's data will have. */
unsigned long call_address(const struct fuzzer *f, const struct call *call, const void *pointer);
/* Makes it as it is, and takes account of what came. */
void call_make(struct fuzzer *f, struct call *call);
/* The operation within the hypercall, where it has such; below NR_COMMANDS. */
unsigned call_command(const struct call *call);
bool fuzzer_start(struct fuzzer *f, unsigned id);
/* On the vCPU itself. */
void fuzzer_start_here(struct fuzzer *f);
extern bool trace; /* print calls before they are made */

void call_print(const struct fuzzer *f, const struct call *call);
/* Makes the calls of the second module, lines as call_print() writes them. Returns how many. */
unsigned long replay(struct fuzzer *f);

#endif
