/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O port permissions, and the TSS bitmaps that carry them out without a trap.
 *
 * Invariant: a clear bit in a domain's bitmap is a port that it may use as it likes; a CPU's TSS
 * states the bitmap's offset only while it holds that of the domain it runs.
 */
#include "x86/emulate/ports.h"

#include "core/domain.h"
#include "core/lib.h"
#include "x86/desc.h"

struct io_bitmap {
    uint64_t generation; /* of all bitmaps, ever: none has another's */
    uint8_t denied[IO_BITMAP_BYTES];
};

#define NR_PORTS (IO_BITMAP_BYTES * 8u)

struct port_range {
    uint16_t first, last;
};

/*
 * What the hypervisor drives itself on every PC, and what it emulates. The interval timer and its
 * gate (0x40-0x43, 0x61) are free once the clocks are calibrated: Linux calibrates its own by them.
 */
static const struct port_range always_denied[] = {
    {0x20, 0x21},
    {0xa0, 0xa1},   /* interrupt controllers */
    {0xcf8, 0xcff}, /* PCI configuration */
};

static uint8_t reserved[IO_BITMAP_BYTES];
static uint64_t last_generation;
static DEFINE_PER_CPU(uint64_t, loaded_generation); /* of the bitmap in this CPU's TSS */

static void deny(uint8_t *bitmap, unsigned first, unsigned count)
{
    for (unsigned port = first; count > 0 && port < NR_PORTS; port++, count--)
        bitmap[port / 8] |= (uint8_t)(1u << (port % 8));
}

void ports_reserve(unsigned first, unsigned count)
{
    deny(reserved, first, count);
}

int ports_domain_init(struct domain *d, bool privileged)
{
    if (!privileged)
        return 0;
    d->arch.ports = hv_new(d, struct io_bitmap);
    if (d->arch.ports == NULL)
        return -XEN_ENOMEM;
    d->arch.ports->generation = atomic_fetch_add(&last_generation, 1) + 1;
    memcpy(d->arch.ports->denied, reserved, sizeof(reserved));
    for (size_t n = 0; n < ARRAY_SIZE(always_denied); n++) {
        const struct port_range *r = &always_denied[n];
        deny(d->arch.ports->denied, r->first, r->last - r->first + 1u);
    }
    return 0;
}

void ports_domain_free(struct domain *d)
{
    if (d->arch.ports != NULL)
        hv_free(d, d->arch.ports, sizeof(*d->arch.ports));
    d->arch.ports = NULL;
}

bool ports_allowed(const struct domain *d, unsigned port, unsigned size)
{
    if (d->arch.ports == NULL || port >= NR_PORTS || size > NR_PORTS - port)
        return false;
    for (unsigned p = port; p < port + size; p++) {
        if (d->arch.ports->denied[array_index_nospec(p / 8, IO_BITMAP_BYTES)] & (1u << (p % 8)))
            return false;
    }
    return true;
}

/*
 * PV kernels count as ring 1, but with VMASST_TYPE_architectural_iopl as ring 0; user mode is ring
 * 3 (xen/xen.h).
 */
bool ports_iopl_ok(const struct vcpu *v, bool kernel)
{
    bool ring0 = (v->domain->vm_assist >> VMASST_TYPE_architectural_iopl) & 1;
    unsigned ring = !kernel ? 3 : ring0 ? 0 : 1;

    return v->arch.iopl >= ring;
}

uint16_t ports_iomap_base(const struct vcpu *v, bool kernel)
{
    bool direct = v->domain->arch.ports != NULL && ports_iopl_ok(v, kernel);

    return direct ? TSS_IOMAP_BASE : TSS_IOMAP_NONE;
}

static void load_base(const struct vcpu *v)
{
    this_cpu(tss).iomap_base =
        (uint16_t)(v->arch.in_kernel ? v->arch.iomap_base_kernel : v->arch.iomap_base_user);
}

void ports_update_iopl(struct vcpu *v)
{
    v->arch.iomap_base_kernel = ports_iomap_base(v, true);
    v->arch.iomap_base_user = ports_iomap_base(v, false);
    if (v == current_vcpu())
        load_base(v);
}

void ports_load(struct vcpu *next)
{
    const struct io_bitmap *ports = next->domain->arch.ports;

    if (ports != NULL && this_cpu(loaded_generation) != ports->generation) {
        memcpy(this_cpu(tss).io_bitmap, ports->denied, sizeof(ports->denied));
        this_cpu(loaded_generation) = ports->generation;
    }
    load_base(next);
}
