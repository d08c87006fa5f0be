/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E8, long operations that cannot be stopped. A hypercall over a thousand things must let the
 * vCPU's events in between: it stops at a check, the guest handles what is pending, and it goes on.
 *
 * While an operation runs, a timer fires again and again, and its handler measures how late it is.
 * The longest delay is the longest stretch without a check. Time is counted in instructions here
 * (2 ns each under -icount shift=1), so the bound is exact: 150,000 instructions, 0.3 ms. What
 * comes nearest is a page table of level 1 that is validated as one, 512 entries of some 160
 * instructions each in the debug build; everything else is far below.
 *
 * test: vcpus=1,4 memory=96 machine=256 limit=40
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>

#include "evtchn.h"

#define INSTRUCTION_NS 2u
#define BOUND          (150000u * INSTRUCTION_NS)
#define PERIOD         40000u /* ns between two timers */
#define BLOCK_ORDER    9u
#define BLOCKS         24u
#define BLOCK_PAGES    (1u << BLOCK_ORDER)
#define PAGES          (BLOCKS * BLOCK_PAGES)
#define L1_TABLES      48u

/* ---- The watch ------------------------------------------------------------------------------ */

static evtchn_port_t timer_port;
static uint64_t due, longest;
static unsigned ticks;
static bool watching;

static void arm(void)
{
    due = monotonic_ns() + PERIOD;
    (void)HYPERCALL1(set_timer_op, due);
}

static void tick(evtchn_port_t port, void *data)
{
    uint64_t now = monotonic_ns();

    (void)port;
    (void)data;
    if (!watching || now < due)
        return;
    if (now - due > longest)
        longest = now - due;
    ticks++;
    arm();
}

static void watch_begin(void)
{
    timer_port = (evtchn_port_t)event_bind_virq(VIRQ_TIMER, 0, tick, NULL);
    longest = 0;
    ticks = 0;
    watching = true;
    arm();
}

/* The delay that the last timer has had by now counts, too. */
static void watch_end(const char *what)
{
    uint64_t now = monotonic_ns();

    watching = false;
    if (now > due && now - due > longest)
        longest = now - due;
    (void)HYPERCALL1(set_timer_op, 0);
    (void)event_close(timer_port);
    ok(longest < BOUND, "%s lets events in within 150,000 instructions", what);
    diag("%s: %u timers, the longest delay %u instructions", what, ticks,
         (unsigned)(longest / INSTRUCTION_NS));
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static void test_ports(void)
{
    long ret, far = 0;
    unsigned count = 0;

    while (far >= 0) {
        far = count % 2 ? evtchn_connect(DOMID_SELF, (evtchn_port_t)far)
                        : evtchn_alloc(DOMID_SELF, DOMID_SELF);
        count++;
    }
    ok(count > PORTS_2L - 2, "the port table is full");
    (void)evtchn_close(PORTS_2L - 1);
    watch_begin();
    ret = evtchn_reset(DOMID_SELF);
    watch_end("closing 4095 ports");
    is_error(ret, 0, "reset");
}

/* ---- Memory --------------------------------------------------------------------------------- */

static char *blocks[BLOCKS];
static struct mmu_update updates[PAGES];
static xen_pfn_t frames[PAGES];

static char *page(unsigned i)
{
    return blocks[i / BLOCK_PAGES] + i % BLOCK_PAGES * PAGE_SIZE;
}

static void test_mmu_update(const char *what, uint64_t flags)
{
    unsigned done = 0;
    long ret;

    for (unsigned i = 0; i < PAGES; i++)
        updates[i] = (struct mmu_update){pte_maddr(page(i), 1) | MMU_NORMAL_PT_UPDATE,
                                         flags ? pte_make(frames[i], flags) : 0};
    watch_begin();
    ret = HYPERVISOR_mmu_update(updates, PAGES, &done, DOMID_SELF);
    watch_end(what);
    is_error(ret, 0, "%s: mmu_update", what);
    is(done, PAGES, "%s: all are done", what);
}

static void test_reservation(const char *what, unsigned cmd)
{
    struct xen_memory_reservation op = {.nr_extents = PAGES, .domid = DOMID_SELF};
    long ret;

    set_xen_guest_handle(op.extent_start, frames);
    watch_begin();
    ret = HYPERVISOR_memory_op(cmd, &op);
    watch_end(what);
    is_error(ret, PAGES, "%s: all of them", what);
}

/* Unmapped, given back, got anew, mapped again. */
static void test_memory(void)
{
    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = virt_to_mfn(page(i));
    test_mmu_update("unmapping 12288 pages", 0);
    test_reservation("giving back 12288 pages", XENMEM_decrease_reservation);
    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = virt_to_pfn(page(i));
    test_reservation("getting 12288 pages", XENMEM_populate_physmap);
    for (unsigned i = 0; i < PAGES; i++)
        p2m[virt_to_pfn(page(i))] = frames[i];
    test_mmu_update("mapping 12288 pages", PTE_KERNEL_RW);
}

/* ---- Page tables ---------------------------------------------------------------------------- */

static long pin(unsigned cmd, const void *table)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = virt_to_mfn(table)};

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* Tables as of a process with 48 times 512 pages, in the first pages of the block. */
static void make_tables(uint64_t *l4)
{
    uint64_t *l3 = l4 + 512, *l2 = l3 + 512, *l1 = l2 + 512;
    unsigned errors = 0;

    memset(l4, 0, 3 * PAGE_SIZE);
    l4[0] = pte_make(virt_to_mfn(l3), PTE_TABLE);
    l3[0] = pte_make(virt_to_mfn(l2), PTE_TABLE);
    for (unsigned i = 0; i < L1_TABLES; i++) {
        l2[i] = pte_make(virt_to_mfn(l1 + i * 512ul), PTE_TABLE);
        for (unsigned j = 0; j < 512; j++)
            l1[i * 512 + j] = pte_make(virt_to_mfn(page(BLOCK_PAGES + (i * 512 + j) % BLOCK_PAGES)),
                                       PTE_KERNEL_RW);
    }
    for (unsigned i = 0; i < 3 + L1_TABLES; i++)
        errors += page_read_only(l4 + i * 512ul) != 0;
    is(errors, 0, "tables are made");
}

static void test_pin(void)
{
    uint64_t *l4 = (uint64_t *)blocks[0];
    long ret;

    make_tables(l4);
    watch_begin();
    ret = pin(MMUEXT_PIN_L4_TABLE, l4);
    watch_end("pinning 24576 entries");
    is_error(ret, 0, "pin an L4 table");
    watch_begin();
    ret = pin(MMUEXT_UNPIN_TABLE, l4);
    watch_end("unpinning 24576 entries");
    is_error(ret, 0, "unpin it");
    for (unsigned i = 0; i < 3 + L1_TABLES; i++)
        (void)page_writable(l4 + i * 512ul);
}

/* ---- Many short ones ------------------------------------------------------------------------ */

static void test_multicall(void)
{
    static struct multicall_entry calls[8192];
    long ret;

    for (unsigned i = 0; i < 8192; i++)
        calls[i] =
            (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    watch_begin();
    ret = HYPERVISOR_multicall(calls, 8192);
    watch_end("a multicall of 8192");
    is_error(ret, 0, "multicall");
    is(calls[8191].result, HYPERVISOR_xen_version(XENVER_version, NULL), "to its end");
}

int main(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = pages_alloc(BLOCK_ORDER);
        if (!blocks[i]) {
            ok(false, "memory");
            return done();
        }
    }
    test_ports();
    test_memory();
    test_pin();
    test_multicall();
    return done();
}
