/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames: every operation in every state of a frame. A state is made by writing a frame's two
 * words; what an operation must do then is in tables, and the words are compared whole, with the
 * flush that is owed.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 */
#include <unistd.h>

#include "mm_world.h"

enum { T_NONE = 0, T_L1, T_L2, T_L3, T_L4, T_SEGDESC, T_WRITABLE = 7 };
enum { S_IDLE, S_BUSY, S_VALID, S_PARTIAL };
static const unsigned types[] = {T_NONE, T_L1, T_L2, T_L3, T_L4, T_SEGDESC, T_WRITABLE};
static const unsigned wanted[] = {T_L1, T_L2, T_L3, T_L4, T_SEGDESC, T_WRITABLE};

#define FULL     0xffff0000u /* where counts stop */
#define ALLOC    1u
#define PARTIALS 2u /* progress of the PARTIAL tables here; they have no entries */
#define STAMP    77u

/* One state of the frame under test. */
struct state {
    unsigned owner; /* 0, 1; 2: free */
    uint32_t refs;
    bool allocated, shared, pinned, bad; /* bad: contents that pass no validation */
    unsigned state, type;
    uint32_t count; /* of type references, or the stamp */
    unsigned parts; /* of a table gone on with */
};

static mfn_t frame;
static struct domain *const us = &mm_domain[0], *const them = &mm_domain[1];

static uint64_t own_of(const struct state *s)
{
    if (s->owner == 2)
        return 0;
    return ((uint64_t)s->refs << 32) | ((uint64_t)s->owner << 16) | 0x100 |
           (s->allocated ? 0x200 : 0) | (s->shared ? 0x400 : 0);
}

static uint64_t type_word_of(const struct state *s)
{
    if (s->owner == 2)
        return 0;
    return s->type | ((uint64_t)s->pinned << 3) | ((uint64_t)s->state << 4) |
           (s->state == S_PARTIAL ? PARTIALS << 8 : 0) |
           (s->state == S_VALID ? s->parts << 16 : 0) | ((uint64_t)s->count << 32);
}

/* Write the state, as if it had come about. */
static void set(const struct state *s)
{
    uint64_t *content = mfn_to_virt(frame);
    memset(content, 0, PAGE_SIZE);
    if (s->bad) {
        content[3] = PTE_MFN_MASK | 1; /* maps what is no frame at all */
        content[4] = MM_BAD_DESCRIPTOR;
    }
    frame_entry(frame)->opaque[0] = own_of(s);
    frame_entry(frame)->opaque[1] = type_word_of(s);
    mm_free[mm_index(frame)] = s->owner == 2;
    us->tot_pages = s->owner == 0 && !s->shared;
    them->tot_pages = s->owner == 1 && !s->shared;
    us->refs = 1 + (uint32_t)us->tot_pages;
    them->refs = 1 + (uint32_t)them->tot_pages;
    us->vcpu[0]->arch.torn = (struct torn_tables){{0}};
    mm_flushes = 0;
    mm_flushed_stamp = 0;
}

static const char *describe(const struct state *s)
{
    static char text[160];
    snprintf(text, sizeof(text), "owner %u refs %#x%s%s%s%s state %u type %u count %#x", s->owner,
             s->refs, s->allocated ? " allocated" : "", s->shared ? " shared" : "",
             s->pinned ? " pinned" : "", s->bad ? " bad" : "", s->state, s->type, s->count);
    return text;
}

static unsigned long tried, wrong;

/* What must be there after an operation. */
struct outcome {
    int64_t rc;
    struct state to;
    bool flush;
};

static void compare(const struct state *s, const char *op, unsigned arg, int64_t rc,
                    const struct outcome *o)
{
    uint64_t *w = frame_entry(frame)->opaque;
    bool flushed = o->flush ? mm_flushes == 1 : mm_flushes == 0;
    uint64_t pages = o->to.owner == 0 && !o->to.shared;
    bool good = rc == o->rc && w[0] == own_of(&o->to) && w[1] == type_word_of(&o->to) && flushed &&
                us->tot_pages == pages && us->refs == 1 + pages &&
                mm_free[mm_index(frame)] == (o->to.owner == 2);
    tried++;
    if (good)
        return;
    if (wrong++ < 5) {
        diag("%s(%u) of [%s]: rc %ld, wanted %ld; words %#lx %#lx, wanted %#lx %#lx", op, arg,
             describe(s), rc, o->rc, w[0], w[1], own_of(&o->to), type_word_of(&o->to));
        diag("  flushes %u, wanted %u; pages %lu", mm_flushes, o->flush, us->tot_pages);
    }
}

static void verdict(const char *op)
{
    ok(wrong == 0, "%s: %lu cases", op, tried);
    tried = wrong = 0;
}

/* ---- All states ----------------------------------------------------------------------------- */

/* With as many references as the state stands for, one more, and as many as there can be. */
static void each_flag(struct state s, void (*fn)(const struct state *))
{
    for (unsigned flags = 0; flags < 2; flags++) {
        s.allocated = flags & ALLOC;
        uint64_t least = s.state == S_VALID     ? (uint64_t)s.count + s.allocated
                         : s.state == S_PARTIAL ? 2u + s.allocated /* its own and the caller's */
                                                : 1u;
        const uint64_t refs[] = {least, least + 1, FULL - 1, FULL};
        for (unsigned i = 0; i < ARRAY_SIZE(refs); i++) {
            if (refs[i] < least || refs[i] > FULL)
                continue;
            s.refs = (uint32_t)refs[i];
            fn(&s);
        }
    }
}

/* Every state that a frame of ours can be found in. */
static void each_state(void (*fn)(const struct state *))
{
    static const uint32_t counts[] = {1, 2, FULL - 1, FULL}, stamps[] = {0, STAMP, ~0u};
    for (unsigned t = 0; t < ARRAY_SIZE(types); t++) {
        struct state s = {.type = types[t]};
        for (unsigned bad = 0; bad < 2; bad++)
            for (unsigned i = 0; i < ARRAY_SIZE(stamps); i++) {
                s.bad = bad;
                s.state = S_IDLE;
                s.count = stamps[i];
                if (s.type != T_NONE || s.count == 0)
                    each_flag(s, fn);
            }
        s.bad = false;
        for (unsigned i = 0; i < ARRAY_SIZE(counts) && s.type != T_NONE; i++)
            for (unsigned pinned = 0; pinned < 2; pinned++) {
                s.state = S_VALID;
                s.count = counts[i];
                s.pinned = pinned;
                if (!pinned || s.type <= T_L4)
                    each_flag(s, fn);
            }
        s.pinned = false;
        s.count = 0;
        for (unsigned bad = 0; bad < 2 && s.type >= T_L1 && s.type <= T_L4; bad++) {
            s.bad = bad;
            s.state = S_PARTIAL;
            each_flag(s, fn);
        }
    }
}

/* ---- Taking and dropping types ----------------------------------------------------------------
 */

/* The type asked for and the one that the frame has or had. */
enum relation { ANY, SAME, OTHER, BEFORE_NONE };
enum content { EITHER, GOOD, BAD };

/* The first rule that fits tells what asking for a type does. */
static const struct rule {
    unsigned state;
    enum relation relation;
    enum content content;
    bool full;
    int rc;
    unsigned to_state;
    int count; /* of type references: a change, from 0 when it was not VALID */
    int refs;
    bool to_old_type, flush;
} get_rules[] = {
    {S_VALID, SAME, EITHER, true, -XEN_EBUSY, S_VALID, 0, 0, true, false},
    {S_VALID, SAME, EITHER, false, 0, S_VALID, +1, 0, true, false},
    {S_VALID, OTHER, EITHER, false, -XEN_EBUSY, S_VALID, 0, 0, true, false},
    {S_VALID, OTHER, EITHER, true, -XEN_EBUSY, S_VALID, 0, 0, true, false},
    {S_IDLE, BEFORE_NONE, GOOD, false, 0, S_VALID, +1, 0, false, false},
    {S_IDLE, BEFORE_NONE, BAD, false, -XEN_EINVAL, S_IDLE, 0, 0, false, false},
    {S_IDLE, SAME, GOOD, false, 0, S_VALID, +1, 0, false, false},
    {S_IDLE, SAME, BAD, false, -XEN_EINVAL, S_IDLE, 0, 0, false, false},
    {S_IDLE, OTHER, GOOD, false, 0, S_VALID, +1, 0, false, true},
    {S_IDLE, OTHER, BAD, false, -XEN_EINVAL, S_IDLE, 0, 0, false, true},
    {S_PARTIAL, SAME, GOOD, false, 0, S_VALID, +1, -1, false, false},
    {S_PARTIAL, SAME, BAD, false, -XEN_EINVAL, S_IDLE, 0, -1, false, false},
    {S_PARTIAL, OTHER, GOOD, false, 0, S_VALID, +1, -1, false, true},
    {S_PARTIAL, OTHER, BAD, false, -XEN_EINVAL, S_IDLE, 0, -1, false, true},
    {S_BUSY, OTHER, EITHER, false, -XEN_EBUSY, S_BUSY, 0, 0, true, false},
};

static const struct rule *rule_for(const struct state *s, unsigned type)
{
    enum relation relation = s->state == S_IDLE && s->type == T_NONE ? BEFORE_NONE
                             : s->type == type                       ? SAME
                                                                     : OTHER;
    enum content content = s->bad && type != T_WRITABLE ? BAD : GOOD;
    bool full = s->state == S_VALID && s->count == FULL;
    for (unsigned i = 0; i < ARRAY_SIZE(get_rules); i++) {
        const struct rule *r = &get_rules[i];
        if (r->state == s->state && r->relation == relation && r->full == full &&
            (r->content == EITHER || r->content == content))
            return r;
    }
    bail_out("no rule for type %u of [%s]", type, describe(s));
}

/* What asking for a type does, by the rules. */
static struct outcome got_type(const struct state *s, unsigned type)
{
    const struct rule *r = rule_for(s, type);
    struct outcome o = {.rc = r->rc, .to = *s, .flush = r->flush};
    o.to.state = r->to_state;
    o.to.refs += (uint32_t)r->refs;
    if (!r->to_old_type)
        o.to.type = type;
    o.to.parts = s->state == S_PARTIAL && s->type == type;
    if (r->to_state == S_VALID)
        o.to.count = (s->state == S_VALID ? s->count : 0) + (uint32_t)r->count;
    else if (r->to_state == S_IDLE)
        o.to.count = mm_epoch;
    return o;
}

static void check_get_type(const struct state *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct outcome o = got_type(s, wanted[i]);
        set(s);
        int rc = frame_get_type(frame, (enum frame_type)wanted[i]);
        compare(s, "get_type", wanted[i], rc, &o);
        /* What is flushed is what the stamp says; a table just taken down was in use until now. */
        if (o.flush && mm_flushed_stamp != (s->state == S_IDLE ? s->count : mm_epoch))
            wrong++;
        if (torn_any(&us->vcpu[0]->arch.torn))
            wrong++;
    }
}

static void check_get_both(const struct state *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct outcome o = got_type(s, wanted[i]);
        if (s->refs == FULL)
            o = (struct outcome){.rc = -XEN_EPERM, .to = *s};
        else if (o.rc == 0)
            o.to.refs++;
        set(s);
        int rc = frame_get_both(frame, us, (enum frame_type)wanted[i]);
        compare(s, "get_both", wanted[i], rc, &o);
        set(s);
        rc = frame_get_both(frame, them, (enum frame_type)wanted[i]);
        compare(s, "get_both by another", wanted[i], rc,
                &(struct outcome){.rc = -XEN_EPERM, .to = *s});
    }
}

static void check_hold(const struct state *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        bool can = s->state == S_VALID && s->type == wanted[i] && s->count < FULL && s->refs < FULL;
        struct outcome o = {.rc = can, .to = *s};
        o.to.refs += can;
        o.to.count += can;
        set(s);
        int rc = frame_hold(frame, us, (enum frame_type)wanted[i]);
        compare(s, "hold", wanted[i], rc, &o);
        set(s);
        rc = frame_hold(frame, them, (enum frame_type)wanted[i]);
        compare(s, "hold by another", wanted[i], rc, &(struct outcome){.to = *s});
    }
}

static void check_put_type(const struct state *s)
{
    if (s->state != S_VALID || (s->pinned && s->count == 1))
        return; /* the pin's own */
    struct outcome o = {.to = *s};
    o.to.state = s->count == 1 ? S_IDLE : S_VALID;
    o.to.count = s->count == 1 ? mm_epoch : s->count - 1;
    set(s);
    frame_put_type(frame, arch_current_torn());
    compare(s, "put_type", 0, 0, &o);
    if (s->refs < 2)
        return;
    o.to.refs--;
    set(s);
    frame_put_both(frame);
    compare(s, "put_both", 0, 0, &o);
}

static void check_pin(const struct state *s)
{
    for (unsigned type = T_L1; type <= T_L4; type++) {
        struct outcome o = got_type(s, type);
        if (s->refs == FULL) {
            o = (struct outcome){.rc = -XEN_EPERM, .to = *s};
        } else if (o.rc == 0 && s->pinned) {
            o = (struct outcome){.rc = -XEN_EINVAL, .to = *s};
        } else if (o.rc == 0) {
            o.to.refs++;
            o.to.pinned = true;
        }
        set(s);
        int rc = frame_pin(us, frame, (enum frame_type)type);
        compare(s, "pin", type, rc, &o);
        set(s);
        rc = frame_pin(them, frame, (enum frame_type)type);
        compare(s, "pin by another", type, rc, &(struct outcome){.rc = -XEN_EPERM, .to = *s});
    }
}

/* A dying domain's frames may have been looked through already: pinned, one would stay for ever. */
static void check_pin_dying(const struct state *s)
{
    if (s->state != S_VALID || s->type > T_L4 || s->pinned || s->count == FULL || s->refs == FULL)
        return;
    set(s);
    us->is_dying = true;
    int rc = frame_pin(us, frame, (enum frame_type)s->type);
    us->is_dying = false;
    compare(s, "pin when dying", s->type, rc, &(struct outcome){.rc = -XEN_EINVAL, .to = *s});
}

static void check_unpin(const struct state *s)
{
    struct outcome o = {.rc = -XEN_EINVAL, .to = *s};
    if (s->pinned && s->refs < FULL) {
        o.rc = 0;
        o.to.pinned = false;
        o.to.refs--;
        o.to.state = s->count == 1 ? S_IDLE : S_VALID;
        o.to.count = s->count == 1 ? mm_epoch : s->count - 1;
        if (o.to.refs == 0)
            o.to = (struct state){.owner = 2};
    }
    set(s);
    int rc = frame_unpin(us, frame, &us->vcpu[0]->arch.torn);
    compare(s, "unpin", 0, rc, &o);
    set(s);
    rc = frame_unpin(them, frame, NULL);
    compare(s, "unpin by another", 0, rc, &(struct outcome){.rc = -XEN_EINVAL, .to = *s});
}

static void check_teardown(const struct state *s)
{
    struct outcome o = {.to = *s};
    if (s->refs < 2 && s->state == S_PARTIAL)
        return; /* the state's own */
    if (s->state == S_PARTIAL) {
        o.to.refs--;
        o.to.state = S_IDLE;
        o.to.count = mm_epoch;
    }
    set(s);
    int rc = frame_finish_teardown(frame);
    compare(s, "finish_teardown", 0, rc, &o);

    /* The same, when a vCPU has remembered it, with a reference. */
    o.to.refs--;
    if (o.to.refs == 0)
        o.to = (struct state){.owner = 2};
    for (unsigned level = T_L1; level <= T_L4; level++) {
        /* Freed while it has type references? Then the state cannot be. */
        if (s->state == S_VALID && s->refs <= s->count)
            continue;
        set(s);
        struct torn_tables torn = {{0}};
        torn.mfn_plus_1[level] = frame.v + 1;
        rc = frame_resume_teardown(&torn);
        compare(s, "resume_teardown", level, rc, &o);
        if (torn_any(&torn))
            wrong++;
    }
}

/* ---- Ownership ----------------------------------------------------------------------------------
 */

static void check_get(const struct state *s)
{
    struct outcome o = {.rc = s->refs < FULL, .to = *s};
    o.to.refs += s->refs < FULL;
    set(s);
    int rc = frame_get(frame, us);
    compare(s, "get", 0, rc, &o);
    set(s);
    rc = frame_get(frame, them);
    compare(s, "get by another", 0, rc, &(struct outcome){.to = *s});
    if (frame_owner(frame).v != 0)
        wrong++;
    enum frame_type hint = s->state == S_IDLE ? FT_NONE : (enum frame_type)s->type;
    if (frame_type_hint(frame) != hint)
        wrong++;

    /* The last one frees, which no frame with a type in use can come to. */
    bool last = s->refs == 1;
    if (last && s->state != S_IDLE)
        return;
    o.to = *s;
    o.to.refs--;
    o.rc = 0;
    if (last)
        o.to = (struct state){.owner = 2};
    set(s);
    m2p_set(frame, PFN(5));
    frame_put(frame);
    compare(s, "put", 0, 0, &o);
    if ((m2p_get(frame).v == INVALID_M2P.v) != last)
        wrong++;
}

static void check_release(const struct state *s)
{
    struct outcome o = {.rc = s->allocated ? 0 : -XEN_EINVAL, .to = *s};
    if (s->allocated) {
        o.to.allocated = false;
        o.to.refs--;
        if (o.to.refs == 0)
            o.to = (struct state){.owner = 2};
    }
    set(s);
    int rc = frame_release(us, frame);
    compare(s, "release", 0, rc, &o);
    set(s);
    rc = frame_release(them, frame);
    compare(s, "release by another", 0, rc, &(struct outcome){.rc = -XEN_EINVAL, .to = *s});
}

static void check_detach(const struct state *s)
{
    bool can = s->allocated && s->refs == 1;
    int rc;
    set(s);
    rc = frame_detach(them, frame);
    compare(s, "detach by another", 0, rc, &(struct outcome){.rc = -XEN_EINVAL, .to = *s});
    rc = frame_detach(us, frame);
    if (!can) {
        compare(s, "detach", 0, rc,
                &(struct outcome){.rc = s->allocated ? -XEN_EBUSY : -XEN_EINVAL, .to = *s});
        return;
    }
    tried++;
    uint64_t *w = frame_entry(frame)->opaque;
    if (rc || w[0] || w[1] != type_word_of(s) || us->tot_pages || us->refs != 1)
        wrong++;
    rc = frame_attach(us, frame);
    compare(s, "attach", 0, rc, &(struct outcome){.to = *s});
    us->is_dying = true;
    if (frame_detach(us, frame) || frame_attach(us, frame) != -XEN_EINVAL)
        wrong++;
    us->is_dying = false;
    us->max_pages = 0;
    if (frame_attach(us, frame) != -XEN_E2BIG)
        wrong++;
    us->max_pages = MM_FRAMES;
    if (own_of(s) && frame_entry(frame)->opaque[0])
        wrong++;
    frame_entry(frame)->opaque[1] = 0; /* as the heap has it erased */
    frame_discard(frame);
    compare(s, "discard", 0, 0, &(struct outcome){.to = {.owner = 2}});
}

static void test_every_state(void)
{
    mm_start();
    frame = mm_take(2);
    each_state(check_get);
    verdict("references");
    each_state(check_release);
    verdict("giving a frame back");
    each_state(check_detach);
    verdict("taking a frame out of a domain");
    each_state(check_get_type);
    verdict("taking a type");
    each_state(check_get_both);
    verdict("taking both");
    each_state(check_hold);
    verdict("holding what is there");
    each_state(check_put_type);
    verdict("dropping a type");
    each_state(check_pin);
    verdict("pinning");
    each_state(check_pin_dying);
    verdict("pinning a dying domain's");
    each_state(check_unpin);
    verdict("unpinning");
    each_state(check_teardown);
    verdict("finishing what was interrupted");
}

/*
 * BUSY, of another type: a table below may name the very table that is being validated, and this
 * CPU would wait for itself.
 */
static void test_busy(void)
{
    mm_start();
    frame = mm_take(2);
    for (unsigned t = 0; t < ARRAY_SIZE(wanted); t++) {
        struct state s = {.refs = 2, .allocated = true, .state = S_BUSY, .type = wanted[t]};
        struct outcome same = {.to = s};
        for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
            if (i == t)
                continue;
            struct outcome o = got_type(&s, wanted[i]);
            set(&s);
            alarm(10);
            compare(&s, "get_type", wanted[i], frame_get_type(frame, (enum frame_type)wanted[i]),
                    &o);
            alarm(0);
        }
        for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
            set(&s);
            compare(&s, "hold", wanted[i], frame_hold(frame, us, (enum frame_type)wanted[i]),
                    &same);
        }
        set(&s);
        compare(&s, "finish_teardown", 0, frame_finish_teardown(frame), &same);
        same.rc = -XEN_EINVAL;
        compare(&s, "unpin", 0, frame_unpin(us, frame, NULL), &same);
    }
    verdict("a frame that another CPU is busy with");
}

/* ---- Frames that are not ours, or nobody's
 * ------------------------------------------------------- */

static void test_outside(void)
{
    static const uint64_t numbers[] = {0, MM_BASE - 1, MM_BASE + MM_FRAMES, 1ull << 52, ~0ull};
    mm_start();
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        mfn_t mfn = MFN(numbers[i]);
        ok(!frame_get(mfn, us) && !frame_hold(mfn, us, FT_WRITABLE) &&
               frame_get_both(mfn, us, FT_L1) == -XEN_EPERM &&
               frame_pin(us, mfn, FT_L4) == -XEN_EPERM &&
               frame_unpin(us, mfn, NULL) == -XEN_EINVAL && frame_release(us, mfn) == -XEN_EINVAL &&
               frame_detach(us, mfn) == -XEN_EINVAL,
           "frame %#lx, which has no entry", mfn.v);
    }
    frame = mm_take(0);
    mm_free[mm_index(frame)] = 1;
    ok(!frame_get(frame, us) && !frame_get(frame, &mm_domain[2]) &&
           frame_release(us, frame) == -XEN_EINVAL && frame_detach(us, frame) == -XEN_EINVAL,
       "a free frame is nobody's");
    is(frame_owner(frame).v, DOMID_INVALID, "and says so");
}

static void test_assign(void)
{
    mm_start();
    us->max_pages = 12;
    mfn_t mfn = MFN(MM_BASE + 512 - 8);
    memset(&mm_free[512 - 8], 0, 16);
    frame_entry(mfn)->opaque[1] = 0x1234;
    is(frame_assign(us, mfn, 3), 0, "eight frames of twelve");
    is(us->tot_pages, 8);
    is(us->refs, 2, "the first holds the domain");
    is(frame_entry(mfn)->opaque[1], 0, "of no type");
    ok(bit_test(8, us->owned_chunks) && !bit_test(9, us->owned_chunks), "their chunk is marked");
    is(frame_assign(us, mfn_add(mfn, 8), 3), -XEN_E2BIG, "not eight more");
    is(frame_owner(mfn_add(mfn, 8)).v, DOMID_INVALID, "and nothing of them");
    is(frame_assign(us, mfn_add(mfn, 8), 2), 0, "four to the limit");
    ok(bit_test(9, us->owned_chunks), "in the next chunk");
    is(frame_assign(us, mfn_add(mfn, 12), 0), -XEN_E2BIG, "and not one");
    us->is_dying = true;
    us->max_pages = 100;
    is(frame_assign(us, mfn_add(mfn, 12), 0), -XEN_EINVAL, "nor when it is dying");
    memset(&mm_free[512 + 4], 1, 4);
    is(mm_recount(), 0, "all is accounted for");
    is(mm_kill(us), 0);
    is(mm_missing(), 0, "all come back");
    is(us->refs, 1, "and with the last the domain is let go");
}

int main(void)
{
    test_every_state();
    test_busy();
    test_outside();
    test_assign();
    return done();
}
