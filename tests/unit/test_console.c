/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: devices as readers of the log, the switch of input by Ctrl-A, and the console_io
 * hypercall with every argument at its bounds.
 *
 * links: tests/unit/host.c hypervisor/core/console.c hypervisor/core/log.c hypervisor/core/fmt.c
 * links: hypervisor/core/lock.c
 * libs: -pthread
 */
/* The host's function of this name has another type than the hypervisor's. */
#define sched_yield host_sched_yield
#include <pthread.h>
#undef sched_yield

#include "core/cmdline.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "core/version.h"
#include "host.h"

long hc_console_io(struct vcpu *v, struct hypercall_args *a);

struct options options;
static char com_text[65536], vga_text[65536];
static const char *closed;
static char keys[16];
static unsigned virqs, continued;
static uint64_t continued_args[3];

static struct domain control = {.is_privileged = true}, other;
static struct vcpu control_vcpu = {.domain = &control}, other_vcpu = {.domain = &other};
struct domain *control_domain = &control;

static void com_write(const char *text, size_t n)
{
    strncat(com_text, text, n);
}

static void vga_write(const char *text, size_t n)
{
    strncat(vga_text, text, n);
}

static struct console_device com = {.name = "com1", .write = com_write};
static struct console_device vga = {.name = "vga", .write = vga_write};

void cmdline_defaults(struct options *o)
{
    o->loglvl = o->loglvl_limited = LOG_INFO;
}

void version_log(void)
{
}

struct console_device *arch_console_early(void)
{
    return &com;
}

struct console_device *arch_console_open(const char *name)
{
    return strcmp(name, "com1") == 0 ? &com : strcmp(name, "vga") == 0 ? &vga : NULL;
}

void arch_console_close(struct console_device *dev)
{
    closed = dev->name;
}

void arch_console_enable_input(void)
{
}

struct console_device *arch_console_release_screen(void)
{
    return &vga;
}

void debug_key_pressed(char key)
{
    strncat(keys, &key, 1);
}

void evtchn_send_global_virq(struct domain *d, unsigned virq)
{
    virqs += d == &control && virq == VIRQ_CONSOLE;
}

long hypercall_continue(unsigned nr, unsigned nargs, const uint64_t *args)
{
    continued += nr == __HYPERVISOR_console_io && nargs == 3;
    memcpy(continued_args, args, sizeof(continued_args));
    return 12345;
}

static void forget(void)
{
    com_text[0] = vga_text[0] = '\0';
}

static void test_devices(void)
{
    console_init_early();
    log_info("early");
    is_str(com_text, "(pv) early\n", "the early device shows lines at once");
    forget();
    strcpy(options.console, "vga,none,,com9,com1");
    console_init();
    is_str(vga_text, "(pv) early\n", "a device that comes later shows the log from its start");
    is_str(com_text, "", "and the early one nothing twice");
    ok(closed == NULL, "the early one stays when it is named");
    log_info("both");
    is_str(vga_text, "(pv) early\n(pv) both\n");
    is_str(com_text, "(pv) both\n");
    forget();
    console_write("raw\033[m", 6);
    is_str(com_text, "raw\033[m", "text past the log is not changed");
    log_info("line");
    is_str(com_text, "raw\033[m\n(pv) line\n", "a line of the log begins on its own line");
    console_write("", 0);
    forget();
    console_write("done\n", 5);
    log_info("line");
    is_str(com_text, "done\n(pv) line\n", "and no empty one is made");
    options.vga_keep = true;
    console_endboot();
    forget();
    log_info("x");
    is_str(vga_text, "(pv) x\n", "vga=keep");
    options.vga_keep = false;
    console_endboot();
    forget();
    log_info("y");
    is_str(vga_text, "", "the screen is given up");
    is_str(com_text, "(pv) y\n");
    options.console[0] = '\0';
    console_init();
    is_str(closed, "com1", "a serial port that is not named is given back");
    forget();
    log_info("nobody sees this");
    is_str(com_text, "");
    strcpy(options.console, "com1");
    console_init();
    is_str(com_text, "(pv) nobody sees this\n", "until there is a device again");
}

static long io(struct vcpu *v, unsigned cmd, uint64_t count, const void *buffer)
{
    struct hypercall_args a = {.arg = {cmd, count, (uintptr_t)buffer}};

    return hc_console_io(v, &a);
}

static void type(const char *text)
{
    while (*text)
        console_input(*text++);
}

static void test_input(void)
{
    char buf[2048];
    unsigned n = 0;

    type("hello");
    is(virqs, 5, "the control domain is told of each key");
    is(io(&control_vcpu, CONSOLEIO_read, 3, buf), 3, "three of five");
    is_mem(buf, "hel", 3);
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 2, "the rest");
    is_mem(buf, "lo", 2);
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 0, "nothing is left");
    for (unsigned i = 0; i < 1030; i++)
        console_input((char)('a' + i % 26));
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 1024, "what does not fit is dropped");
    while (n < 1024 && buf[n] == (char)('a' + n % 26))
        n++;
    is(n, 1024, "the oldest are kept, in order");
    control_domain = NULL;
    type("x");
    control_domain = &control;
    is(io(&control_vcpu, CONSOLEIO_read, 1, buf), 1, "typed before there was a control domain");
}

static void test_switch(void)
{
    char buf[64];

    host_now = 100 * NS_PER_SEC;
    forget();
    type("\1\1");
    host_now += NS_PER_SEC + 1;
    type("\1\1");
    is(strlen(com_text), 0, "too slow to be a switch");
    type("x\1\1x");
    is(strlen(com_text), 0, "and something between");
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 8, "the domain has them all");
    type("\1\1\1");
    ok(strstr(com_text, "the hypervisor"), "three times: the switch is announced");
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 2, "the last is swallowed");
    virqs = 0;
    type("hq");
    is_str(keys, "hq", "keys go to the hypervisor");
    is(virqs, 0, "and not to the domain");
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 0);
    forget();
    type("\1\1\1");
    ok(strstr(com_text, "the control domain"), "and back");
    type("z");
    is(io(&control_vcpu, CONSOLEIO_read, sizeof(buf), buf), 1);
}

static void test_io_errors(void)
{
    static char big[1000];
    char buf[8] = "text";

    is(io(&other_vcpu, CONSOLEIO_write, 4, buf), -XEN_EPERM, "another domain may not write");
    is(io(&other_vcpu, CONSOLEIO_read, 4, buf), -XEN_EPERM, "nor read");
    is(io(&control_vcpu, 2, 4, buf), -XEN_ENOSYS, "no such command");
    is(io(&control_vcpu, ~0u, 4, buf), -XEN_ENOSYS, "command -1");
    forget();
    is(io(&control_vcpu, CONSOLEIO_write, 4, buf), 0, "write");
    is_str(com_text, "text");
    is(io(&control_vcpu, CONSOLEIO_write, 0, NULL), 0, "nothing, from nowhere");
    is(io(&control_vcpu, CONSOLEIO_write, 1, NULL), -XEN_EFAULT, "from an unmapped page");
    is(io(&control_vcpu, CONSOLEIO_write, 1, (void *)HV_VIRT_START), -XEN_EFAULT,
       "from the hypervisor");
    is(io(&control_vcpu, CONSOLEIO_write, 1, (void *)(1ul << 47)), -XEN_EFAULT, "not canonical");
    is(io(&control_vcpu, CONSOLEIO_write, 8, (void *)~3ul), -XEN_EFAULT, "round the end");
    is(io(&control_vcpu, CONSOLEIO_read, 0, NULL), 0, "read nothing");
    console_input('x');
    is(io(&control_vcpu, CONSOLEIO_read, 1, NULL), -XEN_EFAULT, "read to nowhere");

    memset(big, 'b', sizeof(big) - 1);
    forget();
    is(io(&control_vcpu, CONSOLEIO_write, 999, big), 0, "several chunks");
    is_str(com_text, big);
    is(io(&control_vcpu, CONSOLEIO_write, 0x100000000ul + 4, buf), 0, "the count has 32 bits");
    forget();
    host_fault_start = (uintptr_t)big + 200;
    host_fault_end = host_fault_start + 1;
    is(io(&control_vcpu, CONSOLEIO_write, 999, big), -XEN_EFAULT, "a fault in the second chunk");
    is(strlen(com_text), 128, "leaves the first written");
    host_fault_start = host_fault_end = 0;
}

static void test_preemption(void)
{
    static char big[1000];

    memset(big, 'p', sizeof(big) - 1);
    softirq_raise(SOFTIRQ_TIMER);
    forget();
    is(io(&control_vcpu, CONSOLEIO_write, 999, big), 12345, "with work pending it stops");
    is(strlen(com_text), 128, "after a chunk");
    is(continued, 1);
    is(continued_args[0], CONSOLEIO_write);
    is(continued_args[1], 999 - 128, "to go on with the rest");
    is(continued_args[2], (uintptr_t)big + 128);
    is(io(&control_vcpu, CONSOLEIO_write, 128, big), 0, "but not when nothing is left");
    is(io(&control_vcpu, CONSOLEIO_write, 0xffffffff, big), 12345, "nor is a huge count a hang");
    this_cpu(softirq_pending) = 0;
}

#define THREADS 3u
#define LINES   150u

static void *talk(void *arg)
{
    host_cpu = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < LINES; i++)
        log_info("cpu%u line %u.", host_cpu, i);
    return NULL;
}

/* Whoever cannot have the console relies on another to show its line: none may be forgotten. */
static void test_many(void)
{
    pthread_t thread[THREADS];
    unsigned missing = 0;

    forget();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, talk, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned cpu = 1; cpu <= THREADS; cpu++)
        for (unsigned i = 0; i < LINES; i++) {
            char line[64];

            snprintf(line, sizeof(line), "(pv) cpu%u line %u.\n", cpu, i);
            missing += strstr(com_text, line) == NULL;
        }
    is(missing, 0, "every line of several CPUs is shown when they are done");
}

int main(void)
{
    test_devices();
    test_input();
    test_switch();
    test_io_errors();
    test_preemption();
    test_many();
    lock_assert_none();
    return done();
}
