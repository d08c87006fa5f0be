/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_assist switches optional behaviour of the hypervisor for the whole domain (xen/xen.h).
 *
 *   VMASST_TYPE_4gb_segments          (0) and _notify (1), of 32-bit kernels: without effect
 *   VMASST_TYPE_writable_pagetables   (2) what it writes to a page table is emulated: always so
 *   VMASST_TYPE_pae_extended_cr3      (3) of 32-bit kernels; accepted and without effect
 *   VMASST_TYPE_architectural_iopl    (4) its IOPL shows in the flags that are saved for it
 *   VMASST_TYPE_runstate_update_flag  (5) a run state being written is marked so
 *   VMASST_TYPE_m2p_strict           (32) no machine-to-phys table for user mode
 *
 * test: vcpus=1,4
 */
#include "mmu.h"

#include <pv/clock.h>
#include <pv/smp.h>

static void test_types(void)
{
    static const struct {
        unsigned type;
        const char *name;
    } types[] = {
        {VMASST_TYPE_4gb_segments, "segments of 4 GiB"},
        {VMASST_TYPE_4gb_segments_notify, "notice of segments of 4 GiB"},
        {VMASST_TYPE_writable_pagetables, "writable page tables"},
        {VMASST_TYPE_pae_extended_cr3, "extended CR3"},
        {VMASST_TYPE_architectural_iopl, "architectural IOPL"},
        {VMASST_TYPE_runstate_update_flag, "flag of run-state updates"},
        {VMASST_TYPE_m2p_strict, "strict machine-to-phys table"},
    };
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        unsigned type = types[i].type;
        const char *name = types[i].name;
        is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, type), 0, "%s: on", name);
        is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, type), 0, "%s: on again", name);
        is_error(HYPERVISOR_vm_assist(VMASST_CMD_disable, type), 0, "%s: off", name);
        is_error(HYPERVISOR_vm_assist(VMASST_CMD_disable, type), 0, "%s: off again", name);
        is_error(HYPERVISOR_vm_assist(2, type), -XEN_ENOSYS, "%s: command 2 is not there", name);
        is_error(HYPERVISOR_vm_assist(~0u, type), -XEN_ENOSYS, "%s: nor is the last", name);
    }
}

static void test_refused(void)
{
    static const unsigned types[] = {6, 7, 31, 33, 63, 64, 65, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, types[i]), -XEN_EINVAL,
                 "type %u cannot be switched on", types[i]);
        is_error(HYPERVISOR_vm_assist(VMASST_CMD_disable, types[i]), -XEN_EINVAL,
                 "type %u cannot be switched off", types[i]);
    }
}

/* IOPL in the flags of a trap, as physdev_op set it. */
static uint64_t saved_flags;

static bool save_flags(struct trap_frame *frame)
{
    saved_flags = frame->rflags;
    return true;
}

static void test_iopl(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    trap_handler *before = trap_set_handler(TRAP_BP, save_flags);
    is_error(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0, "IOPL 1");
    __asm__ volatile("int3");
    is(saved_flags >> 12 & 3, 0, "does not show in the flags");
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0,
             "architectural IOPL");
    is_error(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0, "IOPL 1 again");
    __asm__ volatile("int3");
    is(saved_flags >> 12 & 3, 1, "shows in the flags");
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0,
             "no architectural IOPL");
    __asm__ volatile("int3");
    is(saved_flags >> 12 & 3, 0, "and it does not show");
    trap_set_handler(TRAP_BP, before);
}

/* The update flag is set in the time stamp only while an area is written: never when we look. */
static void test_runstate(void)
{
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area reg = {.addr.v = &area};
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0,
             "the flag of run-state updates");
    is_error(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, this_vcpu(), &reg), 0,
             "a run-state area");
    sleep_ns(1000000);
    ok(area.state_entry_time != 0, "is written");
    is(area.state_entry_time >> 63, 0, "and is not being written now");
    reg.addr.v = NULL;
    is_error(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, this_vcpu(), &reg), 0,
             "no area");
}

static void on_each(void *data)
{
    unsigned long *wrong = data;
    for (unsigned i = 0; i < 100; i++) {
        unsigned cmd = random_below(2) ? VMASST_CMD_enable : VMASST_CMD_disable;
        if (HYPERVISOR_vm_assist(cmd, VMASST_TYPE_architectural_iopl) != 0 ||
            HYPERVISOR_vm_assist(cmd, VMASST_TYPE_runstate_update_flag) != 0)
            __atomic_fetch_add(wrong, 1, __ATOMIC_RELAXED);
    }
}

int main(int argc, char **argv)
{
    unsigned long wrong = 0;
    random_start(argc, argv);
    test_types();
    test_refused();
    test_iopl();
    test_runstate();
    vcpus_run(on_each, &wrong);
    is(wrong, 0, "all vCPUs switch");
    HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl);
    return done();
}
