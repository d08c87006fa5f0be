/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Non-maskable interrupts: logged, never ignored. They interrupt anything, lock holders too; so the
 * handler only counts and leaves the words to a tasklet.
 */
#include "core/domain.h"
#include "core/log.h"
#include "core/softirq.h"
#include "x86/nmi.h"
#include "x86/smp.h"
#include "x86/x86.h"

/* System control port B (ISA): why an NMI came. */
#define PORT_NMI_REASON 0x61
#define REASON_SERR     0x80
#define REASON_IOCHK    0x40

static uint32_t nmi_count, nmi_logged;
static uint8_t nmi_reason;

static void nmi_report(void *unused)
{
    (void)unused;
    uint32_t n = atomic_load(&nmi_count);
    uint8_t reason = READ_ONCE(nmi_reason);
    log_warning("NMI: %u more, reason %#02x%s%s", n - nmi_logged, reason,
                reason & REASON_SERR ? " (memory or PCI parity)" : "",
                reason & REASON_IOCHK ? " (I/O channel check)" : "");
    nmi_logged = n;
    /* The control domain's kernel has the drivers that may know more. */
    if (control_domain != NULL && control_domain->vcpu[0] != NULL &&
        control_domain->vcpu[0]->initialised)
        vcpu_send_nmi(control_domain->vcpu[0]);
}

static struct tasklet nmi_tasklet = {.fn = nmi_report};

void nmi_handle(const struct cpu_user_regs *regs)
{
    (void)regs;
    smp_halt_if_asked();
    nmi_reason = inb(PORT_NMI_REASON);
    atomic_fetch_add(&nmi_count, 1);
    tasklet_schedule_on(&nmi_tasklet, 0);
}
