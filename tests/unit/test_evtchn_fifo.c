/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, FIFO delivery: the calls and their errors; order and priorities as a guest sees
 * them, with a consumer written from the ABI's description; the switch from two-level delivery with
 * events under way; then senders on many CPUs beside an honest consumer, who must miss nothing, and
 * beside a hostile one, who must do no harm (class E5).
 *
 * links: hypervisor/core/evtchn.c hypervisor/core/evtchn_bind.c hypervisor/core/evtchn_2l.c
 * links: hypervisor/core/evtchn_fifo.c tests/unit/host.c
 * libs: -lpthread
 */
#define sched_yield host_sched_yield /* the hypervisor's is another */
#include <pthread.h>
#undef sched_yield

#include "core/evtchn_internal.h"
#include "world.h"

int arch_pirq_bind(struct domain *d, unsigned pirq, bool share)
{
    (void)d;
    (void)pirq;
    (void)share;
    return 0;
}

void arch_pirq_unbind(struct domain *d, unsigned pirq)
{
    (void)d;
    (void)pirq;
}

unsigned arch_pirq_count(const struct domain *d)
{
    (void)d;
    return 4;
}

#define VCPUS      4u
#define WORD_PAGES (EVTCHN_FIFO_PORTS / 1024)
#define CTL_OFFSET 128u

static struct domain *d;
static struct vcpu *v;
static mfn_t words[WORD_PAGES + 1], control[VCPUS];
static unsigned nr_words_pages;

/* ---- The guest ------------------------------------------------------------------------------ */

static event_word_t *word(uint32_t port)
{
    return (event_word_t *)mfn_to_virt(words[port / 1024]) + port % 1024;
}

static struct evtchn_fifo_control_block *block(unsigned vcpu)
{
    return (void *)((char *)mfn_to_virt(control[vcpu]) + CTL_OFFSET);
}

#define BIT(n) (1u << (n))

static uint32_t guest_head[VCPUS][EVTCHN_FIFO_MAX_QUEUES];

/* Take one event from a queue; returns its port if it is to be handled, else 0. */
static uint32_t consume_one(unsigned vcpu, unsigned priority, uint32_t *ready)
{
    uint32_t head = guest_head[vcpu][priority];
    event_word_t *w, old;
    uint32_t link;

    if (head == 0)
        head = atomic_load(&block(vcpu)->head[priority]);
    w = word(head);
    old = atomic_load(w);
    while (!atomic_cas(w, &old, old & ~(BIT(EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK)))
        ;
    link = old & EVTCHN_FIFO_LINK_MASK;
    if (link == 0)
        *ready &= ~BIT(priority);
    guest_head[vcpu][priority] = link;
    old = atomic_load(w);
    if (!(old & BIT(EVTCHN_FIFO_PENDING)) || (old & BIT(EVTCHN_FIFO_MASKED)))
        return 0;
    atomic_fetch_and(w, ~BIT(EVTCHN_FIFO_PENDING));
    return head;
}

/* The upcall: highest priority first. Fills order[] with up to max ports; returns how many. */
static unsigned upcall(unsigned vcpu, uint32_t *order, unsigned max)
{
    struct evtchn_fifo_control_block *ctl = block(vcpu);
    uint32_t ready;
    unsigned n = 0;

    atomic_store(&d->vcpu[vcpu]->info->evtchn_upcall_pending, 0);
    ready = atomic_swap(&ctl->ready, 0);
    while (ready) {
        uint32_t port = consume_one(vcpu, (unsigned)__builtin_ctz(ready), &ready);

        if (port && n < max)
            order[n++] = port;
        ready |= atomic_swap(&ctl->ready, 0);
    }
    return n;
}

/* ---- The calls, shorter --------------------------------------------------------------------- */

static long init_control(uint64_t gfn, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control a = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};
    long ret = evtchn_init_control(v, &a);

    if (ret == 0 && a.link_bits != EVTCHN_FIFO_LINK_BITS)
        fail("link_bits");
    return ret;
}

static long expand(void)
{
    long ret;

    if (nr_words_pages < ARRAY_SIZE(words) && words[nr_words_pages].v == 0)
        words[nr_words_pages] = world_frame_of(d);
    ret =
        evtchn_expand_array(v, &(struct evtchn_expand_array){.array_gfn = words[nr_words_pages].v});
    if (ret == 0)
        nr_words_pages++;
    return ret;
}

static uint32_t ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi a = {.vcpu = vcpu};

    return evtchn_bind_ipi(v, &a) ? 0 : a.port;
}

static long send(uint32_t port)
{
    return evtchn_send(v, &(struct evtchn_send){.port = port});
}

static long set_priority(uint32_t port, uint32_t priority)
{
    return evtchn_set_priority(v,
                               &(struct evtchn_set_priority){.port = port, .priority = priority});
}

static long close_port(uint32_t port)
{
    return evtchn_close(v, &(struct evtchn_close){.port = port});
}

static void begin(bool fifo)
{
    world_init_frames();
    memset(words, 0, sizeof(words));
    memset(guest_head, 0, sizeof(guest_head));
    nr_words_pages = 0;
    d = world_make_domain(1, VCPUS, false);
    evtchn_domain_init(d);
    v = d->vcpu[0];
    for (unsigned i = 0; i < VCPUS; i++)
        control[i] = world_frame_of(d);
    if (!fifo)
        return;
    for (unsigned i = 0; i < VCPUS; i++)
        if (init_control(control[i].v, CTL_OFFSET, i))
            bail_out("init_control");
    if (expand())
        bail_out("expand_array");
}

static void finish(void)
{
    unsigned held = 0;

    d->is_dying = true;
    is(evtchn_domain_release(d), 0, "the end");
    for (unsigned i = 0; i < world_next_frame; i++)
        held += world_frame[i].refs != 1 || world_frame[i].types != 0;
    is(held, 0, "every guest frame is given back");
    evtchn_domain_free(d);
    is(d->account.used, 0, "and all memory");
    world_free_domain(d);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_init_control(void)
{
    const uint32_t last = (uint32_t)(PAGE_SIZE - sizeof(struct evtchn_fifo_control_block));
    struct domain *other;
    mfn_t foreign;

    begin(false);
    other = world_make_domain(2, 1, false);
    foreign = world_frame_of(other);
    is(init_control(control[0].v, 0, VCPUS), -XEN_ENOENT, "no such vCPU");
    is(init_control(control[0].v, 0, ~0u), -XEN_ENOENT);
    is(init_control(control[0].v, 4, 0), -XEN_EINVAL, "misaligned");
    is(init_control(control[0].v, last + 8, 0), -XEN_EINVAL, "across the end of the page");
    is(init_control(control[0].v, ~7u, 0), -XEN_EINVAL);
    is(init_control(foreign.v, 0, 0), -XEN_EINVAL, "another domain's frame");
    is(init_control(~0ull, 0, 0), -XEN_EINVAL, "no frame");
    is(init_control(0, 0, 0), -XEN_EINVAL);
    frame_info(control[1])->read_only = true;
    is(init_control(control[1].v, 0, 0), -XEN_EINVAL, "a frame that is not writable");
    frame_info(control[1])->read_only = false;
    is(expand(), -XEN_EOPNOTSUPP, "words before any control block");
    for (unsigned i = 0; i < VCPUS; i++) {
        world_alloc_left = 1; /* the queues of one more vCPU, and no more */
        is(init_control(control[0].v, 0, 0), -XEN_ENOMEM, "no memory, %u", i);
    }
    world_alloc_left = -1;
    ok(!d->evtchn.fifo, "still two-level");
    is(init_control(control[0].v, last & ~7u, 0), 0, "at the end of a page");
    is(init_control(control[1].v, 0, 0), -XEN_EINVAL, "a second block for the same vCPU");
    is(init_control(control[0].v, 0, 1), 0, "two blocks in one page");
    world_audit_refs = world_audit_types = 0;
    evtchn_audit_domain(d);
    is(world_audit_refs, 2, "the audit hears of both");
    is(world_audit_types, 2);
    is(set_priority(0, 0), -XEN_EINVAL, "port 0 before there are any");
    while (expand() == 0)
        ;
    is(nr_words_pages, WORD_PAGES, "words for all ports");
    is(expand(), -XEN_ENOSPC, "and no more");
    d->is_dying = true;
    is(init_control(control[2].v, 0, 2), -XEN_EINVAL, "a dying domain");
    finish();
    world_free_domain(other);
}

static void test_order(void)
{
    uint32_t p[6], order[8];

    begin(true);
    for (unsigned i = 0; i < 6; i++)
        p[i] = ipi(0);
    is(set_priority(p[5], EVTCHN_FIFO_PRIORITY_MAX), 0);
    is(set_priority(p[0], EVTCHN_FIFO_PRIORITY_MIN), 0);
    is(set_priority(p[0], EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL, "priority 16");
    is(set_priority(p[0], ~0u), -XEN_EINVAL);
    is(set_priority(~0u, 0), -XEN_EINVAL, "no such port");
    is(set_priority(p[5] + 1, 0), -XEN_EACCES, "a free port");
    for (unsigned i = 0; i < 6; i++)
        send(p[i]);
    send(p[1]);
    is(upcalls[1][0], 3, "one upcall for each queue that became ready");
    is(upcall(0, order, 8), 6, "six events");
    is(order[0], p[5], "highest priority first");
    is(order[1], p[1], "then in the order of sending");
    is(order[2], p[2]);
    is(order[4], p[4]);
    is(order[5], p[0], "lowest last");
    is(upcall(0, order, 8), 0, "and no event twice");

    send(p[1]);
    is(set_priority(p[1], 3), 0, "changed while it is queued");
    send(p[1]);
    is(block(0)->ready, BIT(7), "it stays where it is");
    is(upcall(0, order, 8), 1);
    send(p[1]);
    is(block(0)->ready, BIT(3), "and moves with the next event");
    send(p[2]);
    is(upcall(0, order, 8), 2);
    is(order[0], p[1]);
    is(order[1], p[2], "the queue that it left works on");

    atomic_fetch_or(word(p[3]), BIT(EVTCHN_FIFO_MASKED));
    upcalls[1][0] = 0;
    send(p[3]);
    is(upcalls[1][0], 0, "masked: not queued");
    ok(evtchn_port_pending(d, EVTCHN_PORT(p[3])), "but pending");
    is(evtchn_unmask(v, &(struct evtchn_unmask){.port = p[3]}), 0);
    is(upcalls[1][0], 1, "unmasked: queued");
    is(upcall(0, order, 8), 1);
    is(order[0], p[3]);
    finish();
}

static void test_move(void)
{
    uint32_t a, order[4];
    struct evtchn_bind_vcpu move = {.vcpu = 2};
    struct evtchn_alloc_unbound u = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};

    begin(true);
    evtchn_alloc_unbound(v, &u);
    b.remote_port = u.port;
    is(evtchn_bind_interdomain(v, &b), 0);
    is(upcall(0, order, 4), 1, "a new channel has an event pending");
    a = b.local_port;
    send(u.port);
    move.port = a;
    is(evtchn_bind_vcpu(v, &move), 0, "moved while queued");
    send(u.port);
    is(upcall(2, order, 4), 0);
    is(upcall(0, order, 4), 1, "it arrives where it was queued");
    send(u.port);
    is(upcall(0, order, 4), 0);
    is(upcall(2, order, 4), 1, "the next one at its new vCPU");

    send(u.port);
    close_port(a);
    is(evtchn_bind_interdomain(v, &b), 0);
    ok(b.local_port != a, "a closed port that is still queued is not used anew");
    is(upcall(2, order, 4), 0, "the guest passes over it");
    is(ipi(0), a, "and then it is");
    finish();
}

static void test_switch(void)
{
    uint32_t p[3], order[4], far;

    begin(false);
    for (unsigned i = 0; i < 3; i++)
        p[i] = ipi(i);
    while ((far = ipi(3)) < 1100)
        ;
    send(p[1]);
    send(far);
    is(init_control(control[1].v, CTL_OFFSET, 1), 0, "the first block makes the switch");
    ok(evtchn_port_pending(d, EVTCHN_PORT(p[1])), "pending before, pending after");
    send(p[2]);
    is(init_control(control[3].v, CTL_OFFSET, 3), 0);
    is(upcalls[1][1], 1, "no upcall yet but for the two-level one");
    is(expand(), 0);
    is(upcall(1, order, 4), 1, "what was pending is raised once there is a word for it");
    is(order[0], p[1]);
    is(block(3)->ready, 0, "port %u has none yet", far);
    is(expand(), 0);
    is(upcall(3, order, 4), 1);
    is(order[0], far);
    ok(!(*word(p[2]) & BIT(EVTCHN_FIFO_LINKED)), "a vCPU without a block: dropped");
    ok(*word(p[2]) & BIT(EVTCHN_FIFO_PENDING), "but pending");
    is(init_control(control[2].v, CTL_OFFSET, 2), 0);
    is(evtchn_unmask(v, &(struct evtchn_unmask){.port = p[2]}), 0);
    is(upcall(2, order, 4), 1, "and raised by an unmask");

    is(evtchn_reset(v, &(struct evtchn_reset){.dom = DOMID_SELF}), 0);
    is(d->evtchn.delivery == &evtchn_2l, true, "a reset goes back");
    is(frame_info(control[3])->refs, 1, "and gives the frames back");
    p[0] = ipi(0);
    send(p[0]);
    ok(bit_test(p[0], (unsigned long *)d->shared->evtchn_pending), "two-level works");
    nr_words_pages = 0;
    memset(guest_head, 0, sizeof(guest_head));
    for (unsigned i = 0; i < VCPUS; i++)
        memset(mfn_to_virt(control[i]), 0, PAGE_SIZE);
    memset(mfn_to_virt(words[0]), 0, PAGE_SIZE);
    is(init_control(control[0].v, CTL_OFFSET, 0), 0, "and FIFO once more");
    is(expand(), 0);
    is(upcall(0, order, 4), 1);
    finish();
}

static void test_many_ports(void)
{
    uint32_t order[2];
    unsigned n = 0;

    begin(true);
    while (nr_words_pages < WORD_PAGES)
        if (expand())
            bail_out("expand");
    while (ipi(0))
        n++;
    is(n, EVTCHN_FIFO_PORTS - 1, "every port that 17 bits can name");
    is(send(EVTCHN_FIFO_PORTS - 1), 0);
    is(upcall(0, order, 2), 1);
    is(order[0], EVTCHN_FIFO_PORTS - 1);
    is(send(EVTCHN_FIFO_PORTS), -XEN_EINVAL, "one more");
    is(evtchn_reset(v, &(struct evtchn_reset){.dom = DOMID_SELF}), 0);
    finish();
}

/* ---- Many CPUs ------------------------------------------------------------------------------ */

#define PORTS   24u
#define SENDERS 2u
#define SENDS   60000u

static uint32_t race_port[PORTS];
static bool senders_done;

static uint32_t rnd(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33) % below;
}

static void *sender(void *arg)
{
    uint64_t state = (uintptr_t)arg;

    host_cpu = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < SENDS; i++) {
        uint32_t port = race_port[rnd(&state, PORTS)];

        if (rnd(&state, 8) == 0)
            (void)set_priority(port, rnd(&state, 16));
        if (rnd(&state, 8) == 0)
            (void)evtchn_bind_vcpu(
                v, &(struct evtchn_bind_vcpu){.port = port, .vcpu = rnd(&state, VCPUS)});
        if (rnd(&state, 8) == 0)
            (void)evtchn_unmask(v, &(struct evtchn_unmask){.port = port});
        evtchn_send_global_virq(d, (unsigned)(port - race_port[0]));
    }
    return NULL;
}

/* An honest guest: masks now and then, and handles what comes. */
static void *consumer(void *arg)
{
    uint64_t state = 99;
    uint32_t order[PORTS];
    bool last;

    host_cpu = 10;
    (void)arg;
    do {
        last = atomic_load(&senders_done);
        for (unsigned i = 0; i < VCPUS; i++)
            (void)upcall(i, order, PORTS);
        if (!last)
            atomic_fetch_or(word(race_port[rnd(&state, PORTS)]), BIT(EVTCHN_FIFO_MASKED));
    } while (!last);
    return NULL;
}

/* A hostile one: writes anything anywhere that is its own. */
static void *vandal(void *arg)
{
    uint64_t state = 7;

    host_cpu = 11;
    (void)arg;
    while (!atomic_load(&senders_done)) {
        atomic_store(word(race_port[rnd(&state, PORTS)]), rnd(&state, ~0u));
        atomic_store(&block(rnd(&state, VCPUS))->ready, rnd(&state, 2));
        atomic_store(&block(rnd(&state, VCPUS))->head[rnd(&state, 16)], rnd(&state, ~0u));
    }
    return NULL;
}

static void race(void *(*guest)(void *))
{
    pthread_t thread[SENDERS], other;

    /* Global VIRQs: any of them moves between vCPUs and can be sent by all. */
    for (uint32_t i = 0; i < PORTS; i++) {
        struct evtchn_bind_virq a = {.virq = i};

        race_port[i] = evtchn_bind_virq(v, &a) ? 0 : a.port;
        if (race_port[i] != race_port[0] + i)
            bail_out("virq %u", i);
    }
    atomic_store(&senders_done, false);
    pthread_create(&other, NULL, guest, NULL);
    for (uintptr_t i = 0; i < SENDERS; i++)
        pthread_create(&thread[i], NULL, sender, (void *)(i + 1));
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(thread[i], NULL);
    atomic_store(&senders_done, true);
    pthread_join(other, NULL);
}

static void test_E5_nothing_lost(void)
{
    uint32_t order[PORTS];
    unsigned stuck = 0, n = 0;

    begin(true);
    race(consumer);
    for (unsigned i = 0; i < PORTS; i++)
        evtchn_unmask(v, &(struct evtchn_unmask){.port = race_port[i]});
    for (unsigned i = 0; i < VCPUS; i++)
        (void)upcall(i, order, PORTS);
    for (unsigned i = 0; i < PORTS; i++)
        stuck += (*word(race_port[i]) & (BIT(EVTCHN_FIFO_PENDING) | BIT(EVTCHN_FIFO_LINKED))) != 0;
    is(stuck, 0, "after %u sends nothing pending was left out of a queue", SENDS * SENDERS);
    for (unsigned i = 0; i < PORTS; i++)
        evtchn_send_global_virq(d, i);
    for (unsigned i = 0; i < VCPUS; i++)
        n += upcall(i, order, PORTS);
    is(n, PORTS, "and every port still delivers");
    ok(!host_logged("could not be queued"), "no event of an honest guest was given up");
    finish();
}

static void test_E5_vandal(void)
{
    begin(true);
    race(vandal);
    pass("a guest that scribbles over its queues harms only itself");
    memset(mfn_to_virt(words[0]), 0xff, PAGE_SIZE);
    is(close_port(race_port[0]), 0);
    ok(ipi(0) > race_port[PORTS - 1], "all words claim to be linked: fresh ports are taken");
    finish();
}

int main(void)
{
    test_init_control();
    test_order();
    test_move();
    test_switch();
    test_many_ports();
    test_E5_nothing_lost();
    test_E5_vandal();
    return done();
}
