/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writable page tables: a kernel writes an entry of a level 1 table as if it could. The page is
 * mapped read-only, so the write faults, and the hypervisor makes of the instruction what
 * mmu_update would have done, with the same checks. A guest may ask for it with
 * vm_assist(VMASST_TYPE_writable_pagetables); the write that is refused is a page fault of the
 * guest's.
 *
 * Here, each kind of instruction that a kernel writes entries with, in each size.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

static uint64_t *window;
static uint64_t *page;
static volatile uint64_t *entry; /* of the window: its table, read-only in the direct map */
static uint64_t good;            /* an entry that is allowed */

#define PTE_KEPT (PTE_MFN | PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX | PTE_AVAIL_LOW)

/* One instruction with the entry's address in RDI, and RSI, RAX, RDX, RCX, RBX as given. */
struct registers {
    uint64_t rdi, rsi, rax, rdx, rcx, rbx, flags;
};

typedef void instruction(struct registers *r);

#define INSTRUCTION(name, text)                                                                    \
    static void name(struct registers *r)                                                          \
    {                                                                                              \
        __asm__ volatile(text "; pushfq; popq %[flags]"                                            \
                         : "+D"(r->rdi), "+S"(r->rsi), "+a"(r->rax), "+d"(r->rdx), "+c"(r->rcx),   \
                           "+b"(r->rbx), [flags] "=r"(r->flags)                                    \
                         :                                                                         \
                         : "memory", "cc");                                                        \
    }

INSTRUCTION(movq, "movq %%rsi, (%%rdi)")
INSTRUCTION(movl, "movl %%esi, (%%rdi)")
INSTRUCTION(movw, "movw %%si, (%%rdi)")
INSTRUCTION(movb, "movb %%sil, (%%rdi)")
INSTRUCTION(movq_zero, "movq $0, (%%rdi)")
INSTRUCTION(movl_zero, "movl $0, (%%rdi)")
INSTRUCTION(movnti, "movnti %%rsi, (%%rdi)")
INSTRUCTION(stosq, "stosq")
INSTRUCTION(rep_stosq, "rep stosq")
INSTRUCTION(movsq, "movsq")
INSTRUCTION(xchgq, "xchgq %%rsi, (%%rdi)")
INSTRUCTION(xchgl, "xchgl %%esi, (%%rdi)")
INSTRUCTION(cmpxchgq, "lock cmpxchgq %%rsi, (%%rdi)")
INSTRUCTION(cmpxchgl, "lock cmpxchgl %%esi, (%%rdi)")
INSTRUCTION(cmpxchg8b, "lock cmpxchg8b (%%rdi)")
INSTRUCTION(orq, "lock orq %%rsi, (%%rdi)")
INSTRUCTION(andq, "lock andq %%rsi, (%%rdi)")
INSTRUCTION(andb, "lock andb $0xfd, (%%rdi)")
INSTRUCTION(orb, "orb $2, (%%rdi)")
INSTRUCTION(btrq, "lock btrq $1, (%%rdi)")
INSTRUCTION(btsq, "lock btsq $1, (%%rdi)")
INSTRUCTION(xaddq, "lock xaddq %%rsi, (%%rdi)")
INSTRUCTION(incb, "lock incb 1(%%rdi)")

struct attempt {
    instruction *run;
    struct registers *r;
};

static unsigned long attempt_run(void *data)
{
    struct attempt *a = data;
    a->run(a->r);
    return 0;
}

/* True: the instruction was carried out. */
static bool attempt(instruction *run, struct registers *r)
{
    struct attempt a = {.run = run, .r = r};
    return trap_catch(attempt_run, &a).vector == -1;
}

static void entry_is(uint64_t value)
{
    if (mmu_set(pte_maddr(window, 1), value) != 0)
        diag("the entry cannot be set up");
}

/* From `before`, with RSI, to `after`. */
static void store(const char *name, instruction *run, uint64_t before, uint64_t rsi, uint64_t after)
{
    struct registers r = {.rdi = (uint64_t)entry, .rsi = rsi, .rax = rsi, .rcx = 1};
    entry_is(before);
    ok(attempt(run, &r), "%s is carried out", name);
    is(*entry & PTE_KEPT, after & PTE_KEPT, "%s: the entry is what it made of it", name);
}

static void test_moves(void)
{
    uint64_t low = good & 0xffffffff;
    store("movq", movq, 0, good, good);
    store("movq of 0", movq_zero, good, 0, 0);
    store("movl of 0", movl_zero, good, 0, good & ~0xfffffffful);
    store("movl", movl, good & ~0xfffffffful, low & ~PTE_RW, good & ~PTE_RW);
    store("movw", movw, good, (good & 0xffff) & ~PTE_D, good & ~PTE_D);
    store("movb", movb, good, (good & 0xff) & ~PTE_RW, good & ~PTE_RW);
    store("movnti", movnti, 0, good, good);
    store("stosq", stosq, 0, good, good);
    store("rep stosq", rep_stosq, good, 0, 0);
    store("orq", orq, good & ~PTE_RW, PTE_RW, good);
    store("andq", andq, good, ~PTE_RW, good & ~PTE_RW);
    store("andb", andb, good, 0, good & ~PTE_RW);
    store("orb", orb, good & ~PTE_RW, 0, good);
    store("btrq", btrq, good, 0, good & ~PTE_RW);
    store("btsq", btsq, good & ~PTE_RW, 0, good);
    store("incb of the second byte", incb, 0x1fe, 0, 0x2fe);
    uint64_t from = good;
    store("movsq", movsq, 0, (uint64_t)&from, good);
}

/* Those that give the old value back. */
static void test_exchanges(void)
{
    struct registers r = {.rdi = (uint64_t)entry, .rsi = 0};
    entry_is(good);
    uint64_t was = *entry;
    ok(attempt(xchgq, &r), "xchgq is carried out");
    is(r.rsi, was, "xchgq gives the old entry");
    is(*entry, 0, "xchgq stores the new one");
    r.rsi = 0;
    entry_is(was);
    ok(attempt(xchgl, &r), "xchgl is carried out");
    is(r.rsi, was & 0xffffffff, "xchgl gives the lower half");
    is(*entry, was & ~0xfffffffful, "xchgl stores the lower half");
    r.rsi = PTE_AVAIL_LOW;
    entry_is(was & ~PTE_AVAIL_LOW);
    ok(attempt(xaddq, &r), "xaddq is carried out");
    is(r.rsi, was & ~PTE_AVAIL_LOW, "xaddq gives the old entry");
    is(*entry & PTE_KEPT, (was | PTE_AVAIL_LOW) & PTE_KEPT, "xaddq adds to it");
}

#define ZERO_FLAG (1ul << 6)

static void test_compares(void)
{
    entry_is(good);
    uint64_t was = *entry;
    struct registers r = {.rdi = (uint64_t)entry, .rsi = 0, .rax = was};
    ok(attempt(cmpxchgq, &r), "cmpxchgq of the right value is carried out");
    ok(r.flags & ZERO_FLAG, "cmpxchgq says so");
    is(*entry, 0, "cmpxchgq has stored");
    entry_is(was);
    r.rax = was ^ PTE_A;
    ok(attempt(cmpxchgq, &r), "cmpxchgq of a wrong value is carried out");
    ok(!(r.flags & ZERO_FLAG), "cmpxchgq says that it was wrong");
    is(r.rax, was, "cmpxchgq gives what is there");
    is(*entry, was, "cmpxchgq has stored nothing");
    r = (struct registers){.rdi = (uint64_t)entry, .rsi = 0, .rax = was & 0xffffffff};
    ok(attempt(cmpxchgl, &r), "cmpxchgl is carried out");
    is(*entry, was & ~0xfffffffful, "cmpxchgl has stored the lower half");
    entry_is(was);
    r = (struct registers){.rdi = (uint64_t)entry, .rax = was & 0xffffffff, .rdx = was >> 32};
    ok(attempt(cmpxchg8b, &r), "cmpxchg8b is carried out");
    is(*entry, 0, "cmpxchg8b has stored");
}

/* What mmu_update would refuse faults, with the fault of a write to a read-only page. */
static void refused(const char *name, instruction *run, uint64_t before, uint64_t rsi,
                    uint64_t offset)
{
    struct registers r = {.rdi = (uint64_t)entry + offset, .rsi = rsi, .rax = rsi, .rcx = 1};
    struct attempt a = {.run = run, .r = &r};
    entry_is(before);
    uint64_t was = *entry;
    struct trap_result result = trap_catch(attempt_run, &a);
    is(result.vector, TRAP_PF, "%s: a page fault", name);
    is(result.error & 3, 3, "%s: of a write that is not allowed", name);
    is(*entry, was, "%s: nothing is stored", name);
}

static void test_refusals(void)
{
    unsigned long table = virt_to_mfn((void *)entry);
    refused("a table, writable", movq, 0, pte_make(table, PTE_KERNEL_RW), 0);
    refused("a table made writable", orq, pte_make(table, PTE_KERNEL_RO), PTE_RW, 0);
    refused("a table made writable by its bit", btsq, pte_make(table, PTE_KERNEL_RO), 0, 0);
    refused("a table made writable by a byte", orb, pte_make(table, PTE_KERNEL_RO), 0, 0);
    refused("a frame of nobody", movq, 0, pte_make(NO_SUCH_MFN, PTE_KERNEL_RO), 0);
    refused("a frame of the hypervisor", movq, 0, pte_make(0x100, PTE_KERNEL_RO), 0);
    refused("two entries at once", movq, 0, 0, 4);
    refused("two entries by four bytes", movl, 0, 0, 6);
}

/* Halves: entries are written piece by piece while they are not present. */
static void test_halves(void)
{
    struct registers r = {.rdi = (uint64_t)entry + 4, .rsi = good >> 32};
    entry_is(0);
    ok(attempt(movl, &r), "the upper half of an entry that is not present");
    is(*entry, good & ~0xfffffffful, "is stored");
    r = (struct registers){.rdi = (uint64_t)entry, .rsi = good & 0xffffffff};
    ok(attempt(movl, &r), "and the lower half, present");
    is(*entry & PTE_KEPT, good & PTE_KEPT, "makes an entry");
    page[0] = 4711;
    is(window[0], 4711, "that maps");
}

/* Tables of higher levels. */
static void test_levels(void)
{
    for (unsigned level = 2; level <= LEVELS; level++) {
        volatile uint64_t *upper = (volatile uint64_t *)pte_of(window, level);
        uint64_t was = *upper;
        ok(!try_write((void *)upper, was | PTE_AVAIL_LOW), "level %u is not written so", level);
        is(*upper, was, "level %u: it is what it was", level);
    }
}

static void test_assist(void)
{
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0,
             "the assist is asked for");
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0,
             "the assist is given up");
    struct registers r = {.rdi = (uint64_t)entry, .rsi = good};
    entry_is(0);
    ok(attempt(movq, &r), "it is there nonetheless");
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0,
             "the assist is asked for again");
}

/* vCPUs that set and clear bits of one entry: a bit is one vCPU's, and none may be lost. */
static void on_each(void *data)
{
    unsigned long *lost = data;
    unsigned bit = 9 + this_vcpu() % 3;
    if (this_vcpu() >= 3)
        return;
    for (unsigned i = 0; i < 300; i++) {
        __asm__ volatile("lock btsq %1, %0" : "+m"(*entry) : "r"((uint64_t)bit) : "cc", "memory");
        if (!(*entry >> bit & 1))
            __atomic_fetch_add(lost, 1, __ATOMIC_RELAXED);
        __asm__ volatile("lock btrq %1, %0" : "+m"(*entry) : "r"((uint64_t)bit) : "cc", "memory");
        if (*entry >> bit & 1)
            __atomic_fetch_add(lost, 1, __ATOMIC_RELAXED);
    }
}

int main(void)
{
    unsigned long lost = 0;
    window = window_alloc(1);
    page = page_alloc();
    entry = (volatile uint64_t *)pte_of(window, 1);
    good = pte_make(virt_to_mfn(page), PTE_KERNEL_RW | PTE_AVAIL_LOW);
    test_moves();
    test_exchanges();
    test_compares();
    test_refusals();
    test_halves();
    test_levels();
    test_assist();
    entry_is(good & ~PTE_AVAIL_LOW);
    vcpus_run(on_each, &lost);
    is(lost, 0, "no vCPU loses another's change of an entry");
    is(*entry & PTE_KEPT, good & ~PTE_AVAIL_LOW & PTE_KEPT, "the entry is what it was");
    entry_is(0);
    page_free(page);
    window_free(window, 1);
    return done();
}
