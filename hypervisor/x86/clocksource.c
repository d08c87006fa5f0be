/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HPET (IA-PC HPET 1.0a), ACPI PM timer (ACPI 6.4, 4.8.3.3), 8254 and CMOS clock, as far as boot
 * needs them. Afterwards they are the control domain's.
 */
#include "x86/clocksource.h"

#include "core/lib.h"
#include "core/log.h"
#include "x86/acpi.h"
#include "x86/paging.h"
#include "x86/time.h"
#include "x86/x86.h"

#define MEASURE_PER_SEC  125u    /* an eighth of a hundredth: 8 ms */
#define READS_UNTIL_DEAD 100000u /* of a counter that does not move */
#define SAMPLES          8u

/* ---- HPET ----------------------------------------------------------------------------------- */

#define HPET_BYTES         0x400u
#define HPET_CAPABILITIES  0x000u /* period in femtoseconds in the upper half */
#define HPET_CONFIG        0x010u
#define HPET_CONFIG_ENABLE 1u
#define HPET_COUNTER       0x0f0u
#define HPET_PERIOD_MAX    100000000u /* 2.3.4: at most 100 ns */
#define FS_PER_SEC         1000000000000000ull

static volatile uint8_t *hpet;

static uint32_t hpet_read32(unsigned reg)
{
    return *(volatile uint32_t *)(hpet + reg);
}

static bool hpet_start(void)
{
    uint32_t period;

    if (acpi_info.hpet_addr == 0)
        return false;
    if (hpet == NULL)
        hpet = map_device(MADDR(acpi_info.hpet_addr), HPET_BYTES);
    if (hpet == NULL)
        return false;
    period = hpet_read32(HPET_CAPABILITIES + 4);
    if (period < 100000 || period > HPET_PERIOD_MAX)
        return false;
    *(volatile uint32_t *)(hpet + HPET_CONFIG) = hpet_read32(HPET_CONFIG) | HPET_CONFIG_ENABLE;
    return true;
}

static uint64_t hpet_counter(void)
{
    return hpet_read32(HPET_COUNTER);
}

static uint64_t hpet_hz(void)
{
    return FS_PER_SEC / hpet_read32(HPET_CAPABILITIES + 4);
}

/* ---- ACPI PM timer -------------------------------------------------------------------------- */

#define PM_TIMER_HZ 3579545u

static volatile uint32_t *pm_timer;

static bool pm_start(void)
{
    const struct acpi_register *r = &acpi_info.pm_timer;

    if (r->addr == 0 || r->space > ACPI_SPACE_IO)
        return false;
    if (r->space == ACPI_SPACE_MEMORY && pm_timer == NULL)
        pm_timer = map_device(MADDR(r->addr), sizeof(*pm_timer));
    return r->space == ACPI_SPACE_IO || pm_timer != NULL;
}

static uint64_t pm_counter(void)
{
    return pm_timer != NULL ? *pm_timer : inl((uint16_t)acpi_info.pm_timer.addr);
}

static uint64_t pm_hz(void)
{
    return PM_TIMER_HZ;
}

/* ---- 8254, channel 2 (the one that can be read without disturbing anybody) ------------------ */

#define PIT_HZ                 1193182u
#define PIT_CHANNEL2           0x42u
#define PIT_COMMAND            0x43u
#define PIT_CHANNEL2_COUNTDOWN 0xb0u /* low byte then high byte, mode 0 */
#define PIT_CHANNEL2_LATCH     0x80u
#define PORT_B                 0x61u /* bit 0: gate of channel 2; bit 1: the speaker */

static bool pit_start(void)
{
    outb(PORT_B, (uint8_t)((inb(PORT_B) & ~2u) | 1u));
    outb(PIT_COMMAND, PIT_CHANNEL2_COUNTDOWN);
    outb(PIT_CHANNEL2, 0xff);
    outb(PIT_CHANNEL2, 0xff);
    return true;
}

static uint64_t pit_counter(void)
{
    unsigned low, high;

    outb(PIT_COMMAND, PIT_CHANNEL2_LATCH);
    low = inb(PIT_CHANNEL2);
    high = inb(PIT_CHANNEL2);
    return 0xffff - (high << 8 | low);
}

static uint64_t pit_hz(void)
{
    return PIT_HZ;
}

/* ---- Choice and measurement ----------------------------------------------------------------- */

static const struct clocksource sources[] = {
    {"hpet", hpet_start, hpet_counter, hpet_hz, 0xffffffff},
    {"acpi", pm_start, pm_counter, pm_hz, 0xffffff},
    {"pit", pit_start, pit_counter, pit_hz, 0xffff},
};

/* Does it count? Without one that is known to run, the TSC cannot bound the wait: reads do. */
static bool works(const struct clocksource *c)
{
    uint64_t first;

    if (!c->start())
        return false;
    first = c->read() & c->mask;
    for (unsigned i = 0; i < READS_UNTIL_DEAD; i++) {
        if ((c->read() & c->mask) != first)
            return true;
        cpu_relax();
    }
    log_warning("Time: the %s timer does not count", c->name);
    return false;
}

const struct clocksource *clocksource_choose(const char *wanted)
{
    const struct clocksource *named = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(sources); i++)
        if (strcmp(sources[i].name, wanted) == 0)
            named = &sources[i];
    if (named != NULL && works(named))
        return named;
    if (wanted[0] != '\0')
        log_warning("Time: clocksource=%s %s", wanted,
                    named != NULL ? "is not usable here" : "is none of hpet, acpi, pit");
    for (unsigned i = 0; i < ARRAY_SIZE(sources); i++)
        if (&sources[i] != named && works(&sources[i]))
            return &sources[i];
    return NULL;
}

/* Counter and TSC at one moment: of several pairs, the one read in the shortest time. */
static void sample(const struct clocksource *c, uint64_t *count, uint64_t *tsc)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc(), n = c->read() & c->mask, after = rdtsc();

        if (after - before < best) {
            best = after - before;
            *count = n;
            *tsc = before + best / 2;
        }
    }
}

uint64_t clocksource_measure_tsc(const struct clocksource *c)
{
    uint64_t hz = c->hz(), want = hz / MEASURE_PER_SEC;
    uint64_t count0, count1, tsc0, tsc1;

    c->start(); /* once more: the 8254 counts down only once */
    sample(c, &count0, &tsc0);
    while (((c->read() - count0) & c->mask) < want)
        cpu_relax();
    sample(c, &count1, &tsc1);
    return (tsc1 - tsc0) * hz / ((count1 - count0) & c->mask);
}

/* ---- The CMOS clock (MC146818) -------------------------------------------------------------- */

#define CMOS_INDEX    0x70u
#define CMOS_DATA     0x71u
#define RTC_STATUS_A  0x0au
#define RTC_UPDATING  0x80u
#define RTC_STATUS_B  0x0bu
#define RTC_24_HOURS  0x02u
#define RTC_BINARY    0x04u
#define RTC_PM        0x80u
#define RTC_TRIES     20u
#define RTC_UPDATE_US 2500u /* an update takes up to 1984 us after its announcement of 244 us */

static uint8_t cmos_read(uint8_t index)
{
    outb(CMOS_INDEX, index);
    return inb(CMOS_DATA);
}

static unsigned rtc_number(uint8_t raw, bool binary)
{
    return binary ? raw : (raw >> 4) * 10u + (raw & 15u);
}

/* Index of each field: seconds, minutes, hours, day, month, year. */
static const uint8_t rtc_index[6] = {0, 2, 4, 7, 8, 9};

/* All fields from between two updates: read twice alike, with none announced. */
static bool rtc_snapshot(uint8_t field[6])
{
    for (unsigned try = 0; try < RTC_TRIES; try++) {
        bool same = !(cmos_read(RTC_STATUS_A) & RTC_UPDATING);

        for (unsigned i = 0; same && i < 6; i++)
            field[i] = cmos_read(rtc_index[i]);
        for (unsigned i = 0; same && i < 6; i++)
            same = field[i] == cmos_read(rtc_index[i]);
        if (same)
            return true;
        time_delay_us(RTC_UPDATE_US / 4);
    }
    return false;
}

uint64_t rtc_read(void)
{
    uint8_t field[6], mode = cmos_read(RTC_STATUS_B);
    bool binary = mode & RTC_BINARY, pm = false;
    unsigned val[6];

    if (!rtc_snapshot(field))
        return 0;
    if (!(mode & RTC_24_HOURS)) {
        pm = field[2] & RTC_PM;
        field[2] &= (uint8_t)~RTC_PM;
    }
    for (unsigned i = 0; i < 6; i++)
        val[i] = rtc_number(field[i], binary);
    if (!(mode & RTC_24_HOURS))
        val[2] = val[2] % 12 + (pm ? 12 : 0);
    if (val[0] > 59 || val[1] > 59 || val[2] > 23 || val[3] < 1 || val[3] > 31 || val[4] < 1 ||
        val[4] > 12 || val[5] > 99)
        return 0;
    return time_from_date(val[5] + (val[5] < 70 ? 2000 : 1900), val[4], val[3], val[2], val[1],
                          val[0]);
}
