/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels: any bytes as an ELF image, whose numbers then lay out a domain. What is accepted lies
 * within the image, within the domain, and nothing upon something else. The image is of its exact
 * size, so that a read beyond its end is seen. Its first two bytes are the domain's size.
 *
 * links: hypervisor/core/elf.c hypervisor/core/pv_layout.c
 * runs: 400000
 * max_len: 2048
 */
#include "builder/core.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

#define PAGE 4096ull

static void check_kernel(const struct pv_kernel *k, size_t size)
{
    uint64_t end = 0;

    demand(k->nr_segments >= 1 && k->nr_segments <= ELF_MAX_SEGMENTS);
    for (unsigned i = 0; i < k->nr_segments; i++) {
        const struct elf_segment *s = &k->segment[i];
        demand(s->offset <= size && s->file_size <= size - s->offset);
        demand(s->file_size <= s->mem_size && s->paddr + s->mem_size >= s->paddr);
        demand(s->paddr >= end);
        end = s->paddr + s->mem_size;
        /* Where the builder puts it. */
        demand(s->paddr >= k->paddr_offset);
        demand(s->paddr - k->paddr_offset + s->mem_size <= k->virt_end - k->virt_base);
    }
    demand(k->virt_base <= k->virt_start && k->virt_start < k->virt_end);
    demand(k->virt_entry >= k->virt_start && k->virt_entry < k->virt_end);
    demand(memchr(k->guest_os, 0, sizeof(k->guest_os)) != NULL);
    demand(memchr(k->guest_version, 0, sizeof(k->guest_version)) != NULL);
    demand(memchr(k->xen_version, 0, sizeof(k->xen_version)) != NULL);
    demand(memchr(k->loader, 0, sizeof(k->loader)) != NULL);
}

static void check_layout(const struct pv_layout *l, uint64_t ramdisk)
{
    const struct pv_area areas[] = {l->kernel,     l->ramdisk, l->p2m,    l->p2m_tables,
                                    l->start_info, l->rings,   l->tables, l->stack};
    unsigned count = sizeof(areas) / sizeof(areas[0]);

    demand(l->boot_frames <= l->nr_pages && l->ramdisk.frames == ramdisk);
    for (unsigned i = 0; i < count; i++) {
        const struct pv_area *a = &areas[i];
        demand(a->pfn <= l->nr_pages && a->frames <= l->nr_pages - a->pfn);
        demand(a->va % PAGE == 0);
        for (unsigned j = i + 1; j < count; j++)
            demand(a->frames == 0 || areas[j].frames == 0 || a->pfn + a->frames <= areas[j].pfn ||
                   areas[j].pfn + areas[j].frames <= a->pfn);
    }
    demand(l->virt_end > l->virt_start && (l->virt_end - l->virt_start) / PAGE <= l->nr_pages);
}

static void lay_out(const struct pv_kernel *k, uint64_t nr_pages)
{
    static const uint64_t ramdisks[] = {0, 1, 100};
    struct pv_layout l;
    const char *why;

    for (unsigned i = 0; i < sizeof(ramdisks) / sizeof(ramdisks[0]); i++) {
        why = NULL;
        if (pv_layout_make(&l, k, nr_pages, ramdisks[i], 2, &why))
            demand(why != NULL);
        else
            check_layout(&l, ramdisks[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_kernel k;
    const char *why;

    if (size < 2)
        return 0;
    uint64_t nr_pages = (uint64_t)(data[0] | data[1] << 8) << (data[1] & 7);
    uint8_t *image = malloc(size - 2 ? size - 2 : 1);
    demand(image != NULL);
    memcpy(image, data + 2, size - 2);
    if (elf_read_kernel(&k, image, size - 2, &why)) {
        demand(why != NULL && why[0] != '\0');
    } else {
        check_kernel(&k, size - 2);
        lay_out(&k, nr_pages);
        lay_out(&k, UINT64_MAX);
    }
    free(image);
    return 0;
}
