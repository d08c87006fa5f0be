/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF64 images of PV kernels: reading without trusting. The same file serves the hypervisor's first
 * domain and the toolstack's domain builder.
 */
#ifndef CORE_ELF_H
#define CORE_ELF_H

#include "core/types.h"

#define ELF_MAX_SEGMENTS 16u

struct elf_segment {
    uint64_t paddr;     /* p_paddr */
    uint64_t offset;    /* in the image */
    uint64_t file_size; /* bytes in the image */
    uint64_t mem_size;  /* bytes in memory, >= file_size; the rest is zero */
};

/* What a PV kernel says of itself: ELF notes named "Xen", or the legacy __xen_guest section. */
struct pv_kernel {
    unsigned nr_segments;
    struct elf_segment segment[ELF_MAX_SEGMENTS]; /* PT_LOAD, by rising paddr */
    uint64_t elf_entry;

    bool has_notes;
    uint64_t virt_base;      /* XEN_ELFNOTE_VIRT_BASE */
    uint64_t paddr_offset;   /* XEN_ELFNOTE_PADDR_OFFSET */
    uint64_t virt_entry;     /* XEN_ELFNOTE_ENTRY, or elf_entry */
    uint64_t hypercall_page; /* XEN_ELFNOTE_HYPERCALL_PAGE; ~0: none */
    uint64_t init_p2m;       /* XEN_ELFNOTE_INIT_P2M; ~0: none */
    uint64_t virt_start;     /* lowest loaded virtual address */
    uint64_t virt_end;       /* one past the highest */
    bool mod_start_pfn;      /* XEN_ELFNOTE_MOD_START_PFN */
    uint64_t l1_mfn_mask;    /* XEN_ELFNOTE_L1_MFN_VALID: bits that tell a present entry ... */
    uint64_t l1_mfn_value;   /* ... and their value */
    /* XENFEAT_* bits. */
    uint32_t features_supported[2], features_required[2];
    char guest_os[32], guest_version[16], xen_version[16], loader[16];
};

/*
 * Read an image of `size` bytes. 0, or -XEN_EINVAL / -XEN_ENOEXEC with *why set to a sentence that
 * says what is wrong and what to do; a compressed bzImage is told apart, and the sentence names
 * pvunpack.
 */
int elf_read_kernel(struct pv_kernel *k, const void *image, size_t size,
                    const char **why) must_check;

#endif
