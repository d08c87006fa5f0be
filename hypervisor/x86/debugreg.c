/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers (Intel SDM 3B, 17.2).
 *
 * Invariant: what DR0-DR3 hold lies outside the hypervisor's address range, and DR7 has GD clear: a
 * breakpoint can hit only on the guest's own addresses, though the hypervisor may be who touches
 * them.
 */
#include "x86/debugreg.h"

#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "x86/traps.h"
#include "x86/x86.h"

#define DR6_FIXED_ONES   0xffff0ff0ul
#define DR6_FIXED_ZEROES 0x1000ul
#define DR6_HITS         0xful    /* B0-B3: of the last #DB alone */
#define DR6_STATUS       0xe00ful /* B0-B3, BD, BS, BT */
#define DR7_FIXED_ONE    0x400ul
#define DR7_FIXED_ZEROES 0xd000ul
#define DR7_RTM          0x800ul
#define DR7_GD           0x2000ul
#define DR7_ENABLES      0xfful /* L0 G0 .. L3 G3 */
#define DR7_TYPE_IO      2u

#define READ_DR(n)                                                                                 \
    ({                                                                                             \
        uint64_t dr_;                                                                              \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(dr_));                                        \
        dr_;                                                                                       \
    })
#define WRITE_DR(n, val) __asm__ volatile("mov %0, %%dr" #n ::"r"((uint64_t)(val)) : "memory")

static bool armed(uint64_t dr7)
{
    return (dr7 & DR7_ENABLES) != 0;
}

/* DR7 without those I/O breakpoints that are in use; all of them lie in bits 17:16 + 4n. */
static uint64_t without_io(uint64_t dr7)
{
    for (unsigned n = 0; n < 4; n++) {
        if (((dr7 >> (16 + 4 * n)) & 3) == DR7_TYPE_IO)
            dr7 &= ~(3ul << (2 * n));
    }
    return dr7;
}

static void write_address(unsigned nr, uint64_t val)
{
    switch (nr) {
    case 0:
        WRITE_DR(0, val);
        break;
    case 1:
        WRITE_DR(1, val);
        break;
    case 2:
        WRITE_DR(2, val);
        break;
    default:
        WRITE_DR(3, val);
        break;
    }
}

void debugreg_vcpu_init(struct vcpu *v)
{
    for (unsigned nr = 0; nr < 4; nr++)
        v->arch.debugreg[nr] = 0;
    v->arch.debugreg[6] = DR6_FIXED_ONES;
    v->arch.debugreg[7] = DR7_FIXED_ONE;
}

/* Without CR4.DE the I/O type is undefined: such a breakpoint stays off until the guest sets DE. */
void debugreg_load(struct vcpu *v)
{
    uint64_t dr7 = v->arch.debugreg[7];

    if (!armed(dr7))
        return;
    for (unsigned nr = 0; nr < 4; nr++)
        write_address(nr, v->arch.debugreg[nr]);
    WRITE_DR(7, (v->arch.cr4 & X86_CR4_DE) ? dr7 : without_io(dr7));
}

void debugreg_save(struct vcpu *v)
{
    if (armed(v->arch.debugreg[7]))
        WRITE_DR(7, DR7_FIXED_ONE);
}

void debugreg_trap(void)
{
    struct vcpu *v = current_vcpu();
    uint64_t dr6 = READ_DR(6);

    WRITE_DR(6, DR6_FIXED_ONES);
    irq_enable();
    v->arch.debugreg[6] = (v->arch.debugreg[6] & ~DR6_HITS) | (dr6 & DR6_STATUS) | DR6_FIXED_ONES;
    pv_inject_trap(X86_TRAP_DB, -1);
}

static int set_control(struct vcpu *v, uint64_t val)
{
    if (val >> 32)
        return -XEN_EPERM;
    val = (val & ~(DR7_FIXED_ZEROES | DR7_RTM)) | DR7_FIXED_ONE;
    if (val & DR7_GD)
        return -XEN_EPERM;
    if (!(v->arch.cr4 & X86_CR4_DE) && without_io(val) != val)
        return -XEN_EPERM;

    bool current = v == current_vcpu();
    if (current)
        debugreg_save(v);
    v->arch.debugreg[7] = val;
    if (current)
        debugreg_load(v);
    return 0;
}

static int set_address(struct vcpu *v, unsigned nr, uint64_t val)
{
    if (!is_canonical(val) || !guest_range_ok(VADDR(val), sizeof(uint64_t)))
        return -XEN_EPERM;
    v->arch.debugreg[nr] = val;
    if (v == current_vcpu() && armed(v->arch.debugreg[7]))
        write_address(nr, val);
    return 0;
}

/* DR4 and DR5 name DR6 and DR7 unless CR4.DE is set (Intel SDM 3B, 17.2.2). */
static bool resolve_alias(const struct vcpu *v, unsigned *nr)
{
    if (*nr == 4 || *nr == 5) {
        if (v->arch.cr4 & X86_CR4_DE)
            return false;
        *nr += 2;
    }
    return *nr < ARRAY_SIZE(v->arch.debugreg);
}

int debugreg_set(struct vcpu *v, unsigned nr, uint64_t val)
{
    if (!resolve_alias(v, &nr))
        return -XEN_ENODEV;
    nr = (unsigned)array_index_nospec(nr, ARRAY_SIZE(v->arch.debugreg));
    if (nr < 4)
        return set_address(v, nr, val);
    if (nr == 7)
        return set_control(v, val);
    if (val >> 32)
        return -XEN_EPERM;
    v->arch.debugreg[6] = (val & ~DR6_FIXED_ZEROES) | DR6_FIXED_ONES;
    return 0;
}

int debugreg_get(const struct vcpu *v, unsigned nr, uint64_t *val)
{
    if (!resolve_alias(v, &nr))
        return -XEN_ENODEV;
    *val = v->arch.debugreg[array_index_nospec(nr, ARRAY_SIZE(v->arch.debugreg))];
    return 0;
}

static unsigned register_number(uint64_t arg)
{
    return arg < 8 ? (unsigned)arg : 8;
}

long hc_set_debugreg(struct vcpu *v, struct hypercall_args *a)
{
    return debugreg_set(v, register_number(a->arg[0]), a->arg[1]);
}

long hc_get_debugreg(struct vcpu *v, struct hypercall_args *a)
{
    uint64_t val;
    int err = debugreg_get(v, register_number(a->arg[0]), &val);

    return err ? err : (long)val;
}
