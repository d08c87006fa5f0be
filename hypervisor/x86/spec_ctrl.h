/* SPDX-License-Identifier: BSD-2-Clause */
/* Defences against reading secrets through speculation: what was decided at boot. */
#ifndef X86_SPEC_CTRL_H
#define X86_SPEC_CTRL_H

#include "core/types.h"

/* Read by the entry and exit paths. */
struct spec_ctrl {
    uint64_t msr_value_hv, msr_value_guest; /* of MSR_SPEC_CTRL, in either mode */
    bool msr_write;                         /* they differ: write the MSR at each crossing */
    bool verw;                              /* VERW on the way to a guest clears CPU buffers */
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
