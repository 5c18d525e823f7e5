/* A fuzz target as an ordinary test: runs it once over each file that is named, and over each file
 * of each folder.
 *
 * usage: fuzz_TARGET [-v] PATH…        -v: name each input before it runs */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define WEAK __attribute__((weak))

WEAK int LLVMFuzzerInitialize(int *argc, char ***argv);
WEAK void __sanitizer_set_death_callback(void (*callback)(void));

enum {
    INPUT_MAX = 1 << 20
};

static char current[4096];
static unsigned inputs;
static bool verbose;

/* What ran when the process died: without it, nobody could look. */
static void tell(void)
{
    static const char before[] = "\nthe input at hand: ";
    ssize_t n = write(STDERR_FILENO, before, sizeof before - 1);
    n = write(STDERR_FILENO, current, strlen(current));
    n = write(STDERR_FILENO, "\n", 1);
    (void)n;
}

static void on_signal(int number)
{
    tell();
    signal(number, SIG_DFL);
    raise(number);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(INPUT_MAX);
    if (file == NULL || bytes == NULL) {
        perror(path);
        exit(2);
    }
    size_t n = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    snprintf(current, sizeof current, "%s", path);
    if (verbose)
        printf("%s: %zu bytes\n", path, n), fflush(stdout);
    struct span exact = {bytes, n};
    uint8_t *copy = input_copy(exact);
    free(bytes);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    inputs++;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_input, alphasort);
    if (n < 0) {
        run_file(path);
        return;
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        run_file(file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(tell);
    else
        signal(SIGSEGV, on_signal);
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else
            run_folder(argv[i]);
    }
    printf("%u inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
