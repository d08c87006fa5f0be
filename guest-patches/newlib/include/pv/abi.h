/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Xen public ABI (Debian's libxen-dev) as a PV guest of 4.17 sees it.
 * Errors are negative XEN_E* (xen/errno.h), which are not newlib's E*.
 */
#ifndef PV_ABI_H
#define PV_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the toolstack the headers choose it themselves. */
#ifndef __XEN_TOOLS__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

/* The name of an error, "XEN_EINVAL", for messages; "0" for 0, a number for what has no name. */
const char *xen_error(long error);

#endif
