/* SPDX-License-Identifier: BSD-2-Clause */
/* From the boot loader's hand-over to the control domain's first instruction. */
#ifndef X86_SETUP_H
#define X86_SETUP_H

#include "core/types.h"

/* Called by head.S with the loader's EAX and EBX and the image's machine address. */
void start_hypervisor(uint32_t magic, uint32_t info, uint64_t load_address) noreturn_fn;

#endif
