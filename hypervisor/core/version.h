/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own name and version; the xen_version handlers are in core/hypercalls.def. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

/* The first line of the log. */
void version_log(void);

#endif
