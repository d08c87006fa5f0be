/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvunpack: the command. The output file appears under its name only when it is complete: it is
 * written beside it first, and renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trim.h"
#include "unpack.h"

static const char usage_text[] =
    "Usage: pvunpack [--max-size=MIB] [--verbose] KERNEL OUTPUT\n"
    "Unpacks a Linux kernel image (bzImage) to the ELF file inside, which is what Paravane loads.\n"
    "An ELF file is copied as it is. KERNEL or OUTPUT may be '-': standard input or output.\n"
    "\n"
    "  -m, --max-size=MIB  refuse what unpacks to more than MIB mebibytes (1024)\n"
    "  -v, --verbose       say what was found\n"
    "  -h, --help          print this text\n"
    "\n"
    "Compressions: gzip, xz, lzma, zstd, bzip2, lz4.\n"
    "Exit status: 0 done; 1 wrong usage; 2 reading or writing failed; 3 the file is no kernel, or\n"
    "one that cannot be unpacked; 4 the kernel is cut off or corrupt.\n";

struct options {
    uint64_t limit;
    bool verbose;
    const char *input, *output;
};

static int complain(enum unpack_result result, const char *file, const char *why)
{
    fprintf(stderr, "pvunpack: %s: %s\n", file, why);
    return result;
}

/* A whole number of mebibytes, 1 to 1,048,576, as bytes; 0 if the text is anything else. */
static uint64_t parse_mebibytes(const char *text)
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || *end || end == text || text[0] < '0' || text[0] > '9' || n > 1u << 20)
        return 0;
    return (uint64_t)n << 20;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
    static const struct option long_options[] = {{"max-size", required_argument, NULL, 'm'},
                                                 {"verbose", no_argument, NULL, 'v'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "m:vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'm':
            opt->limit = parse_mebibytes(optarg);
            if (!opt->limit)
                return complain(UNPACK_USAGE, "--max-size", "a number from 1 to 1048576 is wanted");
            break;
        case 'v':
            opt->verbose = true;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return fflush(stdout) ? UNPACK_IO : UNPACK_OK;
        default:
            fputs("Try 'pvunpack --help'.\n", stderr);
            return UNPACK_USAGE;
        }
    }
    if (argc - optind != 2) {
        fputs(usage_text, stderr);
        return UNPACK_USAGE;
    }
    opt->input = argv[optind];
    opt->output = argv[optind + 1];
    return -1;
}

/* Unpacks to the open descriptor, says on standard error what went wrong or what was found. */
static int unpack(const struct options *opt, int in, int out)
{
    struct unpack_report report;
    enum unpack_result result = unpack_kernel(in, out, opt->limit, &report);

    if (result != UNPACK_OK)
        return complain(result, opt->input, report.error);
    if (opt->verbose)
        fprintf(stderr, "pvunpack: %s: %s, %llu bytes\n", opt->input, report.format,
                (unsigned long long)report.written);
    return UNPACK_OK;
}

static int unpack_to_file(const struct options *opt, int in)
{
    char *part = NULL;
    int result;

    if (asprintf(&part, "%s.XXXXXX", opt->output) < 0)
        return complain(UNPACK_IO, opt->output, "no memory");
    int out = mkstemp(part);
    if (out < 0) {
        result = complain(UNPACK_IO, opt->output, strerror(errno));
        free(part);
        return result;
    }

    result = unpack(opt, in, out);
    if (result == UNPACK_OK) {
        int rc = trim_segments(out);
        if (rc != 0)
            result = complain(UNPACK_IO, opt->output, strerror(-rc));
    }
    mode_t mask = umask(0);
    umask(mask);
    if (result == UNPACK_OK && fchmod(out, 0666 & ~mask))
        result = complain(UNPACK_IO, opt->output, strerror(errno));
    if (close(out) && result == UNPACK_OK)
        result = complain(UNPACK_IO, opt->output, strerror(errno));
    if (result == UNPACK_OK && rename(part, opt->output))
        result = complain(UNPACK_IO, opt->output, strerror(errno));
    if (result != UNPACK_OK)
        unlink(part);
    free(part);
    return result;
}

int main(int argc, char **argv)
{
    struct options opt = {.limit = UNPACK_DEFAULT_LIMIT};
    int status = parse_options(argc, argv, &opt);

    if (status >= 0)
        return status;
    int in = STDIN_FILENO;
    if (strcmp(opt.input, "-")) {
        in = open(opt.input, O_RDONLY | O_CLOEXEC);
        if (in < 0)
            return complain(UNPACK_IO, opt.input, strerror(errno));
    }
    if (strcmp(opt.output, "-"))
        status = unpack_to_file(&opt, in);
    else
        status = unpack(&opt, in, STDOUT_FILENO);
    if (in != STDIN_FILENO)
        close(in);
    return status;
}
