/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' segment descriptors.
 *
 * Invariant: a page in a window is FT_SEGDESC, held by the vCPU whose table it is; every descriptor
 * in it is absent, or a code or data segment of privilege 3. System descriptors (gates, TSS, LDT)
 * would lead into ring 0 or to memory of the guest's choice, and are refused. Formats: Intel SDM 3A
 * 3.4.5.
 */
#include "x86/mm/segdesc.h"

#include <arch/cpu.h>
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "x86/boot/boot.h"
#include "x86/desc.h"
#include "x86/mm/entry.h"
#include "x86/mm/walk.h"
#include "x86/paging.h"

#define DESC_PRESENT   (1ull << 47)
#define DESC_NONSYSTEM (1ull << 44)
#define DESC_DPL       (3ull << 45)
#define DESC_ACCESSED  (1ull << 40)
#define DESC_TYPE      (0xfull << 40)

#define WINDOW_FLAGS (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)

/* Make *desc harmless: privilege 3, accessed bit set so that the CPU need not write it. */
static bool descriptor_judge(uint64_t *desc)
{
    if (!(*desc & DESC_PRESENT))
        return true;
    if (!(*desc & DESC_NONSYSTEM))
        return !(*desc & DESC_TYPE); /* type 0 faults when loaded */
    *desc |= DESC_DPL | DESC_ACCESSED;
    return true;
}

int segdesc_page_acquire(mfn_t mfn, unsigned *progress)
{
    uint64_t *desc = mfn_to_virt(mfn);
    for (; *progress < GDT_PAGE_ENTRIES; (*progress)++)
        if (!descriptor_judge(&desc[*progress]))
            return -XEN_EINVAL;
    return 0;
}

/* ---- This CPU's window ---------------------------------------------------------------------- */

static uint64_t window_base(void)
{
    return DESC_WINDOW_START + cpu_id() * DESC_WINDOW_SIZE;
}

/*
 * The GDT's limit is beyond the hypervisor's own descriptors, so that a page that the guest has not
 * given lies within it: it must show descriptors that are not there, not fault.
 */
static const uint8_t no_descriptors[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static uint64_t window_entry(unsigned index, mfn_t mfn)
{
    if (!mfn_eq(mfn, INVALID_MFN))
        return mfn_to_maddr(mfn).v | WINDOW_FLAGS;
    return index < GDT_GUEST_PAGES ? image_maddr(no_descriptors).v | (WINDOW_FLAGS & ~PTE_WRITE)
                                   : 0;
}

/* Page `index` of the window shows `mfn` from now on, or nothing; `flush`: for the TLB, too. */
static void window_set(unsigned index, mfn_t mfn, bool flush)
{
    uint64_t *slot = &this_cpu(desc_window)[index];
    uint64_t entry = window_entry(index, mfn);
    uint64_t old = *slot;
    if (old == entry)
        return;
    WRITE_ONCE(*slot, entry);
    if (flush && (old & PTE_PRESENT))
        invlpg(window_base() + index * PAGE_SIZE);
}

/* The pages of this CPU's window that show a guest's GDT; those behind show no descriptors. */
static DEFINE_PER_CPU(unsigned, gdt_pages);

static void window_load_gdt(const struct vcpu *v, bool flush)
{
    unsigned pages = DIV_ROUND_UP(v->arch.gdt_entries, GDT_PAGE_ENTRIES);
    unsigned end = MAX(pages, this_cpu(gdt_pages));
    for (unsigned i = 0; i < end; i++)
        window_set(i, v->arch.gdt_frame[i], flush);
    this_cpu(gdt_pages) = pages;
}

/* This CPU's LDT register, and perhaps its window, are not empty. */
static DEFINE_PER_CPU(bool, ldt_loaded);

static void window_load_ldt(const struct vcpu *v, bool flush)
{
    this_cpu(ldt_loaded) = v->arch.ldt_entries != 0;
    for (unsigned i = 0; i < LDT_PAGES; i++)
        window_set(16 + i, v->arch.ldt_frame[i], flush);
    desc_load_ldt(v->arch.ldt_entries);
}

void segdesc_load(const struct vcpu *v)
{
    window_load_gdt(v, false);
    if (v->arch.ldt_entries || this_cpu(ldt_loaded))
        window_load_ldt(v, false);
}

void segdesc_init_cpu(void)
{
    for (unsigned i = 0; i < GDT_GUEST_PAGES; i++)
        window_set(i, INVALID_MFN, false);
}

/* ---- GDT ------------------------------------------------------------------------------------ */

int segdesc_hold_gdt(struct vcpu *v, const xen_pfn_t *list, mfn_t *frames, unsigned entries)
{
    unsigned count = DIV_ROUND_UP(entries, GDT_PAGE_ENTRIES);
    int rc = 0;
    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -XEN_EINVAL;
    unsigned i = 0;
    for (; i < count && rc == 0; i++) {
        frames[i] = MFN(list[i]);
        rc = frame_get_both(frames[i], v->domain, FT_SEGDESC);
    }
    if (rc == 0)
        return 0;
    for (i--; i-- > 0;)
        frame_put_both(frames[i]);
    return rc == -XEN_ERESTART ? rc : -XEN_EINVAL;
}

void segdesc_release_gdt(const mfn_t *frames, unsigned entries)
{
    for (unsigned i = 0; i < DIV_ROUND_UP(entries, GDT_PAGE_ENTRIES); i++)
        frame_put_both(frames[i]);
}

void segdesc_install_gdt(struct vcpu *v, const mfn_t *frames, unsigned count, unsigned entries)
{
    mfn_t old[GDT_GUEST_PAGES];
    for (unsigned i = 0; i < GDT_GUEST_PAGES; i++) {
        old[i] = v->arch.gdt_frame[i];
        /* cppcheck-suppress nullPointer; it is NULL only with a count of 0 */
        v->arch.gdt_frame[i] = i < count ? frames[i] : INVALID_MFN;
    }
    v->arch.gdt_entries = entries;
    if (v == current_vcpu()) {
        unsigned long flags = irq_save();
        window_load_gdt(v, true);
        irq_restore(flags);
    }
    for (unsigned i = 0; i < GDT_GUEST_PAGES; i++)
        if (!mfn_eq(old[i], INVALID_MFN))
            frame_put_both(old[i]);
}

long hc_set_gdt(struct vcpu *v, struct hypercall_args *a)
{
    xen_pfn_t list[GDT_GUEST_PAGES];
    mfn_t frames[GDT_GUEST_PAGES];
    unsigned entries = (unsigned)a->arg[1];
    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -XEN_EINVAL;
    unsigned count = DIV_ROUND_UP(entries, GDT_PAGE_ENTRIES);
    if (guest_copy_in(list, VADDR(a->arg[0]), count * sizeof(list[0])))
        return -XEN_EFAULT;
    int rc = segdesc_hold_gdt(v, list, frames, entries);
    if (rc == 0)
        segdesc_install_gdt(v, frames, count, entries);
    return rc;
}

/* ---- LDT ------------------------------------------------------------------------------------ */

static void ldt_drop_frames(struct vcpu *v)
{
    for (unsigned i = 0; i < LDT_PAGES; i++) {
        mfn_t mfn = v->arch.ldt_frame[i];
        if (mfn_eq(mfn, INVALID_MFN))
            continue;
        v->arch.ldt_frame[i] = INVALID_MFN;
        if (v == current_vcpu())
            window_set(16 + i, INVALID_MFN, true);
        frame_put_both(mfn);
    }
}

int segdesc_set_ldt(struct vcpu *v, uint64_t base, unsigned long entries)
{
    if (entries > LDT_MAX_ENTRIES || (base & ~PAGE_MASK) ||
        (entries && !guest_range_ok(VADDR(base), entries * 8)))
        return -XEN_EINVAL;
    unsigned long flags = irq_save();
    ldt_drop_frames(v);
    v->arch.ldt_base = base;
    v->arch.ldt_entries = (unsigned)entries;
    window_load_ldt(v, true);
    irq_restore(flags);
    return 0;
}

bool segdesc_ldt_fault(struct vcpu *v, uint64_t va)
{
    uint64_t offset = va - window_base() - DESC_LDT_OFFSET;
    if (offset >= (uint64_t)v->arch.ldt_entries * 8)
        return false;
    uint64_t entry = walk_read_l1e(v, v->arch.ldt_base + offset);
    mfn_t mfn = entry_mfn(entry);
    if (!entry || frame_get_both(mfn, v->domain, FT_SEGDESC))
        return false;
    unsigned page = (unsigned)array_index_nospec(offset / PAGE_SIZE, LDT_PAGES);
    unsigned long flags = irq_save();
    bool taken = !mfn_eq(v->arch.ldt_frame[page], INVALID_MFN);
    if (!taken) {
        v->arch.ldt_frame[page] = mfn;
        window_set(16 + page, mfn, true);
    }
    irq_restore(flags);
    if (taken)
        frame_put_both(mfn);
    return !taken;
}

uint64_t segdesc_guest_address(const struct vcpu *v, uint64_t va)
{
    return v->arch.ldt_base + (va - window_base() - DESC_LDT_OFFSET);
}

void segdesc_drop(struct vcpu *v)
{
    ldt_drop_frames(v);
    v->arch.ldt_entries = 0;
    segdesc_install_gdt(v, NULL, 0, 0);
}

/* ---- One descriptor -------------------------------------------------------------------------- */

static int descriptor_store(struct vcpu *v, maddr_t at, uint64_t desc)
{
    mfn_t mfn = maddr_to_mfn(at);
    int rc = 0;
    if (!frame_hold(mfn, v->domain, FT_SEGDESC))
        rc = frame_get_both(mfn, v->domain, FT_WRITABLE);
    if (rc)
        return rc == -XEN_ERESTART ? rc : -XEN_EINVAL;
    atomic_store((uint64_t *)maddr_to_virt(at), desc);
    frame_put_both(mfn);
    return 0;
}

long hc_update_descriptor(struct vcpu *v, struct hypercall_args *a)
{
    uint64_t desc = a->arg[1];
    if ((a->arg[0] & 7) || !descriptor_judge(&desc))
        return -XEN_EINVAL;
    return descriptor_store(v, MADDR(a->arg[0]), desc);
}
