/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MMUEXT_NEW_BASEPTR loads another top table for the vCPU's kernel, MMUEXT_NEW_USER_BASEPTR the one
 * for its user mode. A 64-bit PV kernel runs at the same privilege as its programs, so it keeps
 * itself out of their tables: the hypervisor switches between the two at each system call. The user
 * table may be none (frame 0); the kernel's may not.
 *
 * What is loaded is a table of level 4 for as long as it is loaded, pinned or not.
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/smp.h>

/* A second top table that maps what this vCPU's maps. */
static uint64_t *root_copy(void)
{
    uint64_t *copy = page_alloc();
    const uint64_t *root = pfn_to_virt(mfn_to_pfn(tables_root()));
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        copy[i] = i >= HV_SLOT_FIRST && i <= HV_SLOT_LAST ? 0 : root[i];
    if (page_read_only(copy) != 0)
        diag("a page cannot be made read-only");
    return copy;
}

static bool is_table(uint64_t *page)
{
    if (page_writable(page) != 0)
        return true;
    page_read_only(page);
    return false;
}

static void test_kernel(void)
{
    unsigned long old = tables_root();
    uint64_t *copy = root_copy();
    const volatile uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
    is_error(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(copy)), 0, "a top table is loaded");
    is(m2p[virt_to_mfn(copy)], virt_to_pfn(copy), "it shows what is the hypervisor's, too");
    ok(is_table(copy), "it is a table while it is loaded, without pin");
    is_error(mmu_set(maddr_of(&copy[300]), 0), 0, "it may be changed while it is loaded");
    is_error(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(copy)), 0, "it may be loaded again");
    is_error(mmuext_mfn(MMUEXT_NEW_BASEPTR, old), 0, "the old one is loaded");
    ok(!is_table(copy), "and the other one is let go");
    is(copy[HV_SLOT_FIRST], 0, "with no trace of the hypervisor's tables");
    ok(table_free(copy), "it is given back");
}

/* What is no table any more is data, whatever was kept of it: words that are no entries. */
static void test_let_go(void)
{
    unsigned long old = tables_root();
    const uint64_t nothing = NO_SUCH_MFN << 12 | 7, own = 5;
    uint64_t *copy = root_copy();
    is_error(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(copy)), 0, "another is loaded");
    ok(mmu_set(maddr_of(&copy[300]), nothing) != 0, "an entry must be one");
    ok(mmu_set(maddr_of(&copy[HV_SLOT_FIRST]), own) != 0, "and not in the hypervisor's place");
    is_error(mmuext_mfn(MMUEXT_NEW_BASEPTR, old), 0, "the old one is loaded");
    is_error(mmu_set(maddr_of(&copy[300]), nothing), 0, "a word is written where it was");
    is_error(mmu_set(maddr_of(&copy[HV_SLOT_FIRST]), own), 0, "another, to any place");
    is(copy[300], nothing, "it stands there");
    is(copy[HV_SLOT_FIRST], own, "so does the other");
    ok(table_free(copy), "it is given back");
}

static void test_kernel_refused(void)
{
    uint64_t *l3 = table_pinned(3), *plain = page_alloc();
    ok(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(l3)) != 0, "a table of level 3 is not loaded");
    ok(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(plain)) != 0, "nor a page mapped writable");
    ok(mmuext_mfn(MMUEXT_NEW_BASEPTR, NO_SUCH_MFN) != 0, "nor a frame that there is not");
    ok(mmuext_mfn(MMUEXT_NEW_BASEPTR, ~0ul) != 0, "nor frame ~0");
    ok(mmuext_mfn(MMUEXT_NEW_BASEPTR, 0) != 0, "nor frame 0");
    ok(mmuext_mfn(MMUEXT_NEW_BASEPTR, 0x100) != 0, "nor one of the hypervisor");
    plain[0] = 7;
    is(plain[0], 7, "the kernel runs on");
    unpin_table(virt_to_mfn(l3));
    ok(table_free(l3), "the table of level 3 is given back");
    page_free(plain);
}

static void test_user(void)
{
    uint64_t *root = table_page(), *l3 = table_pinned(3);
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(root)), 0, "a user table is set");
    ok(is_table(root), "it is a table");
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(root)), 0, "it is set again");
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0, "none is set");
    ok(!is_table(root), "the one before is let go");
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, tables_root()), 0,
             "the kernel's table is a user table, too");
    ok(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l3)) != 0, "one of level 3 is refused");
    ok(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, NO_SUCH_MFN) != 0, "so is a frame that there is not");
    ok(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0x100) != 0, "and one of the hypervisor");
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0, "none again");
    unpin_table(virt_to_mfn(l3));
    ok(table_free(l3) && table_free(root), "all are given back");
}

static void test_owners(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = tables_root()};
    is_error(mmuext_of(op, 0x7000), -XEN_ESRCH, "a kernel's table of a domain that is not there");
    ok(mmuext_of(op, DOMID_IO) != 0, "none of device memory");
    op.cmd = MMUEXT_NEW_USER_BASEPTR;
    ok(mmuext_of(op, DOMID_IO) != 0, "nor for user mode");
}

/* User mode at work: a program that counts, in tables that its kernel is not in. */
#define USER_VA 0x10000000ul

__asm__(".pushsection .text\n"
        ".balign 4096\n"
        "user_program:\n"
        "1: incq %rax\n"
        "   cmpq %rbx, %rax\n"
        "   jb 1b\n"
        "   ud2\n"
        ".balign 4096\n"
        ".popsection\n");
extern char user_program[];

static void test_program(void)
{
    unsigned long root = user_tables_make(USER_VA, user_program, 1, PTE_P | PTE_US | PTE_A);
    struct trap_frame r = {.rip = USER_VA,
                           .cs = USER_CS64,
                           .ss = USER_SS,
                           .rsp = USER_VA,
                           .rflags = 0x202,
                           .rbx = 1000};
    ok(root != 0, "tables for a program");
    is(user_enter(&r), TRAP_UD, "the program runs to its end");
    is(r.rax, 1000, "it has counted");
    r.rip = (uint64_t)user_program;
    is(user_enter(&r), TRAP_PF, "its kernel is not in its tables");
    uint64_t *empty = table_pinned(4);
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(empty)), 0, "a user table, empty");
    r.rip = USER_VA;
    is(user_enter(&r), TRAP_PF, "the program is not in that");
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, root), 0, "its table is set again");
    r.rip = USER_VA;
    r.rax = 0;
    is(user_enter(&r), TRAP_UD, "the program runs again");
    is_error(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0, "no table");
    user_tables_free(root);
    unpin_table(virt_to_mfn(empty));
    ok(table_free(empty), "the empty table is given back");
}

/* Each vCPU has its own; one table may be loaded on all. */
struct shared_root {
    uint64_t *copy;
    unsigned long wrong;
};

static void on_each(void *data)
{
    struct shared_root *s = data;
    unsigned long old = tables_root();
    for (unsigned i = 0; i < 100; i++) {
        if (mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(s->copy)) != 0 ||
            mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(s->copy)) != 0 ||
            mmuext_mfn(MMUEXT_NEW_BASEPTR, old) != 0 || mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0) != 0)
            __atomic_fetch_add(&s->wrong, 1, __ATOMIC_RELAXED);
    }
}

int main(void)
{
    test_kernel();
    test_let_go();
    test_kernel_refused();
    test_user();
    test_owners();
    test_program();
    struct shared_root shared = {.copy = root_copy()};
    vcpus_run(on_each, &shared);
    is(shared.wrong, 0, "all vCPUs load and leave one table");
    ok(table_free(shared.copy), "which is a plain page at the end");
    return done();
}
