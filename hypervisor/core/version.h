/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own name and version; the xen_version handlers are in core/hypercalls.def. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

/* The ABI that this hypervisor speaks, and how XENVER_version says it. */
#define ABI_MAJOR   4
#define ABI_MINOR   17
#define ABI_VERSION (ABI_MAJOR << 16 | ABI_MINOR)

/* The first line of the log. */
void version_log(void);

#endif
