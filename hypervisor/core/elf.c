/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading PV kernel images: ELF64 (System V gABI, chapters 4 and 5) with notes named "Xen"
 * (xen/elfnote.h), or the older __xen_guest section of text.
 *
 * Nothing in an image is trusted: every offset is checked against the image's size before it is
 * followed, and every range that is handed on lies within the image and does not wrap.
 * Freestanding: the toolstack compiles this file too.
 */
#include <xen/elfnote.h>
#include <xen/errno.h>
#include <xen/features.h>

#include "core/elf.h"
#include "core/lib.h"

#define EM_X86_64  62
#define ET_EXEC    2
#define ET_DYN     3
#define PT_LOAD    1
#define PT_NOTE    4
#define SHT_NOTE   7
#define SHT_NOBITS 8
#define NO_ADDRESS (~0ull)

struct elf_header {
    uint8_t magic[4], class, data, ident_version, abi, pad[8];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct elf_header) == 64, "gABI, figure 4-3");

struct elf_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct elf_phdr) == 56, "gABI, figure 5-1");

struct elf_shdr {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};
static_assert(sizeof(struct elf_shdr) == 64, "gABI, figure 4-8");

struct elf_note {
    uint32_t namesz, descsz, type;
};

/* The image, and what reading it has found wrong. */
struct reader {
    const uint8_t *image;
    size_t size;
    const char **why;
    struct elf_header header;
    bool found; /* anything that Xen's ABI asks of a kernel */
};

static int refuse(struct reader *r, const char *sentence)
{
    *r->why = sentence;
    return -XEN_EINVAL;
}

static bool inside(const struct reader *r, uint64_t offset, uint64_t n)
{
    return offset <= r->size && n <= r->size - offset;
}

/* Copy from the image, whose structures need not be aligned. */
static bool fetch(const struct reader *r, uint64_t offset, void *dst, size_t n)
{
    if (!inside(r, offset, n))
        return false;
    memcpy(dst, r->image + offset, n);
    return true;
}

/* ---- What is it? -------------------------------------------------------------------------- */

#define UNPACK " run pvunpack on it and boot what that writes"

static const struct {
    unsigned size;
    uint8_t magic[6];
    const char *sentence;
} packed[] = {
    {2, {0x1f, 0x8b}, "the kernel is compressed with gzip:" UNPACK},
    {6, {0xfd, '7', 'z', 'X', 'Z', 0}, "the kernel is compressed with xz:" UNPACK},
    {4, {0x28, 0xb5, 0x2f, 0xfd}, "the kernel is compressed with zstd:" UNPACK},
    {4, {0x02, 0x21, 0x4c, 0x18}, "the kernel is compressed with lz4:" UNPACK},
    {4, {0x04, 0x22, 0x4d, 0x18}, "the kernel is compressed with lz4:" UNPACK},
    {3, {'B', 'Z', 'h'}, "the kernel is compressed with bzip2:" UNPACK},
    {3, {0x5d, 0x00, 0x00}, "the kernel is compressed with lzma:" UNPACK},
};

#define BZIMAGE_MAGIC_AT 0x202u /* the x86 boot protocol's setup header */

static const char *explain_no_elf(const struct reader *r)
{
    if (r->size >= BZIMAGE_MAGIC_AT + 4 && memcmp(r->image + BZIMAGE_MAGIC_AT, "HdrS", 4) == 0)
        return "the kernel is a Linux bzImage, which holds the real one compressed:" UNPACK;
    for (unsigned i = 0; i < ARRAY_SIZE(packed); i++)
        if (r->size >= packed[i].size && memcmp(r->image, packed[i].magic, packed[i].size) == 0)
            return packed[i].sentence;
    return "the kernel is no ELF file";
}

static int read_header(struct reader *r)
{
    struct elf_header *h = &r->header;
    const char *wrong = NULL;

    if (!fetch(r, 0, h, sizeof(*h)) || memcmp(h->magic, "\177ELF", 4) != 0)
        wrong = explain_no_elf(r);
    else if (h->class != 2)
        wrong = "the kernel is a 32-bit ELF file: only 64-bit PV kernels are supported";
    else if (h->data != 1 || h->machine != EM_X86_64)
        wrong = "the kernel is an ELF file of another machine than x86-64";
    else if (h->ident_version != 1 || h->version != 1)
        wrong = "the kernel's ELF version is unknown";
    else if (h->type != ET_EXEC && h->type != ET_DYN)
        wrong = "the kernel is an ELF file, but no program: an object file or a core dump";
    if (!wrong)
        return 0;
    *r->why = wrong;
    return -XEN_ENOEXEC;
}

/* ---- Segments ----------------------------------------------------------------------------- */

static int add_segment(struct reader *r, struct pv_kernel *k, const struct elf_phdr *p)
{
    unsigned at = k->nr_segments;

    if (p->memsz == 0 && p->filesz == 0)
        return 0;
    if (p->filesz > p->memsz)
        return refuse(r, "a segment of the kernel is larger in the file than in memory");
    if (!inside(r, p->offset, p->filesz))
        return refuse(r,
                      "a segment of the kernel lies beyond the end of the file: is it complete?");
    if (p->paddr + p->memsz < p->paddr)
        return refuse(r, "a segment of the kernel wraps round the end of the address space");
    if (at == ELF_MAX_SEGMENTS)
        return refuse(r, "the kernel has more than 16 segments to load");
    for (; at > 0 && k->segment[at - 1].paddr > p->paddr; at--)
        k->segment[at] = k->segment[at - 1];
    k->segment[at] = (struct elf_segment){p->paddr, p->offset, p->filesz, p->memsz};
    k->nr_segments++;
    return 0;
}

static int read_segments(struct reader *r, struct pv_kernel *k)
{
    const struct elf_header *h = &r->header;

    if (h->phnum == 0)
        return refuse(r, "the kernel has no program headers");
    if (h->phentsize != sizeof(struct elf_phdr))
        return refuse(r, "the kernel's program headers have an unknown size");
    if (!inside(r, h->phoff, (uint64_t)h->phnum * sizeof(struct elf_phdr)))
        return refuse(r, "the kernel's program headers lie beyond the end of the file");
    for (unsigned i = 0; i < h->phnum; i++) {
        struct elf_phdr p;
        int rc = 0;
        if (fetch(r, h->phoff + i * sizeof(p), &p, sizeof(p)) && p.type == PT_LOAD)
            rc = add_segment(r, k, &p);
        if (rc)
            return rc;
    }
    if (k->nr_segments == 0)
        return refuse(r, "the kernel has no segment to load");
    for (unsigned i = 1; i < k->nr_segments; i++)
        if (k->segment[i - 1].paddr + k->segment[i - 1].mem_size > k->segment[i].paddr)
            return refuse(r, "two segments of the kernel overlap in memory");
    return 0;
}

/* ---- Features ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned bit;
} features[] = {
    {"writable_page_tables", XENFEAT_writable_page_tables},
    {"writable_descriptor_tables", XENFEAT_writable_descriptor_tables},
    {"auto_translated_physmap", XENFEAT_auto_translated_physmap},
    {"supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel},
    {"pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb},
    {"mmu_pt_update_preserve_ad", XENFEAT_mmu_pt_update_preserve_ad},
    {"highmem_assist", XENFEAT_highmem_assist},
    {"gnttab_map_avail_bits", XENFEAT_gnttab_map_avail_bits},
    {"hvm_callback_vector", XENFEAT_hvm_callback_vector},
    {"hvm_safe_pvclock", XENFEAT_hvm_safe_pvclock},
    {"hvm_pirqs", XENFEAT_hvm_pirqs},
    {"dom0", XENFEAT_dom0},
    {"memory_op_vnode_supported", XENFEAT_memory_op_vnode_supported},
    {"ARM_SMCCC_supported", XENFEAT_ARM_SMCCC_supported},
    {"linux_rsdp_unrestricted", XENFEAT_linux_rsdp_unrestricted},
    {"not_direct_mapped", XENFEAT_not_direct_mapped},
    {"direct_mapped", XENFEAT_direct_mapped},
};

static bool same_text(const char *text, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(text, name, n) == 0;
}

/* "name|!name|...": supported, or with ! required. One that nobody knows matters only if required.
 */
static int parse_features(struct reader *r, struct pv_kernel *k, const char *text, size_t n)
{
    while (n) {
        bool required = *text == '!';
        text += required;
        n -= required;
        size_t len = 0;
        unsigned i = 0;
        while (len < n && text[len] != '|')
            len++;
        while (i < ARRAY_SIZE(features) && !same_text(text, len, features[i].name))
            i++;
        if (i < ARRAY_SIZE(features)) {
            k->features_supported[0] |= 1u << features[i].bit;
            k->features_required[0] |= required ? 1u << features[i].bit : 0;
        } else if (required) {
            return refuse(r, "the kernel requires a feature that is unknown here");
        }
        len = MIN(len + 1, n); /* the separator too */
        text += len;
        n -= len;
    }
    return 0;
}

/* ---- Notes -------------------------------------------------------------------------------- */

static void copy_text(char *dst, size_t size, const char *src, size_t n)
{
    n = MIN(n, size - 1);
    memcpy(dst, src, n);
    dst[n] = 0;
}

static int string_note(struct reader *r, struct pv_kernel *k, uint32_t type, const char *text,
                       size_t size)
{
    size_t n = strnlen(text, size);

    /* Linux writes its list of features without a terminator. */
    if (n == size && type != XEN_ELFNOTE_FEATURES)
        return refuse(r, "a text among the kernel's Xen notes has no end");
    switch (type) {
    case XEN_ELFNOTE_GUEST_OS:
        copy_text(k->guest_os, sizeof(k->guest_os), text, n);
        break;
    case XEN_ELFNOTE_GUEST_VERSION:
        copy_text(k->guest_version, sizeof(k->guest_version), text, n);
        break;
    case XEN_ELFNOTE_XEN_VERSION:
        copy_text(k->xen_version, sizeof(k->xen_version), text, n);
        break;
    case XEN_ELFNOTE_LOADER:
        copy_text(k->loader, sizeof(k->loader), text, n);
        break;
    default:
        return parse_features(r, k, text, n);
    }
    return 0;
}

static int numeric_note(struct reader *r, struct pv_kernel *k, uint32_t type, const uint8_t *desc,
                        size_t size)
{
    uint64_t value = 0;

    if (size != 1 && size != 2 && size != 4 && size != 8)
        return refuse(r, "a number among the kernel's Xen notes is not of 1, 2, 4 or 8 bytes");
    memcpy(&value, desc, size); /* little-endian, as the host is */
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        k->virt_entry = value;
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        k->hypercall_page = value;
        break;
    case XEN_ELFNOTE_VIRT_BASE:
        k->virt_base = value;
        break;
    case XEN_ELFNOTE_PADDR_OFFSET:
        k->paddr_offset = value;
        break;
    case XEN_ELFNOTE_INIT_P2M:
        k->init_p2m = value;
        break;
    case XEN_ELFNOTE_MOD_START_PFN:
        k->mod_start_pfn = value != 0;
        break;
    default:
        k->features_supported[0] |= (uint32_t)value;
        break;
    }
    return 0;
}

/*
 * What does not concern a 64-bit PV domain's start is passed over: PAE_MODE and HV_START_LOW
 * (32-bit kernels), SUSPEND_CANCEL (the toolstack asks by other means), BSD_SYMTAB, PHYS32_ENTRY
 * (PVH).
 */
static int read_note(struct reader *r, struct pv_kernel *k, uint32_t type, const uint8_t *desc,
                     size_t size)
{
    switch (type) {
    case XEN_ELFNOTE_XEN_VERSION:
    case XEN_ELFNOTE_GUEST_OS:
    case XEN_ELFNOTE_GUEST_VERSION:
    case XEN_ELFNOTE_LOADER:
    case XEN_ELFNOTE_FEATURES:
        return string_note(r, k, type, (const char *)desc, size);
    case XEN_ELFNOTE_ENTRY:
    case XEN_ELFNOTE_HYPERCALL_PAGE:
    case XEN_ELFNOTE_VIRT_BASE:
    case XEN_ELFNOTE_PADDR_OFFSET:
    case XEN_ELFNOTE_INIT_P2M:
    case XEN_ELFNOTE_MOD_START_PFN:
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        return numeric_note(r, k, type, desc, size);
    case XEN_ELFNOTE_L1_MFN_VALID:
        if (size < 16 || size % 16)
            return refuse(r, "the kernel's L1_MFN_VALID note is not made of 16-byte pairs");
        memcpy(&k->l1_mfn_mask, desc, 8);
        memcpy(&k->l1_mfn_value, desc + 8, 8);
        return 0;
    default:
        return 0;
    }
}

/* Each note: three words, its name and its contents, both padded to four bytes. */
static int read_notes(struct reader *r, struct pv_kernel *k, uint64_t offset, uint64_t size)
{
    struct elf_note n;

    if (!inside(r, offset, size))
        return refuse(r, "the kernel's ELF notes lie beyond the end of the file");
    while (size >= sizeof(n)) {
        if (!fetch(r, offset, &n, sizeof(n)))
            break;
        uint64_t name = offset + sizeof(n);
        uint64_t desc = name + ROUND_UP((uint64_t)n.namesz, 4);
        uint64_t end = desc + ROUND_UP((uint64_t)n.descsz, 4);
        if (desc - offset > size || desc + n.descsz - offset > size)
            return refuse(r, "one of the kernel's ELF notes runs past the end of its section");
        if (n.namesz == 4 && memcmp(r->image + name, "Xen", 4) == 0) {
            int rc = read_note(r, k, n.type, r->image + desc, n.descsz);
            if (rc)
                return rc;
            r->found = k->has_notes = true;
        }
        /* The last note's padding may be cut off. */
        size -= MIN(end - offset, size);
        offset = end;
    }
    return 0;
}

static int read_note_segments(struct reader *r, struct pv_kernel *k)
{
    for (unsigned i = 0; i < r->header.phnum; i++) {
        struct elf_phdr p;
        int rc = 0;
        if (fetch(r, r->header.phoff + i * sizeof(p), &p, sizeof(p)) && p.type == PT_NOTE)
            rc = read_notes(r, k, p.offset, p.filesz);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- The older section -------------------------------------------------------------------- */

static uint64_t parse_number(const char *text, size_t n)
{
    uint64_t value = 0;
    unsigned base = 10;

    if (n > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        base = 16;
        text += 2;
        n -= 2;
    }
    for (; n; text++, n--) {
        char c = (char)(*text | 0x20);
        unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0')
                         : c >= 'a' && c <= 'f'       ? (unsigned)(c - 'a' + 10)
                                                      : 16;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    return value;
}

/* Where the section's page numbers and defaults are turned into what the notes would have said. */
struct legacy {
    uint64_t hypercall_pfn, paddr_offset;
    bool has_paddr_offset, has_hypercall;
};

static int legacy_item(struct reader *r, struct pv_kernel *k, struct legacy *l, const char *text,
                       size_t n)
{
    size_t name = 0;

    while (name < n && text[name] != '=')
        name++;
    if (name == n)
        return 0;
    const char *value = text + name + 1;
    size_t len = n - name - 1;
    if (same_text(text, name, "GUEST_OS")) {
        copy_text(k->guest_os, sizeof(k->guest_os), value, len);
    } else if (same_text(text, name, "GUEST_VER")) {
        copy_text(k->guest_version, sizeof(k->guest_version), value, len);
    } else if (same_text(text, name, "XEN_VER")) {
        copy_text(k->xen_version, sizeof(k->xen_version), value, len);
    } else if (same_text(text, name, "LOADER")) {
        copy_text(k->loader, sizeof(k->loader), value, len);
    } else if (same_text(text, name, "FEATURES")) {
        return parse_features(r, k, value, len);
    } else if (same_text(text, name, "VIRT_BASE")) {
        k->virt_base = parse_number(value, len);
    } else if (same_text(text, name, "VIRT_ENTRY")) {
        k->virt_entry = parse_number(value, len);
    } else if (same_text(text, name, "ELF_PADDR_OFFSET")) {
        l->paddr_offset = parse_number(value, len);
        l->has_paddr_offset = true;
    } else if (same_text(text, name, "HYPERCALL_PAGE")) {
        l->hypercall_pfn = parse_number(value, len);
        l->has_hypercall = true;
    }
    return 0;
}

/* "NAME=value,NAME=value,...". */
static int read_legacy(struct reader *r, struct pv_kernel *k, uint64_t offset, uint64_t size)
{
    struct legacy l = {0};

    if (!inside(r, offset, size))
        return refuse(r, "the kernel's __xen_guest section lies beyond the end of the file");
    const char *text = (const char *)r->image + offset;
    size_t n = strnlen(text, size);
    if (n == size)
        return refuse(r, "the text in the kernel's __xen_guest section has no end");
    while (n) {
        size_t len = 0;
        while (len < n && text[len] != ',')
            len++;
        int rc = legacy_item(r, k, &l, text, len);
        if (rc)
            return rc;
        len = MIN(len + 1, n);
        text += len;
        n -= len;
    }
    k->paddr_offset = l.has_paddr_offset ? l.paddr_offset : k->virt_base;
    if (l.has_hypercall)
        k->hypercall_page = k->virt_base + (l.hypercall_pfn << PAGE_SHIFT);
    r->found = true;
    return 0;
}

/* ---- Sections: notes that no segment holds, and __xen_guest ------------------------------- */

static bool section_named(const struct reader *r, const struct elf_shdr *names,
                          const struct elf_shdr *s, const char *name)
{
    size_t n = strlen(name) + 1;
    uint64_t offset = names->offset + s->name;

    return s->name < names->size && offset >= names->offset && inside(r, offset, n) &&
           memcmp(r->image + offset, name, n) == 0;
}

static int read_sections(struct reader *r, struct pv_kernel *k)
{
    const struct elf_header *h = &r->header;
    struct elf_shdr names = {0}, s;
    int rc = 0;

    if (h->shnum == 0 || h->shentsize != sizeof(s))
        return 0;
    if (!inside(r, h->shoff, (uint64_t)h->shnum * sizeof(s)))
        return refuse(r, "the kernel's section headers lie beyond the end of the file");
    if (h->shstrndx < h->shnum &&
        !fetch(r, h->shoff + h->shstrndx * sizeof(names), &names, sizeof(names)))
        return refuse(r, "the kernel's section names lie beyond the end of the file");
    for (unsigned i = 0; i < h->shnum && !rc; i++)
        if (fetch(r, h->shoff + i * sizeof(s), &s, sizeof(s)) && s.type == SHT_NOTE)
            rc = read_notes(r, k, s.offset, s.size);
    for (unsigned i = 0; i < h->shnum && !rc && !r->found; i++)
        if (fetch(r, h->shoff + i * sizeof(s), &s, sizeof(s)) && s.type != SHT_NOBITS &&
            section_named(r, &names, &s, "__xen_guest"))
            rc = read_legacy(r, k, s.offset, s.size);
    return rc;
}

/* ---- Does it make sense? ------------------------------------------------------------------ */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Who may be loaded is decided by the names as Xen decides it. */
static int check_names(struct reader *r, const struct pv_kernel *k)
{
    if (!r->found)
        return refuse(r, "the kernel has no Xen notes: it was built without CONFIG_XEN_PV");
    if (k->guest_os[0] == 0 && k->xen_version[0] == 0 && k->loader[0] == 0)
        return refuse(r, "the kernel's Xen notes are for PVH alone: it was built without "
                         "CONFIG_XEN_PV");
    if (!starts_with(k->loader, "generic") && !starts_with(k->guest_os, "linux"))
        return refuse(r, "the kernel's Xen notes name neither Linux nor the generic loader");
    if (!starts_with(k->xen_version, "xen-3.0"))
        return refuse(r, "the kernel's Xen notes do not name the ABI xen-3.0");
    return 0;
}

static int check_layout(struct reader *r, struct pv_kernel *k)
{
    const struct elf_segment *first = &k->segment[0], *last = &k->segment[k->nr_segments - 1];

    if (first->paddr < k->paddr_offset)
        return refuse(r, "the kernel is loaded below its own PADDR_OFFSET");
    k->virt_start = first->paddr - k->paddr_offset + k->virt_base;
    k->virt_end = last->paddr + last->mem_size - k->paddr_offset + k->virt_base;
    if (k->virt_start < k->virt_base || k->virt_end <= k->virt_start)
        return refuse(r, "the kernel wraps round the end of the virtual address space");
    if (k->virt_entry < k->virt_start || k->virt_entry >= k->virt_end)
        return refuse(r, "the kernel's entry point lies outside of it");
    if (k->hypercall_page != NO_ADDRESS &&
        ((k->hypercall_page & ~PAGE_MASK) || k->hypercall_page < k->virt_start ||
         k->hypercall_page >= k->virt_end || k->virt_end - k->hypercall_page < PAGE_SIZE))
        return refuse(r, "the kernel's hypercall page is misaligned or lies outside of it");
    if (k->init_p2m != NO_ADDRESS &&
        ((k->init_p2m & ~PAGE_MASK) || (k->init_p2m >= k->virt_start && k->init_p2m < k->virt_end)))
        return refuse(r, "the kernel's INIT_P2M address is misaligned or lies inside of it");
    return 0;
}

int elf_read_kernel(struct pv_kernel *k, const void *image, size_t size, const char **why)
{
    struct reader r = {.image = image, .size = size, .why = why};

    *why = NULL;
    memset(k, 0, sizeof(*k));
    int rc = read_header(&r);
    if (rc)
        return rc;
    k->elf_entry = k->virt_entry = r.header.entry;
    k->hypercall_page = k->init_p2m = NO_ADDRESS;
    rc = read_segments(&r, k);
    if (!rc)
        rc = read_note_segments(&r, k);
    if (!rc && !r.found)
        rc = read_sections(&r, k);
    if (!rc)
        rc = check_names(&r, k);
    if (!rc)
        rc = check_layout(&r, k);
    return rc;
}
