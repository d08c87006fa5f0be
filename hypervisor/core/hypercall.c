/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch of hypercalls, out of the one table in hypercalls.def.
 */
#include "core/hypercall.h"

#include "core/atomic.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/lib.h"
#include "core/lock.h"
#include "core/percpu.h"
#include "core/softirq.h"

const struct hypercall_args *hypercall_current_args(void)
{
    return current_vcpu()->hypercall_args;
}

/* ---- The handlers, declared by the table -------------------------------------------------- */

#define DECLARE_DIRECT(name) long hc_##name(struct vcpu *v, struct hypercall_args *a);
#define DECLARE_SUBOPS(name)
#define DECLARE_VCPUOPS(name)
#define DECLARE_CONTROL(name)
#define HYPERCALL(name, nargs, style, args, doc) DECLARE_##style(name)
#define SUBOP(hypercall, command, handler, type, direction, doc)                                   \
    long handler(struct vcpu *v, type *arg);
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP

/* ---- Sub-operations ----------------------------------------------------------------------- */

enum direction { DIR_NONE, DIR_IN, DIR_OUT, DIR_INOUT, DIR_RAW };

/* `void` arguments have no size of their own. */
#define SUBOP_SIZE(type) _Generic((type *)NULL, void * : 0, default : sizeof(type))

struct subop {
    uint8_t hypercall, command, direction;
    uint16_t size;
    long (*handler)(struct vcpu *v, void *arg);
};

/* No argument structure is larger; it lies on the stack. */
#define SUBOP_MAX_SIZE 1100u

static const struct subop subops[] = {
#define HYPERCALL(name, nargs, style, args, doc)
#define SUBOP(call, cmd, fn, type, dir, doc)                                                       \
    {.hypercall = __HYPERVISOR_##call,                                                             \
     .command = (cmd),                                                                             \
     .direction = DIR_##dir,                                                                       \
     .size = SUBOP_SIZE(type),                                                                     \
     .handler = (long (*)(struct vcpu *, void *))(uintptr_t)(fn)},
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};

#define SUBOP_COMMANDS 88u
/* By hypercall and command: index into subops + 1. Made from the table at boot. */
static uint8_t subop_index[NR_HYPERCALLS][SUBOP_COMMANDS];

void hypercall_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(subops); i++) {
        BUG_ON(subops[i].command >= SUBOP_COMMANDS || subops[i].size > SUBOP_MAX_SIZE);
        subop_index[subops[i].hypercall][subops[i].command] = (uint8_t)(i + 1);
    }
}

static const struct subop *subop_find(unsigned hypercall, uint64_t command)
{
    if (command >= SUBOP_COMMANDS)
        return NULL;
    unsigned i = subop_index[hypercall][array_index_nospec(command, SUBOP_COMMANDS)];
    return i ? &subops[i - 1] : NULL;
}

/* Copy in, handle, copy out. What is copied out was copied in or zeroed: nothing else leaks. */
static long subop_call(const struct subop *op, struct vcpu *v, vaddr_t pointer)
{
    union {
        uint8_t bytes[SUBOP_MAX_SIZE];
        uint64_t align;
    } arg;
    if (op->direction == DIR_NONE)
        return op->handler(v, NULL);
    if (op->direction == DIR_RAW)
        return op->handler(v, &pointer);
    if (op->direction == DIR_OUT)
        memset(arg.bytes, 0, op->size);
    else if (guest_copy_in(arg.bytes, pointer, op->size))
        return -XEN_EFAULT;
    long rc = op->handler(v, arg.bytes);
    bool out = op->direction != DIR_IN && (rc >= 0 || rc == HC_AGAIN || rc == HC_REWOUND);
    if (out && guest_copy_out(pointer, arg.bytes, op->size))
        return -XEN_EFAULT;
    return rc;
}

static long dispatch_subop(unsigned nr, struct vcpu *v, uint64_t command, vaddr_t pointer)
{
    const struct subop *op = subop_find(nr, command);
    return op ? subop_call(op, v, pointer) : -XEN_ENOSYS;
}

static inline long call_SUBOPS(unsigned nr, struct vcpu *v, struct hypercall_args *a)
{
    /* memory_op carries how far it has come above the command's bits. */
    uint64_t command = (uint32_t)a->arg[0];
    if (nr == __HYPERVISOR_memory_op)
        command &= MEMOP_CMD_MASK;
    /* The one that is made for each request and each packet, without the general copying. */
    if (nr == __HYPERVISOR_event_channel_op && command == EVTCHNOP_send) {
        struct evtchn_send arg;
        return guest_read(&arg, VADDR(a->arg[1])) ? -XEN_EFAULT : evtchn_send(v, &arg);
    }
    return dispatch_subop(nr, v, command, VADDR(a->arg[1]));
}

static long call_VCPUOPS(unsigned nr, struct vcpu *v, struct hypercall_args *a)
{
    uint64_t id = (uint32_t)a->arg[1];
    if (id >= v->domain->max_vcpus)
        return -XEN_ENOENT;
    struct vcpu *target = v->domain->vcpu[array_index_nospec(id, v->domain->max_vcpus)];
    if (target == NULL)
        return -XEN_ENOENT;
    return dispatch_subop(nr, target, (uint32_t)a->arg[0], VADDR(a->arg[2]));
}

/*
 * domctl and sysctl: one structure that begins with a command and the version of the interface, for
 * the control domain alone. One at a time: a caller that finds another at work comes again, so that
 * it does not spin with interrupts off through a long operation.
 */
static long call_CONTROL(unsigned nr, struct vcpu *v, struct hypercall_args *a)
{
    static struct spinlock control_lock = SPINLOCK_INIT(RANK_CONTROL);
    static const uint32_t versions[] = {
        [false] = XEN_SYSCTL_INTERFACE_VERSION, [true] = XEN_DOMCTL_INTERFACE_VERSION};
    union {
        struct xen_domctl domctl;
        struct xen_sysctl sysctl;
        struct {
            uint32_t cmd, interface_version;
        };
    } arg;
    vaddr_t pointer = VADDR(a->arg[0]);
    bool domctl = nr == __HYPERVISOR_domctl;
    size_t size = domctl ? sizeof(arg.domctl) : sizeof(arg.sysctl);

    if (!v->domain->is_privileged)
        return -XEN_EPERM;
    if (guest_copy_in(&arg, pointer, size))
        return -XEN_EFAULT;
    if (arg.interface_version != versions[domctl])
        return -XEN_EACCES;
    const struct subop *op = subop_find(nr, arg.cmd);
    if (op == NULL)
        return -XEN_ENOSYS;
    if (!trylock(&control_lock))
        return HC_AGAIN;
    long rc = op->handler(v, &arg);
    unlock(&control_lock);
    /* What a failed operation says of the reason (an error's place, a needed size) goes back, too.
     */
    if (rc != HC_AGAIN && op->direction == DIR_INOUT && guest_copy_out(pointer, &arg, size))
        return -XEN_EFAULT;
    return rc;
}

/* ---- Hypercalls --------------------------------------------------------------------------- */

#define CALL_DIRECT(name)
#define CALL_BY_COMMAND(style, name)                                                               \
    static long hc_##name(struct vcpu *v, struct hypercall_args *a)                                \
    {                                                                                              \
        return call_##style(__HYPERVISOR_##name, v, a);                                            \
    }
#define CALL_SUBOPS(name)                        CALL_BY_COMMAND(SUBOPS, name)
#define CALL_VCPUOPS(name)                       CALL_BY_COMMAND(VCPUOPS, name)
#define CALL_CONTROL(name)                       CALL_BY_COMMAND(CONTROL, name)
#define HYPERCALL(name, nargs, style, args, doc) CALL_##style(name)
#define SUBOP(hypercall, command, handler, type, direction, doc)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP

struct hypercall {
    long (*handler)(struct vcpu *v, struct hypercall_args *a);
    uint32_t nargs;
    const char *name;
};

static long no_hypercall(struct vcpu *v, struct hypercall_args *a)
{
    (void)v;
    (void)a;
    return -XEN_ENOSYS;
}

/* Every number has a handler, so that none has to be looked for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct hypercall hypercalls[NR_HYPERCALLS] = {
    [0 ... NR_HYPERCALLS - 1] = {.handler = no_hypercall},
#define HYPERCALL(call, args_, style, what, doc)                                                   \
    [__HYPERVISOR_##call] = {.handler = hc_##call, .nargs = (args_), .name = #call},
#define SUBOP(hypercall, command, handler, type, direction, doc)
#include "core/hypercalls.def"
#undef HYPERCALL
#undef SUBOP
};
#pragma GCC diagnostic pop

const char *hypercall_name(unsigned nr)
{
    return nr < NR_HYPERCALLS && hypercalls[nr].name ? hypercalls[nr].name : "unknown";
}

long hypercall_call(struct vcpu *v, uint64_t nr, struct hypercall_args *args)
{
    if (nr >= NR_HYPERCALLS)
        return -XEN_ENOSYS;
    v->hypercall_args = args;
    const struct hypercall *h = &hypercalls[array_index_nospec(nr, NR_HYPERCALLS)];
    return h->handler(v, args);
}

long hypercall_again(uint64_t nr, struct hypercall_args *args)
{
    return hypercall_continue((unsigned)nr, hypercalls[nr].nargs, args->arg);
}

/*
 * A debug build fills the stack that handlers will use, so that what they hand out without having
 * set it is known again (POISON of lib.h). It costs a few hundred stores a hypercall.
 */
#ifdef PARAVANE_DEBUG
#define STACK_POISONED 3072u

static void __attribute__((noinline)) poison_stack(void)
{
    uint8_t unused[STACK_POISONED];
    memset(unused, POISON, sizeof(unused));
    __asm__ volatile("" : : "r"(unused) : "memory");
}
#else
static void poison_stack(void)
{
}
#endif

long hypercall_dispatch(struct vcpu *v, uint64_t nr, struct hypercall_args *args)
{
    poison_stack();
    long rc = hypercall_call(v, nr, args);
    if (rc == HC_AGAIN)
        rc = hypercall_again(nr, args);
    lock_assert_none();
    return rc;
}

long hypercall_continue(unsigned nr, unsigned nargs, const uint64_t *args)
{
    struct multicall_entry *entry = current_vcpu()->multicall;
    if (entry == NULL) {
        arch_hypercall_rewind(nr, nargs, args);
    } else {
        entry->op = nr;
        for (unsigned i = 0; i < nargs; i++)
            entry->args[i] = args[i];
    }
    return HC_REWOUND;
}

/* ---- Multicalls --------------------------------------------------------------------------- */

/* An entry's arguments are passed as they are. */
union multicall {
    struct multicall_entry entry;
    struct {
        uint64_t op, result;
        struct hypercall_args args;
    };
};
static_assert(sizeof(union multicall) == sizeof(struct multicall_entry) &&
                  offsetof(union multicall, args) == offsetof(struct multicall_entry, args),
              "the same entry");

/*
 * One entry: 0 when it is done and its result is written; -XEN_ERESTART when it must be made again.
 */
static int multicall_one(struct vcpu *v, vaddr_t at)
{
    union multicall m;
    if (guest_read(&m, at))
        return -XEN_EFAULT;
    v->multicall = &m.entry;
    long rc = m.op == __HYPERVISOR_multicall ? -XEN_EINVAL : hypercall_call(v, m.op, &m.args);
    if (rc == HC_AGAIN)
        rc = hypercall_again(m.op, &m.args);
    v->multicall = NULL;
    if (rc == HC_REWOUND)
        return guest_write(at, &m) ? -XEN_EFAULT : -XEN_ERESTART;
    vaddr_t result = VADDR(at.v + offsetof(struct multicall_entry, result));
    return guest_write(result, &rc) ? -XEN_EFAULT : 0;
}

long hc_multicall(struct vcpu *v, struct hypercall_args *a)
{
    vaddr_t list = VADDR(a->arg[0]);
    uint32_t count = (uint32_t)a->arg[1], i = 0;
    int rc = 0;
    if (!guest_range_ok(list, (uint64_t)count * sizeof(struct multicall_entry)))
        return -XEN_EFAULT;
    for (; i < count && rc == 0; i++) {
        if (i != 0 && preempt_wanted()) {
            rc = -XEN_ERESTART;
            break;
        }
        rc = multicall_one(v, VADDR(list.v + i * sizeof(struct multicall_entry)));
        if (rc)
            break;
    }
    if (rc == -XEN_ERESTART) {
        uint64_t args[] = {list.v + i * sizeof(struct multicall_entry), count - i};
        return hypercall_continue(__HYPERVISOR_multicall, 2, args);
    }
    return rc;
}
