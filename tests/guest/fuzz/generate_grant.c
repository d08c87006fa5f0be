/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls on grants. The domain grants pages of the playground to itself, maps them into the window
 * by address and by entry, copies through them and takes them away again.
 */
#include "fuzz.h"

#include <pv/grant.h>

#define ENTRIES 64u /* of the table, that calls meet at */

static uint32_t value_ref(void)
{
    return one_in(16) ? (uint32_t)value_number() : 8 + (uint32_t)random_below(ENTRIES - 8);
}

static uint16_t entry_flags(void)
{
    static const uint16_t usual[] = {GTF_permit_access,
                                     GTF_permit_access | GTF_readonly,
                                     GTF_accept_transfer,
                                     0,
                                     GTF_permit_access | GTF_sub_page,
                                     GTF_transitive};
    uint16_t flags = usual[random_below(one_in(4) ? 6 : 2)];
    return one_in(16) ? flags ^ (uint16_t)(1u << random_below(16)) : flags;
}

static uint32_t entry_frame(void)
{
    uint32_t mfn = (uint32_t)value_mfn();
    return mfn == 0 || guard_frame(mfn) ? (uint32_t)play.mfn[play_any_page()] : mfn;
}

/*
 * An entry of version 1, or two such as one of version 2. The hypervisor may read either as the
 * other at any time, and must not find a frame then that the guest needs: so the second half of an
 * entry of version 2 has a frame which is not 0 as version 1, or is a number of the playground's.
 */
static void write_entry(void)
{
    unsigned ref = 8 + (unsigned)random_below(ENTRIES - 8);
    volatile grant_entry_v1_t *entry = &grant_table()[ref];
    bool second = one_in(2);
    if (second) {
        volatile uint64_t *frame = (volatile uint64_t *)&grant_table()[ref | 1];
        *frame = entry_frame();
        entry = &grant_table()[ref & ~1u];
    }
    entry->flags = 0;
    entry->domid = one_in(16) ? (domid_t)value_domid() : one_in(4) ? fuzz_peer : fuzz_self;
    /* Version 2: offset and length within the page, in the two halves. */
    entry->frame = second ? (uint32_t)random_u64() | 0x100000 : entry_frame();
    entry->flags = entry_flags();
}

static domid_t domain(void)
{
    return one_in(8) ? fuzz_peer : one_in(8) ? (domid_t)value_domid() : DOMID_SELF;
}

static void map_one(struct gnttab_map_grant_ref *map)
{
    map->flags = GNTMAP_host_map;
    if (one_in(3))
        map->flags |= GNTMAP_readonly;
    if (one_in(8))
        map->flags ^= 1u << random_below(20);
    map->host_addr = value_va() & PAGE_MASK;
    if (one_in(3)) {
        map->flags |= GNTMAP_contains_pte;
        map->host_addr = one_in(8) ? value_maddr() + random_below(8) : value_maddr();
    }
    map->ref = value_ref();
    map->dom = domain();
}

static void unmap_one(struct gnttab_unmap_grant_ref *unmap)
{
    unmap->host_addr = one_in(3) ? value_maddr() : value_va() & PAGE_MASK;
    unmap->dev_bus_addr = one_in(4) ? value_mfn() << PAGE_SHIFT : 0;
    unmap->handle = (grant_handle_t)pool_get(POOL_HANDLE);
}

static void replace_one(struct gnttab_unmap_and_replace *replace)
{
    replace->host_addr = value_va() & PAGE_MASK;
    replace->new_addr = value_va() & PAGE_MASK;
    replace->handle = (grant_handle_t)pool_get(POOL_HANDLE);
}

static void copy_one(struct gnttab_copy *copy)
{
    copy->flags = (uint16_t)random_below(4);
    if (copy->flags & GNTCOPY_source_gref)
        copy->source.u.ref = value_ref();
    else
        copy->source.u.gmfn = value_mfn();
    if (copy->flags & GNTCOPY_dest_gref)
        copy->dest.u.ref = value_ref();
    else
        copy->dest.u.gmfn = value_mfn();
    copy->source.domid = domain();
    copy->dest.domid = domain();
    copy->source.offset = (uint16_t)(one_in(2) ? 0 : value_number());
    copy->dest.offset = (uint16_t)(one_in(2) ? 0 : value_number());
    copy->len = (uint16_t)(one_in(2) ? random_below(64) : value_number());
}

/* What is asked about the table, or changes it as a whole. */
static void table_call(struct fuzzer *f, struct call *call, unsigned cmd, void *data)
{
    switch (cmd) {
    case GNTTABOP_setup_table: {
        struct gnttab_setup_table *setup = data;
        setup->dom = domain();
        setup->nr_frames = (uint32_t)(one_in(8) ? value_number() : random_below(5));
        set_xen_guest_handle(setup->frame_list, (void *)(call_data(f, call) + 64));
        break;
    }
    case GNTTABOP_get_status_frames: {
        struct gnttab_get_status_frames *status = data;
        status->dom = domain();
        status->nr_frames = (uint32_t)(one_in(8) ? value_number() : random_below(3));
        set_xen_guest_handle(status->frame_list, (void *)(call_data(f, call) + 64));
        break;
    }
    case GNTTABOP_set_version:
        ((struct gnttab_set_version *)data)->version = (uint32_t)random_below(4);
        break;
    case GNTTABOP_query_size:
        ((struct gnttab_query_size *)data)->dom = domain();
        break;
    default:
        ((struct gnttab_get_version *)data)->dom = domain();
        break;
    }
}

/* Pages given away come back by the same call, as the domain is on both sides. */
static void transfer_one(struct gnttab_transfer *transfer)
{
    transfer->mfn = value_mfn();
    transfer->domid = one_in(4) ? fuzz_self : domain();
    transfer->ref = value_ref();
}

static void fill_one(struct fuzzer *f, struct call *call, unsigned cmd, void *data)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        map_one(data);
        break;
    case GNTTABOP_unmap_grant_ref:
        unmap_one(data);
        break;
    case GNTTABOP_unmap_and_replace:
        replace_one(data);
        break;
    case GNTTABOP_copy:
        copy_one(data);
        break;
    case GNTTABOP_transfer:
        transfer_one(data);
        break;
    case GNTTABOP_swap_grant_ref:
        ((struct gnttab_swap_grant_ref *)data)->ref_a = value_ref();
        ((struct gnttab_swap_grant_ref *)data)->ref_b = value_ref();
        break;
    case GNTTABOP_cache_flush: {
        struct gnttab_cache_flush *flush = data;
        flush->a.dev_bus_addr = value_mfn() << PAGE_SHIFT;
        flush->length = (uint16_t)random_below(64);
        flush->op = (uint32_t)random_below(4);
        break;
    }
    default:
        table_call(f, call, cmd, data);
        break;
    }
}

static size_t size_of(unsigned cmd)
{
    static const uint8_t sizes[] = {
        [GNTTABOP_map_grant_ref] = sizeof(struct gnttab_map_grant_ref),
        [GNTTABOP_unmap_grant_ref] = sizeof(struct gnttab_unmap_grant_ref),
        [GNTTABOP_transfer] = sizeof(struct gnttab_transfer),
        [GNTTABOP_copy] = sizeof(struct gnttab_copy),
        [GNTTABOP_unmap_and_replace] = sizeof(struct gnttab_unmap_and_replace),
        [GNTTABOP_swap_grant_ref] = sizeof(struct gnttab_swap_grant_ref),
        [GNTTABOP_cache_flush] = sizeof(struct gnttab_cache_flush),
    };
    return cmd < sizeof(sizes) ? sizes[cmd] : 0;
}

void generate_grant(struct fuzzer *f, struct call *call)
{
    static const uint8_t usual[] = {GNTTABOP_map_grant_ref, GNTTABOP_map_grant_ref,
                                    GNTTABOP_unmap_grant_ref, GNTTABOP_unmap_grant_ref,
                                    GNTTABOP_copy};
    unsigned cmd = one_in(3) ? (unsigned)random_below(13) : usual[random_below(sizeof(usual))];
    size_t size = size_of(cmd);
    uint64_t count = size ? 1 + random_below(3) : 1;
    if (one_in(2))
        write_entry();
    char *data = call_begin(f, call, __HYPERVISOR_grant_table_op, 1, size ? size * count : 128);
    for (uint64_t i = 0; i < count; i++)
        fill_one(f, call, cmd, data + i * size);
    call->arg[0] = cmd;
    call->arg[2] = count;
}
