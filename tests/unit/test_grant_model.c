/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants in order and under load: references dropped only after the flush (class E3); a model
 * beside the table under random operations, and races (class E4).
 *
 * links: hypervisor/core/grant.c hypervisor/core/grant_table.c hypervisor/core/grant_pin.c
 * links: hypervisor/core/grant_map.c hypervisor/core/grant_copy.c tests/unit/host.c
 * libs: -lpthread
 */
#include "grant_world.h"

/* ---- E3: no reference is dropped before the flush -------------------------------------------- */

static void watch_unmap(struct domain *d, struct grant_unmap_batch *batch, mfn_t f)
{
    int32_t refs = frame_info(f)->refs, types = frame_info(f)->types;

    is(grant_unmap_one(d->vcpu[0], last_map.handle, 0x1000, 0, 0, batch), GNTST_okay);
    is(frame_info(f)->refs, refs, "cleared, not flushed: referenced");
    is(frame_info(f)->types, types, "and of its type");
    is(stale[f.v - WORLD_BASE], 1);
    grant_unmap_finish(d, batch);
    is(stale[f.v - WORLD_BASE], 0, "flushed");
    is(frame_info(f)->refs, refs - 1, "now dropped");
    is(frame_info(f)->types, types - 1);
}

static void test_E3_flush_first(void)
{
    struct grant_unmap_batch batch = {.count = 0};
    mfn_t f;

    begin();
    f = world_frame_of(dom1);
    offer(dom1, 3, 0, f, 0);
    map(v0, 1, 3, 0x1000, false);
    watch_unmap(dom0, &batch, f);
    map(v0, 1, 3, 0x1000, false);
    is(grant_unmap_one(v0, last_map.handle, 0x1000, 0, 0, &batch), GNTST_okay);
    is(unmap(v0, last_map.handle, 0x1000), GNTST_bad_handle, "half undone: nobody else's");
    grant_unmap_finish(dom0, &batch);

    map_flags(v0, 1, 3, 0x1000, GNTMAP_host_map | GNTMAP_device_map);
    is(grant_unmap_one(v0, last_map.handle, 0x1000, 0, 0, &batch), GNTST_okay);
    is(unmap_parts(v0, last_map.handle, 0, last_map.dev_bus_addr), GNTST_okay,
       "another vCPU undoes the device's part, without a flush");
    is(frame_info(f)->refs, 2, "the host's part, not yet flushed, keeps the frame");
    grant_unmap_finish(dom0, &batch);
    is(frame_info(f)->refs, 1);
    finish();
}

/* ---- E4: a model beside the table ------------------------------------------------------------ */

static uint32_t rnd(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33) % below;
}

#define MODEL_REFS 6u
#define MODEL_MAPS 12u

static struct {
    unsigned readers[MODEL_REFS], writers[MODEL_REFS];
    bool offered[MODEL_REFS], readonly[MODEL_REFS];
    struct {
        bool used, readonly;
        uint32_t handle, ref;
    } map[MODEL_MAPS];
} model;

static bool model_permits(uint32_t ref, bool readonly)
{
    bool pinned = model.readers[ref] || model.writers[ref];

    if (pinned && (readonly || model.writers[ref]))
        return true;
    return model.offered[ref] && (readonly || !model.readonly[ref]);
}

static unsigned model_map(unsigned slot, uint32_t ref, bool readonly)
{
    int status = map(v0, 1, ref, (slot + 1) * 4096ull, readonly);

    if ((status == GNTST_okay) != model_permits(ref, readonly))
        return 1;
    if (status == GNTST_okay) {
        model.map[slot].used = true;
        model.map[slot].readonly = readonly;
        model.map[slot].handle = last_map.handle;
        model.map[slot].ref = ref;
        *(readonly ? &model.readers[ref] : &model.writers[ref]) += 1;
    }
    return 0;
}

static unsigned model_unmap(unsigned slot)
{
    if (unmap(v0, model.map[slot].handle, (slot + 1) * 4096ull) != GNTST_okay)
        return 1;
    model.map[slot].used = false;
    (model.map[slot].readonly ? model.readers : model.writers)[model.map[slot].ref]--;
    return 0;
}

/* What the guest and the frames say must be what the model says. */
static unsigned model_differs(const mfn_t *frame)
{
    unsigned bad = 0;

    for (uint32_t ref = 0; ref < MODEL_REFS; ref++) {
        unsigned r = model.readers[ref], w = model.writers[ref];
        unsigned flags = (r || w ? GTF_reading : 0) | (w ? GTF_writing : 0);

        bad += in_use(dom1, ref) != flags;
        bad += frame_info(frame[ref])->refs != (int32_t)(1 + r + w);
        bad += frame_info(frame[ref])->types != (int32_t)w;
    }
    return bad;
}

/* An honest guest's end of access: only what is not in use, by exchange of the whole flags. */
static void model_offer(uint32_t ref, bool offered, bool readonly, const mfn_t *frame)
{
    if (in_use(dom1, ref))
        return;
    offer(dom1, ref, 0, frame[ref], readonly ? GTF_readonly : 0);
    if (!offered) {
        if (dom1->grant->version == 1)
            entry(dom1, ref)->flags = 0;
        else
            entry2(dom1, ref)->hdr.flags = 0;
    }
    model.offered[ref] = offered;
    model.readonly[ref] = readonly;
}

static void test_E4_model(unsigned version)
{
    uint64_t state = version;
    mfn_t frame[MODEL_REFS];
    unsigned bad = 0;

    begin();
    set_version(v1, version);
    memset(&model, 0, sizeof(model));
    for (uint32_t i = 0; i < MODEL_REFS; i++)
        frame[i] = world_frame_of(dom1);
    for (unsigned i = 0; i < 20000 && !bad; i++) {
        uint32_t ref = rnd(&state, MODEL_REFS), slot = rnd(&state, MODEL_MAPS);

        if (rnd(&state, 3) == 0)
            model_offer(ref, rnd(&state, 2), rnd(&state, 2), frame);
        else if (model.map[slot].used)
            bad += model_unmap(slot);
        else
            bad += model_map(slot, ref, rnd(&state, 2));
        bad += model_differs(frame);
    }
    is(bad, 0, "version %u: a model agrees after each of 20000 operations", version);
    for (unsigned i = 0; i < MODEL_MAPS; i++)
        if (model.map[i].used)
            bad += model_unmap(i);
    is(bad, 0);
    finish();
}

/* ---- E4: many vCPUs -------------------------------------------------------------------------- */

#define THREADS 3u
#define STEPS   40000u

static bool racing;
static mfn_t race_frame[4];

static void race_step(struct vcpu *v, unsigned cpu, uint64_t *state)
{
    uint32_t ref = rnd(state, 12), flags = rnd(state, 2) ? GNTMAP_readonly : 0u;
    struct gnttab_map_grant_ref m = {
        .flags = flags | GNTMAP_device_map, .ref = ref, .dom = 1, .status = 1};
    struct gnttab_unmap_grant_ref u = {.handle = rnd(state, 30), .status = 1};
    struct gnttab_copy c = copy_op(1, ref, 0, DOMID_SELF, race_frame[cpu].v, 0, 64, 1);

    switch (rnd(state, 4)) {
    case 0:
        (void)call(v, GNTTABOP_map_grant_ref, &m, 1);
        break;
    case 1:
    case 2:
        u.dev_bus_addr = (uint64_t)(race_frame[3].v + rnd(state, 2)) << PAGE_SHIFT;
        (void)call(v, GNTTABOP_unmap_grant_ref, &u, 1);
        break;
    default:
        (void)call(v, GNTTABOP_copy, &c, 1);
    }
}

static void *racer(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;
    uint64_t state = cpu + 5;

    host_cpu = cpu;
    for (unsigned i = 0; i < STEPS; i++) {
        race_step(dom0->vcpu[cpu % 2], cpu, &state);
        if (host_locks_held || !host_irqs_on)
            bail_out("a lock is held, or interrupts are off, after a call");
    }
    return NULL;
}

/* The granter, writing whatever it likes into its table, and changing versions. */
static void *wild_granter(void *arg)
{
    uint64_t state = 77;

    host_cpu = 10;
    (void)arg;
    while (atomic_load(&racing)) {
        uint32_t *words = dom1->grant->frame[0];
        uint32_t word = rnd(&state, 64);

        WRITE_ONCE(words[word], word % 2 ? (uint32_t)race_frame[3].v + rnd(&state, 3)
                                         : GTF_permit_access | (rnd(&state, 2) << 2));
        if (rnd(&state, 200) == 0)
            (void)set_version(v1, 1 + rnd(&state, 2));
    }
    return NULL;
}

static void test_E4_races(void)
{
    pthread_t thread[THREADS], wild;

    begin();
    for (unsigned i = 0; i < 3; i++)
        race_frame[i] = world_frame_of(dom0);
    race_frame[3] = world_frame_of(dom1);
    (void)world_frame_of(dom1);
    atomic_store(&racing, true);
    pthread_create(&wild, NULL, wild_granter, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, racer, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    atomic_store(&racing, false);
    pthread_join(wild, NULL);
    dom0->is_dying = true;
    is(grant_domain_release(dom0), 0, "after %u random operations on %u CPUs", STEPS, THREADS);
    is(dom1->grant->in_use, 0, "nothing is pinned");
    is(dom0->grant->maps_in_use, 0, "nothing mapped");
    is(frame_info(race_frame[3])->refs, 1);
    is(frame_info(race_frame[3])->types, 0);
    finish();
}

int main(void)
{
    test_E3_flush_first();
    test_E4_model(1);
    test_E4_model(2);
    test_E4_races();
    return done();
}
