/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saving and restoring floating-point state (Intel SDM 1, chapters 10 and 13).
 *
 * Invariant: an area's contents never make FXRSTOR or XRSTOR fault: MXCSR has no reserved bit set,
 * and the XSAVE header is what the CPU wrote, or names only legacy components. The hypervisor
 * itself uses no such register, so a CPU's registers stay those of `fpu_owner` until another's are
 * restored.
 */
#include "x86/fpu.h"

#include "core/domain.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/percpu.h"
#include "x86/cpu.h"
#include "x86/traps.h"
#include "x86/x86.h"

#define CPUID_80000008_EBX_RSTR_FP_ERR_PTRS (1u << 2)

/* The legacy region and the header (Intel SDM 1, 13.4.1, 13.4.2). */
struct fpu_image {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96]; /* the last 48 are software's; the CPU leaves them alone */
    uint64_t xstate_bv, xcomp_bv;
    uint64_t header_reserved[6];
};
static_assert(offsetof(struct fpu_image, xstate_bv) == FPU_IMAGE_SIZE, "FXSAVE area");
static_assert(sizeof(struct fpu_image) == 576, "XSAVE legacy region and header");

#define AREA_ALIGN         64ul
#define FCW_INITIAL        0x37f
#define MXCSR_INITIAL      0x1f80u
#define MXCSR_MASK_DEFAULT 0xffbfu /* when FXSAVE stores a mask of 0 (Intel SDM 1, 11.6.6) */
#define NO_CPU             (~0u)

struct fpu_area {
    unsigned cpu; /* whose registers, if v is its fpu_owner, hold the same as the image */
    uint8_t storage[];
};

/* Chosen by the boot CPU, the same on all. */
static struct {
    uint64_t xcr0; /* 0: FXSAVE */
    unsigned size; /* of an area */
    uint32_t mxcsr_mask;
    bool stale_pointers; /* FXRSTOR leaves FOP, FIP and FDP alone when no exception is pending */
} fpu;

static DEFINE_PER_CPU(struct vcpu *, fpu_owner);
static DEFINE_PER_CPU(uint64_t, fpu_xcr0);

static struct fpu_image *image_of(const struct vcpu *v)
{
    return (struct fpu_image *)ROUND_UP((uintptr_t)v->arch.fpu->storage, AREA_ALIGN);
}

size_t fpu_vcpu_bytes(void)
{
    return sizeof(struct fpu_area) + AREA_ALIGN + fpu.size;
}

/* XSETBV is slow, and intercepted inside a virtual machine: only when it changes something. */
static void load_xcr0(uint64_t val)
{
    if (fpu.xcr0 == 0 || this_cpu(fpu_xcr0) == val)
        return;
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)));
    this_cpu(fpu_xcr0) = val;
}

static void clear_ts(void)
{
    __asm__ volatile("clts");
}

static void load_ts(const struct vcpu *v)
{
    if (v->arch.cr0 & X86_CR0_TS)
        WRITE_CR(0, READ_CR(0) | X86_CR0_TS);
}

/* ---- Set-up --------------------------------------------------------------------------------- */

static uint32_t read_mxcsr_mask(void)
{
    static struct fpu_image image __attribute__((aligned(64)));

    __asm__ volatile("fxsave64 %0" : "=m"(image));
    return image.mxcsr_mask ? image.mxcsr_mask : MXCSR_MASK_DEFAULT;
}

/* AVX-512 counts only whole and with AVX; what else the CPU has, guests do not get. */
static uint64_t supported_components(void)
{
    struct cpuid_regs leaf = cpuid_count(0xd, 0);
    uint64_t mask = (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512) & leaf.a;

    if (!(mask & XCR0_AVX) || (mask & XCR0_AVX512) != XCR0_AVX512)
        mask &= ~XCR0_AVX512;
    return mask;
}

static bool forgets_error_pointers(void)
{
    if (cpu_features.vendor != VENDOR_AMD && cpu_features.vendor != VENDOR_HYGON)
        return false;
    if (cpuid(0x80000000).a < 0x80000008)
        return true;
    return !(cpuid(0x80000008).b & CPUID_80000008_EBX_RSTR_FP_ERR_PTRS);
}

static void choose(void)
{
    fpu.size = sizeof(struct fpu_image);
    fpu.mxcsr_mask = read_mxcsr_mask();
    fpu.stale_pointers = forgets_error_pointers();
    if (!cpu_features.xsave)
        return;
    fpu.xcr0 = supported_components();
    load_xcr0(fpu.xcr0);
    fpu.size = cpuid_count(0xd, 0).b; /* for the components that XCR0 enables now */
}

void fpu_cpu_init(void)
{
    clear_ts();
    if (fpu.size == 0)
        choose();
    load_xcr0(fpu.xcr0);
}

uint64_t fpu_xcr0_mask(void)
{
    return fpu.xcr0;
}

unsigned fpu_area_size(void)
{
    return fpu.size;
}

/* ---- vCPUs ---------------------------------------------------------------------------------- */

static void reset_image(struct fpu_image *image)
{
    memset(image, 0, fpu.size);
    image->fcw = FCW_INITIAL;
    image->mxcsr = MXCSR_INITIAL;
    image->xstate_bv = XCR0_X87 | XCR0_SSE;
}

void fpu_vcpu_init(struct vcpu *v)
{
    v->arch.fpu = (struct fpu_area *)(v + 1);
    v->arch.fpu->cpu = NO_CPU;
    v->arch.xcr0 = v->arch.xcr0_accum = XCR0_X87 | XCR0_SSE;
    reset_image(image_of(v));
}

/* The structure's address may come again: no CPU may go on believing that it has this vCPU's state.
 */
void fpu_vcpu_free(struct vcpu *v)
{
    if (v->arch.fpu == NULL)
        return;
    for_each_cpu (cpu, cpu_online_mask) {
        struct vcpu *owner = v;
        atomic_cas(&per_cpu(fpu_owner, cpu), &owner, NULL);
    }
}

/* ---- Context switch ------------------------------------------------------------------------- */

static void save_registers(struct fpu_image *image)
{
    if (fpu.xcr0 == 0)
        __asm__ volatile("fxsave64 (%0)" ::"r"(image) : "memory");
    else if (cpu_features.xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" ::"r"(image), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("xsave64 (%0)" ::"r"(image), "a"(~0u), "d"(~0u) : "memory");
}

/*
 * On such AMD CPUs the last vCPU's instruction and data pointers would remain (XSA-52's kind): a
 * load from memory replaces them. FNCLEX first, or a pending exception would be raised.
 */
static void replace_pointers(void)
{
    static const int32_t zero = 0;

    __asm__ volatile("fnclex; ffree %%st(7); fildl %0" ::"m"(zero));
}

static void restore_registers(const struct fpu_image *image)
{
    if (fpu.stale_pointers)
        replace_pointers();
    if (fpu.xcr0 == 0)
        __asm__ volatile("fxrstor64 (%0)" ::"r"(image) : "memory");
    else
        __asm__ volatile("xrstor64 (%0)" ::"r"(image), "a"(~0u), "d"(~0u) : "memory");
}

/*
 * All components are saved and restored, not just those that the guest's XCR0 enables now: what it
 * enabled before keeps its contents, and what another vCPU left is replaced by the initial state.
 */
void fpu_save(struct vcpu *v)
{
    if (v->arch.fpu == NULL || !v->arch.fpu_dirty)
        return;
    clear_ts();
    if (v->arch.xcr0_accum & ~v->arch.xcr0)
        load_xcr0(fpu.xcr0);
    save_registers(image_of(v));
    v->arch.fpu->cpu = cpu_id();
    v->arch.fpu_dirty = false;
}

void fpu_restore(struct vcpu *v)
{
    if (v->arch.fpu == NULL)
        return;
    clear_ts();
    if (this_cpu(fpu_owner) != v || v->arch.fpu->cpu != cpu_id()) {
        load_xcr0(fpu.xcr0);
        restore_registers(image_of(v));
        WRITE_ONCE(this_cpu(fpu_owner), v);
    }
    v->arch.fpu->cpu = NO_CPU;
    v->arch.fpu_dirty = true;
    load_xcr0(v->arch.xcr0);
    load_ts(v);
}

/* ---- Images --------------------------------------------------------------------------------- */

/* Parts that XSTATE_BV says are in their initial state need not be in memory (Intel SDM 1, 13.6).
 */
void fpu_export(const struct vcpu *v, void *image)
{
    const struct fpu_image *from = image_of(v);
    struct fpu_image out = *from;

    if (fpu.xcr0 != 0 && !(from->xstate_bv & XCR0_X87)) {
        memset(&out, 0, offsetof(struct fpu_image, mxcsr));
        memset(out.st, 0, sizeof(out.st));
        out.fcw = FCW_INITIAL;
    }
    if (fpu.xcr0 != 0 && !(from->xstate_bv & XCR0_SSE))
        memset(out.xmm, 0, sizeof(out.xmm));
    out.mxcsr_mask = fpu.mxcsr_mask;
    memset(out.unused, 0, sizeof(out.unused));
    memcpy(image, &out, FPU_IMAGE_SIZE);
}

void fpu_import(struct vcpu *v, const void *image)
{
    struct fpu_image *to = image_of(v);

    memset(to, 0, fpu.size);
    memcpy(to, image, FPU_IMAGE_SIZE);
    memset(to->unused, 0, sizeof(to->unused));
    to->mxcsr &= fpu.mxcsr_mask;
    to->xstate_bv = XCR0_X87 | XCR0_SSE;
    v->arch.fpu->cpu = NO_CPU;
    v->arch.fpu_dirty = false;
}

/* ---- What the guest does to it -------------------------------------------------------------- */

void fpu_set_ts(struct vcpu *v, bool set)
{
    if (set) {
        v->arch.cr0 |= X86_CR0_TS;
        WRITE_CR(0, READ_CR(0) | X86_CR0_TS);
    } else {
        v->arch.cr0 &= ~X86_CR0_TS;
        clear_ts();
    }
}

long hc_fpu_taskswitch(struct vcpu *v, struct hypercall_args *a)
{
    fpu_set_ts(v, a->arg[0] != 0);
    return 0;
}

/* Intel SDM 1, 13.3: which combinations XSETBV accepts. */
static bool xcr0_valid(uint64_t val)
{
    if ((val & ~fpu.xcr0) || !(val & XCR0_X87))
        return false;
    if ((val & XCR0_AVX) && !(val & XCR0_SSE))
        return false;
    if (val & XCR0_AVX512)
        return (val & XCR0_AVX512) == XCR0_AVX512 && (val & XCR0_AVX);
    return true;
}

bool fpu_set_xcr0(struct vcpu *v, uint32_t index, uint64_t val)
{
    if (index != 0 || fpu.xcr0 == 0 || !xcr0_valid(val))
        return false;
    v->arch.xcr0 = val;
    v->arch.xcr0_accum |= val;
    load_xcr0(val);
    return true;
}

void fpu_device_not_available(void)
{
    struct vcpu *v = current_vcpu();

    irq_enable();
    if (!(v->arch.cr0 & X86_CR0_TS)) {
        clear_ts(); /* a TS that the guest did not ask for: nothing of it may remain */
        return;
    }
    fpu_set_ts(v, false);
    pv_inject_trap(X86_TRAP_NM, -1);
}
