/* SPDX-License-Identifier: BSD-2-Clause */
/* What a UEFI machine's system table tells the control domain (UEFI 2.9, 4.3). */
#ifndef X86_EFI_H
#define X86_EFI_H

#include "core/abi.h"

/* XENPF_firmware_info for XEN_FW_EFI_INFO. -XEN_ENOSYS: not booted by UEFI; -XEN_EINVAL. */
long efi_firmware_info(uint32_t index, union xenpf_efi_info *info);

#endif
