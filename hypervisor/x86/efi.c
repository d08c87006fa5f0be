/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UEFI system table, read only: the control domain finds its ACPI root through the
 * configuration tables. Run-time services are not called, by anybody.
 */
#include "x86/efi.h"

#include "core/boot.h"
#include "core/guest.h"
#include "core/lib.h"
#include "x86/acpi.h"

/* UEFI 2.9, 4.2 and 4.3; pointers are machine addresses, as nobody has called SetVirtualAddressMap.
 */
struct efi_table_header {
    uint64_t signature;
    uint32_t revision, header_size, crc, reserved;
};
struct efi_system_table {
    struct efi_table_header header;
    uint64_t firmware_vendor;
    uint32_t firmware_revision, pad;
    uint64_t console[6];
    uint64_t runtime_services, boot_services;
    uint64_t nr_tables, tables;
};
static_assert(offsetof(struct efi_system_table, nr_tables) == 104, "UEFI 2.9, 4.3");

#define EFI_SYSTEM_TABLE_SIGNATURE 0x5453595320494249ull /* "IBI SYST" */
#define VENDOR_MAX                 100u

/* Copy from machine memory. */
static bool read_machine(uint64_t addr, void *dst, size_t bytes)
{
    const void *src = acpi_map(addr, bytes);

    if (src == NULL)
        return false;
    memcpy(dst, src, bytes);
    acpi_unmap(src, bytes);
    return true;
}

static long copy_vendor(const struct efi_system_table *st, union xenpf_efi_info *info)
{
    uint16_t name[VENDOR_MAX] = {0};
    uint32_t n = 0;

    info->vendor.revision = st->firmware_revision;
    if (info->vendor.bufsz < sizeof(name[0]))
        return 0;
    while (n < VENDOR_MAX - 1 && n < info->vendor.bufsz / 2 - 1 &&
           read_machine(st->firmware_vendor + n * 2ull, &name[n], sizeof(name[0])) && name[n] != 0)
        n++;
    name[n] = 0;
    if (guest_copy_out(HANDLE_VA(info->vendor.name), name, (n + 1) * sizeof(name[0])))
        return -XEN_EFAULT;
    return 0;
}

long efi_firmware_info(uint32_t index, union xenpf_efi_info *info)
{
    struct efi_table_header runtime;
    struct efi_system_table st;

    if (boot_info.efi_system_table == 0)
        return -XEN_ENOSYS;
    if (!read_machine(boot_info.efi_system_table, &st, sizeof(st)) ||
        st.header.signature != EFI_SYSTEM_TABLE_SIGNATURE)
        return -XEN_ENOSYS;
    switch (index) {
    case XEN_FW_EFI_VERSION:
        info->version = st.header.revision;
        return 0;
    case XEN_FW_EFI_RT_VERSION:
        if (!read_machine(st.runtime_services, &runtime, sizeof(runtime)))
            return -XEN_ENOSYS;
        info->version = runtime.revision;
        return 0;
    case XEN_FW_EFI_CONFIG_TABLE:
        info->cfg.addr = st.tables;
        info->cfg.nent = (uint32_t)st.nr_tables;
        return 0;
    case XEN_FW_EFI_VENDOR:
        return copy_vendor(&st, info);
    default:
        return -XEN_EINVAL;
    }
}
