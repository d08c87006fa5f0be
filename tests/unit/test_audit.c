/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit: finds nothing in a world that is right, and each count that is planted wrong.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c hypervisor/core/audit.c
 */
#include "mm_world.h"

#include "core/audit.h"

static struct domain *const d = &mm_domain[0], *const them = &mm_domain[1];
struct domain *domain_list;
struct spinlock domain_list_lock = SPINLOCK_INIT(RANK_DOMLIST);

/* ---- Reporters ------------------------------------------------------------------------------ */

/* What a domain's event channels or grants hold. */
static mfn_t reported;
static unsigned reported_refs, reported_types;
static unsigned stopped, started, waited;
static bool no_memory;

unsigned arch_audit_table(mfn_t table, unsigned level, unsigned entries)
{
    const uint64_t *e = mfn_to_virt(table);
    unsigned parts = 0;
    for (unsigned i = 0; i < entries; i++) {
        if (!(e[i] & 1))
            continue;
        audit_note(entry_mfn(e[i]), 1, level > 1 || (e[i] & 2) ? 1 : 0);
        parts |= 1u << i / 32;
    }
    return parts;
}

void arch_audit_domain(struct domain *of)
{
    for_each_vcpu (of, v)
        for (unsigned level = 1; level <= 4; level++)
            if (v->arch.torn.mfn_plus_1[level])
                audit_note(MFN(v->arch.torn.mfn_plus_1[level] - 1), 1, 0);
}

void evtchn_audit_domain(struct domain *of)
{
    (void)of;
}

void grant_audit_domain(struct domain *of)
{
    if (of == d && reported.v)
        audit_note(reported, reported_refs, reported_types);
}

void *hv_alloc(struct domain *of, size_t size)
{
    (void)of;
    return no_memory ? NULL : calloc(1, size);
}

void hv_free(struct domain *of, void *ptr, size_t size)
{
    (void)of;
    (void)size;
    free(ptr);
}

void domain_pause_nowait(struct domain *of)
{
    (void)of;
    stopped++;
}

void domain_unpause(struct domain *of)
{
    (void)of;
    started++;
}

void vcpu_wait_stopped(struct vcpu *v)
{
    (void)v;
    waited++;
}

/* ---- A world that is right --------------------------------------------------------------------
 */

static mfn_t page, l1, l2, shared;

static void world(void)
{
    mm_start();
    host_log_reset();
    domain_list = d;
    d->next = them;
    reported = MFN(0);
    page = mm_frame_of(d, 0);
    l1 = mm_frame_of(d, 0);
    l2 = mm_frame_of(d, 0);
    shared = mm_take(1);
    frame_share(d, shared, true);
    *(uint64_t *)mfn_to_virt(l1) = (page.v << 12) | 3;
    *((uint64_t *)mfn_to_virt(l1) + 511) = (shared.v << 12) | 3;
    *(uint64_t *)mfn_to_virt(l2) = (l1.v << 12) | 1;
    if (frame_pin(d, l2, FT_L2))
        bail_out("not pinned");
}

static void test_right(void)
{
    world();
    stopped = started = waited = 0;
    is(audit_memory(), 0, "a world that is right");
    ok(host_logged("4 frames, 2 tables: ok"), "and it says so");
    is(stopped, 2, "every domain is stopped");
    is(started, 2, "and goes on");
    is(waited, 3, "every vCPU waited for, but the one that this CPU is on its way back to");
    is(mm_recount(), 0, "nothing is changed by it");

    frame_unshare(shared);
    is(audit_memory(), 0, "a frame no longer shared, but mapped");

    world();
    if (frame_unpin(d, l2, NULL))
        bail_out("not unpinned");
    *((uint64_t *)mfn_to_virt(l2) + 7) = (l1.v << 12) | 1;
    preempt_at(1, 1);
    is(frame_pin(d, l2, FT_L2), -XEN_ERESTART, "a table half built");
    preempt_never();
    is(audit_memory(), 0, "is right");
    d->vcpu[1]->arch.torn.mfn_plus_1[2] = l2.v + 1;
    ok(frame_get(l2, d), "remembered by a vCPU");
    is(audit_memory(), 0, "is right too");

    world();
    reported = page;
    reported_refs = reported_types = 1;
    is(frame_get_both(page, d, FT_WRITABLE), 0);
    is(audit_memory(), 0, "what a reporter holds is counted");
}

/* ---- Planted errors -----------------------------------------------------------------------------
 */

static void plant(const char *what, mfn_t at, unsigned word, uint64_t change, unsigned errors,
                  const char *line)
{
    world();
    frame_entry(at)->opaque[word] += change;
    is(audit_memory(), errors, "%s", what);
    ok(host_logged(line), "says \"%s\"", line);
    ok(host_logged("memory audit: "), "and how many there are");
    frame_entry(at)->opaque[word] -= change;
    is(audit_memory(), 0, "and none when it is put right");
}

static void test_planted(void)
{
    char line[80];
    const mfn_t frames[] = {page, l1, l2, shared};
    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
        snprintf(line, sizeof(line), "frame %#lx of domain 0: references", frames[i].v);
        plant("a reference too many", frames[i], 0, OWN_REF_ONE, 1, line);
        plant("one too few", frames[i], 0, -OWN_REF_ONE, 1, line);
        snprintf(line, sizeof(line), "frame %#lx of domain 0: type references", frames[i].v);
        plant("a type reference too many", frames[i], 1, TYPE_COUNT_ONE, 1, line);
    }
    plant("a lost mark of the allocation", page, 0, -(uint64_t)OWN_ALLOCATED, 1, "references");
    plant("a lost pin: a reference and a type reference", l2, 1, -(uint64_t)TYPE_PINNED, 2,
          "type references");
    plant("a part with entries that is not noted", l1, 1, -(1ull << (TYPE_PARTS_SHIFT + 15)), 1,
          "has entries in parts");
    plant("a frame left busy", page, 1,
          type_word(FT_WRITABLE, TS_BUSY, 0, 1) - type_word(FT_WRITABLE, TS_VALID, 0, 1), 2,
          "is busy");
}

static void test_wrong_holders(void)
{
    world();
    *((uint64_t *)mfn_to_virt(l1) + 5) = (page.v << 12) | 1;
    is(audit_memory(), 1, "an entry without its reference");
    world();
    *((uint64_t *)mfn_to_virt(l1) + 5) = (page.v << 12) | 3;
    is(audit_memory(), 2, "a writable one without both");
    world();
    reported = page;
    reported_refs = 1;
    reported_types = 0;
    is(audit_memory(), 1, "a reporter without its reference");
    reported = mfn_add(page, 20);
    is(audit_memory(), 1, "one that holds a free frame");
    ok(host_logged("is free"), "and it says so");
    reported = MFN(MM_BASE + 200);
    is(audit_memory(), 1, "one that holds a frame which there is not");
    reported = MFN(~0ull);
    is(audit_memory(), 1);
    reported = MFN(0);
    is(audit_memory(), 0);
    for (unsigned i = 0; i < 30; i++)
        frame_entry(mm_frame_of(d, 2))->opaque[0] += OWN_REF_ONE;
    host_log_reset();
    is(audit_memory(), 30, "all are counted");
    unsigned lines = 0;
    for (const char *p = host_log; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    is(lines, 21, "and twenty told, with their number");
}

static void test_no_memory(void)
{
    world();
    no_memory = true;
    stopped = started = 0;
    is(audit_memory(), 0, "without memory to count in it is not made");
    ok(host_logged("not made"), "and says so");
    ok(stopped == started, "nobody is left stopped");
    no_memory = false;
}

int main(void)
{
    test_right();
    test_planted();
    test_wrong_holders();
    test_no_memory();
    return done();
}
