/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * E4, grants used by all vCPUs at once, at random, with a model beside the real table.
 *
 * A few grants belong to everybody: any vCPU maps them, copies from them, swaps one with itself, or
 * tries to end one and to grant another page instead. Each keeps a list of what it has mapped, and
 * the model says for each grant which page it gives, and how many mappings of it are known to be
 * there.
 *
 * What must hold at every moment:
 *   a mapping shows the page that the grant gave, from when it was made until it is undone;
 *   a grant that could be ended (its entry said "unused") is mapped nowhere;
 *   nobody gets a writable mapping of a grant that is read-only;
 *   the version cannot be changed, as one grant is always mapped;
 *   an attempt with a wrong address undoes nothing.
 *
 * test: vcpus=4 parallel=yes args="rounds=4000"
 * test: vcpus=2 args="rounds=1500"
 */
#include <pv/smp.h>

#include "grants.h"

#define GRANTS 12u
#define PAGES  (GRANTS * 2)
#define OWN    8u /* mappings that a vCPU has at most */
#define TAG    0x7061726176616e65ull

struct mapping {
    grant_handle_t handle;
    unsigned grant, page;
    bool readonly;
};

struct worker {
    char *windows;
    struct mapping mapped[OWN];
    bool used[OWN];
    uint64_t *scratch;
    grant_ref_t scratch_ref;
};

static domid_t own;
static uint64_t *pages[PAGES];

/* The model. `changing` is held by who ends and makes the grant anew; the rest changes only then,
 * but `live`, which counts mappings from after they are made to before they are undone. */
static struct {
    grant_ref_t ref;
    struct spinlock changing;
    unsigned page, live;
    bool readonly;
} grants[GRANTS];

static struct worker workers[MAX_VCPUS];
static unsigned rounds;
static struct {
    unsigned maps, refusals, unmaps, copies, swaps, ends, versions;
} done_count;
static unsigned wrong_page, wrong_rights, wrong_end, wrong_version, wrong_status, wrong_undo;

static void count(unsigned *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static char *window_of(struct worker *w, unsigned slot)
{
    return w->windows + slot * PAGE_SIZE;
}

/* ---- What a vCPU may do -------------------------------------------------------------------- */

/* While it is mapped the grant cannot change: so the model's page is the one that must be seen. */
static void check_mapping(struct worker *w, unsigned slot)
{
    volatile uint64_t *seen = (uint64_t *)(void *)window_of(w, slot);

    if (*seen != TAG + w->mapped[slot].page)
        count(&wrong_page);
}

static void do_map(struct worker *w, unsigned slot)
{
    unsigned g = (unsigned)random_below(GRANTS);
    bool readonly = random_below(2);
    struct gnttab_map_grant_ref op =
        map_request(own, grants[g].ref, (uint64_t)window_of(w, slot),
                    GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0));

    if (map_one(&op) != GNTST_okay) {
        if (op.status != GNTST_general_error)
            count(&wrong_status);
        count(&done_count.refusals);
        return;
    }
    __atomic_fetch_add(&grants[g].live, 1, __ATOMIC_SEQ_CST);
    if (!readonly && grants[g].readonly)
        count(&wrong_rights);
    w->mapped[slot] = (struct mapping){op.handle, g, grants[g].page, readonly};
    w->used[slot] = true;
    check_mapping(w, slot);
    count(&done_count.maps);
}

/* Others' attempts on the handle may be under way: then it is not to be had for a moment. */
static void do_unmap(struct worker *w, unsigned slot)
{
    int status;

    check_mapping(w, slot);
    __atomic_fetch_sub(&grants[w->mapped[slot].grant].live, 1, __ATOMIC_SEQ_CST);
    for (unsigned tries = 0; tries < 1000; tries++) {
        status = unmap_one((uint64_t)window_of(w, slot), 0, w->mapped[slot].handle);
        if (status != GNTST_bad_handle)
            break;
    }
    if (status != GNTST_okay)
        count(&wrong_status);
    w->used[slot] = false;
    count(&done_count.unmaps);
}

/* Somebody's handle, and an address where nothing can be mapped. */
static void do_wrong_unmap(void)
{
    int status = unmap_one(NO_ADDRESS, 0, (grant_handle_t)random_below(64));

    if (status != GNTST_general_error && status != GNTST_bad_handle)
        count(&wrong_undo);
}

static void do_copy(struct worker *w)
{
    unsigned g = (unsigned)random_below(GRANTS);
    struct gnttab_copy op = {
        .source = {.u.ref = grants[g].ref, .domid = own},
        .dest = {.u.ref = w->scratch_ref, .domid = own},
        .len = 8,
        .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref,
        .status = STATUS_UNSET,
    };

    w->scratch[0] = 0;
    (void)grant_op(GNTTABOP_copy, &op);
    if (op.status == GNTST_okay && w->scratch[0] - TAG >= PAGES)
        count(&wrong_page);
    if (op.status != GNTST_okay && op.status != GNTST_general_error)
        count(&wrong_status);
    count(&done_count.copies);
}

/* With itself: nothing changes, whatever is in use. */
static void do_swap(void)
{
    unsigned g = (unsigned)random_below(GRANTS);
    struct gnttab_swap_grant_ref op = {
        .ref_a = grants[g].ref, .ref_b = grants[g].ref, .status = STATUS_UNSET};

    (void)grant_op(GNTTABOP_swap_grant_ref, &op);
    if (op.status != GNTST_okay)
        count(&wrong_status);
    count(&done_count.swaps);
}

/* Ends a grant, if nobody uses it, and gives the other of its two pages. */
static void do_change(void)
{
    unsigned g = (unsigned)random_below(GRANTS);
    uint16_t *word = &entry_v1(grants[g].ref)->flags;
    uint16_t flags = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    if (!spin_try_lock(&grants[g].changing))
        return;
    flags &= (uint16_t) ~(GTF_reading | GTF_writing);
    if (__atomic_compare_exchange_n(word, &flags, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        if (__atomic_load_n(&grants[g].live, __ATOMIC_SEQ_CST) != 0)
            count(&wrong_end);
        grants[g].page ^= 1;
        grants[g].readonly = random_below(2);
        write_v1(grants[g].ref, GTF_permit_access | (grants[g].readonly ? GTF_readonly : 0), own,
                 virt_to_mfn(pages[grants[g].page]));
        count(&done_count.ends);
    }
    spin_unlock(&grants[g].changing);
}

static void do_version(void)
{
    if (set_version(2) != -XEN_EBUSY)
        count(&wrong_version);
    count(&done_count.versions);
}

/* ---- The run ------------------------------------------------------------------------------- */

static void step(struct worker *w)
{
    unsigned slot = (unsigned)random_below(OWN);

    switch (random_below(16)) {
    case 0:
        do_wrong_unmap();
        break;
    case 1:
    case 2:
        do_copy(w);
        break;
    case 3:
        do_swap();
        break;
    case 4:
    case 5:
    case 6:
        do_change();
        break;
    case 7:
        do_version();
        break;
    default:
        if (w->used[slot])
            do_unmap(w, slot);
        else
            do_map(w, slot);
    }
}

static void run(void *unused)
{
    struct worker *w = &workers[this_vcpu()];

    (void)unused;
    for (unsigned i = 0; i < rounds; i++)
        step(w);
    for (unsigned slot = 0; slot < OWN; slot++)
        if (w->used[slot])
            do_unmap(w, slot);
}

static void prepare(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = page_alloc();
        pages[i][0] = TAG + i;
    }
    for (unsigned g = 0; g < GRANTS; g++) {
        grants[g].page = g * 2;
        grants[g].ref = grant_give(own, pages[g * 2], false);
    }
    for (unsigned i = 0; i < nr_vcpus(); i++) {
        workers[i].windows = window_alloc(OWN);
        workers[i].scratch = page_alloc();
        workers[i].scratch_ref = grant_give(own, workers[i].scratch, false);
    }
}

static void check_end(void)
{
    unsigned in_use = 0, live = 0, ended = 0;

    for (unsigned g = 0; g < GRANTS; g++) {
        in_use += (flags_v1(grants[g].ref) & (GTF_reading | GTF_writing)) != 0;
        live += grants[g].live;
        ended += grant_end(grants[g].ref);
    }
    is(in_use, 0, "at the end no grant is in use");
    is(live, 0, "nor in the model");
    is(ended, GRANTS, "all can be ended");
    is_error(set_version(2), 0, "the version can be changed");
    is_error(set_version(1), 0, "and changed back");
}

int main(int argc, char **argv)
{
    grant_handle_t handle;
    void *keeper;
    uint64_t *page;

    random_start(argc, argv);
    rounds = (unsigned)argument(argc, argv, "rounds", 1500);
    own = own_domain();
    prepare();
    page = page_alloc();
    keeper = grant_map(own, grant_give(own, page, false), false, &handle, NULL);
    vcpus_run(run, NULL);
    is(wrong_page, 0, "mappings and copies show the pages that were granted");
    is(wrong_rights, 0, "no writable mapping of a read-only grant");
    is(wrong_end, 0, "a grant that could be ended was mapped nowhere");
    is(wrong_version, 0, "the version could not be changed while a grant was mapped");
    is(wrong_undo, 0, "attempts at a wrong address undid nothing");
    is(wrong_status, 0, "no status that cannot be");
    is(grant_unmap(keeper, handle), GNTST_okay, "the grant that was mapped all the time is undone");
    check_end();
    diag("%u maps, %u refused, %u unmaps, %u copies, %u swaps, %u changes, %u versions",
         done_count.maps, done_count.refusals, done_count.unmaps, done_count.copies,
         done_count.swaps, done_count.ends, done_count.versions);
    return done();
}
