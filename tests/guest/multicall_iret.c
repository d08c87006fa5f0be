/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iret inside a multicall: the frame that it would pop is of the multicall's caller, and its
 * result could be written nowhere. The hypervisor ends the domain that tries.
 *
 * test: vcpus=1,4 expect="iret inside a multicall|Dom0 crashed"
 */
#include "mmu.h"

int main(void)
{
    struct multicall_entry list[2] = {{.op = __HYPERVISOR_xen_version, .args = {XENVER_version}},
                                      {.op = __HYPERVISOR_iret}};
    diag("the domain is crashed by what comes now");
    HYPERVISOR_multicall(list, 2);
    ok(false, "the domain is still there");
    return done();
}
