/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building the control domain, from the boot loader's modules to a vCPU that may run: the kernel
 * (first module) in ELF, and an initial ramdisk (second module, if there is one).
 */
#include "x86/dom0.h"

#include <arch/memory.h>

#include "core/cmdline.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/bounce.h"
#include "x86/panic.h"
#include "x86/pv_calls.h"
#include "x86/vga.h"
#include "x86/x86.h"

#define MIB_FRAMES (1ul << (20 - PAGE_SHIFT))

static uint64_t module_frames(const struct boot_module *m)
{
    return m ? DIV_ROUND_UP(m->end - m->start, PAGE_SIZE) : 0;
}

static void read_modules(struct dom0 *b, const struct boot_info *boot)
{
    const char *why;
    if (boot->nr_modules == 0)
        boot_stop("no kernel for the control domain: the boot loader must load it as a module");
    b->image = maddr_to_virt(MADDR(boot->module[0].start));
    b->image_size = boot->module[0].end - boot->module[0].start;
    b->ramdisk = boot->nr_modules > 1 ? &boot->module[1] : NULL;
    if (elf_read_kernel(&b->kernel, b->image, b->image_size, &why))
        boot_stop("the control domain's kernel: %s", why);
    log_info("Control domain: %s %s, entry %#lx, %lu KiB ramdisk", b->kernel.guest_os,
             b->kernel.guest_version, b->kernel.virt_entry, module_frames(b->ramdisk) * 4);
}

/* Features a kernel may demand that there are none of here. */
static void check_features(const struct pv_kernel *k)
{
    uint32_t have = 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_writable_page_tables |
                    1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_dom0 |
                    1u << XENFEAT_gnttab_map_avail_bits;
    if (k->features_required[0] & ~have)
        boot_stop(
            "the control domain's kernel requires features (%#x) that a 64-bit PV domain does not "
            "have",
            k->features_required[0] & ~have);
}

static void make_layout(struct dom0 *b)
{
    const char *why;
    uint64_t ramdisk = module_frames(b->ramdisk);
    if (pv_layout_make(&b->layout, &b->kernel, dom0_nr_pages(ramdisk), ramdisk, 0, &why))
        boot_stop("the control domain has %lu MiB (dom0_mem): %s",
                  dom0_nr_pages(ramdisk) / MIB_FRAMES, why);
}

static void make_domain(struct dom0 *b)
{
    unsigned cpus = cpumask_count(cpu_online_mask);
    unsigned vcpus = options.dom0_max_vcpus ? MIN(options.dom0_max_vcpus, MAX_VCPUS) : cpus;
    BUG_ON(cpus == 0);
    struct domain_config config = {
        .max_vcpus = vcpus, .max_pages = b->layout.nr_pages, .privileged = true};
    int rc = domain_create(DOMID(0), &config, &b->d);
    for (unsigned i = 0; i < vcpus && rc == 0; i++)
        rc = vcpu_create(b->d, i, i % cpus);
    if (rc)
        panic("cannot make the control domain: error %d", rc);
    if (options.dom0_mem_max_pages > config.max_pages)
        b->d->max_pages = options.dom0_mem_max_pages;
    control_domain = b->d;
}

/* ---- Contents ----------------------------------------------------------------------------- */

static void load_kernel(struct dom0 *b)
{
    for (unsigned i = 0; i < b->kernel.nr_segments; i++) {
        const struct elf_segment *s = &b->kernel.segment[i];
        uint8_t *to = (uint8_t *)dom0_page(b, 0) + (s->paddr - b->kernel.paddr_offset);
        memcpy(to, (const uint8_t *)b->image + s->offset, s->file_size);
        memset(to + s->file_size, 0, s->mem_size - s->file_size);
    }
    if (b->kernel.hypercall_page != ~0ull)
        hypercall_page_fill((uint8_t *)dom0_page(b, 0) +
                            (b->kernel.hypercall_page - b->kernel.virt_base));
}

static void write_start_info(struct dom0 *b, const struct boot_info *boot)
{
    const struct pv_layout *l = &b->layout;
    struct start_info *si = dom0_page(b, l->start_info.pfn);
    memset(si, 0, PAGE_SIZE);
    fmt_string(si->magic, sizeof(si->magic), "xen-3.0-x86_64");
    si->nr_pages = l->nr_pages;
    si->shared_info = mfn_to_maddr(virt_to_mfn(b->d->shared)).v;
    si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    si->pt_base = l->tables.va;
    si->nr_pt_frames = l->tables.frames;
    si->mfn_list = l->p2m.va;
    if (l->p2m_tables.frames) {
        si->first_p2m_pfn = l->p2m.pfn;
        si->nr_p2m_frames = l->p2m.frames + l->p2m_tables.frames;
    }
    if (b->ramdisk != NULL) {
        si->mod_start = l->ramdisk.va ? l->ramdisk.va : l->ramdisk.pfn;
        si->mod_len = b->ramdisk->end - b->ramdisk->start;
        if (l->ramdisk.va == 0)
            si->flags |= SIF_MOD_START_PFN;
    }
    /* What the screen shows, for the control domain's own console driver. */
    si->console.dom0.info_off = sizeof(struct start_info);
    si->console.dom0.info_size =
        (uint32_t)vga_console_info((struct dom0_vga_console_info *)(si + 1));
    str_copy((char *)si->cmd_line, boot->module[0].cmdline, sizeof(si->cmd_line));
}

/* The first vCPU's registers, as the ABI says (xen/xen.h, start of day). */
static void set_first_vcpu(struct dom0 *b)
{
    struct vcpu *v = b->d->vcpu[0];
    v->arch.regs.rip = b->kernel.virt_entry;
    v->arch.regs.rsp = b->layout.stack.va + PAGE_SIZE;
    v->arch.regs.rsi = b->layout.start_info.va;
    v->arch.regs.cs = FLAT_KERNEL_CS;
    v->arch.regs.ss = FLAT_KERNEL_SS;
    v->arch.regs.rflags = X86_RFLAGS_IF | X86_RFLAGS_FIXED;
    v->arch.kernel_sp = v->arch.regs.rsp;
    v->arch.kernel_ss = FLAT_KERNEL_SS;
    bounce_update_fast_entry(v);
    v->info->evtchn_upcall_mask = 1;
    v->initialised = true;
    if (vcpu_up(v))
        panic("the control domain's first vCPU cannot be brought up");
}

/* The kernel's module has been copied: its frames are memory like any other. */
static void free_image(const struct boot_info *boot)
{
    uint64_t first = DIV_ROUND_UP(boot->module[0].start, PAGE_SIZE);
    uint64_t last = boot->module[0].end >> PAGE_SHIFT;
    for (uint64_t mfn = first; mfn < last; mfn++)
        heap_free_frames(MFN(mfn), 0, true);
}

struct domain *dom0_build(const struct boot_info *boot)
{
    struct dom0 b = {0};
    read_modules(&b, boot);
    check_features(&b.kernel);
    make_layout(&b);
    make_domain(&b);
    dom0_populate(&b);
    memset(dom0_page(&b, 0), 0, b.layout.kernel.pfn << PAGE_SHIFT);
    load_kernel(&b);
    write_start_info(&b, boot);
    dom0_build_tables(&b);
    set_first_vcpu(&b);
    arch_update_wallclock(b.d);
    free_image(boot);
    log_info("Control domain: %lu MiB, %u vCPUs", b.layout.nr_pages / MIB_FRAMES, b.d->max_vcpus);
    return b.d;
}
