/* sim: plays histories; see README.md beside this file. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "series.h"

static const char usage[] =
    "usage: sim [--seeds N] [--from N] [--seed N] [--trace]\n"
    "\n"
    "Plays random histories of the core and checks it after each step. Stops at the first failure\n"
    "and prints its seed.\n"
    "\n"
    "  --seeds N   so many (default 1000)\n"
    "  --from N    beginning with this seed (default 1)\n"
    "  --seed N    this one only\n"
    "  --trace     tell what happens\n";

static bool number(const char *text, uint64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'n'}, {"from", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},  {"trace", no_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    uint64_t seeds = 1000;
    uint64_t from = 1;
    bool trace = false;
    bool valid = true;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == 't')
            trace = true;
        else if (option == 'n')
            valid &= number(optarg, &seeds);
        else if (option == 'f' || option == 's')
            valid &= number(optarg, &from);
        else
            valid = false;
        if (option == 's')
            seeds = 1;
    }
    if (!valid || optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    struct series series;
    bool good = series_run(&series, from, seeds, trace);
    series_print(&series);
    return good ? 0 : 1;
}
