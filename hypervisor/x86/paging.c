/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own address space. Owns the tables behind L4 slots 256-271.
 *
 * Invariants: after paging_init() nothing is both writable and executable, at one address or
 * through the direct map; the L4 entries of these slots never change again, so that every page
 * table may carry a copy; of all this only the M2P may be read in ring 3, and written nowhere but
 * through the direct map.
 */
#include "x86/paging.h"

#include "core/abi.h"
#include "core/atomic.h"
#include "core/boot.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/boot/boot.h"
#include "x86/bootmem.h"
#include "x86/cpu.h"

#define LEVEL_SHIFT(level) (PAGE_SHIFT + 9 * ((level)-1))
#define LARGE_SIZE         (1ull << LEVEL_SHIFT(2))
#define HUGE_SIZE          (1ull << LEVEL_SHIFT(3))

#define TABLE_BITS      (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY)
#define TABLE_BITS_USER (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define BITS_RX         (PTE_PRESENT | PTE_GLOBAL | PTE_ACCESSED)
#define BITS_RO         (BITS_RX | PTE_NX)
#define BITS_RW         (BITS_RO | PTE_WRITE | PTE_DIRTY)
#define BITS_RO_USER    (BITS_RO | PTE_USER)
/* Strongly uncached by XEN_PAT and by the PAT at reset alike. */
#define BITS_DEVICE     (BITS_RW | PTE_PCD | PTE_PWT)

#define DIRECTMAP_SIZE (DIRECTMAP_END - DIRECTMAP_START)
#define M2P_CHUNKS     (DIRECTMAP_SIZE >> (PAGE_SHIFT + M2P_CHUNK_FRAMES_SHIFT))
static_assert((8ull << M2P_CHUNK_FRAMES_SHIFT) == LARGE_SIZE, "a chunk of the M2P is a page");
static_assert((16ull << FRAME_CHUNK_FRAMES_SHIFT) == LARGE_SIZE, "so is one of the frame table");

uint64_t *hv_l4;
static uint64_t table_limit = BOOTMEM_4G;

/* Address of each M2P chunk in units of 2 MiB; 0: absent (the first 2 MiB never hold one). */
static uint32_t m2p_chunk[M2P_CHUNKS];
static unsigned nr_m2p_chunks;
uint64_t frame_chunks[FRAME_CHUNKS / 64];
static uint64_t nr_frame_chunks;

/* Memory of the machine's next map_device(). Addresses are not used again: so nobody's TLB matters.
 */
static uint64_t vmap_next = VMAP_START;

static void fill_words(void *dst, uint64_t val, uint64_t bytes)
{
    uint64_t n = bytes / 8;
    __asm__ volatile("rep stosq" : "+D"(dst), "+c"(n) : "a"(val) : "memory");
}

static uint64_t *table_alloc(void)
{
    if (!bootmem_is_open())
        return hv_alloc(NULL, PAGE_SIZE);
    uint64_t *table = maddr_to_virt(bootmem_alloc(PAGE_SIZE, PAGE_SIZE, table_limit));
    fill_words(table, 0, PAGE_SIZE);
    return table;
}

/* Hang a new table below *entry, unless another CPU was faster. */
static bool table_make(uint64_t *entry, uint64_t bits)
{
    uint64_t *table = table_alloc();
    if (table == NULL)
        return false;
    uint64_t none = 0;
    if (!atomic_cas(entry, &none, mfn_to_maddr(virt_to_mfn(table)).v | bits))
        hv_free(NULL, table, PAGE_SIZE);
    return true;
}

/*
 * The entry for `va` at `level` of the hypervisor's tables; tables on the way are made with these
 * bits. NULL: one is missing, and bits is 0 or memory is out; or a large page is in the way.
 */
static uint64_t *entry_of(uint64_t va, unsigned level, uint64_t bits)
{
    uint64_t *table = hv_l4;
    for (unsigned l = 4; l > level; l--) {
        uint64_t *entry = &table[(va >> LEVEL_SHIFT(l)) % PTES_PER_TABLE];
        if (*entry & PTE_PRESENT ? *entry & PTE_PSE && l < 4 : !bits || !table_make(entry, bits))
            return NULL;
        table = maddr_to_virt(MADDR(*entry & PTE_MFN_MASK));
    }
    return &table[(va >> LEVEL_SHIFT(level)) % PTES_PER_TABLE];
}

/* Boot: map a range by the largest pages that fit. All aligned to pages. */
static void map_range(uint64_t va, uint64_t start, uint64_t end, uint64_t bits)
{
    while (start < end) {
        unsigned level = 1;
        if (((va | start) & (LARGE_SIZE - 1)) == 0 && end - start >= LARGE_SIZE)
            level = 2;
        if (cpu_features.page1gb && ((va | start) & (HUGE_SIZE - 1)) == 0 &&
            end - start >= HUGE_SIZE)
            level = 3;
        *entry_of(va, level, TABLE_BITS) = start | bits | (level > 1 ? PTE_PSE : 0);
        va += 1ull << LEVEL_SHIFT(level);
        start += 1ull << LEVEL_SHIFT(level);
    }
}

static void direct_map(uint64_t start, uint64_t end, uint64_t bits)
{
    map_range(DIRECTMAP_START + start, start, end, bits);
}

/* Map RAM; the image's code and constants may not be written here either. */
static void direct_map_ram(uint64_t start, uint64_t end)
{
    uint64_t ro_start = image_phys;
    uint64_t ro_end = image_phys + (uint64_t)(image_rodata_end - image_start);
    direct_map(start, MIN(end, ro_start), BITS_RW);
    direct_map(MAX(start, ro_start), MIN(end, ro_end), BITS_RO);
    direct_map(MAX(start, ro_end), end, BITS_RW);
}

static void map_image_part(const char *start, const char *end, uint64_t bits)
{
    map_range((uintptr_t)start, image_maddr(start).v, image_maddr(end).v, bits);
}

static void map_image(void)
{
    const char *guard = boot_stack + STACK_PAGE_GUARD * PAGE_SIZE;
    map_image_part(image_start, image_text_end, BITS_RX);
    map_image_part(image_text_end, image_rodata_end, BITS_RO);
    map_image_part(image_rodata_end, boot_stack_guard, BITS_RW);
    map_image_part(boot_stack, guard, BITS_RW);
    map_image_part(guard + PAGE_SIZE, image_end, BITS_RW);
}

static uint64_t chunk_alloc(uint64_t fill)
{
    uint64_t chunk = bootmem_alloc(LARGE_SIZE, LARGE_SIZE, BOOTMEM_ANYWHERE).v;
    fill_words(maddr_to_virt(MADDR(chunk)), fill, LARGE_SIZE);
    return chunk;
}

/* M2P and frame table for the frames of [start, end). */
static void make_frame_tables(uint64_t start, uint64_t end)
{
    const unsigned m2p_shift = PAGE_SHIFT + M2P_CHUNK_FRAMES_SHIFT;
    const unsigned frame_shift = PAGE_SHIFT + FRAME_CHUNK_FRAMES_SHIFT;
    for (uint64_t n = start >> m2p_shift; n <= (end - 1) >> m2p_shift; n++) {
        if (m2p_chunk[n] != 0)
            continue;
        uint64_t chunk = chunk_alloc(INVALID_M2P.v);
        m2p_chunk[n] = (uint32_t)(chunk / LARGE_SIZE);
        nr_m2p_chunks = MAX(nr_m2p_chunks, (unsigned)n + 1);
        uint64_t va = M2P_VIRT_START + n * LARGE_SIZE;
        *entry_of(va, 2, TABLE_BITS_USER) = chunk | BITS_RO_USER | PTE_PSE;
    }
    for (uint64_t n = start >> frame_shift; n <= (end - 1) >> frame_shift; n++) {
        if ((frame_chunks[n / 64] >> (n % 64)) & 1)
            continue;
        frame_chunks[n / 64] |= 1ull << (n % 64);
        nr_frame_chunks = MAX(nr_frame_chunks, n + 1);
        uint64_t va = FRAME_TABLE_START + n * LARGE_SIZE;
        *entry_of(va, 2, TABLE_BITS) = chunk_alloc(0) | BITS_RW | PTE_PSE;
    }
}

static void for_each_ram(void (*fn)(uint64_t start, uint64_t end))
{
    for (unsigned i = 0; i < e820.count; i++) {
        const struct e820_entry *e = &e820.entry[i];
        uint64_t start = ROUND_UP(e->addr, PAGE_SIZE);
        uint64_t end = MIN((e->addr + e->size) & PAGE_MASK, DIRECTMAP_SIZE);
        if (e->type == E820_RAM && start < end)
            fn(start, end);
    }
}

void paging_init(void)
{
    hv_l4 = table_alloc();
    for_each_ram(direct_map_ram);
    map_image();
    /* The one slot in which nothing is mapped yet: its L4 entry must not change later. */
    BUG_ON(entry_of(DESC_WINDOW_START, 3, TABLE_BITS) == NULL);
    WRITE_CR(3, hv_cr3());

    /* All RAM can be reached now, not just the first 4 GiB: leave those for devices' sake. */
    table_limit = BOOTMEM_ANYWHERE;
    for_each_ram(make_frame_tables);
}

void paging_fill_slots(uint64_t *l4)
{
    for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++)
        l4[i] = hv_l4[i];
}

uint64_t hv_cr3(void)
{
    return mfn_to_maddr(virt_to_mfn(hv_l4)).v;
}

int paging_map_page(uint64_t va, mfn_t mfn, uint64_t flags)
{
    BUG_ON(va < DESC_WINDOW_START || va >= IMAGE_VIRT_START);
    uint64_t *entry = entry_of(va, 1, TABLE_BITS);
    if (entry == NULL)
        return -XEN_ENOMEM;
    bool stale = (*entry & PTE_PRESENT) != 0;
    WRITE_ONCE(*entry, mfn_to_maddr(mfn).v | flags);
    if (stale)
        invlpg(va);
    return 0;
}

uint64_t *paging_l1_entry(uint64_t va)
{
    return entry_of(va, 1, 0);
}

void *map_device(maddr_t start, size_t bytes)
{
    uint64_t offset = start.v & (PAGE_SIZE - 1);
    uint64_t pages = (offset + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
    /* One page more, never mapped, to catch overruns. */
    uint64_t va = atomic_fetch_add(&vmap_next, (pages + 1) << PAGE_SHIFT);
    bool ok = va + (pages << PAGE_SHIFT) <= STACK_AREA_START;
    for (uint64_t i = 0; ok && i < pages; i++) {
        mfn_t mfn = mfn_add(maddr_to_mfn(start), i);
        ok = paging_map_page(va + (i << PAGE_SHIFT), mfn, BITS_DEVICE) == 0;
    }
    return ok ? (void *)(va + offset) : NULL;
}

void unmap_device(void *va, size_t bytes)
{
    uint64_t start = (uintptr_t)va & PAGE_MASK;
    for (uint64_t page = start; page < (uintptr_t)va + bytes; page += PAGE_SIZE) {
        uint64_t *entry = paging_l1_entry(page);
        if (entry != NULL)
            WRITE_ONCE(*entry, 0);
        invlpg(page);
    }
}

/* ---- Machine-to-phys and frame table ------------------------------------------------------- */

static uint64_t *m2p_entry(mfn_t m)
{
    uint64_t chunk = (uint64_t)m2p_chunk[m.v >> M2P_CHUNK_FRAMES_SHIFT] * LARGE_SIZE;
    uint64_t *words = maddr_to_virt(MADDR(chunk));
    return &words[m.v & ((1ull << M2P_CHUNK_FRAMES_SHIFT) - 1)];
}

void m2p_set(mfn_t m, pfn_t p)
{
    WRITE_ONCE(*m2p_entry(m), p.v);
}

pfn_t m2p_get(mfn_t m)
{
    return PFN(READ_ONCE(*m2p_entry(m)));
}

unsigned m2p_chunk_count(void)
{
    return nr_m2p_chunks;
}

mfn_t m2p_chunk_mfn(unsigned chunk)
{
    if (chunk >= nr_m2p_chunks || m2p_chunk[chunk] == 0)
        return INVALID_MFN;
    return maddr_to_mfn(MADDR((uint64_t)m2p_chunk[chunk] * LARGE_SIZE));
}

bool m2p_is_frame(mfn_t mfn)
{
    uint64_t chunk = mfn_to_maddr(mfn).v / LARGE_SIZE;

    for (unsigned i = 0; chunk != 0 && i < nr_m2p_chunks; i++)
        if (m2p_chunk[i] == chunk)
            return true;
    return false;
}

mfn_t paging_frame_table_end(void)
{
    return MFN(nr_frame_chunks << FRAME_CHUNK_FRAMES_SHIFT);
}
