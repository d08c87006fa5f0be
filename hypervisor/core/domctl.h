/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the operations of domctl and sysctl have in common. They are for the control domain alone
 * and run one at a time (core/hypercall.c); each is a row of hypercalls.def.
 */
#ifndef CORE_DOMCTL_H
#define CORE_DOMCTL_H

#include "core/abi.h"
#include "core/cpumask.h"

struct domain;
struct vcpu;

/* What is known of a domain, as both domctl and sysctl tell it. */
void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* The domain that an operation names, held; DOMID_SELF is no name here. -XEN_ESRCH. */
int domctl_domain(const struct xen_domctl *op, struct domain **out) must_check;
/*
 * A vCPU of it; domain_put((*v)->domain) ends the hold. -XEN_EINVAL: no vCPU of it has that number;
 * -XEN_ESRCH: it was not made.
 */
int domctl_find_vcpu(const struct xen_domctl *op, uint32_t id, struct vcpu **v) must_check;

/* Sets of CPUs in the tools' form. What the set has beyond NR_CPUS is left out, or zero. */
int bitmap_to_cpumask(const struct xenctl_bitmap *from, cpumask_t *mask) must_check;
int cpumask_to_bitmap(const struct xenctl_bitmap *to, cpumask_t mask) must_check;
/* The set of nodes: there is one, node 0. */
int node_to_bitmap(const struct xenctl_bitmap *to) must_check;

/* ---- What the machine layer provides ------------------------------------------------------ */

/* Whether a domain may be made with these; -XEN_EINVAL and kin. */
int arch_check_config(const struct xen_domctl_createdomain *config) must_check;
void arch_domain_info(const struct domain *d, struct xen_arch_domainconfig *config);
/* The registers of a stopped vCPU, in the caller's memory. */
int arch_vcpu_get_context(struct vcpu *v, vaddr_t context) must_check;
/* CPUs' clock and shape, and how much memory the machine has. The rest is filled in. */
void arch_physinfo(struct xen_sysctl_physinfo *info);
void arch_cpu_topology(unsigned cpu, struct xen_sysctl_cputopo *topo);

#endif
