/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls on page tables.
 *
 * Pages of the playground go round: mapped writable and filled with entries (0), mapped read-only
 * (1), pinned as a table (2), unpinned, writable again. That is what play.phase says. Other vCPUs
 * work at the same page, and calls at random come between, so that it need not be true.
 */
#include "fuzz.h"

#include <pv/trap.h>

enum { WRITABLE, READ_ONLY, PINNED };

static unsigned long clear_page(void *page)
{
    memset(page, 0, PAGE_SIZE);
    return 0;
}

/* One that mostly can be taken: of a page of the playground, read-only as it may be a table. */
static uint64_t table_entry(unsigned level)
{
    if (one_in(16))
        return value_pte(level);
    if (level > 1)
        return pte_make(pool_get(POOL_PINNED), PTE_TABLE);
    return one_in(4) ? value_pte(level) : pte_make(play.mfn[play_any_page()], PTE_KERNEL_RO);
}

/* Some entries of a table of `level`, by writes: trapped ones when it is mapped read-only. */
static void fill_table(unsigned page, unsigned level)
{
    for (unsigned n = 0; n < 3; n++) {
        uint64_t *entry = (uint64_t *)play_home(page) + random_below(level == 4 ? 256 : 512);
        uint64_t pte = table_entry(level);
        if (!guard_frame(pte_mfn(pte)))
            (void)try_write(entry, pte);
    }
}

static void home_map(struct call *call, unsigned page, uint64_t flags)
{
    call->nr = __HYPERVISOR_update_va_mapping;
    call->arg[0] = play_home(page);
    call->arg[1] = pte_make(play.mfn[page], flags);
    call->arg[2] = value_flush();
}

static struct mmuext_op *pin_call(struct fuzzer *f, struct call *call, unsigned cmd,
                                  unsigned long mfn)
{
    struct mmuext_op *op = call_begin(f, call, __HYPERVISOR_mmuext_op, 0, sizeof(*op));
    op->cmd = cmd;
    op->arg1.mfn = mfn;
    call->arg[1] = 1;
    call->arg[3] = DOMID_SELF;
    return op;
}

/* The next step of a page's way round. */
static void table_step(struct fuzzer *f, struct call *call)
{
    unsigned page = (unsigned)random_below(PLAY_TABLES);
    call_begin(f, call, __HYPERVISOR_update_va_mapping, 0, 0);
    switch (play.phase[page]) {
    case WRITABLE:
        play.level[page] = (uint8_t)(one_in(2) ? 1 : 1 + random_below(4));
        (void)trap_catch(clear_page, (void *)play_home(page));
        fill_table(page, play.level[page]);
        home_map(call, page, PTE_KERNEL_RO);
        play.phase[page] = READ_ONLY;
        break;
    case READ_ONLY:
        if (one_in(6)) {
            home_map(call, page, PTE_KERNEL_RW);
            play.phase[page] = WRITABLE;
            break;
        }
        pin_call(f, call, MMUEXT_PIN_L1_TABLE + play.level[page] - 1u, play.mfn[page]);
        play.phase[page] = PINNED;
        break;
    default:
        if (one_in(3)) {
            fill_table(page, play.level[page]);
            home_map(call, page, PTE_KERNEL_RW);
            break;
        }
        pin_call(f, call, MMUEXT_UNPIN_TABLE, play.mfn[page]);
        play.phase[page] = READ_ONLY;
        break;
    }
}

static unsigned level_of(uint64_t maddr)
{
    uint64_t table = maddr & PTE_MFN;
    return table == play.table2 ? 2 : table == play.table3 ? 3 : 1;
}

static uint64_t value_update_domid(void)
{
    return one_in(8) ? value_domid() | value_domid() << 16 : DOMID_SELF;
}

static void mmu_update(struct fuzzer *f, struct call *call)
{
    uint64_t count = 1 + random_below(4);
    struct mmu_update *u = call_begin(f, call, __HYPERVISOR_mmu_update, 0, count * sizeof(*u) + 8);
    for (unsigned i = 0; i < count; i++) {
        u[i].ptr = value_maddr();
        u[i].val = value_pte(level_of(u[i].ptr));
        if (one_in(8)) {
            u[i].ptr = value_mfn() << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
            u[i].val = value_number();
        } else if (one_in(4)) {
            u[i].ptr |= MMU_PT_UPDATE_PRESERVE_AD;
        }
    }
    call->arg[1] = count;
    call->arg[2] = one_in(2) ? 0 : call_address(f, call, u + count);
    call->arg[3] = value_update_domid();
}

static void update_va_mapping(struct fuzzer *f, struct call *call)
{
    bool other = one_in(6);
    call_begin(f, call, __HYPERVISOR_update_va_mapping, 0, 0);
    call->arg[0] = value_va();
    call->arg[1] = value_pte(1);
    call->arg[2] = one_in(8) ? value_number() : random_below(3) | (one_in(8) ? UVMF_ALL : 0);
    if (other) {
        call->nr = __HYPERVISOR_update_va_mapping_otherdomain;
        call->arg[3] = value_domid();
    }
}

static void mmuext_one(struct fuzzer *f, struct call *call, struct mmuext_op *op)
{
    op->cmd = (unsigned)random_below(20);
    op->arg1.mfn = value_mfn();
    switch (op->cmd) {
    case MMUEXT_UNPIN_TABLE:
        op->arg1.mfn = pool_get(POOL_PINNED);
        break;
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_ALL:
        op->arg1.linear_addr = value_va();
        break;
    case MMUEXT_INVLPG_MULTI:
        op->arg1.linear_addr = value_va();
        /* fall through */
    case MMUEXT_TLB_FLUSH_MULTI:
        set_xen_guest_handle(op->arg2.vcpumask, (void *)call_data(f, call));
        break;
    case MMUEXT_SET_LDT:
        op->arg1.linear_addr = one_in(4) ? value_va() : value_va() & PAGE_MASK;
        op->arg2.nr_ents = (unsigned)value_number();
        break;
    case MMUEXT_COPY_PAGE:
        op->arg2.src_mfn = value_mfn();
        break;
    default:
        break;
    }
}

static void mmuext(struct fuzzer *f, struct call *call)
{
    uint64_t count = 1 + random_below(3);
    struct mmuext_op *op = call_begin(f, call, __HYPERVISOR_mmuext_op, 0, count * sizeof(*op) + 8);
    for (unsigned i = 0; i < count; i++)
        mmuext_one(f, call, op + i);
    call->arg[1] = count;
    call->arg[2] = one_in(2) ? 0 : call_address(f, call, op + count);
    call->arg[3] = value_update_domid();
}

/* A page of descriptors, mapped nowhere writable, and changes of them. */
static void descriptors(struct fuzzer *f, struct call *call)
{
    if (one_in(2)) {
        call_begin(f, call, __HYPERVISOR_update_descriptor, 0, 0);
        call->arg[0] = value_maddr();
        call->arg[1] = one_in(3) ? value_number() : 0x00cffb000000ffff ^ 1ull << random_below(64);
    } else {
        uint64_t count = random_below(5);
        uint64_t *frame = call_begin(f, call, __HYPERVISOR_set_gdt, 0, 5 * 8);
        for (unsigned i = 0; i < count; i++)
            frame[i] = value_mfn();
        call->arg[1] = one_in(8) ? value_number() : count * 512;
    }
}

void generate_mmu(struct fuzzer *f, struct call *call)
{
    switch (random_below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        table_step(f, call);
        break;
    case 4:
    case 5:
    case 6:
        mmu_update(f, call);
        break;
    case 7:
    case 8:
        update_va_mapping(f, call);
        break;
    case 9:
    case 10:
        mmuext(f, call);
        break;
    default:
        descriptors(f, call);
        break;
    }
}
