/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, two-level delivery (xen/event_channel.h): which handler each port has, and the
 * upcall that calls them.
 *
 * A port with a handler is unmasked, one without is masked; so what is pending and not masked has
 * somewhere to go. Bitmaps and selector words are shared with the hypervisor and with other vCPUs:
 * they are changed by atomic operations only. The order in the upcall is that of the ABI: first
 * "upcall pending" is cleared, then the selector word is taken, then a port's bit is cleared, then
 * its handler runs. Whoever sets them goes the other way, so nothing is lost.
 */
#include "internal.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/start.h>

#define WORD_BITS 64u

struct binding {
    event_handler *handler;
    void *data;
    unsigned vcpu; /* that the hypervisor told of the port when it was last asked */
};

static struct binding bindings[EVENT_PORTS];

static void set_bit(unsigned long *map, unsigned bit)
{
    __atomic_fetch_or(&map[bit / WORD_BITS], 1ul << bit % WORD_BITS, __ATOMIC_SEQ_CST);
}

/* Returns what it was. */
static bool clear_bit(unsigned long *map, unsigned bit)
{
    unsigned long mask = 1ul << bit % WORD_BITS;

    return __atomic_fetch_and(&map[bit / WORD_BITS], ~mask, __ATOMIC_SEQ_CST) & mask;
}

static bool read_bit(unsigned long *map, unsigned bit)
{
    return __atomic_load_n(&map[bit / WORD_BITS], __ATOMIC_SEQ_CST) >> bit % WORD_BITS & 1;
}

/* ---- The upcall ---------------------------------------------------------------------------- */

/*
 * Ports of several vCPUs share a word, so another's port may be found pending here. That vCPU is
 * told by its own selector. A port can have moved since it was bound (EVTCHNOP_bind_vcpu), so ask
 * before leaving it alone.
 */
static bool is_ours(evtchn_port_t port)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    if (bindings[port].vcpu == this_vcpu())
        return true;
    if (HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) != 0)
        return false;
    __atomic_store_n(&bindings[port].vcpu, status.vcpu, __ATOMIC_RELAXED);
    return status.vcpu == this_vcpu();
}

static void handle_port(evtchn_port_t port)
{
    struct binding *b = &bindings[port];
    event_handler *handler = __atomic_load_n(&b->handler, __ATOMIC_ACQUIRE);

    if (!handler || !is_ours(port))
        return;
    if (clear_bit(shared_info->evtchn_pending, port))
        handler(port, b->data);
}

static void handle_word(unsigned word)
{
    unsigned long due = __atomic_load_n(&shared_info->evtchn_pending[word], __ATOMIC_SEQ_CST) &
                        ~__atomic_load_n(&shared_info->evtchn_mask[word], __ATOMIC_SEQ_CST);

    for (; due; due &= due - 1)
        handle_port(word * WORD_BITS + (unsigned)__builtin_ctzl(due));
}

/* Called by the event entry, with events disabled; the entry enables them again as they were. */
void event_upcall(struct trap_frame *frame)
{
    struct vcpu_info *info = vcpu_local()->info;

    (void)frame;
    while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        unsigned long words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

        for (; words; words &= words - 1)
            handle_word((unsigned)__builtin_ctzl(words));
    }
}

void events_init(void)
{
    for (unsigned i = 0; i < EVENT_PORTS / WORD_BITS; i++)
        shared_info->evtchn_mask[i] = ~0ul;
}

/* ---- Bindings ------------------------------------------------------------------------------ */

void event_set_handler(evtchn_port_t port, event_handler *handler, void *data)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    if (port >= EVENT_PORTS)
        return;
    event_mask(port);
    if (HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) == 0)
        bindings[port].vcpu = status.vcpu;
    bindings[port].data = data;
    __atomic_store_n(&bindings[port].handler, handler, __ATOMIC_RELEASE);
    if (handler)
        event_unmask(port);
}

/* What a binding hypercall returned, and the port that it gave. */
static long bound(long result, evtchn_port_t port, event_handler *handler, void *data)
{
    if (result != 0)
        return result;
    event_set_handler(port, handler, data);
    return port;
}

long event_bind_virq(unsigned virq, unsigned vcpu, event_handler *handler, void *data)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &op);

    return bound(result, op.port, handler, data);
}

long event_bind_ipi(unsigned vcpu, event_handler *handler, void *data)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op);

    return bound(result, op.port, handler, data);
}

long event_bind_interdomain(domid_t domain, evtchn_port_t remote, event_handler *handler,
                            void *data)
{
    struct evtchn_bind_interdomain op = {.remote_dom = domain, .remote_port = remote};
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &op);

    return bound(result, op.local_port, handler, data);
}

long event_alloc_unbound(domid_t domain, event_handler *handler, void *data)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = domain};
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    return bound(result, op.port, handler, data);
}

/* Without handler and masked before it is closed: its number may be given to another at once. */
long event_close(evtchn_port_t port)
{
    struct evtchn_close op = {.port = port};

    if (port < EVENT_PORTS) {
        event_mask(port);
        __atomic_store_n(&bindings[port].handler, NULL, __ATOMIC_RELEASE);
    }
    return HYPERVISOR_event_channel_op(EVTCHNOP_close, &op);
}

long event_send(evtchn_port_t port)
{
    struct evtchn_send op = {.port = port};

    return HYPERVISOR_event_channel_op(EVTCHNOP_send, &op);
}

/* ---- One port's bits ----------------------------------------------------------------------- */

void event_mask(evtchn_port_t port)
{
    if (port < EVENT_PORTS)
        set_bit(shared_info->evtchn_mask, port);
}

/*
 * An event that comes while the port is masked raises no upcall, so one that is pending now has to
 * be raised anew, on the vCPU that the port notifies: which the hypervisor knows. Nothing is left
 * to do when the bit is seen clear after the mask was: an event that comes later finds no mask.
 */
void event_unmask(evtchn_port_t port)
{
    struct evtchn_unmask op = {.port = port};

    if (port >= EVENT_PORTS)
        return;
    clear_bit(shared_info->evtchn_mask, port);
    if (!event_is_pending(port))
        return;
    /* The hypervisor looks at what is pending only when it takes the mask away itself. */
    set_bit(shared_info->evtchn_mask, port);
    (void)HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &op);
}

bool event_is_pending(evtchn_port_t port)
{
    return port < EVENT_PORTS && read_bit(shared_info->evtchn_pending, port);
}

void event_clear(evtchn_port_t port)
{
    if (port < EVENT_PORTS)
        clear_bit(shared_info->evtchn_pending, port);
}

/*
 * SCHEDOP_poll returns for an upcall, too, and for no reason at all (xen/sched.h), hence the loop;
 * and with an error when the port is not bound, which then only the time ends.
 */
bool event_wait(evtchn_port_t port, uint64_t until)
{
    struct sched_poll poll = {.nr_ports = 1, .timeout = until};

    if (port >= EVENT_PORTS)
        return false;
    set_xen_guest_handle(poll.ports, &port);
    while (!clear_bit(shared_info->evtchn_pending, port)) {
        if (until != 0 && monotonic_ns() >= until)
            return false;
        if (HYPERVISOR_sched_op(SCHEDOP_poll, &poll) != 0)
            (void)HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

/* ---- Upcalls of this vCPU ------------------------------------------------------------------ */

bool events_disable(void)
{
    struct vcpu_info *info = vcpu_local()->info;
    bool enabled = !info->evtchn_upcall_mask;

    __atomic_store_n(&info->evtchn_upcall_mask, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return enabled;
}

/*
 * The mask is looked at on this CPU alone (xen/xen.h), so no barrier but the compiler's is needed.
 * What came while it was set waits for the next way out of the hypervisor: any hypercall.
 */
void events_enable(void)
{
    struct vcpu_info *info = vcpu_local()->info;

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&info->evtchn_upcall_mask, 0, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_RELAXED))
        (void)HYPERVISOR_xen_version(XENVER_version, NULL);
}

void events_restore(bool enabled)
{
    if (enabled)
        events_enable();
}

/* The hypervisor enables upcalls and goes to sleep in one step, so none can come in between. */
void events_block(void)
{
    (void)HYPERVISOR_sched_op(SCHEDOP_block, NULL);
}
