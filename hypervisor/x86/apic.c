/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APICs (Intel SDM 3A, chapter 11; "11.x" below is a section of it).
 *
 * Owns their registers and the table of APIC identifiers by CPU. One mode, xAPIC or x2APIC, for all
 * CPUs, chosen on the boot CPU. Interrupts of the 8259s never arrive: they are masked for good.
 */
#include "x86/apic.h"

#include <arch/cpu.h>
#include <arch/current.h>

#include "core/cmdline.h"
#include "core/cpumask.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/timer.h"
#include "x86/acpi.h"
#include "x86/counters.h"
#include "x86/irq.h"
#include "x86/paging.h"
#include "x86/panic.h"
#include "x86/time.h"
#include "x86/x86.h"

#define APIC_BASE_X2APIC  (1ul << 10)
#define APIC_BASE_ENABLE  (1ul << 11)
#define APIC_DEFAULT_ADDR 0xfee00000ul

/* Register offsets (table 11-1); in x2APIC mode the MSR is 0x800 + offset / 16. */
#define REG_ID            0x20u
#define REG_VERSION       0x30u
#define REG_TPR           0x80u
#define REG_EOI           0xb0u
#define REG_SPURIOUS      0xf0u
#define REG_ISR           0x100u
#define REG_ERROR         0x280u
#define REG_LVT_CMCI      0x2f0u
#define REG_ICR           0x300u
#define REG_ICR_HIGH      0x310u
#define REG_LVT_TIMER     0x320u
#define REG_LVT_THERMAL   0x330u
#define REG_LVT_PERF      0x340u
#define REG_LVT_LINT0     0x350u
#define REG_LVT_LINT1     0x360u
#define REG_LVT_ERROR     0x370u
#define REG_TIMER_INITIAL 0x380u
#define REG_TIMER_CURRENT 0x390u
#define REG_TIMER_DIVIDE  0x3e0u
#define X2APIC_MSR_BASE   0x800u

#define SPURIOUS_ENABLE   (1u << 8)
#define LVT_MASKED        (1u << 16)
#define LVT_NMI           (4u << 8)
#define LVT_ACTIVE_LOW    (1u << 13)
#define LVT_TSC_DEADLINE  (2u << 17)
#define TIMER_DIVIDE_BY_1 0xbu

#define ICR_NMI     (4u << 8)
#define ICR_INIT    (5u << 8)
#define ICR_STARTUP (6u << 8)
#define ICR_PENDING (1u << 12)
#define ICR_ASSERT  (1u << 14)
#define ICR_LEVEL   (1u << 15)

#define CPUID1_C_X2APIC       (1u << 21)
#define CPUID1_C_TSC_DEADLINE (1u << 24)
#define CPUID1_C_HYPERVISOR   (1u << 31)

#define CALIBRATION_US    2000u
#define FARTHEST_DEADLINE NS_PER_SEC /* an early timer interrupt only sets the timer again */

static bool x2apic, tsc_deadline;
static volatile uint8_t *apic_page;   /* xAPIC mode only */
static uint32_t ids[NR_CPUS];         /* by CPU */
static struct time_scale timer_scale; /* of the APIC's own timer */

static uint32_t reg_read(unsigned reg)
{
    if (x2apic)
        return (uint32_t)rdmsr(X2APIC_MSR_BASE + reg / 16);
    return *(volatile uint32_t *)(apic_page + reg);
}

static void reg_write(unsigned reg, uint32_t val)
{
    if (x2apic)
        wrmsr(X2APIC_MSR_BASE + reg / 16, val);
    else
        *(volatile uint32_t *)(apic_page + reg) = val;
}

/* ---- Setting up ----------------------------------------------------------------------------- */

/*
 * Remap both 8259s out of the exceptions' way and mask every input: nothing is wired through them
 * any more, but a spurious interrupt can still come and must not look like an exception.
 */
static void pic_silence(void)
{
    static const struct {
        uint16_t command, data;
        uint8_t vector, cascade;
    } pic[] = {{0x20, 0x21, VECTOR_PIC_FIRST, 1u << 2}, {0xa0, 0xa1, VECTOR_PIC_FIRST + 8, 2}};

    if (!acpi_info.has_pic)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(pic); i++) {
        outb(pic[i].command, 0x11); /* ICW1: edge, cascaded, ICW4 follows */
        outb(pic[i].data, pic[i].vector);
        outb(pic[i].data, pic[i].cascade);
        outb(pic[i].data, 0x01); /* ICW4: 8086 mode */
        outb(pic[i].data, 0xff);
    }
}

/*
 * x2APIC without interrupt remapping is promised to work only by hypervisors (a bare machine's
 * chip set need not accept 8-bit destinations then), so it is chosen under one, or when the
 * firmware left it on, or when a CPU cannot be named otherwise.
 */
static bool want_x2apic(void)
{
    uint32_t features = cpuid(1).c;

    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
        return true;
    if (!(features & CPUID1_C_X2APIC))
        return false;
    for (unsigned i = 0; i < acpi_cpu_count(); i++)
        if (acpi_cpu_apic_id(i) > 0xfe)
            return true;
    return options.x2apic && (features & CPUID1_C_HYPERVISOR);
}

void apic_init(void)
{
    uint64_t addr = rdmsr(MSR_APIC_BASE) & PTE_MFN_MASK;

    pic_silence();
    x2apic = want_x2apic();
    tsc_deadline = cpuid(1).c & CPUID1_C_TSC_DEADLINE;
    if (!x2apic)
        apic_page = map_device(MADDR(addr != 0 ? addr : APIC_DEFAULT_ADDR), PAGE_SIZE);
    if (!x2apic && apic_page == NULL)
        boot_stop("no memory to map the local APIC");
    log_info("APIC: %s mode, timer by %s", x2apic ? "x2APIC" : "xAPIC",
             tsc_deadline ? "TSC deadline" : "its own clock");
}

/* Firmware or a former kernel may have left interrupts in service; none is ours (11.8.5). */
static void ack_leftovers(void)
{
    for (unsigned i = 0; i < 256; i++) {
        bool any = false;

        for (unsigned reg = 0; reg < 8; reg++)
            any |= reg_read(REG_ISR + reg * 16) != 0;
        if (!any)
            return;
        reg_write(REG_EOI, 0);
    }
}

static uint32_t lint_entry(unsigned lint)
{
    if (!(acpi_info.lint_nmi & 1u << lint))
        return LVT_MASKED;
    return LVT_NMI | (acpi_info.lint_nmi_low[lint] ? LVT_ACTIVE_LOW : 0);
}

void apic_cpu_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    unsigned cpu = cpu_id(), last_lvt;

    /* Disabled to x2APIC is no legal step: xAPIC comes between (11.12.5). */
    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    if (x2apic)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    ids[cpu] = apic_own_id();

    reg_write(REG_TPR, 0);
    reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    ack_leftovers();
    last_lvt = reg_read(REG_VERSION) >> 16 & 0xff;
    if (last_lvt >= 6)
        reg_write(REG_LVT_CMCI, LVT_MASKED);
    if (last_lvt >= 5)
        reg_write(REG_LVT_THERMAL, LVT_MASKED);
    if (last_lvt >= 4)
        reg_write(REG_LVT_PERF, LVT_MASKED);
    reg_write(REG_LVT_LINT0, lint_entry(0));
    reg_write(REG_LVT_LINT1, lint_entry(1));
    reg_write(REG_ERROR, 0);
    reg_write(REG_LVT_ERROR, VECTOR_ERROR);
    reg_write(REG_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    reg_write(REG_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
    /* The entry must be in place before the first write of the deadline MSR (11.5.4.1). */
    memory_barrier();
}

void apic_timer_init(void)
{
    uint64_t ticks, tsc;

    if (tsc_deadline)
        return;
    reg_write(REG_LVT_TIMER, VECTOR_TIMER | LVT_MASKED);
    tsc = rdtsc();
    reg_write(REG_TIMER_INITIAL, UINT32_MAX);
    time_delay_us(CALIBRATION_US);
    ticks = UINT32_MAX - reg_read(REG_TIMER_CURRENT);
    tsc = rdtsc() - tsc;
    reg_write(REG_TIMER_INITIAL, 0);
    reg_write(REG_LVT_TIMER, VECTOR_TIMER);
    time_scale_set(&timer_scale, ticks * time_tsc_khz() * 1000 / tsc);
    log_info("APIC: timer at %lu kHz", (unsigned long)(ticks * time_tsc_khz() / tsc));
}

/* ---- Identifiers ---------------------------------------------------------------------------- */

uint32_t apic_own_id(void)
{
    uint32_t id = reg_read(REG_ID);

    return x2apic ? id : id >> 24;
}

uint32_t apic_cpu_id(unsigned cpu)
{
    return ids[cpu];
}

/* ---- Interprocessor interrupts (11.6) ------------------------------------------------------- */

static void icr_wait(void)
{
    while (reg_read(REG_ICR) & ICR_PENDING)
        cpu_relax();
}

static void icr_send(uint32_t apic_id, uint32_t command)
{
    unsigned long flags = irq_save();

    if (x2apic) {
        /* An x2APIC write does not wait for earlier stores to be seen (11.12.3). */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(X2APIC_MSR_BASE + REG_ICR / 16, (uint64_t)apic_id << 32 | command);
    } else {
        icr_wait();
        reg_write(REG_ICR_HIGH, apic_id << 24);
        reg_write(REG_ICR, command);
    }
    irq_restore(flags);
}

void apic_send_ipi(unsigned cpu, unsigned vector)
{
    count(COUNTER_IPI);
    icr_send(ids[cpu], vector);
}

void apic_send_nmi(unsigned cpu)
{
    icr_send(ids[cpu], ICR_NMI);
}

void apic_send_init(uint32_t apic_id)
{
    icr_send(apic_id, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
    if (!x2apic) {
        icr_wait();
        icr_send(apic_id, ICR_INIT | ICR_LEVEL);
        icr_wait();
    }
}

void apic_send_startup(uint32_t apic_id, unsigned page)
{
    icr_send(apic_id, ICR_STARTUP | page);
    if (!x2apic)
        icr_wait();
}

void arch_kick_cpu(unsigned cpu)
{
    apic_send_ipi(cpu, VECTOR_KICK);
}

void apic_eoi(void)
{
    reg_write(REG_EOI, 0);
}

uint64_t apic_msi_address(unsigned cpu)
{
    return APIC_DEFAULT_ADDR | (uint64_t)(ids[cpu] & 0xff) << 12;
}

uint32_t apic_msi_data(unsigned vector)
{
    return vector; /* fixed delivery, edge */
}

/* ---- The timer (11.5.4) --------------------------------------------------------------------- */

static void program_deadline(ns_t span)
{
    wrmsr(MSR_TSC_DEADLINE, span < 0 ? 0 : rdtsc() + time_ns_to_tsc(span) + 1);
}

static void program_countdown(ns_t span)
{
    uint64_t ticks = 0;

    if (span >= 0)
        ticks = MAX(time_scale_ticks(&timer_scale, (uint64_t)span), 1ul);
    reg_write(REG_TIMER_INITIAL, (uint32_t)MIN(ticks, (uint64_t)UINT32_MAX));
}

void arch_timer_program(ns_t deadline)
{
    unsigned long flags = irq_save();
    ns_t span = -1; /* disarm */

    if (deadline != NS_NEVER)
        span = MIN(MAX(deadline - now(), 0ll), FARTHEST_DEADLINE);
    if (tsc_deadline)
        program_deadline(span);
    else
        program_countdown(span);
    irq_restore(flags);
}

/* ---- System vectors ------------------------------------------------------------------------- */

void apic_error_interrupt(void)
{
    static uint32_t seen;
    uint32_t errors;

    reg_write(REG_ERROR, 0); /* latches what has come up since the last write (11.5.3) */
    errors = reg_read(REG_ERROR);
    if (errors & ~atomic_fetch_or(&seen, errors))
        log_warning("APIC: CPU %u reports errors %#x; not reported again", cpu_id(), errors);
    apic_eoi();
}

void apic_spurious_interrupt(void)
{
    /* Not in service: no EOI (11.9). */
    static uint32_t count;

    if (atomic_fetch_add(&count, 1) == 0)
        log_debug("APIC: spurious interrupt on CPU %u", cpu_id());
}
