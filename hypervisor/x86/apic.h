/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of each CPU, in xAPIC or x2APIC mode: interprocessor interrupts, end of interrupt,
 * and the one-shot timer behind arch_timer_program(). Intel SDM 3A, chapter 11 ("APIC").
 */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "core/types.h"

/* Boot CPU, once, after acpi_init(): choose the mode, silence the 8259s. Then apic_cpu_init(). */
void apic_init(void);
/* Every CPU, the boot CPU too, when its cpu_id() is known: enable and program its local APIC. */
void apic_cpu_init(void);
/* Boot CPU, after time_init(): measure the timer where there is no TSC deadline. */
void apic_timer_init(void);

uint32_t apic_own_id(void);
/* Valid once apic_cpu_init() has run on that CPU. */
uint32_t apic_cpu_id(unsigned cpu);

void apic_eoi(void);
/* All callable in any context. */
void apic_send_ipi(unsigned cpu, unsigned vector);
void apic_send_nmi(unsigned cpu);
/* To CPUs that are not up yet. Level assert (and de-assert) INIT; STARTUP at page number `page`. */
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, unsigned page);

/* The system vectors' handlers, called by irq.c. */
void apic_error_interrupt(void);
void apic_spurious_interrupt(void);

/* Address and data of a message-signalled interrupt to a CPU (SDM 3A 11.11). */
uint64_t apic_msi_address(unsigned cpu);
uint32_t apic_msi_data(unsigned vector);

#endif
