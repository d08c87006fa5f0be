/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test: vcpus=2,4 parallel=yes memory=16 limit=60 args="ops=150000 seconds=10" xen=no
 * test: vcpus=1 memory=16 limit=60 args="ops=40000" xen=no
 *
 * Hypercalls at random. A hypervisor must stand whatever a guest asks of it: not fall, not hang,
 * and not lose count of who owns and maps what. So this guest asks for all sorts of things, on all
 * its vCPUs at once, and reports only that it came to its end: what is wrong shows as a panic, a
 * hang, or in the audit that the debug hypervisor makes of the whole machine when the guest ends.
 * Xen makes no such audit, so there is nothing to compare.
 *
 * Random numbers alone would be refused at the first check. So a call comes from one of:
 *   - the hypervisor's own table of hypercalls, which says what each argument is (fuzz/grammar.c);
 *   - a generator that knows what the operation needs, such as a page that may be a page table
 *     (fuzz/generate_*.c), so that a good part of the calls succeed and change something;
 *   - a call made before that had a new result, changed a little (fuzz/corpus.c).
 *
 * The guest must survive its own calls. They are about a playground of pages and page tables that
 * it does without (fuzz/playground.c), and a guard looks at each before it is made (fuzz/guard.c,
 * which has the list of what is not done, with reasons).
 *
 * Arguments: seed=N; peer=N, another domain to be unkind to; ops=N calls on all vCPUs together, or
 * seconds=N (0: for ever), or both, whichever comes first; report=N tells of progress every N
 * seconds; verbose=1 prints how often each operation succeeded and failed; trace=1 prints each call
 * before it is made, on a single vCPU unless vcpus=N; replay=1 makes the calls that a trace has,
 * given as the second module (fuzz/shorten finds the few of them that matter). One vCPU repeats a
 * seed exactly: the digest at the end tells.
 */
#include "fuzz/fuzz.h"
#include "grants.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/trap.h>

static struct fuzzer fuzzers[FUZZ_VCPUS];
static struct barrier barrier;
static unsigned vcpus;
static uint64_t ops; /* each vCPU's; 0: until end_time */
static uint64_t end_time, report_every, report_next;

/* ---- One vCPU ----------------------------------------------------------------------------- */

static void think(struct fuzzer *f, struct call *call)
{
    switch (random_below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (corpus_mutated(f, call))
            return;
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        generate_mmu(f, call);
        return;
    case 8:
    case 9:
        generate_grant(f, call);
        return;
    case 10:
        generate_memory(f, call);
        return;
    case 11:
        generate_event(f, call);
        return;
    case 12:
        generate_multicall(f, call);
        return;
    default:
        break;
    }
    generate_any(f, call);
}

static uint64_t calls_made(void)
{
    uint64_t made = 0;
    for (unsigned i = 0; i < vcpus; i++)
        made += __atomic_load_n(&fuzzers[i].made, __ATOMIC_RELAXED);
    return made;
}

/* For runs of hours: that it still goes on. */
static void report_progress(void)
{
    if (report_every && monotonic_ns() >= report_next) {
        report_next += report_every;
        diag("%" PRIu64 " calls", calls_made());
    }
}

static bool at_end(const struct fuzzer *f)
{
    if (ops && f->made >= ops)
        return true;
    return end_time && f->made % 64 == 0 && monotonic_ns() >= end_time;
}

static void fuzz(void *data)
{
    struct fuzzer *f = &fuzzers[this_vcpu()];
    bool events = events_disable();
    (void)data;
    if (f->id >= vcpus)
        return;
    fuzzer_start_here(f);
    barrier_wait(&barrier, vcpus);
    for (uint64_t n = 0; !at_end(f); n++) {
        think(f, &f->call);
        if (guard(f, &f->call))
            call_make(f, &f->call);
        if (f->id == 0 && n % 2048 == 2047) {
            playground_repair();
            report_progress();
        }
    }
    barrier_wait(&barrier, vcpus);
    events_restore(events);
}

/* ---- Traps ---------------------------------------------------------------------------------- */

/* Of breakpoints and of the FPU turned off: behind the call that did it, it is undone. */
static bool go_on(struct trap_frame *frame)
{
    frame->rflags |= 1ul << 16; /* RF: not the same breakpoint again */
    return true;
}

/* ---- Reports ------------------------------------------------------------------------------ */

static void report_operation(unsigned nr, unsigned command)
{
    const struct grammar_command *c = grammar_command(nr, command);
    if (!c && grammar[nr].nr_commands)
        return;
    unsigned long good = 0, bad = 0;
    for (unsigned i = 0; i < vcpus; i++) {
        good += fuzzers[i].count[nr][command][0];
        bad += fuzzers[i].count[nr][command][1];
    }
    if (good || bad)
        diag("%-30s %2u %8lu done %8lu refused", c ? c->name : grammar[nr].name, command, good,
             bad);
}

static void report(uint64_t time, bool verbose)
{
    uint64_t made = calls_made(), good = 0, digest = 0;
    for (unsigned i = 0; i < vcpus; i++) {
        good += fuzzers[i].good;
        digest ^= fuzzers[i].digest << i;
    }
    for (unsigned nr = 0; verbose && nr < NR_HYPERCALLS; nr++)
        for (unsigned command = 0; command < NR_COMMANDS && grammar[nr].name; command++)
            report_operation(nr, command);
    diag("%" PRIu64 " calls on %u vCPUs, %" PRIu64 " of them done, %" PRIu64 " a second", made,
         vcpus, good, (uint64_t)(made * NS_PER_SEC / (time ? time : 1)));
    diag("digest=%#" PRIx64, digest);
}

static bool start(void)
{
    bool good = ok(grammar_start(), "the hypercall table is understood");
    good = good && ok(playground_start(), "the playground is made");
    for (unsigned i = 0; good && i < vcpus; i++)
        good = ok(fuzzer_start(&fuzzers[i], i), "vCPU %u has its arena", i);
    good = good && ok(guard_start(), "the guest's own frames are known");
    trap_set_handler(TRAP_DB, go_on);
    trap_set_handler(TRAP_NM, go_on);
    trap_set_handler(TRAP_NMI, go_on);
    return good;
}

int main(int argc, char **argv)
{
    trace = argument(argc, argv, "trace", 0);
    vcpus = (unsigned)argument(argc, argv, "vcpus", trace ? 1 : nr_vcpus());
    vcpus = vcpus < FUZZ_VCPUS ? vcpus : FUZZ_VCPUS;
    ops = argument(argc, argv, "ops", 0) / vcpus;
    fuzz_self = own_domain();
    fuzz_peer = (domid_t)argument(argc, argv, "peer", 1);
    report_every = argument(argc, argv, "report", 0) * NS_PER_SEC;
    random_start(argc, argv);
    if (!start())
        return done();

    uint64_t begin = monotonic_ns(), seconds = argument(argc, argv, "seconds", ops ? 0 : 10);
    end_time = seconds ? begin + seconds * NS_PER_SEC : 0;
    report_next = begin + report_every;
    if (argument(argc, argv, "replay", 0)) {
        bool events = events_disable();
        fuzzer_start_here(&fuzzers[0]);
        diag("%lu calls made again", replay(&fuzzers[0]));
        events_restore(events);
    } else {
        vcpus_run(fuzz, NULL);
    }
    report(monotonic_ns() - begin, argument(argc, argv, "verbose", 0));
    ok(calls_made() != 0, "the guest has survived its calls");
    return done();
}
