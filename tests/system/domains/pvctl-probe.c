/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvctl-probe COMMAND: what the scripts cannot find out by themselves.
 *   json [KEY...]        standard input is JSON, of UTF-8 and nothing behind it; prints the value
 *                        behind the keys (of objects, or numbers of arrays)
 *   read PATH            a node of the store
 *   write PATH VALUE
 *   belongings           what the machine has: free memory, nodes, guests, kept configurations,
 *                        loop devices in use, network interfaces of guests
 *   calls COMMAND...     runs it; prints how many system calls it made
 *   kill NUMBER COMMAND...       runs it, and kills it at that system call
 *   interrupt NUMBER COMMAND...  the same as Ctrl-C does
 */
#include <glob.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenstore.h>

/* ---- JSON --------------------------------------------------------------------------------- */

static char *read_input(size_t *size)
{
    size_t room = 1 << 22;
    char *text = malloc(room);

    *size = text != NULL ? fread(text, 1, room, stdin) : 0;
    return text;
}

static int json(int argc, char **argv)
{
    struct json_tokener *tokener = json_tokener_new();
    size_t size;
    char *text = read_input(&size);

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(tokener, text, (int)size);
    size_t end = json_tokener_get_parse_end(tokener);
    if (json_tokener_get_error(tokener) != json_tokener_success ||
        strspn(text + end, " \n") < size - end) {
        printf("not JSON: %s\n", json_tokener_error_desc(json_tokener_get_error(tokener)));
        return 1;
    }
    for (int i = 0; i < argc; i++) {
        struct json_object *inner = NULL;

        if (json_object_is_type(o, json_type_array))
            inner = json_object_array_get_idx(o, strtoul(argv[i], NULL, 10));
        else
            json_object_object_get_ex(o, argv[i], &inner);
        o = inner;
    }
    if (o == NULL)
        return 1;
    puts(json_object_is_type(o, json_type_string) ? json_object_get_string(o)
                                                  : json_object_to_json_string(o));
    return 0;
}

/* ---- The store ---------------------------------------------------------------------------- */

static unsigned count_nodes(struct xs_handle *xs, const char *path)
{
    unsigned n, count = 1;
    char **names = xs_directory(xs, XBT_NULL, path, &n);

    for (unsigned i = 0; names != NULL && i < n; i++) {
        char below[1024];

        snprintf(below, sizeof(below), "%s/%s", path[1] != '\0' ? path : "", names[i]);
        count += count_nodes(xs, below);
    }
    free(names);
    return count;
}

/* Files of the pattern. */
static unsigned count_files(const char *pattern)
{
    glob_t found;
    unsigned count = glob(pattern, 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;

    globfree(&found);
    return count;
}

static int belongings(struct xs_handle *xs)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    xc_domaininfo_t domains[64];
    xc_physinfo_t machine = {.nr_cpus = 0};

    if (xch == NULL || xc_physinfo(xch, &machine))
        return 1;
    printf("%llu MiB, %u nodes, %d guests, %u kept, %u loops, %u interfaces\n",
           (unsigned long long)machine.free_pages >> (20 - XC_PAGE_SHIFT), count_nodes(xs, "/"),
           xc_domain_getinfolist(xch, 1, 64, domains), count_files("/var/lib/paravane/guests/*"),
           count_files("/sys/block/loop*/loop/backing_file"), count_files("/sys/class/net/vif*"));
    xc_interface_close(xch);
    return 0;
}

static int store(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    bool good = xs != NULL;

    if (good && argc == 1) {
        good = belongings(xs) == 0;
    } else if (good && argc == 3) {
        good = xs_write(xs, XBT_NULL, argv[1], argv[2], (unsigned)strlen(argv[2]));
    } else if (good) {
        char *value = xs_read(xs, XBT_NULL, argv[1], NULL);

        good = value != NULL;
        puts(good ? value : "(none)");
        free(value);
    }
    if (xs != NULL)
        xs_close(xs);
    return !good;
}

/* ---- System calls ------------------------------------------------------------------------- */

/* Each one stops the child twice, when it begins and when it ends. */
static int trace(unsigned long kill_at, int by, char **command)
{
    unsigned long calls = 0;
    bool inside = false, sent = kill_at == 0;
    int status;
    pid_t child = fork();

    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execvp(command[0], command);
        _exit(127);
    }
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (int signal = 0; !WIFEXITED(status) && !WIFSIGNALED(status);) {
        if (WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            calls += !inside;
            inside = !inside;
        }
        signal = WSTOPSIG(status) == (SIGTRAP | 0x80) || WSTOPSIG(status) == SIGTRAP
                     ? 0
                     : WSTOPSIG(status);
        if (calls == kill_at && !sent) {
            sent = true;
            kill(child, by);
        }
        ptrace(PTRACE_SYSCALL, child, NULL, signal);
        waitpid(child, &status, 0);
    }
    if (kill_at == 0)
        printf("%lu\n", calls);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "json") == 0)
        return json(argc - 2, argv + 2);
    if (argc >= 3 && strcmp(argv[1], "calls") == 0)
        return trace(0, 0, argv + 2);
    if (argc >= 4 && strcmp(argv[1], "kill") == 0)
        return trace(strtoul(argv[2], NULL, 10), SIGKILL, argv + 3);
    if (argc >= 4 && strcmp(argv[1], "interrupt") == 0)
        return trace(strtoul(argv[2], NULL, 10), SIGINT, argv + 3);
    if ((argc == 2 && strcmp(argv[1], "belongings") == 0) ||
        (argc == 3 && strcmp(argv[1], "read") == 0) || (argc == 4 && strcmp(argv[1], "write") == 0))
        return store(argc - 1, argv + 1);
    fprintf(stderr, "Usage: pvctl-probe json|read|write|belongings|calls|kill|interrupt ...\n");
    return 2;
}
