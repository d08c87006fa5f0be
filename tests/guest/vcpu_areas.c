/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypervisor publishes about a vCPU's time: how long it was in which state (the run
 * state), by hypercall or in an area of the guest's memory, and a copy of vcpu_time_info.
 *
 * An area is a virtual address, so it can be unmapped when the hypervisor wants to write: then it
 * is not written, and nobody is told. VMASST_TYPE_runstate_update_flag marks an area that is being
 * written with the highest bit of state_entry_time.
 *
 * test: vcpus=1,4
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/start.h>

#define MS 1000000ull

static long runstate(unsigned vcpu, struct vcpu_runstate_info *info)
{
    return HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, vcpu, info);
}

static long register_runstate(unsigned vcpu, void *area)
{
    struct vcpu_register_runstate_memory_area op = {.addr.p = (uintptr_t)area};

    return HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, vcpu, &op);
}

static long register_time(unsigned vcpu, void *area)
{
    struct vcpu_register_time_memory_area op = {.addr.p = (uintptr_t)area};

    return HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, vcpu, &op);
}

static uint64_t total(const struct vcpu_runstate_info *info)
{
    return info->time[0] + info->time[1] + info->time[2] + info->time[3];
}

static void test_info(void)
{
    struct vcpu_runstate_info before, after;
    uint64_t start, middle, end;

    is_error(runstate(0, &before), 0, "get the run state");
    is(before.state, RUNSTATE_running, "who asks is running");
    start = monotonic_ns();
    (void)runstate(0, &before);
    middle = monotonic_ns();
    after = before;
    for (unsigned i = 0; i < 50 && after.time[RUNSTATE_blocked] == before.time[RUNSTATE_blocked];
         i++) {
        sleep_ns(3 * MS);
        (void)runstate(0, &after);
    }
    end = monotonic_ns();
    ok(before.state_entry_time <= middle, "since a time that is past");
    ok(after.time[RUNSTATE_blocked] > before.time[RUNSTATE_blocked], "sleeping counts as blocked");
    ok(after.time[RUNSTATE_running] >= before.time[RUNSTATE_running], "running time grows");
    ok(total(&after) - total(&before) <= end - start, "the sum is the time that has passed");
    ok(total(&after) - total(&before) >= 3 * MS - (middle - start), "not less");
    if (nr_vcpus() > 1) {
        is_error(runstate(nr_vcpus() - 1, &after), 0, "get that of a vCPU never started");
        is(after.state, RUNSTATE_offline, "it is offline");
        is(after.time[RUNSTATE_running], 0, "and has never run");
    }
}

static struct vcpu_runstate_info areas[2];

static void test_area(void)
{
    struct vcpu_runstate_info info;
    void *nowhere = (void *)WINDOW_START;

    is_error(register_runstate(0, &areas[0]), 0, "register an area");
    is(areas[0].state, RUNSTATE_running, "it is written at once");
    sleep_ns(2 * MS);
    (void)runstate(0, &info);
    is(areas[0].time[RUNSTATE_blocked], info.time[RUNSTATE_blocked], "it knows of the sleep");
    is(areas[0].state_entry_time, info.state_entry_time, "it has the time of entry");
    is_error(register_runstate(0, &areas[1]), 0, "register another");
    memset(&areas[0], 0, sizeof(areas[0]));
    for (unsigned i = 0; i < 50 && areas[1].state_entry_time <= info.state_entry_time; i++)
        sleep_ns(2 * MS);
    is(areas[0].state_entry_time, 0, "the former is left alone");
    ok(areas[1].state_entry_time > info.state_entry_time, "the new one is written");
    is_error(register_runstate(0, (void *)HYPERVISOR_VIRT_START), -XEN_EFAULT,
             "an area in the hypervisor");
    is_error(register_runstate(0, nowhere), 0, "an area where nothing is mapped");
    sleep_ns(2 * MS);
    ok(true, "is not written");
    is_error(register_runstate(0, NULL), 0, "address 0");
    sleep_ns(MS);
    ok(true, "ends it");
}

/* The flag is set only while the area is being written, which nobody on that vCPU can see. */
static void test_update_flag(void)
{
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0,
             "ask for the update flag");
    is_error(register_runstate(0, &areas[0]), 0, "register an area with it");
    sleep_ns(2 * MS);
    ok(!(areas[0].state_entry_time & XEN_RUNSTATE_UPDATE), "the flag is clear when it is written");
    is(areas[0].state, RUNSTATE_running, "and the state is there");
    (void)register_runstate(0, NULL);
    is_error(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0,
             "and no longer");
}

static struct vcpu_time_info time_copy;

static void test_time(void)
{
    const volatile struct vcpu_time_info *own = &shared_info->vcpu_info[0].time;

    is_error(register_time(0, &time_copy), 0, "register an area for the time");
    ok(time_copy.version != 0 && time_copy.version % 2 == 0, "it is written");
    is(time_copy.tsc_to_system_mul, own->tsc_to_system_mul, "with the same scale");
    is(time_copy.tsc_shift, own->tsc_shift, "and shift");
    memset(&time_copy, 0, sizeof(time_copy)); /* as a kernel that is started by another finds it */
    is_error(register_time(0, &time_copy), 0, "register the same area again");
    ok(time_copy.version != 0 && time_copy.version % 2 == 0, "it is written again");
    is(time_copy.tsc_timestamp, own->tsc_timestamp, "with the time base");
    is_error(register_time(0, (void *)HYPERVISOR_VIRT_START), -XEN_EFAULT,
             "an area for the time in the hypervisor");
    is_error(register_time(0, (void *)WINDOW_START), 0,
             "an area for the time where nothing is mapped");
    sleep_ns(2 * MS);
    ok(true, "is not written either");
    is_error(register_time(0, NULL), 0, "address 0 ends that, too");
}

static struct vcpu_runstate_info of_other;
static unsigned stop;

static void spin(void *data)
{
    (void)data;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        sleep_ns(MS / 4);
}

/* One vCPU registers for another; both see it. */
static void test_other(void)
{
    unsigned last = nr_vcpus() - 1;

    if (last == 0)
        return;
    is_error(register_runstate(last, &of_other), 0, "register an area of another vCPU");
    (void)vcpu_start(last, spin, NULL);
    for (unsigned i = 0; i < 500 && of_other.time[RUNSTATE_running] == 0; i++)
        sleep_ns(MS);
    ok(of_other.time[RUNSTATE_running] > 0, "it is written when that runs");
    stop = 1;
    vcpu_join(last);
    is_error(register_runstate(last, NULL), 0, "and ended by another");
}

int main(void)
{
    test_info();
    test_area();
    test_update_flag();
    test_time();
    test_other();
    return done();
}
