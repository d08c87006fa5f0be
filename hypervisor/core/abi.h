/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Xen public ABI, as the hypervisor sees it: every public header it speaks, with the public
 * integer typedefs that collide with core/types.h renamed to xen_*.
 */
#ifndef CORE_ABI_H
#define CORE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __XEN__
#define __XEN__ 1
#endif
#define domid_t       xen_domid_t
#define evtchn_port_t xen_evtchn_port_t
#define grant_ref_t   xen_grant_ref_t

#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

/* With __XEN__ these two would want Xen's private headers, so they are read as a tool reads them.
 */
#undef __XEN__
#define __XEN_TOOLS__ 1
#include <xen/domctl.h>
#include <xen/sysctl.h>
#undef __XEN_TOOLS__
#define __XEN__ 1

#undef domid_t
#undef evtchn_port_t
#undef grant_ref_t

#include "core/types.h"

/* ABI error numbers are positive constants XEN_E*; a hypercall returns them negated. */

#endif
