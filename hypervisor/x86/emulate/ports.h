/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which I/O ports a domain may use, and when the CPU may let it use them without a trap.
 *
 * A domain with ports has a bitmap in the form of the TSS's (Intel SDM 1, 19.5.2: a set bit
 * denies). Bits of the hypervisor's own ports, and of the PCI configuration ports that are
 * emulated, are set in every domain's. The CPU's TSS has a copy; it is in force while the guest is
 * in a mode that its virtual IOPL gives port access to.
 */
#ifndef X86_EMULATE_PORTS_H
#define X86_EMULATE_PORTS_H

#include "core/types.h"

struct domain;
struct vcpu;

/* Boot, before the control domain is made: ports that no domain may use directly. */
void ports_reserve(unsigned first, unsigned count);

/* The privileged domain gets every port that is not reserved, others none. -XEN_ENOMEM. */
int ports_domain_init(struct domain *d, bool privileged) must_check;
void ports_domain_free(struct domain *d);

/* May d's vCPUs reach all of [port, port + size) on the machine? */
bool ports_allowed(const struct domain *d, unsigned port, unsigned size);

/* Does the virtual IOPL give port access to the guest's kernel (or user) mode? */
bool ports_iopl_ok(const struct vcpu *v, bool kernel);
/* The offset of the bitmap that the TSS must state while v runs in that mode. */
uint16_t ports_iomap_base(const struct vcpu *v, bool kernel);
/*
 * v->arch.iopl or VMASST_TYPE_architectural_iopl has changed, or v is new: recompute
 * v->arch.iomap_base_kernel and _user; in force at once when v is current.
 */
void ports_update_iopl(struct vcpu *v);
/* Context switch: make the CPU's TSS hold next's bitmap, and the offset for the mode it is in. */
void ports_load(struct vcpu *next);

#endif
