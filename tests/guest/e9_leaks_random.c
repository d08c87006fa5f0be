/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test: vcpus=2,4 parallel=yes memory=16 limit=60
 *
 * Class E9 at random: all vCPUs make the operations that have an answer, with arguments of all
 * sorts, so that every way out of them is taken, errors and interrupted calls too; meanwhile they
 * give memory back and get other memory, which another vCPU may just have had. What is looked for,
 * e9_leaks.c explains.
 *
 * Arguments: seed=N, calls=N of each vCPU.
 */
#include "leaks.h"

#include <pv/memory.h>
#include <pv/smp.h>

#define ROOM   1200 /* for an answer */
#define GUARD  64   /* bytes behind it that stay */
#define FRAMES 4
#define FILL   0x5a

static uint64_t calls;
static unsigned leaked, overrun, dirty, lost, frames_seen;

/* ---- Answers ------------------------------------------------------------------------------ */

static const struct leak_row *any_row(void)
{
    for (;;) {
        const struct leak_row *row = &leak_rows[random_below(LEAK_ROWS)];
        if (row->direction == LEAK_OUT || row->direction == LEAK_INOUT)
            return row;
    }
}

/* No byte is POISON, and hardly any word is an address that something could be written to. */
static uint64_t random_word(void)
{
    const uint64_t no_poison = 0x7f7f7f7f7f7f7f7f;
    switch (random_below(4)) {
    case 0:
        return random_below(64);
    case 1:
        return DOMID_SELF | random_below(64) << 32;
    case 2:
        return random_u64() & no_poison;
    default:
        return 0;
    }
}

static void count(unsigned *what)
{
    (void)__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void call_and_look(uint8_t *data)
{
    const struct leak_row *row = any_row();
    memset(data, FILL, ROOM + GUARD);
    for (unsigned at = 0; at < row->size; at += 8) {
        uint64_t word = random_word();
        memcpy(data + at, &word, row->size - at < 8 ? row->size - at : 8);
    }
    long result = leak_call(row, data);
    if (leak_poison(data, row->size) >= 0 || leak_address(data, row->size) >= 0) {
        count(&leaked);
        diag("%s: result %ld, poison at %ld, address at %ld", row->name, result,
             leak_poison(data, row->size), leak_address(data, row->size));
    }
    for (unsigned i = row->size; i < row->size + GUARD; i++)
        if (data[i] != FILL) {
            count(&overrun);
            break;
        }
}

/* ---- Memory ------------------------------------------------------------------------------- */

struct frames {
    uint64_t *page[FRAMES];
    bool away[FRAMES];
};

static bool reservation(unsigned command, xen_pfn_t *frame)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, frame);
    return HYPERVISOR_memory_op(command, &r) == 1;
}

/* A page full of something goes, or one that was away comes, and must be zero. */
static void change_frame(struct frames *f)
{
    unsigned i = (unsigned)random_below(FRAMES);
    uint64_t *page = f->page[i];
    xen_pfn_t frame = f->away[i] ? virt_to_pfn(page) : virt_to_mfn(page);
    if (!f->away[i]) {
        memset(page, 0x77, PAGE_SIZE);
        if (pte_set(page, 0) != 0 || !reservation(XENMEM_decrease_reservation, &frame))
            count(&lost);
    } else {
        unsigned command = random_below(2) ? XENMEM_populate_physmap : XENMEM_increase_reservation;
        if (!reservation(command, &frame) || pte_set(page, pte_make(frame, PTE_KERNEL_RW)) != 0) {
            count(&lost);
            return;
        }
        p2m[virt_to_pfn(page)] = frame;
        count(&frames_seen);
        for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
            if (page[k] != 0) {
                count(&dirty);
                break;
            }
    }
    f->away[i] = !f->away[i];
}

static void run(void *data)
{
    static struct frames all[MAX_VCPUS];
    static uint8_t answers[8][ROOM + GUARD] __attribute__((aligned(64)));
    struct frames *f = &all[this_vcpu()];
    (void)data;
    for (unsigned i = 0; i < FRAMES; i++)
        f->page[i] = page_alloc();
    for (uint64_t n = 0; n < calls; n++) {
        if (random_below(8) == 0)
            change_frame(f);
        else
            call_and_look(answers[this_vcpu() % 8]);
    }
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    calls = argument(argc, argv, "calls", 3000);
    vcpus_run(run, NULL);
    is(leaked, 0, "no answer holds poison or an address of the hypervisor's");
    is(overrun, 0, "nothing is written behind an answer");
    is(dirty, 0, "memory that comes is zero");
    is(lost, 0, "frames go and come");
    ok(frames_seen > 0, "some have come");
    diag("%u frames", frames_seen);
    return done();
}
