/* SPDX-License-Identifier: BSD-2-Clause */
/* Defences against reading secrets through speculation: what was decided at boot. */
#ifndef X86_SPEC_CTRL_H
#define X86_SPEC_CTRL_H

#include "core/types.h"

/*
 * Indirect jumps are retpolines in every build, so that MSR_SPEC_CTRL stays as it is for the
 * hypervisor and for guests. What entry and exit do besides is patched in (x86/alternative.h).
 */
struct spec_ctrl {
    uint64_t msr_value;  /* of MSR_SPEC_CTRL */
    bool verw;           /* VERW on the way to a guest clears CPU buffers */
    bool ibpb_on_switch; /* MSR_PRED_CMD when another domain's vCPU is put on the CPU */
    bool rsb_stuff;      /* overwrite the return stack on entry from a guest */
};
extern struct spec_ctrl spec_ctrl;

#define PRED_CMD_IBPB 1u

/* Boot CPU, from cpu_init(): decide and print one line. Stops on a CPU that cannot be defended. */
void spec_ctrl_choose(void);
/* Every CPU: load what is constant. */
void spec_ctrl_init_cpu(void);

#endif
