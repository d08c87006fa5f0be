/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hvm_op for a PV guest: the system time, and the attempt to call a monitor. All other commands are
 * for domains with hardware virtualization.
 *
 *   test: vcpus=1
 */
#include <pv/clock.h>
#include <pv/hypercall.h>

#include "tap.h"

int main(void)
{
    struct xen_hvm_get_time time = {0};
    uint64_t before = monotonic_ns();
    is_error(HYPERVISOR_hvm_op(HVMOP_get_time, &time), 0, "get_time gives the time");
    uint64_t after = monotonic_ns();
    ok(time.now + NS_PER_SEC > before && time.now < after + NS_PER_SEC, "which is the system time");
    struct xen_hvm_get_time later = {0};
    HYPERVISOR_hvm_op(HVMOP_get_time, &later);
    ok(later.now >= time.now, "and runs forward");
    for (const struct address *a = addresses(sizeof(time)); a->name != NULL; a++)
        is_error(HYPERVISOR_hvm_op(HVMOP_get_time, a->address), a->writable ? 0 : -XEN_EFAULT,
                 "the time into memory that is %s", a->name);
    is_error(HYPERVISOR_hvm_op(HVMOP_guest_request_vm_event, NULL), 0,
             "a monitor may be called, though there is none");
    is_error(HYPERVISOR_hvm_op(HVMOP_guest_request_vm_event, &time), -XEN_EINVAL,
             "and the call takes no argument");
    static const unsigned missing[] = {100, 0xff, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        is_error(HYPERVISOR_hvm_op(missing[i], &time), -XEN_ENOSYS, "command %#x is not there",
                 missing[i]);
    return done();
}
