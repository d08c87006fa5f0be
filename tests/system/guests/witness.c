/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neighbour who notices everything. While others attack the machine it works all the time, on
 * two vCPUs, and whatever goes wrong with it is a failed check:
 *   - memory: pages full of numbers that follow from place and round are written and read again;
 *   - page tables: pages become a pinned page table and ordinary ones again;
 *   - events: a channel between its own vCPUs, whose every event must arrive; ports that are
 *     offered to others, on which nothing may;
 *   - grants: a page that nobody was told of, granted to a domain that there is not, must stay
 *     unused; a grant to itself is copied from and compared;
 *   - time: clocks do not go backwards, timers come.
 * It ends when "end" is typed on its console.
 */
#include <pv/clock.h>
#include <pv/console.h>
#include <pv/event.h>
#include <pv/smp.h>

#include "grants.h"

#define PAGES     512u
#define WORDS     (PAGE_SIZE / 8)
#define QUIET     8u /* ports offered to others */
#define TICK_NS   5000000ull
#define BATCH     32u
#define NAP_NS    2000000ull
#define LATE_NS   20000000000ull /* a timer that comes so late was lost */
#define EVENT_TAG 0x1234567890abcdefull

static uint64_t *pages[PAGES];
static volatile bool ending;
static volatile uint64_t rounds, events_seen;
static evtchn_port_t quiet[QUIET], ping_port, pong_port;
static grant_ref_t secret_ref;
static uint64_t *secret;
static domid_t self;

/* ---- Memory --------------------------------------------------------------------------------- */

static uint64_t number(unsigned page, unsigned word, uint64_t round)
{
    return (round << 40 ^ (uint64_t)page << 20 ^ word) * 0x9e3779b97f4a7c15ull;
}

static void fill(unsigned page, uint64_t round)
{
    for (unsigned i = 0; i < WORDS; i++)
        pages[page][i] = number(page, i, round);
}

static unsigned wrong_words(unsigned page, uint64_t round)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < WORDS; i++)
        wrong += pages[page][i] != number(page, i, round);
    return wrong;
}

static unsigned memory_wrong, tables_wrong;

/* A page with nothing in it is a page table, and an ordinary page again. */
static void work_tables(void *page)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = virt_to_mfn(page)};
    long rc = page_read_only(page);
    if (!rc)
        rc = HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
    op.cmd = MMUEXT_UNPIN_TABLE;
    if (!rc)
        rc = HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
    if (!rc)
        rc = page_writable(page);
    if (rc && tables_wrong++ == 0)
        diag("a page table: %s", xen_error(rc));
}

static void work_memory(void *data)
{
    void *table = page_alloc();
    (void)data;
    for (unsigned i = 0; i < PAGES; i++)
        fill(i, 0);
    while (!ending) {
        for (unsigned i = 0; i < PAGES && !ending; i++) {
            unsigned wrong = wrong_words(i, rounds);
            if (wrong && memory_wrong++ < 4)
                diag("page %u (mfn %#lx), round %" PRIu64 ": %u words are wrong, the first is %#lx",
                     i, virt_to_mfn(pages[i]), rounds, wrong, (unsigned long)pages[i][0]);
            fill(i, rounds + 1);
            if (i % BATCH == BATCH - 1) /* others want the CPU, too */
                sleep_ns(NAP_NS);
        }
        if (ending)
            break;
        rounds++;
        work_tables(table);
    }
}

/* ---- Events and grants ---------------------------------------------------------------------- */

static void on_event(evtchn_port_t port, void *data)
{
    (void)port, (void)data;
    __atomic_add_fetch(&events_seen, 1, __ATOMIC_RELEASE);
}

static bool start_events(void)
{
    long port = event_alloc_unbound(DOMID_SELF, NULL, NULL);
    if (port < 0)
        return false;
    pong_port = (evtchn_port_t)port;
    port = event_bind_interdomain(DOMID_SELF, pong_port, on_event, NULL);
    ping_port = (evtchn_port_t)port;
    for (unsigned i = 0; port >= 0 && i < QUIET; i++) {
        port = event_alloc_unbound((domid_t)(i % 2 ? NO_DOMAIN : 0), NULL, NULL);
        quiet[i] = (evtchn_port_t)port;
        if (port == -XEN_ESRCH) /* it is asked who that is */
            port = event_alloc_unbound(0, NULL, NULL), quiet[i] = (evtchn_port_t)port;
    }
    return port >= 0;
}

static unsigned events_lost, grants_wrong;

static void work_events(void)
{
    uint64_t before = events_seen, until = monotonic_ns() + LATE_NS;
    event_send(pong_port);
    while (events_seen == before && monotonic_ns() < until)
        vcpu_give_way();
    events_lost += events_seen != before + 1;
}

static bool start_grants(void)
{
    secret = page_alloc();
    if (!secret)
        return false;
    for (unsigned i = 0; i < WORDS; i++)
        secret[i] = EVENT_TAG + i;
    secret_ref = grant_give(NO_DOMAIN, secret, false);
    return secret_ref != GRANT_NONE;
}

static void work_grants(uint64_t *page, uint64_t *copy, uint64_t round)
{
    grant_ref_t ref = grant_give(self, page, true);
    struct gnttab_copy op = {.source.u.ref = ref,
                             .source.domid = DOMID_SELF,
                             .dest.u.gmfn = virt_to_mfn(copy),
                             .dest.domid = DOMID_SELF,
                             .len = PAGE_SIZE,
                             .flags = GNTCOPY_source_gref};
    page[round % WORDS] = round;
    long rc = HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1);
    bool good = ref != GRANT_NONE && rc == 0 && op.status == GNTST_okay &&
                memcmp(page, copy, PAGE_SIZE) == 0;
    good &= grant_end(ref);
    if (!good && grants_wrong++ == 0)
        diag("a grant: call %ld, status %d", rc, op.status);
}

/* ---- The whole ------------------------------------------------------------------------------ */

static bool end_was_typed(void)
{
    static char word[8];
    static size_t size;
    size += console_read(word + size, sizeof(word) - 1 - size);
    return memcmp(word, "end\n", 4) == 0;
}

static bool quiet_ports_are_quiet(void)
{
    for (unsigned i = 0; i < QUIET; i++) {
        struct evtchn_status status = {.dom = DOMID_SELF, .port = quiet[i]};
        if (event_is_pending(quiet[i]) ||
            HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) != 0 ||
            status.status != EVTCHNSTAT_unbound)
            return false;
    }
    return true;
}

static bool secret_is_kept(void)
{
    for (unsigned i = 0; i < WORDS; i++) {
        if (secret[i] != EVENT_TAG + i)
            return false;
    }
    return grant_end(secret_ref);
}

int main(void)
{
    uint64_t ticks = 0, late = 0, backwards = 0, last = monotonic_ns();
    void *page = page_alloc(), *copy = page_alloc();
    bool all = page && copy;
    self = own_domain();
    for (unsigned i = 0; i < PAGES; i++)
        all &= (pages[i] = page_alloc()) != NULL;
    ok(all && start_events() && start_grants(), "the witness has what it needs");
    long rc = nr_vcpus() > 1 ? vcpu_start(1, work_memory, NULL) : -XEN_ENOENT;
    is_error(rc, 0, "its second vCPU runs");
    while (!end_was_typed() || rounds == 0) {
        uint64_t wish = monotonic_ns() + TICK_NS;
        sleep_until(wish);
        uint64_t now = monotonic_ns();
        backwards += now < last || now < wish;
        late += now > wish + LATE_NS;
        last = now;
        ticks++;
        work_events();
        work_grants(page, copy, ticks);
    }
    ending = true;
    vcpu_join(1);
    diag("%" PRIu64 " rounds of %u pages, %" PRIu64 " ticks", rounds, PAGES, ticks);
    ok(rounds > 0 && ticks > 0, "it could work");
    is(memory_wrong, 0, "its memory holds what it wrote");
    is(tables_wrong, 0, "its page tables were accepted");
    is(backwards, 0, "clocks went forwards");
    is(late, 0, "timers came");
    is(events_lost, 0, "every event of its own arrived, and no other");
    is(grants_wrong, 0, "grants to itself worked");
    ok(quiet_ports_are_quiet(), "nobody touched ports that were not offered to a guest");
    ok(secret_is_kept(), "nobody used a grant that nobody was given");
    return done();
}
