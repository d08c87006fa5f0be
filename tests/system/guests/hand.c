/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that does what another one tells it to (remote.h). Arguments: teller=DOMAIN slot=N.
 */
#include "remote.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "grants.h"

#define TOUCH_PATIENCE_NS 10000000000ull
#define LINK_PATIENCE_NS  60000000000ull

static struct remote request; /* the hand's copy */
static volatile uint64_t *touched;
static volatile bool touching;
static volatile uint64_t touches, touch_faults;

static uint64_t argument_of(uint64_t value)
{
    uint64_t offset = value - REMOTE_ARG(0);
    return offset < REMOTE_DATA ? (uint64_t)(request.data + offset) : value;
}

/* Until it faults, or is told to stop. */
static void touch(void *data)
{
    (void)data;
    while (touching) {
        if (!try_write((void *)touched, touches + 1)) {
            touch_faults = 1;
            return;
        }
        touches++;
    }
}

static int64_t start_touching(uint64_t address)
{
    touched = (volatile uint64_t *)address;
    touches = touch_faults = 0;
    touching = true;
    int64_t rc = vcpu_start(1, touch, NULL);
    while (rc == 0 && touches == 0 && !touch_faults)
        vcpu_give_way();
    return rc;
}

static int64_t stop_touching(void)
{
    /* What was unmapped it meets when it gets its turn. */
    uint64_t until = monotonic_ns() + TOUCH_PATIENCE_NS;
    while (!touch_faults && monotonic_ns() < until)
        vcpu_give_way();
    touching = false;
    vcpu_join(1);
    request.fault = (uint32_t)touch_faults;
    return (int64_t)touches;
}

static int64_t storm(evtchn_port_t port, uint64_t times)
{
    long rc = 0;
    for (uint64_t i = 0; i < times && rc == 0; i++)
        rc = event_send(port);
    return rc;
}

static void write_transitive(grant_ref_t ref, unsigned flags, domid_t domain, domid_t behind,
                             grant_ref_t behind_ref)
{
    volatile grant_entry_v2_t *entry = entry_v2(ref);
    entry->hdr.flags = 0;
    entry->transitive.hdr.domid = domain;
    entry->transitive.trans_domid = behind;
    entry->transitive.gref = behind_ref;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->hdr.flags = (uint16_t)flags;
}

static int64_t memory_request(uint64_t *args)
{
    void *page;
    switch (request.op) {
    case REMOTE_PEEK:
        request.fault = !try_read((void *)args[0], &args[1]);
        return (int64_t)args[1];
    case REMOTE_POKE:
        request.fault = !try_write((void *)args[0], args[1]);
        return 0;
    case REMOTE_PAGE:
        page = page_alloc();
        args[0] = page ? virt_to_mfn(page) : 0;
        return (int64_t)page;
    case REMOTE_WINDOW:
        return (int64_t)window_alloc(args[0]);
    case REMOTE_ENTRY:
        return (int64_t)pte_maddr((void *)args[0], 1);
    default:
        return -XEN_ENOSYS;
    }
}

static int64_t carry_out(void)
{
    uint64_t *args = request.args;
    request.fault = 0;
    switch (request.op) {
    case REMOTE_CALL:
        return hypercall(request.number, argument_of(args[0]), argument_of(args[1]),
                         argument_of(args[2]), argument_of(args[3]), argument_of(args[4]));
    case REMOTE_GRANT:
        write_v1((grant_ref_t)args[0], (unsigned)args[1], (domid_t)args[2], args[3]);
        return 0;
    case REMOTE_GRANT_V2:
        write_v2((grant_ref_t)args[0], (unsigned)args[1], (domid_t)args[2], args[3]);
        return 0;
    case REMOTE_GRANT_TRANSITIVE:
        write_transitive((grant_ref_t)args[0], (unsigned)args[1], (domid_t)args[2],
                         (domid_t)args[3], (grant_ref_t)args[4]);
        return 0;
    case REMOTE_TOUCH:
        return start_touching(args[0]);
    case REMOTE_TOUCHED:
        return stop_touching();
    case REMOTE_PENDING:
        args[1] = event_is_pending((evtchn_port_t)args[0]);
        event_clear((evtchn_port_t)args[0]);
        return (int64_t)args[1];
    case REMOTE_STORM:
        return storm((evtchn_port_t)args[0], args[1]);
    case REMOTE_END:
        return 0;
    default:
        return memory_request(args);
    }
}

int main(int argc, char **argv)
{
    domid_t teller = (domid_t)argument(argc, argv, "teller", 0);
    grant_ref_t ref = REMOTE_REF + (grant_ref_t)argument(argc, argv, "slot", 0);
    uint64_t until = monotonic_ns() + LINK_PATIENCE_NS;
    struct remote *page;
    grant_handle_t handle;
    while (!(page = grant_map(teller, ref, false, &handle, NULL)) && monotonic_ns() < until)
        vcpu_give_way();
    if (!ok(page != NULL, "the teller's page is mapped"))
        return done();
    do {
        for (unsigned turns = 0; __atomic_load_n(&page->request, __ATOMIC_ACQUIRE) == page->answer;)
            remote_wait(&turns);
        request = *page;
        request.result = carry_out();
        request.answer = request.request;
        memcpy((char *)page + offsetof(struct remote, op),
               (char *)&request + offsetof(struct remote, op),
               sizeof(request) - offsetof(struct remote, op));
        __atomic_store_n(&page->answer, request.request, __ATOMIC_RELEASE);
    } while (request.op != REMOTE_END);
    is(grant_unmap(page, handle), GNTST_okay, "and unmapped");
    return done();
}
