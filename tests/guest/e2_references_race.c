/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E2, raced: three tables of each level, which all vCPUs pin, unpin, hook into those above, take
 * out again, load as user tables and try to write, at random. Whatever is refused or half done in
 * between, at the end nothing may be left: when entries are cleared and pins are taken away, every
 * table is a plain page.
 *
 * test: vcpus=2,4 parallel=yes limit=60
 */
#include "mmu.h"

#include <pv/clock.h>
#include <pv/smp.h>

#define EACH  3u
#define SLOTS 8u

static uint64_t *table[LEVELS + 1][EACH];
static uint64_t *data;
static unsigned long rounds, done_pins, done_hooks, done_loads, wrong;

static void add(unsigned long *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint64_t *some(unsigned level)
{
    return table[level][random_below(EACH)];
}

static unsigned some_level(void)
{
    return (unsigned)random_below(LEVELS) + 1;
}

/* Slots that are filled when the table is made, and some that are not. */
static unsigned some_slot(void)
{
    return (unsigned)random_below(SLOTS) * 60;
}

static void hook(void)
{
    unsigned level = some_level();
    uint64_t *at = &some(level)[some_slot()];
    uint64_t entry = level == 1 ? pte_make(virt_to_mfn(data), PTE_KERNEL_RW)
                                : pte_make(virt_to_mfn(some(level - 1)), PTE_TABLE);
    if (random_below(8) == 0 && level > 1) /* a linear one, or of any other level */
        entry = pte_make(virt_to_mfn(some(some_level())), PTE_P | PTE_US);
    if (mmu_set(maddr_of(at), random_below(3) ? entry : 0) == 0)
        add(&done_hooks);
}

static void load(void)
{
    if (mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(some(LEVELS))) == 0)
        add(&done_loads);
    if (random_below(2) && mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0) != 0)
        add(&wrong);
}

/* A writable mapping by an address of the vCPU's own, at once given up. */
static void write_to(uint64_t *window)
{
    uint64_t *to = some(some_level());
    if (mmu_set(pte_maddr(window, 1), pte_make(virt_to_mfn(to), PTE_KERNEL_RW)) != 0)
        return;
    mmuext_va(MMUEXT_INVLPG_LOCAL, (unsigned long)window);
    if (!try_write(&window[some_slot()], 0))
        add(&wrong);
    if (mmu_set(pte_maddr(window, 1), 0) != 0)
        add(&wrong);
}

static void on_each(void *unused)
{
    uint64_t *window = window_alloc(1);
    (void)unused;
    for (unsigned long i = 0; i < rounds; i++) {
        switch (random_below(8)) {
        case 0:
        case 1: {
            unsigned level = some_level();
            unsigned as = random_below(6) ? level : some_level();
            if (pin_table(as, virt_to_mfn(some(level))) == 0)
                add(&done_pins);
            break;
        }
        case 2:
        case 3:
            unpin_table(virt_to_mfn(some(some_level())));
            break;
        case 4:
        case 5:
            hook();
            break;
        case 6:
            load();
            break;
        default:
            write_to(window);
        }
    }
    if (mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0) != 0)
        add(&wrong);
    window_free(window, 1);
}

/* Timer events on every vCPU: long calls are interrupted. */
static void tick(void *unused)
{
    (void)unused;
    timer_set(monotonic_ns() + 200000 + random_below(300000), tick, NULL);
}

static void with_ticks(void *unused)
{
    tick(NULL);
    on_each(unused);
    timer_set(0, NULL, NULL);
}

static void set_up(void)
{
    data = page_alloc();
    for (unsigned level = 1; level <= LEVELS; level++)
        for (unsigned i = 0; i < EACH; i++) {
            table[level][i] = page_alloc();
            for (unsigned slot = 0; slot < TABLE_ENTRIES; slot += 120)
                table[level][i][slot] =
                    level == 1
                        ? pte_make(virt_to_mfn(data), PTE_KERNEL_RW)
                        : pte_make(virt_to_mfn(table[level - 1][slot / 120 % EACH]), PTE_TABLE);
            page_read_only(table[level][i]);
        }
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    rounds = argument(argc, argv, "rounds", 4000);
    set_up();
    vcpus_run(with_ticks, NULL);
    diag("%lu pins, %lu changes of entries, %lu loads", done_pins, done_hooks, done_loads);
    ok(done_pins > 0, "tables are pinned");
    ok(done_hooks > 0, "entries are changed");
    ok(done_loads > 0, "user tables are loaded");
    is(wrong, 0, "what must go goes");
    is(walk_all(NULL, 0), 0, "no table is writable");
    for (unsigned level = LEVELS; level >= 1; level--)
        for (unsigned i = 0; i < EACH; i++) {
            unpin_table(virt_to_mfn(table[level][i]));
            ok(table_free(table[level][i]), "table %u of level %u is a plain page at the end", i,
               level);
        }
    page_free(data);
    return done();
}
