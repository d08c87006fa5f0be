/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen_version: what the guest is told of the hypervisor and its own environment. The dispatcher
 * hands OUT structures over zeroed, so what a string does not fill is zero.
 */
#include <arch/layout.h>

#include "core/boot.h"
#include "core/domain.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/version.h"

#define EXTRAVERSION ".0-paravane"

/* From the build: what `git describe` says, and a date that repeats for the same sources. */
#ifndef PARAVANE_VERSION
#define PARAVANE_VERSION "unknown"
#endif
#ifndef PARAVANE_DATE
#define PARAVANE_DATE "not recorded"
#endif

/* The linker's note .note.gnu.build-id, where the linker script keeps it. */
extern const char __start_build_id[], __end_build_id[];

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifdef PARAVANE_DEBUG
#define BUILD_KIND ", debug build"
#else
#define BUILD_KIND ""
#endif

void version_log(void)
{
    log_info("Paravane " PARAVANE_VERSION " (" PARAVANE_DATE "; " COMPILER BUILD_KIND
             "), speaks the Xen %u.%u PV ABI",
             ABI_MAJOR, ABI_MINOR);
}

long version_version(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    return ABI_VERSION;
}

long version_extraversion(struct vcpu *v, xen_extraversion_t *arg)
{
    (void)v;
    memset(arg, 0, sizeof(*arg));
    str_copy(*arg, EXTRAVERSION, sizeof(*arg));
    return 0;
}

long version_compile_info(struct vcpu *v, xen_compile_info_t *arg)
{
    (void)v;
    memset(arg, 0, sizeof(*arg));
    str_copy(arg->compiler, COMPILER, sizeof(arg->compiler));
    /* Who and where would differ from one build of the same sources to the next. */
    str_copy(arg->compile_by, "paravane", sizeof(arg->compile_by));
    str_copy(arg->compile_domain, "localdomain", sizeof(arg->compile_domain));
    str_copy(arg->compile_date, PARAVANE_DATE, sizeof(arg->compile_date));
    return 0;
}

long version_capabilities(struct vcpu *v, xen_capabilities_info_t *arg)
{
    (void)v;
    memset(arg, 0, sizeof(*arg));
    str_copy(*arg, "xen-3.0-x86_64 ", sizeof(*arg));
    return 0;
}

long version_changeset(struct vcpu *v, xen_changeset_info_t *arg)
{
    (void)v;
    memset(arg, 0, sizeof(*arg));
    str_copy(*arg, PARAVANE_VERSION, sizeof(*arg));
    return 0;
}

long version_platform_parameters(struct vcpu *v, struct xen_platform_parameters *arg)
{
    (void)v;
    memset(arg, 0, sizeof(*arg));
    arg->virt_start = HV_VIRT_START;
    return 0;
}

/* -XEN_EINVAL for a submap that does not exist: bits that nobody has defined are not zero. */
long version_get_features(struct vcpu *v, struct xen_feature_info *arg)
{
    if (arg->submap_idx >= XENFEAT_NR_SUBMAPS)
        return -XEN_EINVAL;
    arg->submap = 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_mmu_pt_update_preserve_ad |
                  1u << XENFEAT_highmem_assist | 1u << XENFEAT_gnttab_map_avail_bits |
                  1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_not_direct_mapped;
    if (v->domain->is_privileged)
        arg->submap |= 1u << XENFEAT_dom0;
    return 0;
}

/* The argument must be NULL. */
long version_pagesize(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    return hypercall_current_args()->arg[1] == 0 ? (long)PAGE_SIZE : -XEN_EINVAL;
}

long version_guest_handle(struct vcpu *v, xen_domain_handle_t *arg)
{
    memcpy(*arg, v->domain->handle, sizeof(*arg));
    return 0;
}

long version_commandline(struct vcpu *v, xen_commandline_t *arg)
{
    (void)v;
    memset(arg, 0, sizeof(*arg));
    str_copy(*arg, boot_info.cmdline, sizeof(*arg));
    return 0;
}

/* An ELF note: three words (length of the name and of the contents, type), name, contents. */
struct note {
    uint32_t name_size, desc_size, type;
    char name[];
};

#define NOTE_GNU_BUILD_ID 3u

static const char *build_id(uint32_t *size)
{
    const struct note *note = (const struct note *)__start_build_id;
    size_t room = (size_t)((uintptr_t)__end_build_id - (uintptr_t)__start_build_id);
    size_t name;

    if (room < sizeof(*note) || note->type != NOTE_GNU_BUILD_ID)
        return NULL;
    name = ROUND_UP((size_t)note->name_size, 4u);
    if (name > room - sizeof(*note) || note->desc_size > room - sizeof(*note) - name)
        return NULL;
    *size = note->desc_size;
    return note->name + name;
}

/*
 * struct xen_build_id: the guest says how much room it has. Returns the size, also for no pointer.
 * -XEN_ENODATA: the image has none. -XEN_ENOBUFS: too little room.
 */
long version_build_id(struct vcpu *v, vaddr_t *arg)
{
    uint32_t size, room;
    const char *id = build_id(&size);

    (void)v;
    if (id == NULL)
        return -XEN_ENODATA;
    if (arg->v == 0)
        return size;
    if (guest_copy_in(&room, *arg, sizeof(room)) != 0)
        return -XEN_EFAULT;
    if (room == 0)
        return -XEN_EINVAL;
    if (room < size)
        return -XEN_ENOBUFS;
    if (guest_copy_out(VADDR(arg->v + offsetof(struct xen_build_id, buf)), id, size) != 0)
        return -XEN_EFAULT;
    return size;
}
