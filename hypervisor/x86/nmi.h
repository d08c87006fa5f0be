/* SPDX-License-Identifier: BSD-2-Clause */
/* Non-maskable interrupts. */
#ifndef X86_NMI_H
#define X86_NMI_H

#include "core/abi.h"

void nmi_handle(const struct cpu_user_regs *regs);

#endif
