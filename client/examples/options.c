#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: digits_worker --data CSV --weights FILE [--rounds N] [--workers N]\n"
    "                     --server HOST:PORT --job NAME --worker N --checkpoint FILE\n"
    "                     [--trace FILE] [--delay-ms N] [--repeat-push ROUND] [--progress]\n"
    "       digits_alone  --data CSV --weights FILE [--rounds N] [--workers N]\n"
    "       digits_test   --data CSV --weights FILE\n";

static const struct option known[] = {
    {"data", required_argument, NULL, 'd'},
    {"weights", required_argument, NULL, 'w'},
    {"rounds", required_argument, NULL, 'r'},
    {"workers", required_argument, NULL, 'n'},
    {"server", required_argument, NULL, 's'},
    {"job", required_argument, NULL, 'j'},
    {"worker", required_argument, NULL, 'i'},
    {"checkpoint", required_argument, NULL, 'c'},
    {"trace", required_argument, NULL, 't'},
    {"delay-ms", required_argument, NULL, 'm'},
    {"repeat-push", required_argument, NULL, 'R'},
    {"progress", no_argument, NULL, 'p'},
    {NULL, 0, NULL, 0},
};

/* A number 0 … max; anything else ends in -1 and an explanation. */
static int number_parse(const char *text, uint64_t max, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        fprintf(stderr, "%s: expected a number up to %llu\n", text, (unsigned long long)max);
        return -1;
    }
    *number = value;
    return 0;
}

static int text_set(struct options *options, int option, const char *text)
{
    const char **field = option == 'd'   ? &options->data
                         : option == 'w' ? &options->weights
                         : option == 's' ? &options->server
                         : option == 'j' ? &options->job
                         : option == 'c' ? &options->checkpoint
                         : option == 't' ? &options->trace
                                         : NULL;
    if (field == NULL)
        return -1; /* getopt has already complained */
    *field = text;
    return 0;
}

static int option_set(struct options *options, int option, const char *text)
{
    uint64_t number = 0;
    switch (option) {
    case 'p':
        options->progress = 1;
        return 0;
    case 'r':
        return number_parse(text, 1000000, &options->rounds);
    case 'R':
        return number_parse(text, 1000000, &options->repeat_round);
    case 'n':
        if (number_parse(text, WORKERS_MAX, &number) != 0)
            return -1;
        options->workers = number;
        return 0;
    case 'i':
        if (number_parse(text, WORKERS_MAX - 1, &number) != 0)
            return -1;
        options->worker = number;
        return 0;
    case 'm':
        if (number_parse(text, 60000, &number) != 0)
            return -1;
        options->delay_ms = (unsigned)number;
        return 0;
    default:
        return text_set(options, option, text);
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.rounds = 900, .workers = 4, .repeat_round = UINT64_MAX};
    int option;
    int result = 0;
    while (result == 0 && (option = getopt_long(argc, argv, "", known, NULL)) != -1)
        result = option_set(options, option, optarg);
    if (result != 0 || optind < argc || options->data == NULL || options->weights == NULL ||
        options->rounds == 0 || options->worker >= options->workers) {
        fputs(usage, stderr);
        return -1;
    }
    return 0;
}

int options_check_worker(const struct options *options)
{
    if (options->server != NULL && options->job != NULL && options->checkpoint != NULL)
        return 0;
    fputs(usage, stderr);
    return -1;
}
