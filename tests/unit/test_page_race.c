/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page types on several CPUs at once: each thread is one. What must hold at every moment is looked
 * at by whoever has a type; what must hold in the end is recounted.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 * libs: -pthread
 */
#include <unistd.h>

#include "mm_world.h"

#define THREADS 3u

static struct domain *const d = &mm_domain[0];
static mfn_t page, l1, l2, l3, l4;
static unsigned long done_well, broken;
static bool stop;

static uint64_t *entry_at(mfn_t table, unsigned slot)
{
    return (uint64_t *)mfn_to_virt(table) + slot;
}

static uint32_t dice(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

/* Each thread is a CPU with a vCPU of its own, so that what it leaves half done is its own too. */
static struct vcpu cpu_vcpu[THREADS + 1];

struct job {
    void (*fn)(unsigned id);
    unsigned id;
};

static void *thread_main(void *arg)
{
    const struct job *job = arg;
    host_cpu = job->id;
    host_current = &cpu_vcpu[job->id];
    job->fn(job->id);
    preempt_never();
    while (torn_any(&cpu_vcpu[job->id].arch.torn))
        (void)!frame_resume_teardown(&cpu_vcpu[job->id].arch.torn);
    return NULL;
}

/* fns[i % count] on each thread. */
static void race(void (*const fns[])(unsigned), unsigned count)
{
    pthread_t thread[THREADS];
    struct job job[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        cpu_vcpu[i] = (struct vcpu){.id = i, .domain = d};
        job[i] = (struct job){fns[i % count], i};
        pthread_create(&thread[i], NULL, thread_main, &job[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void verdict(const char *what)
{
    is(broken, 0, "%s: nothing that may not be (%lu successes)", what, done_well);
    ok(done_well > 0, "and something was done");
    is(mm_recount(), 0, "and all is accounted for");
    broken = done_well = 0;
    stop = false;
}

/* ---- One frame, all types ----------------------------------------------------------------------
 */

static uint32_t users[8]; /* who has the page by a type now */

static void use_types(unsigned id)
{
    static const enum frame_type types[] = {FT_L1, FT_L2, FT_SEGDESC, FT_WRITABLE, FT_WRITABLE};
    uint32_t seed = id * 7919 + 1;
    for (unsigned i = 0; i < 30000; i++) {
        enum frame_type type = types[dice(&seed) % ARRAY_SIZE(types)];
        int rc = frame_get_both(page, d, type);
        if (rc == -XEN_EBUSY)
            continue;
        if (rc) {
            atomic_fetch_add(&broken, 1);
            continue;
        }
        atomic_fetch_add(&users[type], 1);
        for (unsigned t = 0; t < 8; t++)
            if (t != type && atomic_load(&users[t]))
                atomic_fetch_add(&broken, 1);
        if (frame_type_hint(page) != type)
            atomic_fetch_add(&broken, 1);
        if (dice(&seed) % 4 == 0) {
            if (!frame_hold(page, d, type))
                atomic_fetch_add(&broken, 1);
            else
                frame_put_both(page);
        }
        atomic_fetch_sub(&users[type], 1);
        frame_put_both(page);
        atomic_fetch_add(&done_well, 1);
    }
}

static void test_one_frame(void)
{
    mm_start();
    page = mm_frame_of(d, 0);
    race((void (*const[])(unsigned)){use_types}, 1);
    verdict("one frame as everything");
    mm_kill(d);
    is(mm_missing(), 0);
}

/* ---- The flush of a type change
 * ------------------------------------------------------------------ */

/*
 * A model of TLBs. A CPU that maps the page writable has a translation from then on until it
 * flushes. When the page is a table no CPU may have one.
 */
static uint32_t translation[THREADS]; /* 1: this CPU's TLB has one */
static uint32_t seen[THREADS];        /* the epoch that its last flush recorded */

static unsigned maps;

static void model_flush_cpu(unsigned cpu)
{
    uint32_t now = atomic_load(&mm_epoch);
    atomic_store(&translation[cpu], 0);
    atomic_store(&seen[cpu], now);
}

static void model_flush(uint32_t stamp)
{
    uint32_t was = stamp;
    (void)atomic_cas(&mm_epoch, &was, stamp + 1);
    for (unsigned cpu = 0; cpu < THREADS; cpu++)
        if ((int32_t)(atomic_load(&seen[cpu]) - stamp) <= 0)
            model_flush_cpu(cpu);
}

static void map_and_touch(unsigned id)
{
    uint32_t seed = id + 17;
    while (!atomic_load(&stop)) {
        if (frame_get_both(page, d, FT_WRITABLE))
            continue;
        atomic_store(&translation[id], 1);
        atomic_fetch_add(&maps, 1);
        if (dice(&seed) % 8 == 0)
            usleep(1);
        frame_put_both(page);
        if (dice(&seed) % 4 == 0)
            model_flush_cpu(id);
        if (dice(&seed) % 4 == 0) /* unmapped for a while: then it can be a table */
            usleep(1);
    }
}

static void make_table(unsigned id)
{
    (void)id;
    /* Until both have had their turns, often. */
    for (unsigned i = 0; (done_well < 1000 || atomic_load(&maps) < 5000) && i < 50000000; i++) {
        if (frame_get_both(page, d, FT_L1))
            continue;
        for (unsigned cpu = 0; cpu < THREADS; cpu++)
            if (atomic_load(&translation[cpu]))
                atomic_fetch_add(&broken, 1);
        atomic_fetch_add(&done_well, 1);
        frame_put_both(page);
    }
    atomic_store(&stop, true);
}

static void test_flush(void)
{
    mm_start();
    page = mm_frame_of(d, 0);
    mm_flush_hook = model_flush;
    race((void (*const[])(unsigned)){map_and_touch, make_table, map_and_touch}, 3);
    mm_flush_hook = NULL;
    verdict("no translation from before the page was a table");
    mm_kill(d);
    is(mm_missing(), 0);
}

/* ---- Pin against unpin, against entries, with work pending at random
 * -------------------------------- */

static void tree(void)
{
    page = mm_frame_of(d, 0);
    l1 = mm_frame_of(d, 1);
    l2 = mm_frame_of(d, 2);
    l3 = mm_frame_of(d, 3);
    l4 = mm_frame_of(d, 4);
    for (unsigned i = 0; i < 4; i++) {
        *entry_at(l1, i) = (page.v << 12) | 3;
        *entry_at(l2, i) = (l1.v << 12) | 1;
        *entry_at(l3, i) = (l2.v << 12) | 1;
        *entry_at(l4, i) = (l3.v << 12) | 1;
    }
}

static void random_work(uint32_t *seed)
{
    if (dice(seed) % 2)
        preempt_at(1 + dice(seed) % 12, 1 + dice(seed) % 6);
    else
        preempt_never();
}

static void pin_and_unpin(unsigned id)
{
    uint32_t seed = id * 31 + 3;
    struct torn_tables *torn = &cpu_vcpu[id].arch.torn;
    for (unsigned i = 0; i < 8000; i++) {
        mfn_t table = dice(&seed) % 3 ? l4 : l3;
        random_work(&seed);
        if (torn_any(torn))
            (void)!frame_resume_teardown(torn);
        int rc = dice(&seed) % 2 ? frame_pin(d, table, mfn_eq(table, l4) ? FT_L4 : FT_L3)
                                 : frame_unpin(d, table, torn);
        if (rc == 0)
            atomic_fetch_add(&done_well, 1);
        else if (rc != -XEN_EINVAL && rc != -XEN_ERESTART && rc != -XEN_EBUSY)
            atomic_fetch_add(&broken, 1);
    }
}

static void write_entries(unsigned id)
{
    uint32_t seed = id * 131 + 5;
    const mfn_t tables[] = {l1, l2, l3, l4};
    const mfn_t below[] = {page, l1, l2, l3};
    for (unsigned i = 0; i < 8000; i++) {
        unsigned level = 1 + dice(&seed) % 4, slot = dice(&seed) % 6;
        uint64_t entry = dice(&seed) % 2 ? (below[level - 1].v << 12) | 3 : 0;
        mfn_t table = tables[level - 1];
        random_work(&seed);
        if (dice(&seed) % 16 == 0) { /* the frame as data, when it is no table */
            if (frame_get_both(table, d, FT_WRITABLE))
                continue;
            *entry_at(table, 10) = 0;
            frame_put_both(table);
        }
        if (!frame_hold(table, d, (enum frame_type)level))
            continue;
        int rc = entry_set(level, entry_at(table, slot), entry, false, NULL, d, d);
        frame_put_both(table);
        if (rc == 0)
            atomic_fetch_add(&done_well, 1);
        else if (rc != -XEN_ERESTART && rc != -XEN_EBUSY)
            atomic_fetch_add(&broken, 1);
    }
}

static void test_pins(void)
{
    for (unsigned round = 0; round < 3; round++) {
        mm_start();
        tree();
        race((void (*const[])(unsigned)){pin_and_unpin, write_entries, pin_and_unpin},
             round ? 3 : 1);
        verdict(round ? "pins against updates of entries" : "pin against unpin");
        mm_kill(d);
        is(mm_missing(), 0);
    }
}

/* ---- Spare references ------------------------------------------------------------------------ */

static mfn_t roots[3];

/* Three top-level tables with the same kernel slots. */
static void spare_forest(void)
{
    tree();
    for (unsigned i = 0; i < 3; i++) {
        roots[i] = mm_frame_of(d, 5 + i);
        *entry_at(roots[i], 0) = *entry_at(roots[i], 272) = *entry_at(roots[i], 511) =
            (l3.v << 12) | 3;
    }
}

static bool may_be_refused(int rc)
{
    return rc == -XEN_EINVAL || rc == -XEN_ERESTART || rc == -XEN_EBUSY;
}

/* A vCPU goes from one base pointer to the next. */
static void change_roots(unsigned id)
{
    uint32_t seed = id * 17 + 11;
    struct vcpu *v = &mm_vcpu[0][id];
    unsigned guess = 0;
    for (unsigned i = 0; i < 8000; i++) {
        mfn_t root = roots[dice(&seed) % 3];
        random_work(&seed);
        (void)!frame_resume_teardown(&cpu_vcpu[id].arch.torn);
        unsigned place = spare_root_take(v, root, guess);
        int rc = place == NO_PLACE ? frame_get_both(root, d, FT_L4) : 0;
        if (rc) {
            if (!may_be_refused(rc))
                atomic_fetch_add(&broken, 1);
            continue;
        }
        if (frame_type_hint(root) != FT_L4 || !frame_hold(root, d, FT_L4))
            atomic_fetch_add(&broken, 1);
        else
            frame_put_both(root);
        guess = place == NO_PLACE ? dice(&seed) % SPARE_ROOTS : place;
        spare_root_give(v, root, guess);
        atomic_fetch_add(&done_well, 1);
    }
}

/* Others begin and end processes, and take what was a table for data. */
static void come_and_go(unsigned id)
{
    uint32_t seed = id * 19 + 13;
    struct torn_tables *torn = &cpu_vcpu[id].arch.torn;
    for (unsigned i = 0; i < 8000; i++) {
        unsigned which = dice(&seed) % 3;
        random_work(&seed);
        (void)!frame_resume_teardown(torn);
        int rc = 0;
        switch (dice(&seed) % 4) {
        case 0:
            rc = frame_pin(d, roots[which], FT_L4);
            break;
        case 1:
            rc = frame_unpin(d, roots[which], torn);
            spare_root_forget(d, roots[which]);
            break;
        case 2:
            rc = frame_get_both(roots[which], d, FT_WRITABLE);
            if (rc == 0) {
                *entry_at(roots[which], 300) ^= (l3.v << 12) | 3;
                frame_put_both(roots[which]);
            }
            break;
        default:
            rc = arch_spare_drop(d);
        }
        if (rc == 0)
            atomic_fetch_add(&done_well, 1);
        else if (!may_be_refused(rc))
            atomic_fetch_add(&broken, 1);
    }
}

static void test_spares(void)
{
    mm_with_spare_slots = true;
    for (unsigned round = 0; round < 3; round++) {
        mm_start();
        spare_forest();
        race((void (*const[])(unsigned)){change_roots, change_roots, come_and_go}, 3);
        verdict("spare references");
        preempt_never();
        is(arch_spare_drop(d), 0, "they can be dropped");
        for (unsigned i = 0; i < 3; i++) {
            int rc = frame_unpin(d, roots[i], NULL);
            is(rc && rc != -XEN_EINVAL, 0, "unpinned, or not pinned");
        }
        is(arch_spare_drop(d), 0);
        for (unsigned i = 0; i < 3; i++)
            is(frame_type_hint(roots[i]), FT_NONE, "nothing makes it a table then");
        mm_kill(d);
        is(mm_missing(), 0);
    }
    mm_with_spare_slots = false;
}

/* ---- A domain's death against foreign references
 * --------------------------------------------------- */

static void kill_it(unsigned id)
{
    (void)id;
    preempt_at(1, 100);
    mm_kill(d);
    atomic_fetch_add(&done_well, 1);
    atomic_store(&stop, true);
}

/* The control domain's tools still map, pin and look at the dying domain's frames. */
static void meddle(unsigned id)
{
    uint32_t seed = id + 99;
    const mfn_t frames[] = {page, l1, l2, l3, l4};
    while (!atomic_load(&stop)) {
        unsigned which = dice(&seed) % 5;
        random_work(&seed);
        if (dice(&seed) % 3 == 0) {
            (void)!frame_pin(d, frames[which], (enum frame_type)MAX(which, 1u));
        } else if (frame_get(frames[which], d)) {
            int rc = frame_get_type(frames[which], which ? (enum frame_type)which : FT_WRITABLE);
            if (rc == 0)
                frame_put_type(frames[which], arch_current_torn());
            frame_put(frames[which]);
        }
        (void)!frame_release(d, frames[dice(&seed) % 5]);
    }
}

/* Another domain gives it pages to the last. */
static void give_pages(unsigned id)
{
    (void)id;
    for (unsigned i = 0; i < 200 && !atomic_load(&stop); i++) {
        mfn_t mfn = mm_take(5);
        if (frame_assign(d, mfn, 0)) {
            atomic_store(&mm_free[mm_index(mfn)], 1);
            return;
        }
        if (i % 2)
            (void)!frame_release(d, mfn);
        if (i > 50)
            usleep(1);
    }
}

static void test_death(void)
{
    unsigned lost = 0;
    for (unsigned round = 0; round < 60; round++) {
        mm_start();
        tree();
        if (frame_pin(d, l4, FT_L4))
            bail_out("not pinned");
        race((void (*const[])(unsigned)){meddle, round % 2 ? give_pages : meddle, kill_it}, 3);
        broken += mm_recount();
        lost += mm_missing();
    }
    is(lost, 0, "no frame is lost at a domain's death, whatever others do meanwhile");
    verdict("death");
}

int main(void)
{
    test_one_frame();
    test_flush();
    test_pins();
    test_spares();
    test_death();
    return done();
}
