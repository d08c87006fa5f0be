/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other CPUs. Owns cpu_online_mask, percpu_offset, the trampoline page, and the one function
 * call in flight between CPUs.
 *
 * Invariant: a bit of cpu_online_mask, once set, stays; before it is set, the CPU's per-CPU area,
 * stack and tables are complete.
 */
#include "x86/smp.h"

#include "core/boot.h"
#include "core/cmdline.h"
#include "core/e820.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/sched.h"
#include "core/timer.h"
#include "x86/acpi.h"
#include "x86/apic.h"
#include "x86/boot/boot.h"
#include "x86/cpu.h"
#include "x86/desc.h"
#include "x86/fpu.h"
#include "x86/irq.h"
#include "x86/mm/segdesc.h"
#include "x86/paging.h"
#include "x86/time.h"
#include "x86/tlb.h"
#include "x86/traps.h"
#include "x86/x86.h"

cpumask_t cpu_online_mask = {1};
uint64_t percpu_offset[NR_CPUS];

/* ---- Starting ------------------------------------------------------------------------------ */

extern char trampoline_start[], trampoline_end[];
extern char trampoline_gdtr[], trampoline_far32[], trampoline_far64[];
extern char trampoline_cr3[], trampoline_stack[], trampoline_entry[];

/* Pages below 640 KiB: the code, and an L4, L3 and L2 that map it one to one. */
#define LOW_PAGES      4u
#define LOW_MEMORY_END 0xa0000ull

#define STACK_BITS (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX)

/*
 * The waits of the Intel SDM 3A 8.4.4.1 are for CPUs with an external APIC: first try without the
 * long one after INIT. The others are ours, and generous for emulated machines.
 */
#define INIT_WAIT_US      10000u
#define INIT_WAIT_LESS_US 20u
#define STARTUP_WAIT_US   200u
#define ANSWER_WAIT_NS    (2 * NS_PER_SEC)
#define ONLINE_WAIT_NS    (20 * NS_PER_SEC)

/* How far the CPU that is being started has come: it may answer only until we give up. */
enum ap_state { AP_CALLED, AP_ANSWERED, AP_GIVEN_UP };
static uint32_t ap_state;

static void halt_for_ever(void) noreturn_fn;
static void halt_for_ever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

/* First C code of a started CPU, on its own stack. */
static void ap_start(void) noreturn_fn;
static void ap_start(void)
{
    uint32_t called = AP_CALLED;
    if (!atomic_cas(&ap_state, &called, AP_ANSWERED))
        halt_for_ever();
    tlb_load_own(hv_cr3());
    unsigned cpu = cpu_id();
    desc_init_cpu(cpu);
    segdesc_init_cpu();
    cpu_init();
    fpu_cpu_init();
    syscall_init_cpu();
    apic_cpu_init();
    timer_cpu_init(cpu);
    sched_cpu_init(cpu);
    cpumask_set_atomic(&cpu_online_mask, cpu);
    time_sync_new_cpu();
    idle_loop();
}

/* A module there? The loader may put small ones anywhere. */
static bool holds_module(uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        if (boot_info.module[i].start < end && boot_info.module[i].end > start)
            return true;
    }
    return false;
}

/* Machine address of free low memory for the trampoline; 0: none. Frame 0 is left alone. */
static uint64_t find_low_pages(void)
{
    const uint64_t bytes = LOW_PAGES * PAGE_SIZE;
    for (uint64_t at = LOW_MEMORY_END - bytes; at >= PAGE_SIZE; at -= PAGE_SIZE) {
        if (e820_all(&e820, at, at + bytes, E820_RAM) && !holds_module(at, at + bytes))
            return at;
    }
    return 0;
}

static void *trampoline_word(uint64_t low, const char *label)
{
    return maddr_to_virt(MADDR(low + (uint64_t)(label - trampoline_start)));
}

/* An address in the trampoline becomes one in machine memory. */
static void relocate(uint64_t low, const char *label)
{
    *(uint32_t *)trampoline_word(low, label) += (uint32_t)low;
}

/* Copy the trampoline, and make the tables with which it turns paging on. */
static void place_trampoline(uint64_t low)
{
    uint64_t l4 = low + PAGE_SIZE, l3 = l4 + PAGE_SIZE, l2 = l3 + PAGE_SIZE;
    memset(maddr_to_virt(MADDR(low)), 0, LOW_PAGES * PAGE_SIZE);
    memcpy(maddr_to_virt(MADDR(low)), trampoline_start,
           (size_t)(trampoline_end - trampoline_start));
    uint64_t *table = maddr_to_virt(MADDR(l4));
    table[0] = l3 | PTE_PRESENT | PTE_WRITE;
    paging_fill_slots(table);
    *(uint64_t *)maddr_to_virt(MADDR(l3)) = l2 | PTE_PRESENT | PTE_WRITE;
    *(uint64_t *)maddr_to_virt(MADDR(l2)) = PTE_PRESENT | PTE_WRITE | PTE_PSE;
    relocate(low, trampoline_gdtr + 2); /* behind the limit */
    relocate(low, trampoline_far32);
    relocate(low, trampoline_far64);
    *(uint64_t *)trampoline_word(low, trampoline_cr3) = l4;
    *(uint64_t *)trampoline_word(low, trampoline_entry) = (uintptr_t)ap_start;
}

/* The top of a new stack block for a CPU; 0: out of memory. */
static uint64_t make_stack(unsigned cpu)
{
    uint64_t block = STACK_AREA_START + cpu * STACK_AREA_STRIDE + STACK_SIZE;
    for (unsigned i = 0; i < STACK_PAGES; i++) {
        if (i == STACK_PAGE_GUARD)
            continue;
        void *page = hv_alloc(NULL, PAGE_SIZE);
        if (page == NULL ||
            paging_map_page(block + i * PAGE_SIZE, virt_to_mfn(page), STACK_BITS) != 0)
            return 0;
    }
    return block + STACK_SIZE;
}

/* Per-CPU area and stack. Returns the initial stack pointer; 0: out of memory. */
static uint64_t prepare_cpu(unsigned cpu)
{
    char *area = hv_alloc(NULL, (size_t)(percpu_end - percpu_start));
    uint64_t top = make_stack(cpu);
    if (area == NULL || top == 0)
        return 0;
    percpu_offset[cpu] = (uintptr_t)area - (uintptr_t)percpu_start;
    struct cpu_info *info = (struct cpu_info *)top - 1;
    info->cpu = cpu;
    info->percpu_offset = percpu_offset[cpu];
    return (uintptr_t)info & ~15ull;
}

static bool wait_until(bool (*done)(unsigned cpu), unsigned cpu, ns_t span)
{
    for (ns_t end = now() + span; !done(cpu) && now() < end;)
        cpu_relax();
    return done(cpu);
}

static bool has_answered(unsigned cpu)
{
    (void)cpu;
    return atomic_load(&ap_state) == AP_ANSWERED;
}

static bool is_online(unsigned cpu)
{
    return (atomic_load(&cpu_online_mask.bits) >> cpu) & 1;
}

/* INIT and start-up IPIs. False: no answer, and none will come any more. */
static bool wake_cpu(unsigned cpu, uint64_t low, unsigned init_wait_us)
{
    uint32_t apic_id = acpi_cpu_apic_id(cpu);
    atomic_store(&ap_state, AP_CALLED);
    apic_send_init(apic_id);
    time_delay_us(init_wait_us);
    for (unsigned i = 0; i < 2 && !has_answered(cpu); i++) {
        apic_send_startup(apic_id, (unsigned)(low >> PAGE_SHIFT));
        wait_until(has_answered, cpu, STARTUP_WAIT_US * NS_PER_US);
    }
    uint32_t called = AP_CALLED;
    if (wait_until(has_answered, cpu, ANSWER_WAIT_NS) ||
        !atomic_cas(&ap_state, &called, AP_GIVEN_UP))
        return true;
    /* Back to waiting for a start-up IPI, before the trampoline is another CPU's. */
    apic_send_init(apic_id);
    return false;
}

static void boot_cpu(unsigned cpu, uint64_t low)
{
    uint32_t apic_id = acpi_cpu_apic_id(cpu);
    uint64_t stack = prepare_cpu(cpu);
    if (stack == 0) {
        log_warning("CPU %u is not started: out of memory", cpu);
        return;
    }
    *(uint64_t *)trampoline_word(low, trampoline_stack) = stack;
    if (!wake_cpu(cpu, low, INIT_WAIT_LESS_US) && !wake_cpu(cpu, low, INIT_WAIT_US)) {
        log_warning("CPU %u (APIC %#x) does not answer, and is left out", cpu, apic_id);
        return;
    }
    if (!wait_until(is_online, cpu, ONLINE_WAIT_NS))
        panic("CPU %u (APIC %#x) stopped while it was being started", cpu, apic_id);
    time_sync_boot_cpu(cpu);
}

void smp_boot_all(void)
{
    unsigned limit = options.maxcpus ? MIN(options.maxcpus, NR_CPUS) : NR_CPUS;
    unsigned count = MIN(acpi_cpu_count(), NR_CPUS);
    uint64_t low = find_low_pages();
    if (low == 0)
        log_warning("No free memory below 640 KiB: only the boot CPU is used");
    else if (count > 1 && limit > 1) {
        place_trampoline(low);
        for (unsigned cpu = 1; cpu < count && cpumask_count(cpu_online_mask) < limit; cpu++)
            boot_cpu(cpu, low);
        memset(maddr_to_virt(MADDR(low)), 0, LOW_PAGES * PAGE_SIZE);
    }
    log_info("%u of %u CPUs are online", cpumask_count(cpu_online_mask), acpi_cpu_count());
}

/* ---- Calling a function ---------------------------------------------------------------------- */

static struct {
    bool busy;
    void (*fn)(void *data);
    void *data;
    uint64_t waiting; /* CPUs that have still to run it */
} call;

void smp_call_interrupt(void)
{
    uint64_t self = CPUMASK_OF(cpu_id()).bits;
    if (!(atomic_load(&call.waiting) & self))
        return;
    call.fn(call.data);
    atomic_fetch_and(&call.waiting, ~self);
}

void smp_call_function(cpumask_t mask, void (*fn)(void *data), void *data)
{
    ASSERT(irq_enabled());
    cpumask_t self = CPUMASK_OF(cpu_id());
    mask = cpumask_and(mask, cpu_online_mask);
    cpumask_t others = {mask.bits & ~self.bits};
    if (!cpumask_empty(others)) {
        /* Interrupts are on: a CPU that waits here still serves the call that is in flight. */
        while (atomic_swap(&call.busy, true))
            cpu_relax();
        call.fn = fn;
        call.data = data;
        atomic_store(&call.waiting, others.bits);
        for_each_cpu (cpu, others)
            apic_send_ipi(cpu, VECTOR_CALL_FUNCTION);
    }
    if (mask.bits & self.bits)
        fn(data);
    if (!cpumask_empty(others)) {
        while (atomic_load(&call.waiting) != 0)
            cpu_relax();
        atomic_store(&call.busy, false);
    }
}

/* ---- Stopping -------------------------------------------------------------------------------- */

static bool halting;
static uint64_t halted;

void smp_halt_others(void)
{
    unsigned self = cpu_id();
    uint64_t others = cpu_online_mask.bits & ~(1ull << self);
    if (atomic_swap(&halting, true))
        return;
    for_each_cpu (cpu, (cpumask_t){others})
        apic_send_nmi(cpu);
    /* One that is in an NMI or machine check already will not come; go on without it. */
    for (unsigned i = 0; i < 1000000 && (atomic_load(&halted) & others) != others; i++)
        cpu_relax();
}

void smp_halt_if_asked(void)
{
    if (!atomic_load(&halting))
        return;
    atomic_fetch_or(&halted, 1ull << cpu_id());
    halt_for_ever();
}
