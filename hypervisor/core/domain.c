/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains: made, found, held, stopped and destroyed.
 *
 * A domain's structure stays while refs is above zero: one hold is its life, ended by
 * domain_kill(); owning frames is another (frame.c); who found it by domain_get() has one of his
 * own. Until the structure is freed its identifier is taken, so that a frame's owner is never
 * mistaken for a new domain of the same number.
 *
 * Stopping (domain_shutdown, domain_crash) takes no lock but what sending an event takes, and may
 * be asked for while locks below RANK_EVTCHN_QUEUE are held: the vCPUs are paused without waiting,
 * and the current one stops on its way out.
 */
#include "core/domain.h"

#include <arch/memory.h>

#include "core/audit.h"
#include "core/cmdline.h"
#include "core/frame.h"
#include "core/grant.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/memory.h"

struct domain *domain_list;
struct spinlock domain_list_lock = {.rank = RANK_DOMLIST};
struct domain *control_domain;
struct domain idle_domain = {
    .id = {DOMID_IDLE},
    .refs = 1,
    .is_idle = true,
    .max_vcpus = NR_CPUS,
    .lock = {.rank = RANK_DOMAIN},
    .pages_lock = {.rank = RANK_PAGES},
    .account = {.limit = UINT64_MAX},
};

/* Every domain that has a structure, by identifier; changed with domain_list_lock held. */
static struct domain *by_id[DOMID_FIRST_RESERVED];

/* What a guest may make the hypervisor allocate: event channels, grant maps, and each vCPU's state.
 */
#define ACCOUNT_BASE (24ull << 20)
#define ACCOUNT_VCPU (128ull << 10)

/* ---- Finding and holding ------------------------------------------------------------------ */

struct domain *domain_by_id(domid_t id)
{
    if (id.v == DOMID_IDLE)
        return &idle_domain;
    if (id.v >= DOMID_FIRST_RESERVED)
        return NULL;
    return atomic_load(&by_id[array_index_nospec(id.v, DOMID_FIRST_RESERVED)]);
}

static bool hold_unless_gone(struct domain *d)
{
    uint32_t refs = atomic_load(&d->refs);

    do {
        if (refs == 0)
            return false;
    } while (!atomic_cas(&d->refs, &refs, refs + 1));
    return true;
}

struct domain *domain_get(domid_t id)
{
    struct domain *d;

    if (id.v >= DOMID_FIRST_RESERVED)
        return NULL;
    lock(&domain_list_lock);
    d = domain_by_id(id);
    if (d != NULL && !hold_unless_gone(d))
        d = NULL;
    unlock(&domain_list_lock);
    return d;
}

struct domain *domain_next(struct domain *d)
{
    struct domain *next;

    lock(&domain_list_lock);
    next = d != NULL ? d->next : domain_list; /* who is held is in the list */
    while (next != NULL && !hold_unless_gone(next))
        next = next->next;
    unlock(&domain_list_lock);
    if (d != NULL)
        domain_put(d);
    return next;
}

int domain_get_for(struct vcpu *caller, domid_t id, struct domain **out)
{
    struct domain *own = caller->domain, *d;

    if (id.v == DOMID_SELF || id.v == own->id.v) {
        atomic_fetch_add(&own->refs, 1);
        *out = own;
        return 0;
    }
    d = domain_get(id);
    if (d == NULL)
        return -XEN_ESRCH;
    if (!own->is_privileged) {
        domain_put(d);
        return -XEN_EPERM;
    }
    *out = d;
    return 0;
}

void domain_put(struct domain *d)
{
    uint32_t refs = atomic_fetch_sub(&d->refs, 1);

    BUG_ON(refs == 0);
    if (refs == 1)
        tasklet_schedule_on(&d->free_tasklet, cpu_id());
}

/* ---- Making and freeing ------------------------------------------------------------------- */

static int list_insert(struct domain *d)
{
    struct domain **at = &domain_list;
    int rc = -XEN_EEXIST;

    lock(&domain_list_lock);
    if (by_id[d->id.v] == NULL) {
        while (*at != NULL && (*at)->id.v < d->id.v)
            at = &(*at)->next;
        d->next = *at;
        *at = d;
        atomic_store(&by_id[d->id.v], d);
        if (d->is_privileged)
            control_domain = d;
        rc = 0;
    }
    unlock(&domain_list_lock);
    return rc;
}

static void list_remove(struct domain *d)
{
    struct domain **at = &domain_list;

    lock(&domain_list_lock);
    while (*at != NULL && *at != d)
        at = &(*at)->next;
    if (*at != NULL) {
        *at = d->next;
        by_id[d->id.v] = NULL;
    }
    unlock(&domain_list_lock);
}

static void free_vcpus(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        d->vcpu[i] = NULL;
        if (v != NULL)
            vcpu_free(v);
    }
}

static void free_storage(struct domain *d)
{
    if (d->shared != NULL)
        frame_unshare(virt_to_mfn(d->shared));
    if (d->owned_chunks != NULL)
        hv_free(d, d->owned_chunks, frame_chunk_bitmap_bytes());
    if (d->account.used != 0)
        log_error("domain %u: %llu bytes of hypervisor memory not given back", d->id.v,
                  (unsigned long long)d->account.used);
    hv_free(NULL, d, sizeof(*d));
}

/* The last hold went. Nobody else can reach it: hold_unless_gone() fails from then on. */
static void domain_free(void *data)
{
    struct domain *d = data;

    list_remove(d);
    evtchn_domain_free(d);
    grant_domain_free(d);
    memory_domain_free(d);
    free_vcpus(d);
    arch_domain_free(d);
    free_storage(d);
}

static void init_fields(struct domain *d, domid_t id, const struct domain_config *config)
{
    d->id = id;
    d->refs = 1;
    d->is_privileged = config->privileged;
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    d->pause_count = 1;
    d->controller_pauses = 1;
    d->max_vcpus = config->max_vcpus;
    d->max_pages = config->max_pages;
    d->account.limit =
        config->privileged ? UINT64_MAX : ACCOUNT_BASE + config->max_vcpus * ACCOUNT_VCPU;
    memcpy(d->handle, config->handle, sizeof(d->handle));
    lock_init(&d->lock, RANK_DOMAIN);
    lock_init(&d->pages_lock, RANK_PAGES);
    d->free_tasklet = (struct tasklet){.fn = domain_free, .data = d};
    domain_watchdogs_init(d);
    sched_domain_init(d, config->privileged ? SCHED_WEIGHT_CONTROL : SCHED_WEIGHT_DEFAULT);
}

static int make_storage(struct domain *d)
{
    mfn_t mfn;

    d->owned_chunks = hv_alloc(d, frame_chunk_bitmap_bytes());
    if (d->owned_chunks == NULL)
        return -XEN_ENOMEM;
    mfn = heap_alloc_frames(0, HEAP_ZERO);
    if (mfn_eq(mfn, INVALID_MFN))
        return -XEN_ENOMEM;
    frame_share(d, mfn, true);
    d->shared = mfn_to_virt(mfn);
    return 0;
}

int domain_create(domid_t id, const struct domain_config *config, struct domain **out)
{
    struct domain *d;
    int rc;

    if (id.v >= DOMID_FIRST_RESERVED || config->max_vcpus == 0 || config->max_vcpus > MAX_VCPUS)
        return -XEN_EINVAL;
    d = hv_new(NULL, struct domain); /* charged to nobody: the account is in it */
    if (d == NULL)
        return -XEN_ENOMEM;
    init_fields(d, id, config);
    rc = make_storage(d);
    if (rc != 0)
        goto storage;
    evtchn_domain_init(d);
    if (config->max_event_port != 0)
        d->evtchn.max_port = config->max_event_port;
    rc = grant_domain_init(d);
    if (rc != 0)
        goto evtchn;
    rc = grant_set_limits(d, config->max_grant_frames, config->max_grant_version);
    if (rc != 0)
        goto grant;
    rc = arch_domain_create(d);
    if (rc != 0)
        goto grant;
    rc = list_insert(d);
    if (rc != 0)
        goto arch;
    *out = d;
    return 0;

arch:
    arch_domain_free(d);
grant:
    grant_domain_free(d);
evtchn:
    evtchn_domain_free(d);
storage:
    free_storage(d);
    return rc;
}

/* ---- Destroying --------------------------------------------------------------------------- */

/*
 * In this order: nobody sends to it or waits for it any more; its grants, and what it maps of
 * others', are given up; then what its vCPUs hold; then the memory itself.
 */
enum kill_step {
    KILL_START,
    KILL_EVTCHN,
    KILL_GRANT,
    KILL_VCPUS,
    KILL_ARCH,
    KILL_FRAMES,
    KILL_LAST,
    KILL_DONE,
};

static void kill_start(struct domain *d)
{
    /* Under the lock of page accounting: who assigns frames has done so, or sees it. */
    lock(&d->pages_lock);
    d->is_dying = true;
    unlock(&d->pages_lock);
    domain_pause(d);
    domain_watchdogs_kill(d);
}

static int kill_step(struct domain *d, enum kill_step step)
{
    switch (step) {
    case KILL_START:
        kill_start(d);
        return 0;
    case KILL_EVTCHN:
        return evtchn_domain_release(d);
    case KILL_GRANT:
        return grant_domain_release(d);
    case KILL_VCPUS:
        for_each_vcpu (d, v)
            vcpu_release(v);
        return 0;
    case KILL_ARCH:
        return arch_domain_release(d);
    case KILL_FRAMES:
        return frame_release_all(d);
    case KILL_LAST:
        for_each_vcpu (d, v)
            sched_vcpu_remove(v);
        sched_domain_remove(d);
        return 0;
    case KILL_DONE:
        break;
    }
    return 0;
}

int domain_kill(struct domain *d)
{
    if (d == control_domain || d->is_idle || d == current_vcpu()->domain)
        return -XEN_EINVAL;
    if (d->kill_step == KILL_DONE)
        return 0;
    while (d->kill_step != KILL_DONE) {
        int rc = kill_step(d, d->kill_step);
        if (rc != 0)
            return rc;
        d->kill_step++;
        if (d->kill_step != KILL_DONE && preempt_wanted())
            return -XEN_ERESTART;
    }
    if (control_domain != NULL)
        evtchn_send_global_virq(control_domain, VIRQ_DOM_EXC);
    domain_put(d);
    return 0;
}

/* ---- Pausing ------------------------------------------------------------------------------ */

void domain_pause_nowait(struct domain *d)
{
    atomic_fetch_add(&d->pause_count, 1);
    for_each_vcpu (d, v)
        vcpu_sleep(v);
}

void domain_pause(struct domain *d)
{
    domain_pause_nowait(d);
    for_each_vcpu (d, v)
        vcpu_wait_stopped(v);
}

void domain_unpause(struct domain *d)
{
    int32_t count = atomic_fetch_sub(&d->pause_count, 1);

    BUG_ON(count <= 0);
    if (count == 1)
        for_each_vcpu (d, v)
            vcpu_wake(v);
}

int domain_controller_pause(struct domain *d)
{
    if (d->controller_pauses == UINT8_MAX)
        return -XEN_ERANGE;
    WRITE_ONCE(d->controller_pauses, d->controller_pauses + 1);
    domain_pause(d);
    return 0;
}

int domain_controller_unpause(struct domain *d)
{
    if (d->controller_pauses == 0)
        return -XEN_EINVAL;
    WRITE_ONCE(d->controller_pauses, d->controller_pauses - 1);
    domain_unpause(d);
    return 0;
}

/* ---- Shutdown and crash ------------------------------------------------------------------- */

static const char *shutdown_name(unsigned code)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft reset",
    };
    return code < ARRAY_SIZE(names) ? names[array_index_nospec(code, ARRAY_SIZE(names))]
                                    : "unknown reason";
}

/*
 * The control domain is down and the machine with it. A tasklet, so that no lock is held while
 * memory is audited, wherever the crash was.
 */
static void machine_stop(void *data)
{
    struct domain *d = data;
    unsigned code = d->shutdown_code;
    enum machine_end how = code == SHUTDOWN_poweroff ? MACHINE_POWER_OFF
                           : code == SHUTDOWN_reboot || code == SHUTDOWN_watchdog ? MACHINE_RESTART
                                                                                  : MACHINE_FAILED;

    for_each_vcpu (d, v)
        if (v != current_vcpu())
            vcpu_wait_stopped(v);
    log_error("control domain shut down: %s%s%s", shutdown_name(code),
              d->crash_reason[0] != '\0' ? ": " : "", d->crash_reason);
    if (options.audit)
        (void)audit_memory();
    arch_machine_end(how);
}

static struct tasklet stop_tasklet = {.fn = machine_stop};

/* d's vCPUs are stopped; `is_shut_down` was set by this caller, whose the shutdown therefore is. */
static void shutdown_finish(struct domain *d, unsigned code)
{
    unsigned none = SHUTDOWN_CODE_NONE;

    /* SCHEDOP_shutdown_code may have named one before. */
    (void)atomic_cas(&d->shutdown_code, &none, code);
    domain_pause_nowait(d);
    if (d == control_domain) {
        stop_tasklet.data = d;
        tasklet_schedule_on(&stop_tasklet, cpu_id());
    } else if (control_domain != NULL) {
        evtchn_send_global_virq(control_domain, VIRQ_DOM_EXC);
    }
}

void domain_shutdown(struct domain *d, unsigned code)
{
    if (!atomic_swap(&d->is_shut_down, true))
        shutdown_finish(d, code);
}

void domain_crash(struct domain *d, const char *format, ...)
{
    char reason[sizeof(d->crash_reason)];
    va_list args;

    va_start(args, format);
    (void)fmt_vstring(reason, sizeof(reason), format, args);
    va_end(args);
    log_guest(LOG_ERROR, "domain %u crashed: %s", d->id.v, reason);
    BUG_ON(d->is_idle);
    if (atomic_swap(&d->is_shut_down, true))
        return; /* it was stopped already; the first reason stands */
    memcpy(d->crash_reason, reason, sizeof(reason));
    WRITE_ONCE(d->shutdown_code, SHUTDOWN_crash);
    shutdown_finish(d, SHUTDOWN_crash);
}

void domain_resume(struct domain *d)
{
    if (d->is_dying || !READ_ONCE(d->is_shut_down))
        return;
    WRITE_ONCE(d->shutdown_code, SHUTDOWN_CODE_NONE);
    d->crash_reason[0] = '\0';
    if (atomic_swap(&d->is_shut_down, false))
        domain_unpause(d);
}
