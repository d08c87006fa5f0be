/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and vCPUs: their life, and the fields that more than one module looks at. What one module
 * alone owns is a structure of that module's header, embedded here.
 */
#ifndef CORE_DOMAIN_H
#define CORE_DOMAIN_H

#include <arch/domain.h>

#include "core/abi.h"
#include "core/cpumask.h"
#include "core/evtchn.h"
#include "core/heap.h"
#include "core/lock.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/timer.h"

struct e820_map;
struct grant_table;

/* Why a vCPU does not run; it runs when none is set. */
enum vcpu_pause_flag {
    VPF_BLOCKED = 1u << 0, /* waits for an event (sched_op block, poll) */
    VPF_DOWN = 1u << 1,    /* not brought up by the guest, or taken down */
    VPF_POLLING = 1u << 2, /* blocked in SCHEDOP_poll */
};

struct vcpu {
    unsigned id;
    struct domain *domain; /* the idle domain for idle vCPUs */
    struct spinlock lock;  /* RANK_VCPU: register state while not running, info areas */

    unsigned cpu;         /* where it runs or ran last; changed under the run queue's lock */
    bool running;         /* its state is (being) used by CPU `cpu` */
    bool initialised;     /* has been given a register state */
    uint32_t pause_flags; /* enum vcpu_pause_flag, atomic */
    int32_t pause_count;  /* vcpu_pause() nesting, atomic */

    struct vcpu_info *info; /* in the shared page, or where the guest registered it; never NULL */
    mfn_t info_mfn;         /* a registered info page, INVALID_MFN before; holds both references */

    struct vcpu_runstate_info runstate; /* maintained by the scheduler */
    vaddr_t runstate_guest;             /* registered area, 0: none; 64-bit layout */
    vaddr_t time_guest;                 /* registered secondary vcpu_time_info, 0: none */
    bool time_guest_stale;              /* it has not been written since it was registered */

    struct timer periodic_timer, singleshot_timer, poll_timer;
    ns_t periodic_period; /* 0: off */

    bool nmi_pending, mce_pending;

    const struct hypercall_args *hypercall_args; /* of the hypercall it makes; hypercall.c's */
    struct multicall_entry *multicall;           /* the entry of a multicall that is made; NULL */

    struct sched_vcpu sched;
    struct evtchn_vcpu evtchn;
    struct arch_vcpu arch;
};

#define NR_WATCHDOGS       2u
/* shutdown_code of a domain that has named none. */
#define SHUTDOWN_CODE_NONE (~0u)

struct domain {
    domid_t id;
    uint32_t refs;       /* the structure stays while above zero; atomic */
    struct domain *next; /* list of domains, by identifier; RANK_DOMLIST */

    bool is_privileged; /* the control domain */
    bool is_idle;
    bool is_dying;
    bool is_shut_down;          /* every vCPU stopped by the guest's own shutdown or a crash */
    unsigned shutdown_code;     /* SHUTDOWN_* (xen/sched.h) */
    char crash_reason[96];      /* why domain_crash() ended it; empty otherwise */
    int32_t pause_count;        /* domain_pause() nesting, atomic */
    uint8_t controller_pauses;  /* so many of pause_count are the toolstack's */
    uint8_t kill_step;          /* how far domain_kill() has come */
    xen_domain_handle_t handle; /* UUID, kept for the toolstack */

    struct spinlock lock; /* RANK_DOMAIN */
    unsigned max_vcpus;
    struct vcpu *vcpu[MAX_VCPUS]; /* NULL beyond what was made */

    struct spinlock pages_lock;    /* RANK_PAGES */
    uint64_t tot_pages, max_pages; /* frames owned, and its limit */
    struct heap_account account;   /* hypervisor objects made for it */
    unsigned long *owned_chunks;   /* bitmap: 2 MiB chunks in which it owns frames */
    unsigned unpinned_chunks;      /* dying: of those before this one no frame is pinned */
    uint64_t claimed_pages;      /* XENMEM_claim_pages: frames kept free for it; memory.c's lock */
    struct e820_map *memory_map; /* XENMEM_set_memory_map; NULL: none; under lock */

    struct sched_domain sched;

    struct shared_info *shared;
    ns_t time_offset_s;
    uint64_t vm_assist; /* VMASST_TYPE_* bits */

    struct tasklet free_tasklet;         /* frees the structure, where no lock is held */
    struct timer watchdog[NR_WATCHDOGS]; /* SCHEDOP_watchdog */
    uint32_t watchdogs_used;             /* bitmap; under lock */

    struct evtchn_domain evtchn;
    struct grant_table *grant;
    struct arch_domain arch;
};

/* ---- Life cycle --------------------------------------------------------------------------- */

struct domain_config {
    unsigned max_vcpus;
    uint64_t max_pages;
    bool privileged;
    xen_domain_handle_t handle;
    uint32_t max_event_port;    /* 0: as many as there are */
    unsigned max_grant_frames;  /* 0: the default */
    unsigned max_grant_version; /* 1 or 2; 0: 2 */
};

/*
 * A domain without memory or vCPUs, paused as by the toolstack: domain_controller_unpause() lets it
 * run. The list's hold on it ends with domain_kill(); *out carries none of its own.
 * -XEN_EEXIST, -XEN_ENOMEM, -XEN_EINVAL.
 */
int domain_create(domid_t id, const struct domain_config *config, struct domain **out) must_check;
/*
 * Make vCPU `id`, down and without a register state. -XEN_EINVAL, -XEN_EEXIST, -XEN_ENOMEM. Calls
 * for one domain must not run at once (the caller's RANK_DOMAIN or RANK_CONTROL lock).
 */
int vcpu_create(struct domain *d, unsigned id, unsigned cpu) must_check;
/* Drop what a stopped vCPU of a dying domain holds: timers and the registered info page. */
void vcpu_release(struct vcpu *v);
void vcpu_free(struct vcpu *v);
/* The timers of a vCPU and of a domain (vcpu_timer.c). */
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_kill(struct vcpu *v);
void domain_watchdogs_init(struct domain *d);
void domain_watchdogs_kill(struct domain *d);
/* Set or clear VPF_DOWN. vcpu_up: -XEN_EINVAL when it has no register state. */
int vcpu_up(struct vcpu *v) must_check;
void vcpu_down(struct vcpu *v);
/* Ask for an NMI at the next entry to the guest. */
void vcpu_send_nmi(struct vcpu *v);
/*
 * An event may be delivered to v, which is current or stopped: pending and not masked, or an NMI.
 */
bool vcpu_event_due(const struct vcpu *v);
/* Where v->info points while the shared page has no place for it: masked, never seen by a guest. */
extern struct vcpu_info vcpu_info_dummy;

/*
 * Stop it and give back all it has. -XEN_ERESTART: call again; -XEN_EINVAL for the control domain
 * and the caller's own. Under RANK_CONTROL, or otherwise one caller at a time.
 */
int domain_kill(struct domain *d) must_check;

/* Find and hold; NULL when there is none. DOMID_SELF is resolved by the caller. */
struct domain *domain_get(domid_t id);
void domain_put(struct domain *d); /* any context; the structure is freed after the last hold */
/*
 * The domain that a hypercall argument names: DOMID_SELF, or another if the caller is privileged.
 * -XEN_ESRCH, -XEN_EPERM. To be dropped by domain_put().
 */
int domain_get_for(struct vcpu *caller, domid_t id, struct domain **out) must_check;

/*
 * The one after `d` (NULL: the first) by identifier, held; d's hold is dropped. NULL: d was the
 * last. Domains that end meanwhile may be missed, new ones may be seen or not.
 */
struct domain *domain_next(struct domain *d);

/*
 * Without a lock and without taking a hold: for who knows that the structure stays, because it owns
 * a frame or is held otherwise.
 */
struct domain *domain_by_id(domid_t id);

extern struct domain *domain_list; /* RANK_DOMLIST */
extern struct spinlock domain_list_lock;
extern struct domain idle_domain;
extern struct domain *control_domain;

/* A guest broke the contract: record why, stop all its vCPUs, tell the toolstack (VIRQ_DOM_EXC). */
void domain_crash(struct domain *d, const char *format, ...) printf_like(2, 3);
/* The guest asked: SHUTDOWN_*. */
void domain_shutdown(struct domain *d, unsigned code);
void domain_resume(struct domain *d);

void domain_pause(struct domain *d); /* waits until no vCPU of it runs; d != current's */
void domain_pause_nowait(struct domain *d);
void domain_unpause(struct domain *d);
/*
 * The toolstack's own pauses, which nest. -XEN_ERANGE: too many; -XEN_EINVAL: there is none to end.
 * Not two at once for one domain.
 */
int domain_controller_pause(struct domain *d) must_check;
int domain_controller_unpause(struct domain *d) must_check;

/* The vCPU on this CPU; an idle vCPU when there is none. From the machine layer. */
static inline struct vcpu *current_vcpu(void);

#define for_each_vcpu(d, v)                                                                        \
    for (unsigned v##_i = 0; v##_i < (d)->max_vcpus; v##_i++)                                      \
        for (struct vcpu *v = (d)->vcpu[v##_i]; v != NULL; v = NULL)

/* ---- What the machine layer provides ------------------------------------------------------ */

int arch_domain_create(struct domain *d) must_check;
int arch_domain_release(struct domain *d) must_check; /* -XEN_ERESTART: call again */
void arch_domain_free(struct domain *d);
/* Of a vCPU that is no idle one: its structure, and what the machine keeps behind it. */
size_t arch_vcpu_bytes(void);
int arch_vcpu_create(struct vcpu *v) must_check;
void arch_vcpu_free(struct vcpu *v);
/* Replace a stopped vCPU's register state by *va (struct vcpu_guest_context in the caller's
 * memory). *online: it says that the vCPU is to be up (VGCF_online). */
int arch_vcpu_set_context(struct vcpu *v, vaddr_t context, bool *online) must_check;
/* d->vm_assist is not what it was. */
void arch_vm_assist_changed(struct domain *d);
enum machine_end {
    MACHINE_POWER_OFF,
    MACHINE_RESTART,
    MACHINE_FAILED, /* stays as it is with `noreboot`, else restarts when the reason was readable */
};
/* The machine ends, on the control domain's wish or because it is no more. */
void arch_machine_end(enum machine_end how) noreturn_fn;
/* v has something to do before it enters the guest again: any CPU may say so. */
void arch_vcpu_exit_work(struct vcpu *v);
/* Make sure that CPU leaves guest mode or halt soon and looks at its softirqs. */
void arch_kick_cpu(unsigned cpu);
/* vcpu_time_info of v (in its vcpu_info and registered area) brought up to date. */
void arch_update_vcpu_time(struct vcpu *v);
void arch_update_wallclock(struct domain *d);

#include <arch/current.h>

#endif
