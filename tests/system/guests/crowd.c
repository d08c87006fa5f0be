/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A crowd of domains that do everything to each other at random, on all their vCPUs at once (E1 to
 * E5). Each has
 *   - public pages, whose every word is a mark and the writer's number: granted, mapped, copied,
 *     given away, given back and had again, made page tables and ordinary pages again, all while
 *     others use them;
 *   - secret pages, whose every word is another mark, and which it grants to nobody.
 * Whoever sees in what he maps or copies a word that is neither public nor zero has seen a leak;
 * whoever finds his secret pages changed was written to. What the hypervisor thinks of all this the
 * audit says, and the number of free pages.
 *
 * Arguments: seed=N self=N peers=A,B,..., rounds=N of each vCPU, hurt=1: it also writes rubbish
 * into its own tables of grants and events.
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/smp.h>
#include <pv/start.h>

#include "grants.h"

#define PUBLIC_MARK 0x7075626c00000000ull /* "publ" */
#define SECRET_MARK 0x5ec2e70000000000ull
#define PUBLIC      24u
#define SECRETS     24u
#define WINDOWS     16u /* each vCPU's */
#define VCPUS       4u
#define PEERS       8u
#define REF_FIRST   16u
#define REFS        48u
#define PORTS       64u
#define WORDS       (PAGE_SIZE / 8)
#define SAMPLE      37u /* every so many words of a page are looked at */

static domid_t peers[PEERS], self;
static unsigned nr_peers, rounds;
static bool hurt;
static uint64_t *publics[PUBLIC], *secrets[SECRETS];
static struct spinlock public_lock[PUBLIC];
static unsigned leaks, done_ops[16], refused_ops[16];

struct view {
    char *window;
    grant_handle_t handle;
    bool mapped, writable;
};
static struct view views[VCPUS][WINDOWS];

static domid_t any_peer(void)
{
    return random_below(16) ? peers[random_below(nr_peers)] : self;
}

static grant_ref_t any_ref(void)
{
    return REF_FIRST + (grant_ref_t)random_below(REFS);
}

static void count(unsigned kind, bool good)
{
    __atomic_add_fetch(good ? &done_ops[kind] : &refused_ops[kind], 1, __ATOMIC_RELAXED);
}

/* ---- What a page holds ---------------------------------------------------------------------- */

static void fill_public(uint64_t *page)
{
    for (unsigned i = 0; i < WORDS; i++)
        page[i] = PUBLIC_MARK | (uint64_t)self << 16 | i;
}

static uint64_t secret_word(unsigned page, unsigned word)
{
    return SECRET_MARK | (uint64_t)self << 24 | page << 12 | word;
}

/* Zero: fresh, or a page table that holds nothing. */
static bool looks_public(uint64_t word)
{
    return word == 0 || (word & 0xffffffff00000000ull) == PUBLIC_MARK;
}

static void inspect(const uint64_t *page, const char *how, domid_t of)
{
    for (unsigned i = (unsigned)random_below(SAMPLE); i < WORDS; i += SAMPLE) {
        uint64_t word;
        if (!try_read(&page[i], &word)) {
            if (__atomic_add_fetch(&leaks, 1, __ATOMIC_RELAXED) < 5)
                diag("a %s page of domain %u cannot be read", how, of);
            return;
        }
        if (!looks_public(word)) {
            if (__atomic_add_fetch(&leaks, 1, __ATOMIC_RELAXED) < 5)
                diag("a %s page of domain %u holds %#" PRIx64 " at word %u", how, of, word, i);
            return;
        }
    }
}

/* ---- Granting ------------------------------------------------------------------------------- */

static unsigned long any_frame(void)
{
    return virt_to_mfn(publics[random_below(PUBLIC)]);
}

static void do_grant(void)
{
    static const unsigned flags[] = {GTF_permit_access, GTF_permit_access,
                                     GTF_permit_access | GTF_readonly, GTF_invalid,
                                     GTF_accept_transfer};
    volatile grant_entry_v1_t *entry = entry_v1(any_ref());
    unsigned wish = flags[random_below(sizeof(flags) / sizeof(*flags))];
    unsigned long frame = wish == GTF_accept_transfer     ? 0
                          : hurt && random_below(16) == 0 ? random_below(1u << 20)
                                                          : any_frame();
    if (hurt && random_below(4) == 0) { /* not as the ABI asks: all at once, whoever uses it */
        entry->domid = any_peer();
        entry->frame = (uint32_t)frame;
        entry->flags = (uint16_t)(random_below(8) ? wish : random_u64());
        return;
    }
    uint16_t old = entry->flags;
    if (old & (GTF_reading | GTF_writing) ||
        !__atomic_compare_exchange_n(&entry->flags, &old, 0, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED))
        return;
    entry->domid = any_peer();
    entry->frame = (uint32_t)frame;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->flags = (uint16_t)wish;
    count(0, true);
}

/* ---- Using grants --------------------------------------------------------------------------- */

static void do_map(struct view *v)
{
    domid_t owner = any_peer();
    if (v->mapped)
        return;
    v->writable = random_below(2);
    struct gnttab_map_grant_ref op =
        map_request(owner, any_ref(), (uint64_t)v->window,
                    GNTMAP_host_map | (v->writable ? 0 : GNTMAP_readonly));
    v->mapped = map_one(&op) == GNTST_okay;
    v->handle = op.handle;
    count(1, v->mapped);
    if (v->mapped)
        inspect((uint64_t *)v->window, "mapped", owner);
}

static void do_use(struct view *v)
{
    if (!v->mapped)
        return;
    unsigned at = (unsigned)random_below(WORDS);
    inspect((uint64_t *)v->window, "mapped", 0);
    if (v->writable)
        try_write(v->window + at * 8, PUBLIC_MARK | (uint64_t)self << 16 | at);
}

static void do_unmap(struct view *v)
{
    if (!v->mapped || random_below(3) == 0)
        return;
    /* Another's handle, at times; two vCPUs may then undo the same. */
    bool wrong = random_below(16) == 0;
    grant_handle_t handle = wrong ? (grant_handle_t)random_below(64) : v->handle;
    int status = unmap_one((uint64_t)v->window, 0, handle);
    count(2, status == GNTST_okay);
    if (status == GNTST_okay && handle == v->handle)
        v->mapped = false;
}

static void do_copy(uint64_t *scratch)
{
    bool into = random_below(2), both = random_below(4) == 0;
    struct gnttab_copy op = {.source.domid = DOMID_SELF,
                             .dest.domid = DOMID_SELF,
                             .source.u.gmfn = any_frame(),
                             .dest.u.gmfn = virt_to_mfn(scratch),
                             .len = 8 * (uint16_t)random_below(WORDS + 1)};
    if (!into || both) {
        op.flags |= GNTCOPY_source_gref;
        op.source.domid = any_peer();
        op.source.u.ref = any_ref();
    }
    if (into || both) {
        op.flags |= GNTCOPY_dest_gref;
        op.dest.domid = any_peer();
        op.dest.u.ref = any_ref();
    }
    memset(scratch, 0, PAGE_SIZE);
    grant_op(GNTTABOP_copy, &op);
    count(3, op.status == GNTST_okay);
    if (op.status == GNTST_okay && !(op.flags & GNTCOPY_dest_gref))
        inspect(scratch, "copied", op.source.domid);
}

/* ---- Pages that change their use ------------------------------------------------------------- */

static bool get_frame(unsigned which)
{
    unsigned long pfn = virt_to_pfn(publics[which]);
    xen_pfn_t frame = pfn;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, &frame);
    for (unsigned i = 0; i < 1000; i++) {
        if (HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == 1) {
            p2m[pfn] = frame;
            return pte_set(publics[which], pte_make(frame, PTE_KERNEL_RW)) == 0;
        }
        vcpu_give_way(); /* others' mappings of what was given back still count */
    }
    return false;
}

/* Gives a page back, or to a peer, and gets another, which must be zero. */
static void do_replace(unsigned which)
{
    xen_pfn_t frame = virt_to_mfn(publics[which]);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, &frame);
    if (pte_set(publics[which], 0) != 0)
        return;
    bool gone;
    if (random_below(2)) {
        struct gnttab_transfer op = {.mfn = frame, .domid = any_peer(), .ref = any_ref()};
        grant_op(GNTTABOP_transfer, &op);
        gone = op.status == GNTST_okay;
        /* What is refused late has lost its page: ask whether it is still mine. */
        if (!gone && pte_set(publics[which], pte_make(frame, PTE_KERNEL_RW)) == 0)
            return;
        count(4, gone);
    } else {
        gone = HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) == 1;
        count(5, gone);
    }
    p2m[virt_to_pfn(publics[which])] = INVALID_P2M;
    if (!get_frame(which)) {
        __atomic_add_fetch(&leaks, 1, __ATOMIC_RELAXED);
        diag("no page instead of one that was given away");
        return;
    }
    /* It may be the one that was given back, and a grant of it still stands: so not only zeroes. */
    inspect(publics[which], "fresh", self);
    fill_public(publics[which]);
}

/* What came by transfer goes back to the hypervisor. */
static void do_accept(void)
{
    volatile grant_entry_v1_t *entry = entry_v1(any_ref());
    uint16_t old = entry->flags;
    if ((old & (GTF_type_mask | GTF_transfer_completed)) !=
        (GTF_accept_transfer | GTF_transfer_completed))
        return;
    xen_pfn_t frame = entry->frame;
    if (!__atomic_compare_exchange_n(&entry->flags, &old, 0, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED))
        return;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(r.extent_start, &frame);
    count(6, HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) == 1);
}

/* A page table with nothing in it, while others may have it mapped writable: then it must not. */
static void do_table(unsigned which)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = virt_to_mfn(publics[which])};
    if (page_read_only(publics[which]) != 0)
        return;
    /* Others may have written words into it that are no entries: refused, too. */
    bool pinned = HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0;
    count(7, pinned);
    op.cmd = MMUEXT_UNPIN_TABLE;
    if (pinned && HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) != 0)
        diag("a table cannot be unpinned");
    page_writable(publics[which]);
}

static void do_page(void)
{
    unsigned which = (unsigned)random_below(PUBLIC);
    if (!spin_try_lock(&public_lock[which]))
        return;
    switch (random_below(4)) {
    case 0:
        do_replace(which);
        break;
    case 1:
        memset(publics[which], 0, PAGE_SIZE);
        do_table(which);
        break;
    default:
        fill_public(publics[which]);
        break;
    }
    spin_unlock(&public_lock[which]);
}

/* ---- Events --------------------------------------------------------------------------------- */

static void do_event(void)
{
    evtchn_port_t port = 8 + (evtchn_port_t)random_below(PORTS);
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = any_peer()};
    struct evtchn_bind_interdomain bind = {.remote_dom = any_peer(), .remote_port = port};
    struct evtchn_bind_vcpu vcpu = {.port = port, .vcpu = (uint32_t)random_below(nr_vcpus())};
    struct evtchn_close close = {.port = port};
    long rc;
    switch (random_below(8)) {
    case 0:
        rc = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
        break;
    case 1:
    case 2:
        rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
        break;
    case 3:
        rc = HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
        break;
    case 4:
        rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &vcpu);
        break;
    default:
        rc = event_send(port);
        break;
    }
    count(8, rc == 0);
    if (hurt)
        shared_info->evtchn_pending[random_below(64)] ^= 1ul << random_below(64);
}

/* ---- The whole ------------------------------------------------------------------------------ */

static void work(void *data)
{
    unsigned me = this_vcpu();
    uint64_t *scratch = page_alloc();
    (void)data;
    if (me >= VCPUS)
        return;
    events_disable();
    for (unsigned i = 0; i < self * 101u; i++) /* all have one seed, and each his own numbers */
        (void)random_u64();
    for (unsigned i = 0; i < rounds; i++) {
        struct view *v = &views[me][random_below(WINDOWS)];
        switch (random_below(8)) {
        case 0:
        case 1:
            do_grant();
            break;
        case 2:
            do_map(v);
            break;
        case 3:
            do_use(v);
            do_unmap(v);
            break;
        case 4:
            do_copy(scratch);
            break;
        case 5:
            do_page();
            do_accept();
            break;
        default:
            do_event();
            break;
        }
    }
    for (unsigned i = 0; i < WINDOWS; i++)
        unmap_one((uint64_t)views[me][i].window, 0, views[me][i].handle);
}

static unsigned secrets_changed(void)
{
    unsigned changed = 0;
    for (unsigned i = 0; i < SECRETS; i++) {
        for (unsigned j = 0; j < WORDS; j++)
            changed += secrets[i][j] != secret_word(i, j);
    }
    return changed;
}

static void start(int argc, char **argv)
{
    self = own_domain();
    for (int i = 1; i < argc; i++) {
        char *list = strncmp(argv[i], "peers=", 6) == 0 ? argv[i] + 6 : NULL;
        for (char *end; list && *list && nr_peers < PEERS; list = *end ? end + 1 : end)
            peers[nr_peers++] = (domid_t)strtoul(list, &end, 0);
    }
    for (unsigned i = 0; i < PUBLIC; i++)
        fill_public(publics[i] = page_alloc());
    for (unsigned i = 0; i < SECRETS; i++) {
        secrets[i] = page_alloc();
        for (unsigned j = 0; j < WORDS; j++)
            secrets[i][j] = secret_word(i, j);
    }
    for (unsigned i = 0; i < VCPUS * WINDOWS; i++)
        views[i / WINDOWS][i % WINDOWS].window = window_alloc(1);
    (void)grant_end(grant_give(self, secrets[0], true)); /* the table is set up */
}

int main(int argc, char **argv)
{
    rounds = (unsigned)argument(argc, argv, "rounds", 2000);
    hurt = argument(argc, argv, "hurt", 0);
    random_start(argc, argv);
    start(argc, argv);
    ok(nr_peers > 0, "there is a crowd");
    vcpus_run(work, NULL);
    static const char *const names[] = {"grants",  "maps",     "unmaps", "copies", "transfers",
                                        "returns", "receipts", "tables", "events"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        diag("%s: %u done, %u refused", names[i], done_ops[i], refused_ops[i]);
    is(leaks, 0, "nobody saw what was not for him");
    is(secrets_changed(), 0, "nobody wrote where he must not");
    return done();
}
