/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A newlib guest: what hypercalls cost without Linux in the figure. Of interest is the part that
 * the hypervisor executes, which the plugin tells from the rest.
 */
#include <stdio.h>
#include <stdlib.h>

#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <xen/version.h>

#include "../programs/batch.h"

#define LIST      64u
#define PROCESSES 20u
#define LEVELS    4u

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("bench: failed: %s\n", what);
        exit(1);
    }
}

OPERATION(hypercall)
{
    while (n--)
        hypercall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0);
}

/* ---- Events --------------------------------------------------------------------------------- */

static evtchn_port_t port;
static volatile unsigned arrived;

static void on_event(evtchn_port_t from, void *data)
{
    (void)from, (void)data;
    arrived++;
}

/* To itself: sent, and taken in the upcall. */
OPERATION(evtchn_upcall)
{
    unsigned before = arrived, wanted = n;

    while (n--)
        event_send(port);
    check(arrived == before + wanted, "each event has come");
}

static void events_start(void)
{
    long other = event_alloc_unbound(DOMID_SELF, on_event, NULL);

    check(other > 0, "a port");
    port = (evtchn_port_t)event_bind_interdomain(DOMID_SELF, (evtchn_port_t)other, NULL, NULL);
    event_set_handler((evtchn_port_t)other, on_event, NULL);
}

/* ---- Page tables ---------------------------------------------------------------------------- */

static char *window; /* LIST pages of address space, in one table */
static void *page;
static struct mmu_update list[LIST];
static uint64_t *processes[PROCESSES][LEVELS]; /* tables, the lowest first */

static void entries_start(void)
{
    window = window_alloc(2 * LIST);
    while (((unsigned long)window & (PAGE_SIZE * 512 - 1)) > PAGE_SIZE * (512 - LIST))
        window += PAGE_SIZE;
    page = page_alloc();
    check(window && page, "memory");
    for (unsigned i = 0; i < LIST; i++) {
        uint64_t entry = pte_make(virt_to_mfn(page), PTE_KERNEL_RW);
        check(pte_set(window + i * PAGE_SIZE, entry) == 0, "map a page");
        list[i].ptr = pte_maddr(window + i * PAGE_SIZE, 1);
    }
}

/* Entries are set and cleared in turn; one operation is one entry. */
static void update(unsigned batch, unsigned n)
{
    uint64_t entry = pte_make(virt_to_mfn(page), PTE_KERNEL_RW);
    unsigned done;

    for (unsigned turn = 0; turn < n / batch; turn++) {
        for (unsigned i = 0; i < batch; i++)
            list[i].val = turn % 2 ? entry : 0;
        check(HYPERVISOR_mmu_update(list, batch, &done, DOMID_SELF) == 0, "mmu_update");
    }
}

OPERATION(mmu_update_1)
{
    update(1, n);
}

OPERATION(mmu_update_8)
{
    update(8, n);
}

OPERATION(mmu_update_64)
{
    update(64, n);
}

OPERATION(va_mapping)
{
    uint64_t entry = pte_make(virt_to_mfn(page), PTE_KERNEL_RW);

    while (n--)
        check(HYPERVISOR_update_va_mapping((unsigned long)window, n % 2 ? entry : 0,
                                           UVMF_INVLPG | UVMF_LOCAL) == 0,
              "update_va_mapping");
}

/* Of each process: a table of each level, all entries of the lowest present. */
static void process_start(uint64_t *tables[LEVELS])
{
    for (unsigned level = 0; level < LEVELS; level++)
        check((tables[level] = page_alloc()) != NULL, "memory");
    for (unsigned level = 1; level < LEVELS; level++)
        tables[level][0] = pte_make(virt_to_mfn(tables[level - 1]), PTE_TABLE);
    for (unsigned i = 0; i < 512; i++)
        tables[0][i] = pte_make(virt_to_mfn(page), PTE_KERNEL_RO);
    for (unsigned level = 0; level < LEVELS; level++)
        check(page_read_only(tables[level]) == 0, "a page for a table");
}

static void pin_or_unpin(unsigned command, unsigned n)
{
    while (n--) {
        struct mmuext_op op = {.cmd = command, .arg1.mfn = virt_to_mfn(processes[n][LEVELS - 1])};

        check(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0, "pin or unpin");
    }
}

/* Not of OPERATION(): what undoes it, or makes it possible, is not counted. */
static __attribute__((noinline)) void op_pin(unsigned n)
{
    MARK_HERE(pin);
    pin_or_unpin(MMUEXT_PIN_L4_TABLE, n);
    MARK_HERE(end);
    pin_or_unpin(MMUEXT_UNPIN_TABLE, n);
}

static __attribute__((noinline)) void op_unpin(unsigned n)
{
    pin_or_unpin(MMUEXT_PIN_L4_TABLE, n);
    MARK_HERE(unpin);
    pin_or_unpin(MMUEXT_UNPIN_TABLE, n);
    MARK_HERE(end);
}

static const struct operation operations[] = {
    MEASURED(hypercall, 1000),  MEASURED(evtchn_upcall, 200),  MEASURED(va_mapping, 256),
    MEASURED(mmu_update_1, 64), MEASURED(mmu_update_8, 8 * 8), MEASURED(mmu_update_64, 64 * 2),
    MEASURED(pin, PROCESSES),   MEASURED(unpin, PROCESSES),
};

int main(void)
{
    events_start();
    entries_start();
    for (unsigned i = 0; i < PROCESSES; i++)
        process_start(processes[i]);
    batch_all(operations, sizeof(operations) / sizeof(operations[0]));
    printf("bench: end\n");
    return 0;
}
