/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/core/heap.c hypervisor/core/object.c tests/unit/host.c */
/* The frame allocator and the small objects on top of it. */
#include "core/atomic.h"
#include "core/domain.h"
#include "core/frame_free.h"
#include "core/heap.h"
#include "host.h"

#define FRAMES_4G   0x100000ull
#define HIGH_FRAMES 0x2000ull

/* ---- The machine's part --------------------------------------------------------------------- */

static uint32_t epoch = 0xfffffff0u; /* close to where stamps wrap */
static unsigned flushes;
static uint32_t flushed_stamp;
static mfn_t watched = {~0ull};
static bool cleared_before_flush, locked_in_flush;

uint32_t arch_tlb_stamp(void)
{
    return atomic_load(&epoch);
}

void arch_tlb_flush_stamp(uint32_t stamp)
{
    atomic_fetch_add(&flushes, 1u);
    flushed_stamp = stamp;
    if (host_locks_held || !irq_enabled())
        locked_in_flush = true;
    if (!mfn_eq(watched, INVALID_MFN) && *(uint64_t *)mfn_to_virt(watched) == 0)
        cleared_before_flush = true;
}

static unsigned validity_checks;
bool mfn_valid(mfn_t m)
{
    atomic_fetch_add(&validity_checks, 1u);
    return m.v < FRAMES_4G + HIGH_FRAMES;
}

/* ---- Helpers -------------------------------------------------------------------------------- */

static bool zeroed(mfn_t m, unsigned order)
{
    const uint64_t *p = mfn_to_virt(m);
    for (uint64_t i = 0; i < (PAGE_SIZE << order) / 8; i++)
        if (p[i])
            return false;
    return true;
}

static void soil(mfn_t m, unsigned order)
{
    memset(mfn_to_virt(m), 0xa5, PAGE_SIZE << order);
}

static bool words_zero(mfn_t m, unsigned order)
{
    for (uint64_t i = 0; i < 1ull << order; i++) {
        const struct frame *f = frame_entry(mfn_add(m, i));
        if (f->opaque[0] || f->opaque[1])
            return false;
    }
    return true;
}

static void scrub_all(void)
{
    while (heap_scrub_some())
        ;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_empty(void)
{
    is(heap_alloc_frames(0, 0).v, ~0ull, "nothing to give at first");
    is(heap_free_count(), 0);
    ok(!heap_scrub_some(), "nothing to scrub");
    heap_add_range(MFN(5), MFN(5));
    heap_add_range(MFN(6), MFN(5));
    is(heap_free_count(), 0, "empty and inverted ranges add nothing");
}

static void test_exhaust(void)
{
    mfn_t got[0x100];
    bool all_zero = true, all_words = true, in_range = true, distinct = true;
    bool seen[0x100] = {false};

    for (uint64_t m = 0; m < 0x100; m++)
        soil(MFN(m), 0);
    heap_add_range(MFN(0), MFN(0x100));
    is(heap_free_count(), 0xff, "frame 0 is not handed out");
    is(heap_dirty_count(), 0xff, "all is dirty at boot");
    for (unsigned i = 0; i < 0xff; i++) {
        mfn_t m = heap_alloc_frames(0, i % 2 ? HEAP_ZERO : 0);
        in_range &= m.v >= 1 && m.v < 0x100;
        if (!in_range)
            break;
        distinct &= !seen[m.v];
        seen[m.v] = true;
        all_zero &= zeroed(m, 0);
        all_words &= words_zero(m, 0);
        got[i] = m;
    }
    ok(in_range && distinct, "255 frames, each once");
    ok(all_zero, "and cleared");
    ok(all_words, "with both words of their entries zero");
    is(flushes, 0, "memory never used owes no TLB flush");
    is(heap_alloc_frames(0, 0).v, ~0ull, "then none is left");
    is(heap_free_count(), 0);
    is(heap_dirty_count(), 0);
    for (unsigned i = 0; i < 0xff; i++)
        heap_free_frames(got[i], 0, true);
    is(heap_free_count(), 0xff, "all given back");
    mfn_t m = heap_alloc_frames(7, 0);
    is(m.v, 0x80, "and united to the largest block there can be");
    is(heap_alloc_frames(7, 0).v, ~0ull, "of which there is one");
    heap_free_frames(m, 7, true);
    is(heap_alloc_frames(19, 0).v, ~0ull, "order above the maximum");
    is(heap_alloc_frames(~0u, 0).v, ~0ull, "order -1");
}

static void test_contents(void)
{
    scrub_all();
    is(heap_dirty_count(), 0, "scrubbed");
    mfn_t m = heap_alloc_frames(3, HEAP_DIRTY);
    soil(m, 3);
    heap_free_frames(m, 3, true);
    is(heap_dirty_count(), 8);
    mfn_t again = heap_alloc_frames(3, HEAP_DIRTY);
    is(again.v, m.v, "who does not care for contents gets the dirty frames");
    heap_free_frames(again, 3, true);
    again = heap_alloc_frames(3, 0);
    ok(!mfn_eq(again, m) && zeroed(again, 3), "who does gets clean ones");
    heap_free_frames(again, 3, false);
    is(heap_dirty_count(), 8, "clean frames stay clean");

    /* With nothing else left, the dirty ones are cleared, and not before the TLBs are flushed. */
    mfn_t rest[0x100];
    unsigned n = 0;
    while (heap_free_count() > 8)
        rest[n++] = heap_alloc_frames(0, HEAP_ZERO);
    watched = m;
    flushes = 0;
    again = heap_alloc_frames(3, HEAP_DIRTY | HEAP_ZERO);
    is(again.v, m.v, "the dirty block is all there is");
    ok(zeroed(again, 3), "HEAP_ZERO outweighs HEAP_DIRTY");
    is(flushes, 1, "TLBs were flushed");
    is(flushed_stamp, epoch);
    ok(!cleared_before_flush, "before the memory was cleared");
    soil(m, 3);
    heap_free_frames(m, 3, true);
    flushes = 0;
    ok(heap_scrub_some(), "an idle CPU scrubs");
    ok(!cleared_before_flush && flushes == 1, "also after a flush");
    is(heap_dirty_count(), 0);
    again = heap_alloc_frames(3, 0);
    is(flushes, 1, "which is then not owed again");
    ok(zeroed(again, 3));
    ok(!locked_in_flush, "no flush with the lock held or interrupts off");
    watched = INVALID_MFN;
    heap_free_frames(again, 3, false);
    while (n)
        heap_free_frames(rest[--n], 0, false);
}

/* Two blocks that unite keep the newer stamp, across the wrap of the epoch. */
static void test_stamps(void)
{
    scrub_all();
    mfn_t m = heap_alloc_frames(1, 0);
    epoch = 0xffffffffu;
    heap_free_frames(m, 0, true);
    epoch = 1;
    heap_free_frames(mfn_add(m, 1), 0, true);
    flushed_stamp = 77;
    mfn_t again = heap_alloc_frames(1, HEAP_DIRTY);
    is(again.v, m.v, "the same pair");
    is(flushed_stamp, 1, "the newer stamp counts");
    heap_free_frames(mfn_add(m, 1), 0, true);
    epoch = 0xffffffffu;
    heap_free_frames(m, 0, true);
    again = heap_alloc_frames(1, HEAP_DIRTY);
    is(flushed_stamp, 1, "in whichever order they were freed");
    heap_free_frames(again, 1, true);

    /* A scrubbed block, which owes nothing, unites with a clean one that does. */
    scrub_all();
    m = heap_alloc_frames(1, 0);
    epoch = 5;
    heap_free_frames(mfn_add(m, 1), 0, false);
    heap_free_frames(m, 0, true);
    ok(heap_scrub_some(), "scrubbed");
    flushed_stamp = 77;
    again = heap_alloc_frames(1, 0);
    is(again.v, m.v, "the pair again");
    is(flushed_stamp, 5, "owes the clean half's flush");
    heap_free_frames(again, 1, true);
}

static void test_widths(void)
{
    heap_add_range(MFN(FRAMES_4G), MFN(FRAMES_4G + HIGH_FRAMES));
    mfn_t m = heap_alloc_frames(0, 0);
    ok(m.v >= FRAMES_4G, "high memory goes first");
    heap_free_frames(m, 0, true);
    m = heap_alloc_frames(0, HEAP_BELOW_4G);
    ok(m.v < 0x100, "low memory when asked for");
    heap_free_frames(m, 0, true);
    is(heap_alloc_frames(8, HEAP_BELOW_4G).v, ~0ull, "and nothing else then");
    m = heap_alloc_frames_bits(3, 16, 0);
    is(m.v, 8, "16 bits: the frames 8 to 15 are the only eight");
    is(heap_alloc_frames_bits(3, 16, 0).v, ~0ull, "once");
    heap_free_frames(m, 3, true);
    m = heap_alloc_frames_bits(0, 13, 0);
    is(m.v, 1, "13 bits: frame 1");
    is(heap_alloc_frames_bits(0, 13, 0).v, ~0ull, "is the only one");
    heap_free_frames(m, 0, true);
    is(heap_alloc_frames_bits(0, 12, 0).v, ~0ull, "12 bits: none");
    is(heap_alloc_frames_bits(0, 0, 0).v, ~0ull, "0 bits: none");
    m = heap_alloc_frames_bits(0, 32, 0);
    ok(m.v < 0x100, "32 bits");
    heap_free_frames(m, 0, true);
    const unsigned wide[] = {33, 63, 64, 65, ~0u};
    for (unsigned i = 0; i < ARRAY_SIZE(wide); i++) {
        m = heap_alloc_frames_bits(0, wide[i], 0);
        ok(m.v >= FRAMES_4G && m.v < FRAMES_4G + HIGH_FRAMES, "%u bits", wide[i]);
        heap_free_frames(m, 0, true);
    }
}

static void test_misuse(void)
{
    mfn_t m = heap_alloc_frames(2, 0);
    ok(panics(heap_free_frames(mfn_add(m, 1), 1, true)), "a misaligned block");
    ok(panics(heap_free_frames(m, 19, true)), "an order above the maximum");
    frame_entry(mfn_add(m, 3))->opaque[0] = 1ull << 32 | 5ull << 8;
    ok(panics(heap_free_frames(m, 2, true)), "a frame that has an owner");
    frame_entry(mfn_add(m, 3))->opaque[0] = 0;
    frame_entry(m)->opaque[1] = 12345; /* frame.c's leavings do no harm */
    heap_free_frames(m, 2, true);
    ok(panics(heap_free_frames(m, 2, true)), "a block freed twice");
}

static void test_misuse_inside(void)
{
    mfn_t m = heap_alloc_frames(4, 0);
    heap_free_frames(m, 4, true);
    ok(panics(heap_free_frames(mfn_add(m, 5), 0, true)), "a frame inside a free block");
}

/* Random operations beside a plain model of who has what. */
static void test_random(void)
{
    static struct {
        mfn_t m;
        unsigned order;
    } have[600];
    static uint8_t taken[HIGH_FRAMES + 0x100];
    unsigned n = 0, errors = 0;
    uint64_t before = heap_free_count(), held = 0;

    srand(4711);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned what = (unsigned)rand() % 16;
        if (what == 0) {
            heap_scrub_some();
        } else if (what < 9 && n < ARRAY_SIZE(have)) {
            unsigned order = (unsigned)rand() % 16 ? (unsigned)rand() % 3 : (unsigned)rand() % 9;
            mfn_t m = heap_alloc_frames(order, HEAP_DIRTY);
            if (mfn_eq(m, INVALID_MFN))
                continue;
            errors += (m.v & ((1ull << order) - 1)) != 0 || !words_zero(m, order);
            for (uint64_t i = 0; i < 1ull << order; i++) {
                uint64_t at = m.v + i < 0x100 ? m.v + i : m.v + i - FRAMES_4G + 0x100;
                errors += at >= sizeof(taken) || taken[at]++;
            }
            have[n].m = m;
            have[n++].order = order;
            held += 1ull << order;
        } else if (n) {
            unsigned k = (unsigned)rand() % n;
            for (uint64_t i = 0; i < 1ull << have[k].order; i++) {
                uint64_t m = have[k].m.v + i;
                taken[m < 0x100 ? m : m - FRAMES_4G + 0x100]--;
            }
            heap_free_frames(have[k].m, have[k].order, true);
            held -= 1ull << have[k].order;
            have[k] = have[--n];
        }
        errors += heap_free_count() + held != before;
        if (errors)
            break;
    }
    is(errors, 0, "60000 random steps, no frame given twice, none lost");
    while (n--)
        heap_free_frames(have[n].m, have[n].order, true);
    is(heap_free_count(), before, "all given back");
    scrub_all();
    is(heap_dirty_count(), 0, "all scrubbed");
    mfn_t m = heap_alloc_frames(13, 0);
    is(m.v, FRAMES_4G, "and united again");
    ok(zeroed(m, 13), "and zero");
    heap_free_frames(m, 13, false);
}

static unsigned thread_errors;

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    mfn_t mine[32];
    unsigned n = 0;

    host_cpu = seed;
    for (unsigned step = 0; step < 4000; step++) {
        unsigned what = (unsigned)rand_r(&seed) % 8;
        if (what == 0) {
            heap_scrub_some();
        } else if (what < 5 && n < ARRAY_SIZE(mine)) {
            mfn_t m = heap_alloc_frames(0, 0);
            if (!zeroed(m, 0))
                atomic_fetch_add(&thread_errors, 1u);
            soil(m, 0);
            mine[n++] = m;
        } else if (n) {
            heap_free_frames(mine[--n], 0, true);
        }
    }
    while (n)
        heap_free_frames(mine[--n], 0, true);
    return NULL;
}

static void test_threads(void)
{
    pthread_t t[3];
    uint64_t before = heap_free_count();

    for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        pthread_join(t[i], NULL);
    is(thread_errors, 0, "three CPUs at once: no frame shared, none unclean");
    is(heap_free_count(), before);
    scrub_all();
}

/* ---- Objects -------------------------------------------------------------------------------- */

static void test_objects(void)
{
    static struct domain d;
    uint64_t before = heap_free_count();
    unsigned errors = 0;
    static void *obj[5000];

    d.account.limit = 64 << 20;
    for (size_t size = 0; size < ARRAY_SIZE(obj); size++) {
        uint8_t *p = obj[size] = hv_alloc(&d, size);
        if (!p || (uintptr_t)p % 16 || (size >= PAGE_SIZE && (uintptr_t)p % PAGE_SIZE)) {
            errors++;
            continue;
        }
        for (size_t i = 0; i < size; i++)
            errors += p[i] != 0;
        memset(p, 0x5a, size);
    }
    is(errors, 0, "every size: there, aligned, zeroed");
    ok(d.account.used > 5000ull * 2500, "and charged (%" PRIu64 " bytes)", d.account.used);
    for (size_t size = 0; size < ARRAY_SIZE(obj); size++) {
        for (size_t i = 0; i < size; i++)
            errors += ((uint8_t *)obj[size])[i] != 0x5a;
        hv_free(&d, obj[size], size);
    }
    is(errors, 0, "none overlaps another");
    is(d.account.used, 0, "nothing is charged at the end");
    is(heap_free_count(), before, "and every frame is back");

    d.account.limit = 100;
    void *a = hv_alloc(&d, 64), *b = hv_alloc(&d, 48);
    ok(a && !b, "the limit holds");
    is(d.account.used, 64);
    void *c = hv_alloc(&d, 33);
    ok(!c, "rounding up counts");
    c = hv_alloc(&d, 32);
    ok(c && d.account.used == 96);
    hv_free(&d, c, 32);
    d.account.limit = 96;
    c = hv_alloc(&d, 32);
    ok(c && d.account.used == 96, "up to the limit");
    d.account.limit = 10;
    ok(!hv_alloc(&d, 16), "a limit lowered below the use");
    hv_free(&d, a, 64);
    hv_free(&d, c, 32);
    hv_free(&d, NULL, 32);
    is(d.account.used, 0);
    void *own = hv_alloc(NULL, 3 * PAGE_SIZE);
    ok(own && zeroed(virt_to_mfn(own), 2), "the hypervisor's own are not charged");
    hv_free(NULL, own, 3 * PAGE_SIZE);
    d.account.limit = ~0ull;
    ok(!hv_alloc(&d, ~(size_t)0), "size -1");
    ok(!hv_alloc(&d, (PAGE_SIZE << 18) + 1), "a size above the largest block");
    ok(!hv_alloc(&d, PAGE_SIZE << 14), "more than there is");
    is(d.account.used, 0, "a failed allocation is not charged");
}

static void test_object_misuse(void)
{
    char *keep = hv_alloc(NULL, 100), *p = hv_alloc(NULL, 100);

    hv_free(NULL, p, 100);
    p[50] = 1;
    ok(panics(hv_alloc(NULL, 100)), "a write after the free is found");
    p[50] = (char)0xdb;
    keep = hv_alloc(NULL, 200), p = hv_alloc(NULL, 200);
    ok(panics(hv_free(NULL, p, 300)), "the wrong size");
    ok(panics(hv_free(NULL, p + 16, 200)), "not an object's address");
    hv_free(NULL, p, 200);
    ok(panics(hv_free(NULL, p, 200)), "freed twice");
    (void)keep;
}

/* Boot on a large machine: the work depends on the number of blocks, not of frames. */
static void test_boot_cost(void)
{
    validity_checks = 0;
    heap_add_range(MFN(0x200), MFN(0xc0000));
    ok(validity_checks < 200, "3 GiB added in %u steps", validity_checks);
    mfn_t m = heap_alloc_frames(18, HEAP_DIRTY);
    is(m.v & 0x3ffff, 0, "1 GiB in one piece");
    m = heap_alloc_frames(18, HEAP_DIRTY);
    ok(!mfn_eq(m, INVALID_MFN), "twice");
}

int main(void)
{
    host_ram_init(MFN(0), FRAMES_4G + HIGH_FRAMES);
    test_empty();
    test_exhaust();
    test_contents();
    test_stamps();
    test_widths();
    test_random();
    test_threads();
    test_objects();
    test_boot_cost();
    test_misuse();
    test_object_misuse();
    test_misuse_inside();
    return done();
}
