/* SPDX-License-Identifier: BSD-2-Clause */
/* What a PV guest may ask of hvm_op. */
#include "core/abi.h"
#include "core/domain.h"
#include "core/hypercall.h"

long hvm_get_time(struct vcpu *v, struct xen_hvm_get_time *arg);
long hvm_guest_request(struct vcpu *v, void *arg);

long hvm_get_time(struct vcpu *v, struct xen_hvm_get_time *arg)
{
    (void)v;
    arg->now = (uint64_t)now();
    return 0;
}

/* There is no monitor to hear it, which is no error. The argument must be NULL. */
long hvm_guest_request(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    return hypercall_current_args()->arg[1] == 0 ? 0 : -XEN_EINVAL;
}
