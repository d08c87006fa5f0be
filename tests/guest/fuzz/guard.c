/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzer may not do to itself.
 *
 * Two rules hold for all calls: no argument and no word of data is an address of the guest's own
 * (its image, direct map, heap, another's arena), or names a frame that the guest had at its start
 * and did not give to the playground. A word that does is replaced. The words are looked at where
 * the hypervisor will look: from the addresses that are in the call.
 *
 * Besides there are the exceptions of the list below, each with its reason.
 */
#include "fuzz.h"

#include <pv/clock.h>
#include <pv/start.h>

#define MAX_FRAMES (1u << 20) /* of machines up to 4 GiB */
#define REACH      0x10000ul /* a call may write so far behind an address without the part between */

static uint8_t critical[MAX_FRAMES / 8];

bool guard_frame(uint64_t mfn)
{
    return mfn < MAX_FRAMES && (critical[mfn / 8] & 1u << (mfn % 8));
}

static void forbid_frame(uint64_t mfn)
{
    if (mfn < MAX_FRAMES)
        critical[mfn / 8] = (uint8_t)(critical[mfn / 8] | 1u << (mfn % 8));
}

void guard_allow_frame(uint64_t mfn)
{
    if (mfn < MAX_FRAMES)
        critical[mfn / 8] = (uint8_t)(critical[mfn / 8] & ~(1u << (mfn % 8)));
}

/* After playground_start(). */
bool guard_start(void)
{
    for (unsigned long pfn = 0; pfn < nr_pages; pfn++)
        if (p2m[pfn] != INVALID_P2M)
            forbid_frame(p2m[pfn]);
    forbid_frame(start_info->shared_info >> PAGE_SHIFT);
    for (unsigned i = 0; i < PLAY_PAGES; i++)
        guard_allow_frame(play.mfn[i]);
    return nr_pages != 0;
}

/* ---- Words -------------------------------------------------------------------------------- */

/* The entries that lead to home and window are the first two of table2, the first of table3. */
static bool entry_allowed(uint64_t maddr)
{
    uint64_t table = maddr & PTE_MFN, offset = maddr & 0xff8;
    return table == play.home_table || table == play.window_table ||
           (table == play.table2 && offset >= 16) || (table == play.table3 && offset >= 8);
}

/* The same number can be an address of the image, or a machine address. */
enum word { POINTER, NO_POINTER };

static uint64_t guard_word(const struct fuzzer *f, const struct call *call, uint64_t word,
                           enum word kind)
{
    if (word >= f->arena && word < f->arena_end) /* what calls before have left is not looked at */
        return word < call_data(f, call) ? call_data(f, call) : word;
    if (word >= f->arena_end && word < f->arena_end + PAGE_SIZE)
        return word;
    if ((word >= VIRT_BASE - REACH && word < VIRT_BASE + nr_pages * PAGE_SIZE && kind == POINTER) ||
        (word >= WINDOW_START - REACH && word < PLAY_START))
        return PLAY_WINDOW + (word & (PLAY_SLOTS * PAGE_SIZE - 8));
    if (guard_frame(word))
        return play.mfn[word % PLAY_PAGES];
    uint64_t mfn = (word & PTE_MFN) >> PAGE_SHIFT;
    if (guard_frame(mfn) && !entry_allowed(word))
        return (word & ~PTE_MFN) | (uint64_t)play.mfn[mfn % PLAY_PAGES] << PAGE_SHIFT;
    return word;
}

/* What the data of these calls hold is read as a machine address, or in map_addresses() below. */
static enum word words_of(const struct call *call)
{
    return call->nr == __HYPERVISOR_mmu_update ||
                   (call->nr == __HYPERVISOR_grant_table_op &&
                    (uint32_t)call->arg[0] <= GNTTABOP_unmap_grant_ref)
               ? NO_POINTER
               : POINTER;
}

/* Words of the data from an address on that need not be a multiple of 8. */
static void guard_words(const struct fuzzer *f, struct call *call, size_t from)
{
    size_t end = call->words * 8ul;
    for (size_t at = from; at + 8 <= end; at += 8) {
        uint64_t word;
        memcpy(&word, (char *)call->data + at, 8);
        word = guard_word(f, call, word, words_of(call));
        memcpy((char *)call->data + at, &word, 8);
    }
}

/* Where in the data an argument points; NULL: elsewhere, or less than `size` bytes are left. */
static void *data_at(const struct fuzzer *f, struct call *call, uint64_t va, size_t size)
{
    uint64_t offset = va - call_data(f, call);
    return offset < call->words * 8ul && offset + size <= call->words * 8ul
               ? (char *)call->data + offset
               : NULL;
}

/* ---- Exceptions ----------------------------------------------------------------------------- */

struct hooked {
    struct fuzzer *f;
    struct call *call;
    uint64_t *arg;
    void *data;  /* the argument structure, NULL when it is not of ours */
    bool inside; /* a multicall */
};

static bool never(struct hooked *h)
{
    (void)h;
    return false;
}

static bool not_inside(struct hooked *h)
{
    return !h->inside;
}

static bool restore_traps(struct hooked *h)
{
    h->f->restore |= RESTORE_TRAPS;
    return !h->inside;
}

static bool restore_segments(struct hooked *h)
{
    h->f->restore |= RESTORE_SEGMENTS;
    return true;
}

static bool restore_debug(struct hooked *h)
{
    h->f->restore |= RESTORE_DEBUG;
    return true;
}

static bool restore_ts(struct hooked *h)
{
    h->f->restore |= RESTORE_TS;
    return true;
}

/* Another with a higher number goes down for a moment; vCPU 0 never does, so one always goes on. */
static bool vcpu_down(struct hooked *h)
{
    if (h->inside || h->f->restore & RESTORE_VCPU || (uint32_t)h->arg[1] <= h->f->id)
        return false;
    h->f->restore |= RESTORE_VCPU;
    h->f->restore_id = (uint32_t)h->arg[1];
    return true;
}

static bool only_self(struct hooked *h)
{
    return !h->inside && (uint32_t)h->arg[1] == h->f->id;
}

static bool poll(struct hooked *h)
{
    struct sched_poll *p = h->data;
    if (!p)
        return false;
    if (p->timeout == 0 || p->timeout > monotonic_ns() + 100000)
        p->timeout = monotonic_ns() + random_below(100000);
    return true;
}

static bool watchdog(struct hooked *h)
{
    struct sched_watchdog *w = h->data;
    if (!w || h->inside)
        return false;
    h->f->restore |= RESTORE_WATCHDOG;
    h->f->restore_id = w->id;
    w->timeout |= 16; /* long enough to take it back */
    return true;
}

static bool shutdown_code(struct hooked *h)
{
    struct sched_shutdown *s = h->data;
    if (s)
        s->reason = SHUTDOWN_poweroff;
    return s != NULL;
}

static bool other_domain(struct hooked *h)
{
    const struct sched_remote_shutdown *r = h->data;
    return r && r->domain_id != fuzz_self && r->domain_id < DOMID_FIRST_RESERVED;
}

static bool callback(struct hooked *h)
{
    const struct callback_register *r = h->data;
    h->f->restore |= RESTORE_TRAPS;
    return r && !h->inside && r->type != CALLBACKTYPE_nmi;
}

static bool platform(struct hooked *h)
{
    struct xen_platform_op *op = h->data;
    if (!op)
        return true;
    if (!one_in(16))
        op->interface_version = XENPF_INTERFACE_VERSION;
    return op->cmd != XENPF_enter_acpi_sleep;
}

/* Domains of low numbers only: their memory and structures are the fuzzer's to use up. */
static bool domain_control(struct hooked *h)
{
    struct xen_domctl *op = h->data;
    if (!op)
        return true;
    if (op->cmd == XEN_DOMCTL_createdomain)
        op->domain = (domid_t)(1 + op->domain % 4);
    return op->cmd != XEN_DOMCTL_max_mem || op->domain != 0;
}

static bool machine_control(struct hooked *h)
{
    const struct xen_sysctl *op = h->data;
    return !op || op->cmd != XEN_SYSCTL_debug_keys;
}

/* How many extents are done, in the upper bits: the list would be written that far behind. */
static bool start_extent(struct hooked *h)
{
    h->arg[0] &= 0xfff;
    return true;
}

/* A newline in one of many calls, and nothing in the others. */
static bool console(struct hooked *h)
{
    if ((uint32_t)h->arg[0] != CONSOLEIO_write)
        return true;
    h->arg[1] = h->data && one_in(256);
    if (h->arg[1])
        *(char *)h->data = '\n';
    return true;
}

static bool mmuext(struct hooked *h)
{
    size_t left =
        h->data ? h->call->words * 8ul - (size_t)((char *)h->data - (char *)h->call->data) : 0;
    struct mmuext_op *op = h->data;
    for (; left >= sizeof(*op); op++, left -= sizeof(*op))
        if (op->cmd == MMUEXT_NEW_BASEPTR)
            op->arg1.mfn = tables_root();
    return true;
}

/* An arena's own mapping stays: its addresses are for pointers only. */
static uint64_t not_arena(const struct fuzzer *f, uint64_t va)
{
    return va >= f->arena && va < f->arena_end + PAGE_SIZE ? PLAY_WINDOW : va;
}

static bool update_va(struct hooked *h)
{
    h->arg[0] = not_arena(h->f, h->arg[0]);
    return true;
}

/* Where a grant is to be mapped: by address, unless the flags say that it is an entry's. */
static bool map_addresses(struct hooked *h)
{
    const char *end = (const char *)h->call->data + h->call->words * 8;
    char *at = h->data;
    struct gnttab_map_grant_ref map;
    for (uint64_t i = 0; at && i < (uint32_t)h->arg[2] && at + sizeof(map) <= end; i++) {
        memcpy(&map, at, sizeof(map));
        if (!(map.flags & GNTMAP_contains_pte))
            map.host_addr = not_arena(h->f, guard_word(h->f, h->call, map.host_addr, POINTER));
        memcpy(at, &map, sizeof(map));
        at += sizeof(map);
    }
    return true;
}

static bool replace_addresses(struct hooked *h)
{
    const char *end = (const char *)h->call->data + h->call->words * 8;
    char *at = h->data;
    struct gnttab_unmap_and_replace replace;
    for (uint64_t i = 0; at && i < (uint32_t)h->arg[2] && at + sizeof(replace) <= end; i++) {
        memcpy(&replace, at, sizeof(replace));
        replace.new_addr = not_arena(h->f, replace.new_addr);
        memcpy(at, &replace, sizeof(replace));
        at += sizeof(replace);
    }
    return true;
}

#define ANY (~0u)

static const struct exception {
    uint32_t nr, command;
    bool (*hook)(struct hooked *h); /* may change the call; false: it is not made */
    const char *why;
} exceptions[] = {
    {__HYPERVISOR_iret, ANY, never, "takes its frame from the stack: what returns there is lost"},
    {__HYPERVISOR_set_trap_table, ANY, restore_traps, "the next trap would go astray"},
    {__HYPERVISOR_set_callbacks, ANY, restore_traps, "the next event would go astray"},
    {__HYPERVISOR_callback_op, ANY, callback, "the same; an NMI could come at once"},
    {__HYPERVISOR_nmi_op, XENNMI_register_callback, never, "an NMI could come at once"},
    {__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, only_self, "another may have no trap table just now"},
    {__HYPERVISOR_set_segment_base, ANY, restore_segments, "the library's GS base"},
    {__HYPERVISOR_set_debugreg, ANY, restore_debug, "a breakpoint in the fuzzer's code"},
    {__HYPERVISOR_fpu_taskswitch, ANY, restore_ts, "the next use of the FPU traps"},
    {__HYPERVISOR_update_va_mapping, ANY, update_va, "where its calls' data lie"},
    {__HYPERVISOR_update_va_mapping_otherdomain, ANY, update_va, "the same"},
    {__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, map_addresses, "the same"},
    {__HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, replace_addresses, "the same"},
    {__HYPERVISOR_memory_op, ANY, start_extent, "a list that begins before the arena"},
    {__HYPERVISOR_mmuext_op, ANY, mmuext, "a top-level table without the fuzzer's code"},
    {__HYPERVISOR_vcpu_op, VCPUOP_down, vcpu_down, "nobody would start it again"},
    {__HYPERVISOR_vcpu_op, VCPUOP_initialise, not_inside, "all are initialised: it must fail"},
    {__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, never,
     "once in a vCPU's life, and the library would look at the old place"},
    {__HYPERVISOR_sched_op, SCHEDOP_shutdown, never, "ends the guest"},
    {__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, other_domain, "ends the guest"},
    {__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, shutdown_code, "the reason of the guest's end"},
    {__HYPERVISOR_sched_op, SCHEDOP_block, never, "nothing would wake the vCPU"},
    {__HYPERVISOR_sched_op, SCHEDOP_poll, poll, "nothing would wake the vCPU"},
    {__HYPERVISOR_sched_op, SCHEDOP_watchdog, watchdog, "ends the guest after some seconds"},
    {__HYPERVISOR_platform_op, ANY, platform, "XENPF_enter_acpi_sleep ends the machine"},
    {__HYPERVISOR_domctl, ANY, domain_control, "the fuzzer's own memory limit; too many domains"},
    {__HYPERVISOR_sysctl, ANY, machine_control, "debug keys may end the machine, and flood it"},
    {__HYPERVISOR_console_io, ANY, console, "a flood that hides the test's own lines"},
};

static uint64_t pointer_of(unsigned nr, const uint64_t *arg)
{
    for (unsigned i = 0; i < CALL_ARGS; i++)
        if (grammar[nr].arg[i].kind == ARG_PTR)
            return arg[i];
    return 0;
}

static bool guard_exceptions(struct fuzzer *f, struct call *call, uint64_t nr, uint64_t *arg,
                             bool inside)
{
    if (nr >= NR_HYPERCALLS)
        return true;
    uint32_t command = (uint32_t)arg[0];
    struct hooked h = {f, call, arg, data_at(f, call, pointer_of((unsigned)nr, arg), 8), inside};
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
        const struct exception *e = &exceptions[i];
        if (e->nr == nr && (e->command == ANY || e->command == command) && !e->hook(&h))
            return false;
    }
    return true;
}

/* Structures are looked at in full: the pointer is moved to where a whole one fits. */
static void guard_pointers(struct fuzzer *f, struct call *call, unsigned nr, uint64_t *arg)
{
    for (unsigned i = 0; i < grammar[nr].nargs; i++) {
        if (grammar[nr].arg[i].kind != ARG_PTR)
            continue;
        const struct grammar_command *c = grammar_command(nr, (uint32_t)arg[0]);
        size_t size = c && !grammar[nr].arg[i].size ? c->size : grammar[nr].arg[i].size;
        if (data_at(f, call, arg[i], 1) && !data_at(f, call, arg[i], size))
            arg[i] = call_data(f, call);
        if (data_at(f, call, arg[i], 1) && arg[i] % 8)
            guard_words(f, call, (size_t)(arg[i] - call_data(f, call)));
    }
}

/* Calls within a call, each as if it were made by itself. */
static bool guard_multicall(struct fuzzer *f, struct call *call)
{
    uint64_t end = call_data(f, call) + call->words * 8ul;
    uint64_t count = (uint32_t)call->arg[1];
    /* One call may write over the next, which is then number 0, set_trap_table(). */
    f->restore |= RESTORE_TRAPS | RESTORE_SEGMENTS;
    /* Zeroes in the playground would be set_trap_table(NULL). */
    if (call->arg[0] >= PLAY_START && call->arg[0] < PLAY_END)
        call->arg[0] = call_data(f, call);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = call->arg[0] + i * sizeof(struct multicall_entry);
        struct multicall_entry *entry = data_at(f, call, at, sizeof(*entry));
        if (!entry)
            return at >= end || !data_at(f, call, call->arg[0], 1) || at + sizeof(*entry) > end;
        uint64_t arg[6];
        memcpy(arg, entry->args, sizeof(arg));
        if (entry->op < NR_HYPERCALLS)
            guard_pointers(f, call, (unsigned)entry->op, arg);
        if (!guard_exceptions(f, call, entry->op, arg, true))
            return false;
        memcpy(entry->args, arg, sizeof(arg));
    }
    return true;
}

static enum word word_of_argument(unsigned nr, unsigned i)
{
    enum arg_kind kind = grammar[nr].arg[i].kind;
    return kind == ARG_MADDR || kind == ARG_PTE ? NO_POINTER : POINTER;
}

bool guard(struct fuzzer *f, struct call *call)
{
    f->restore = 0;
    guard_words(f, call, 0);
    for (unsigned i = 0; i < CALL_ARGS; i++)
        call->arg[i] = guard_word(f, call, call->arg[i], word_of_argument(call->nr, i));
    guard_pointers(f, call, call->nr, call->arg);
    if (call->nr == __HYPERVISOR_multicall && !guard_multicall(f, call))
        return false;
    return guard_exceptions(f, call, call->nr, call->arg, false);
}
