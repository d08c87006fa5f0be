/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the builder shares with the hypervisor: reading kernels, the layout of the start of day, its
 * page tables. The hypervisor's names for numbers that the public headers have other types for are
 * kept apart here.
 */
#ifndef BUILDER_CORE_H
#define BUILDER_CORE_H

#pragma push_macro("INVALID_MFN")
#undef INVALID_MFN
#define domid_t       hv_domid_t
#define evtchn_port_t hv_evtchn_port_t
#define grant_ref_t   hv_grant_ref_t
#include "core/elf.h"
#include "core/pv_layout.h"
#include "x86/pv_tables.h"
#undef domid_t
#undef evtchn_port_t
#undef grant_ref_t
#undef INVALID_MFN
#pragma pop_macro("INVALID_MFN")

#endif
