/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile guest, class E10: arguments that change while the hypervisor looks at them.
 *
 * A hypervisor that reads a guest's structure twice, once to check it and once to use it, can be
 * given something else between the two. Here half of the vCPUs make hypercalls, and each has a
 * partner that meanwhile changes one field of its arguments to and fro between two values, of which
 * one is good and one is not. Whoever reads the field once answers as to the one or as to the
 * other; there must be no third answer, and never the good answer with the bad value's effect.
 * Which call comes next, and how long a value stays, is random.
 *
 * A lone vCPU makes the calls with both values in turn.
 *
 * test: vcpus=1
 * test: vcpus=2,4 parallel=yes
 */
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include "tap.h"

#define CALLS     3000 /* of all vCPUs together */
#define PLAYERS   8
#define M2P_START HYPERVISOR_VIRT_START
#define NO_DOMAIN 0x1234
#define NO_NUMBER 0x7fffffffu
#define COPY_SIZE 64u
#define BORDER    0xa5

/* What one calling vCPU has to itself. */
struct player {
    domid_t domain;
    struct evtchn_bind_vcpu bind;
    struct evtchn_status status;
    struct xen_memory_map map;
    struct xen_machphys_mfn_list list;
    struct vcpu_register_runstate_memory_area runstate;
    struct sched_poll poll;
    evtchn_port_t port;
    struct vcpu_set_periodic_timer timer;
    struct physdev_set_iopl iopl;
    struct mmu_update update;
    struct mmuext_op flush;
    struct multicall_entry entry;
    struct gnttab_copy copy;
    unsigned long frame;
    char *answers; /* a page for what is written back */
    char *page;    /* appears in the window, too */
    char *window;
} __attribute__((aligned(64)));

static struct player players[PLAYERS];

/* ---- The calls ------------------------------------------------------------------------------ */

static long call_reservation(struct player *p)
{
    return HYPERVISOR_memory_op(XENMEM_current_reservation, &p->domain);
}

static long call_bind(struct player *p)
{
    return HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &p->bind);
}

static long call_status(struct player *p)
{
    return HYPERVISOR_event_channel_op(EVTCHNOP_status, &p->status);
}

static long call_map(struct player *p)
{
    p->map.nr_entries = PAGE_SIZE / 32;
    return HYPERVISOR_memory_op(XENMEM_machine_memory_map, &p->map);
}

static long call_list(struct player *p)
{
    p->list.max_extents = 1;
    return HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &p->list);
}

static long call_runstate(struct player *p)
{
    return HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, this_vcpu(), &p->runstate);
}

static long call_poll(struct player *p)
{
    return HYPERVISOR_sched_op(SCHEDOP_poll, &p->poll);
}

static long call_timer(struct player *p)
{
    return HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, this_vcpu(), &p->timer);
}

static long call_iopl(struct player *p)
{
    return HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &p->iopl);
}

/* Whatever it answers, the page stays what is mapped. */
static long call_update(struct player *p)
{
    long rc = HYPERVISOR_mmu_update(&p->update, 1, NULL, DOMID_SELF);
    return pte_mfn(*pte_of(p->window, 1)) == virt_to_mfn(p->page) ? rc : 1;
}

static long call_flush(struct player *p)
{
    return HYPERVISOR_mmuext_op(&p->flush, 1, NULL, DOMID_SELF);
}

static long call_multicall(struct player *p)
{
    p->entry.result = 0;
    long rc = HYPERVISOR_multicall(&p->entry, 1);
    return rc ? rc : (long)p->entry.result;
}

/* Nothing is copied beyond the length that is good. */
static long call_copy(struct player *p)
{
    memset(p->answers, BORDER, PAGE_SIZE);
    long rc = HYPERVISOR_grant_table_op(GNTTABOP_copy, &p->copy, 1);
    for (unsigned i = COPY_SIZE; i < PAGE_SIZE; i++) {
        if (p->answers[i] != (char)BORDER)
            return 1;
    }
    return rc ? rc : p->copy.status;
}

static long call_gdt(struct player *p)
{
    return HYPERVISOR_set_gdt(&p->frame, 1);
}

/* ---- What is changed ------------------------------------------------------------------------ */

/* FIELD of the player: 2, 4 or 8 bytes wide. */
#define FLIP(call, field, good, bad)                                                               \
    {                                                                                              \
#call ", " #field, call_##call, offsetof(struct player, field),                            \
            sizeof(((struct player *)NULL)->field), good, bad                                      \
    }
/* `good` 0: what players_make() puts there. */
static const struct flip {
    const char *name;
    long (*call)(struct player *p);
    size_t offset, size;
    uint64_t good, bad;
} flips[] = {
    FLIP(reservation, domain, DOMID_SELF, NO_DOMAIN),
    FLIP(bind, bind.vcpu, 0, NO_NUMBER),
    FLIP(bind, bind.port, 0, NO_NUMBER),
    FLIP(status, status.port, 0, NO_NUMBER),
    FLIP(status, status.dom, DOMID_SELF, NO_DOMAIN),
    FLIP(map, map.buffer.p, 0, M2P_START),
    FLIP(list, list.extent_start.p, 0, M2P_START),
    FLIP(runstate, runstate.addr.p, 0, M2P_START),
    FLIP(poll, poll.ports.p, 0, M2P_START),
    FLIP(poll, poll.nr_ports, 1, 129),
    FLIP(poll, port, 0, NO_NUMBER),
    FLIP(timer, timer.period_ns, 10000000000, 1),
    FLIP(iopl, iopl.iopl, 0, 200),
    FLIP(update, update.val, 0, 1),
    FLIP(update, update.ptr, 0, 0),
    FLIP(flush, flush.cmd, MMUEXT_TLB_FLUSH_LOCAL, 999),
    FLIP(multicall, entry.op, __HYPERVISOR_xen_version, 1000),
    FLIP(copy, copy.len, COPY_SIZE, PAGE_SIZE + 1),
    FLIP(copy, copy.dest.domid, DOMID_SELF, NO_DOMAIN),
    FLIP(gdt, frame, 0, 0),
};
#define NR_FLIPS (sizeof(flips) / sizeof(flips[0]))

static uint64_t flip_good[PLAYERS][NR_FLIPS], flip_bad[NR_FLIPS];
static long answer_good[NR_FLIPS], answer_bad[NR_FLIPS];

static void field_write(struct player *p, const struct flip *f, uint64_t value)
{
    char *at = (char *)p + f->offset;
    if (f->size == 2)
        __atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELAXED);
    else if (f->size == 4)
        __atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELAXED);
    else
        __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
}

static uint64_t field_read(const struct player *p, const struct flip *f)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)p + f->offset, f->size);
    return value;
}

static bool player_make(struct player *p, unsigned index)
{
    p->answers = page_alloc();
    p->page = page_alloc();
    char *descriptors = page_alloc();
    p->window = window_alloc(1);
    if (!p->answers || !p->page || !descriptors || !p->window)
        return false;
    p->domain = DOMID_SELF;
    p->port = (evtchn_port_t)event_alloc_unbound(DOMID_SELF, NULL, NULL);
    p->bind = (struct evtchn_bind_vcpu){.port = p->port};
    p->status = (struct evtchn_status){.dom = DOMID_SELF, .port = p->port};
    set_xen_guest_handle(p->map.buffer, (void *)p->answers);
    set_xen_guest_handle(p->list.extent_start, (xen_pfn_t *)p->answers);
    p->runstate.addr.p = PV_ARG(p->answers);
    p->poll = (struct sched_poll){.nr_ports = 1, .timeout = 1};
    set_xen_guest_handle(p->poll.ports, &p->port);
    p->timer.period_ns = 10 * 1000000000ul;
    uint64_t pte = pte_make(virt_to_mfn(p->page), PTE_KERNEL_RW);
    if (pte_set(p->window, pte))
        return false;
    p->update = (struct mmu_update){.ptr = pte_maddr(p->window, 1), .val = pte};
    p->flush.cmd = MMUEXT_TLB_FLUSH_LOCAL;
    p->entry = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
    p->copy.source.domid = p->copy.dest.domid = DOMID_SELF;
    p->copy.source.u.gmfn = virt_to_mfn(p->page);
    p->copy.dest.u.gmfn = virt_to_mfn(p->answers);
    p->copy.len = COPY_SIZE;
    p->frame = virt_to_mfn(descriptors);
    for (unsigned i = 0; i < NR_FLIPS; i++)
        flip_good[index][i] = field_read(p, &flips[i]);
    return page_read_only(descriptors) == 0;
}

/* A page-table entry of a frame that nobody has; a frame that is the hypervisor's: its first one.
 */
static void flips_make(void)
{
    for (unsigned i = 0; i < NR_FLIPS; i++) {
        flip_bad[i] = flips[i].bad;
        if (flip_bad[i] == 1)
            flip_bad[i] = flips[i].call == call_update ? pte_make(1ul << 39, PTE_KERNEL_RW) : 1;
    }
}

/* ---- The game ------------------------------------------------------------------------------- */

static unsigned playing; /* vCPUs that make calls */
static unsigned finished;
static uint64_t calls_each;
static int current[PLAYERS];
static unsigned seen_good[NR_FLIPS], seen_bad[NR_FLIPS], seen_other[NR_FLIPS];
static long other[NR_FLIPS];

static void caller(unsigned index)
{
    struct player *p = &players[index];
    for (uint64_t n = 0; n < calls_each; n++) {
        unsigned i = (unsigned)random_below(NR_FLIPS);
        field_write(p, &flips[i], random_below(2) ? flip_good[index][i] : flip_bad[i]);
        __atomic_store_n(&current[index], (int)i, __ATOMIC_RELEASE);
        long rc = flips[i].call(p);
        __atomic_store_n(&current[index], -1, __ATOMIC_RELEASE);
        /* How many pages a domain has, and which version, are no errors. */
        unsigned *seen = rc == answer_good[i] ? seen_good : rc == answer_bad[i] ? seen_bad : NULL;
        if (!seen)
            __atomic_store_n(&other[i], rc, __ATOMIC_RELAXED);
        __atomic_add_fetch(&(seen ? seen : seen_other)[i], 1, __ATOMIC_RELAXED);
        /* The partner may be late, and what it leaves must be good for other calls. */
        field_write(p, &flips[i], flip_good[index][i]);
    }
    __atomic_add_fetch(&finished, 1, __ATOMIC_RELEASE);
}

static void changer(unsigned index)
{
    struct player *p = &players[index];
    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < playing) {
        int i = __atomic_load_n(&current[index], __ATOMIC_ACQUIRE);
        if (i >= 0) {
            field_write(p, &flips[i], flip_bad[i]);
            for (uint64_t n = random_below(32); n > 0; n--)
                cpu_relax();
            field_write(p, &flips[i], flip_good[index][i]);
        }
        for (uint64_t n = random_below(32); n > 0; n--)
            cpu_relax();
    }
}

static void play(void *data)
{
    unsigned vcpu = this_vcpu();
    (void)data;
    if (vcpu < playing)
        caller(vcpu);
    else if (vcpu < 2 * playing)
        changer(vcpu - playing);
}

/* What each call answers when nobody interferes. */
static void learn(void)
{
    for (unsigned i = 0; i < NR_FLIPS; i++) {
        answer_good[i] = flips[i].call(&players[0]);
        field_write(&players[0], &flips[i], flip_bad[i]);
        answer_bad[i] = flips[i].call(&players[0]);
        field_write(&players[0], &flips[i], flip_good[0][i]);
        ok(answer_good[i] >= 0 && answer_bad[i] < 0, "%s: good and bad are told apart",
           flips[i].name);
    }
}

int main(int argc, char **argv)
{
    random_start(argc, argv);
    playing = nr_vcpus() < 2 ? 1 : nr_vcpus() / 2 < PLAYERS ? nr_vcpus() / 2 : PLAYERS;
    calls_each = argument(argc, argv, "calls", CALLS) / playing;
    flips_make();
    for (unsigned i = 0; i < playing; i++) {
        current[i] = -1;
        if (!ok(player_make(&players[i], i), "vCPU %u has what it needs", i))
            return done();
    }
    learn();
    vcpus_run(play, NULL);
    for (unsigned i = 0; i < NR_FLIPS; i++) {
        ok(seen_other[i] == 0, "%s: the one answer or the other", flips[i].name);
        diag("%s: good %u times, bad %u times", flips[i].name, seen_good[i], seen_bad[i]);
        if (seen_other[i])
            diag("  %u times another, as %s", seen_other[i], xen_error(other[i]));
    }
    return done();
}
