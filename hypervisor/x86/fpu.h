/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floating-point and vector state of vCPUs: switched eagerly, in the standard format of XSAVE
 * (or FXSAVE's on CPUs without it).
 *
 * When a vCPU is entered, every vector register that its XCR0 or the hypervisor's could reach holds
 * its own state, for a new one the initial state. CR0.TS is what the guest asked for.
 */
#ifndef X86_FPU_H
#define X86_FPU_H

#include "core/types.h"

struct vcpu;

#define XCR0_X87    (1ul << 0)
#define XCR0_SSE    (1ul << 1)
#define XCR0_AVX    (1ul << 2)
#define XCR0_AVX512 (7ul << 5) /* opmask, upper halves, upper sixteen */

#define FPU_IMAGE_SIZE 512u /* of an FXSAVE image, as vcpu_guest_context has it */

/* Each CPU, after cpu_init(): XCR0. The boot CPU chooses the instructions first. */
void fpu_cpu_init(void);
/* State components that guests may enable; 0: no XSAVE. */
uint64_t fpu_xcr0_mask(void);
/* Bytes of an XSAVE area for all of those, and what CPUID leaf 0dh tells of it. */
unsigned fpu_area_size(void);

/*
 * A vCPU's state lies behind its structure, in one block: two blocks would be another page for each
 * vCPU. So many bytes are needed there.
 */
size_t fpu_vcpu_bytes(void);
void fpu_vcpu_init(struct vcpu *v);
void fpu_vcpu_free(struct vcpu *v);

/* Context switch, interrupts off: from the CPU into v's memory; from there to the CPU. */
void fpu_save(struct vcpu *v);
void fpu_restore(struct vcpu *v);

/* v not running. Import judges the image: reserved MXCSR bits are cleared. */
void fpu_export(const struct vcpu *v, void *image);
void fpu_import(struct vcpu *v, const void *image);

/* The current vCPU's CR0.TS. */
void fpu_set_ts(struct vcpu *v, bool set);
/* XSETBV. False: #GP. */
bool fpu_set_xcr0(struct vcpu *v, uint32_t index, uint64_t val) must_check;
/*
 * #NM from the guest: CR0.TS was its own doing; it gets the trap, with TS cleared as the ABI says.
 * Turns interrupts on.
 */
void fpu_device_not_available(void);

#endif
