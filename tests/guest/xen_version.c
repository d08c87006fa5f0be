/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen_version: what the hypervisor is, and which features the guest's environment has.
 *
 * Strings have fixed sizes; behind the text there must be nothing but zeroes, or memory of the
 * hypervisor would leak (see also class E9). Three of the commands give their answer as the result
 * and take no argument.
 *
 *   test: vcpus=1
 */
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/start.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"

static union {
    char bytes[4096];
    xen_extraversion_t extra;
    xen_compile_info_t compile;
    xen_capabilities_info_t capabilities;
    xen_changeset_info_t changeset;
    xen_platform_parameters_t platform;
    xen_feature_info_t features;
    xen_domain_handle_t handle;
    xen_commandline_t commandline;
} out __attribute__((aligned(4096)));

static long ask(unsigned cmd)
{
    memset(&out, 0xa5, sizeof(out));
    return HYPERVISOR_xen_version(cmd, &out);
}

/* A text of at most size - 1 characters, then zeroes, and nothing behind. */
static bool clean_text(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    if (length == size)
        return false;
    for (size_t i = length; i < size; i++)
        if (text[i] != 0)
            return false;
    return true;
}

static bool untouched_from(size_t from)
{
    for (size_t i = from; i < sizeof(out.bytes); i++)
        if ((uint8_t)out.bytes[i] != 0xa5)
            return false;
    return true;
}

static void test_numbers(void)
{
    is(ask(XENVER_version), 4 << 16 | 17, "the version is 4.17");
    ok(untouched_from(0), "which is no structure");
    is(HYPERVISOR_xen_version(XENVER_version, NULL), 4 << 16 | 17, "no argument is needed");
    is(HYPERVISOR_xen_version(XENVER_pagesize, NULL), 4096, "a page has 4096 bytes");
    is_error(ask(XENVER_pagesize), -XEN_EINVAL, "which takes no argument");
}

static void test_strings(void)
{
    is_error(ask(XENVER_extraversion), 0, "extraversion");
    ok(clean_text(out.extra, sizeof(out.extra)), "has zeroes behind the text");
    ok(untouched_from(sizeof(out.extra)), "and 16 bytes");
    ok(out.extra[0] == '.' || out.extra[0] == '-', "begins as the rest of a version does");
    is_error(ask(XENVER_capabilities), 0, "capabilities");
    ok(strstr(out.capabilities, "xen-3.0-x86_64 ") == out.capabilities, "begin with this ABI");
    ok(clean_text(out.capabilities, sizeof(out.capabilities)), "have zeroes behind the text");
    ok(untouched_from(sizeof(out.capabilities)), "and 1024 bytes");
    is_error(ask(XENVER_changeset), 0, "changeset");
    ok(clean_text(out.changeset, sizeof(out.changeset)), "has zeroes behind its text");
    ok(untouched_from(sizeof(out.changeset)), "and 64 bytes");
    is_error(ask(XENVER_compile_info), 0, "compile_info");
    ok(clean_text(out.compile.compiler, sizeof(out.compile.compiler)), "has a compiler");
    ok(clean_text(out.compile.compile_by, sizeof(out.compile.compile_by)), "a person");
    ok(clean_text(out.compile.compile_domain, sizeof(out.compile.compile_domain)), "a place");
    ok(clean_text(out.compile.compile_date, sizeof(out.compile.compile_date)), "a date");
    ok(untouched_from(sizeof(out.compile)), "and nothing more");
    is_error(ask(XENVER_commandline), 0, "commandline");
    ok(strstr(out.commandline, "console=") != NULL, "is the hypervisor's");
    ok(clean_text(out.commandline, sizeof(out.commandline)), "has zeroes behind it");
    ok(untouched_from(sizeof(out.commandline)), "and 1024 bytes in all");
}

static void test_structures(void)
{
    is_error(ask(XENVER_platform_parameters), 0, "platform_parameters");
    is(out.platform.virt_start, HYPERVISOR_VIRT_START, "tell where the hypervisor begins");
    ok(untouched_from(sizeof(out.platform)), "and nothing else");
    is_error(ask(XENVER_guest_handle), 0, "guest_handle");
    ok(untouched_from(sizeof(out.handle)), "has 16 bytes");

    for (unsigned map = 0; map < XENFEAT_NR_SUBMAPS; map++) {
        memset(&out, 0xa5, sizeof(out));
        out.features.submap_idx = map;
        is_error(HYPERVISOR_xen_version(XENVER_get_features, &out), 0, "features of map %u", map);
        is(out.features.submap_idx, map, "the number of map %u stays", map);
    }
    out.features.submap_idx = 0;
    HYPERVISOR_xen_version(XENVER_get_features, &out);
    ok(out.features.submap & 1u << XENFEAT_mmu_pt_update_preserve_ad, "A and D can be preserved");
    ok(out.features.submap & 1u << XENFEAT_dom0, "this is the control domain");
    is(out.features.submap & 1u << XENFEAT_writable_page_tables, 0, "page tables are read-only");
    is(out.features.submap & 1u << XENFEAT_auto_translated_physmap, 0, "frames are the machine's");
    out.features.submap_idx = XENFEAT_NR_SUBMAPS;
    is_error(HYPERVISOR_xen_version(XENVER_get_features, &out), -XEN_EINVAL, "map 1 is not there");
    out.features.submap_idx = ~0u;
    is_error(HYPERVISOR_xen_version(XENVER_get_features, &out), -XEN_EINVAL, "nor is map ~0");
}

static void test_build_id(void)
{
    static struct {
        uint32_t len;
        uint8_t buf[64];
    } id;
    long size = HYPERVISOR_xen_version(XENVER_build_id, NULL);
    if (size == -XEN_ENODATA) {
        skip(5, "this hypervisor has no build identifier");
        return;
    }
    ok(size > 0 && size <= 64, "the build identifier's size is told without argument");
    id.len = sizeof(id.buf);
    is(HYPERVISOR_xen_version(XENVER_build_id, &id), size, "it can be had");
    id.len = (uint32_t)size - 1;
    is_error(HYPERVISOR_xen_version(XENVER_build_id, &id), -XEN_ENOBUFS, "given too little room");
    id.len = 0;
    is_error(HYPERVISOR_xen_version(XENVER_build_id, &id), -XEN_EINVAL, "given no room");
    is_error(HYPERVISOR_xen_version(XENVER_build_id, (void *)8), -XEN_EFAULT,
             "given no memory at all");
}

static void test_errors(void)
{
    static const struct {
        unsigned cmd;
        size_t size;
        const char *name;
    } cases[] = {
        {XENVER_extraversion, sizeof(out.extra), "extraversion"},
        {XENVER_compile_info, sizeof(out.compile), "compile_info"},
        {XENVER_capabilities, sizeof(out.capabilities), "capabilities"},
        {XENVER_changeset, sizeof(out.changeset), "changeset"},
        {XENVER_platform_parameters, sizeof(out.platform), "platform_parameters"},
        {XENVER_get_features, sizeof(out.features), "get_features"},
        {XENVER_guest_handle, sizeof(out.handle), "guest_handle"},
        {XENVER_commandline, sizeof(out.commandline), "commandline"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (const struct address *a = addresses(cases[i].size); a->name != NULL; a++) {
            if (a->readable)
                memset(a->writable ? a->address : &out, 0, cases[i].size);
            is_error(HYPERVISOR_xen_version(cases[i].cmd, a->address),
                     a->readable && a->writable ? 0 : -XEN_EFAULT, "%s into memory that is %s",
                     cases[i].name, a->name);
        }
    static const unsigned missing[] = {11, 12, 63, 0x10000, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is_error(HYPERVISOR_xen_version(missing[i], &out), -XEN_ENOSYS, "command %#x is not there",
                 missing[i]);
}

/* ---- The null hypercall --------------------------------------------------------------------- */

/*
 * XENVER_version is also what a kernel calls to have waiting events delivered, and has a way of its
 * own through the hypervisor: what the common way takes care of must not be missing there.
 */
static unsigned events;

static void count_event(evtchn_port_t port, void *data)
{
    (void)port, (void)data;
    events++;
}

static void test_events_come(void)
{
    volatile uint8_t *mask = &shared_info->vcpu_info[0].evtchn_upcall_mask;
    evtchn_port_t port = (evtchn_port_t)event_bind_ipi(0, count_event, NULL);

    for (unsigned i = 1; i <= 3; i++) {
        *mask = 1;
        event_send(port);
        HYPERVISOR_xen_version(XENVER_version, NULL);
        is(events, i - 1, "an event waits while they are masked");
        *mask = 0;
        HYPERVISOR_xen_version(XENVER_version, NULL);
        is(events, i, "the next hypercall brings it");
    }
    event_close(port);
}

static unsigned long registers_kept(void *argument)
{
    register unsigned long r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10;
    unsigned long rsi = 1, rdx = 2, rbx = 3, rax = __HYPERVISOR_xen_version;

    (void)argument;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+S"(rsi), "+d"(rdx), "+b"(rbx), "+r"(r8), "+r"(r9), "+r"(r10)
                     : "D"(0ul)
                     : "rcx", "r11", "memory");
    return rsi == 1 && rdx == 2 && rbx == 3 && r8 == 8 && r9 == 9 && r10 == 10 ? rax : 0;
}

static unsigned long stepped(void *argument)
{
    (void)argument;
    __asm__ volatile("pushfq\n"
                     "orl $0x100, (%%rsp)\n"
                     "popfq\n"
                     "syscall\n"
                     "nop\n"
                     :
                     : "a"(__HYPERVISOR_xen_version), "D"(0ul)
                     : "rcx", "r11", "cc", "memory");
    return 0;
}

#define LOW_HALF_END 0x800000000000ul

/* SYSCALL in the last two bytes of the low half: what follows it is no address to go back to. */
static unsigned long at_the_edge(void *argument)
{
    __asm__ volatile("jmp *%0"
                     :
                     : "r"(argument), "a"(__HYPERVISOR_xen_version), "D"(0ul)
                     : "rcx", "r11", "memory");
    return 0;
}

static void test_edge(void)
{
    static const uint8_t code[] = {0x0f, 0x05};
    uint8_t *page = page_alloc();
    void *last = (void *)(LOW_HALF_END - PAGE_SIZE);
    struct trap_result result;

    memcpy(page + PAGE_SIZE - sizeof(code), code, sizeof(code));
    if (!ok(tables_make(last, 1) == 0 &&
                pte_set(last,
                        pte_make(virt_to_mfn(page), PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)) == 0,
            "the last page of the low half is mapped"))
        return;
    result = trap_catch(at_the_edge, (void *)(LOW_HALF_END - sizeof(code)));
    ok(result.vector == TRAP_GP || result.vector == TRAP_PF,
       "there the null hypercall ends in an exception of the guest's (%d)", result.vector);
    is(result.rip, LOW_HALF_END, "behind it");
    pte_set(last, 0);
    page_free(page);
}

static void test_null(void)
{
    test_events_come();
    is(registers_kept(NULL), 4 << 16 | 17, "all registers but RAX, RCX and R11 are kept");
    is(trap_catch(stepped, NULL).vector, TRAP_DB, "a step over it is a step");
    HYPERVISOR_set_debugreg(6, 0);
    test_edge();
}

int main(void)
{
    test_numbers();
    test_strings();
    test_structures();
    test_build_id();
    test_errors();
    test_null();
    return done();
}
