/* SPDX-License-Identifier: BSD-2-Clause */
/* Host version: the address-space constants are facts of the ABI, the same here as on the machine.
 */
#ifndef HOST_ARCH_LAYOUT_H
#define HOST_ARCH_LAYOUT_H

#include "x86/include/arch/layout.h"

#endif
