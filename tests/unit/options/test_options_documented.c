/* What an administrator reads must be what the table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/table.h"

static char *read_manual(void)
{
    FILE *file = fopen(MANUAL, "re");
    if (file == NULL)
        fail_msg("cannot read %s", MANUAL);
    char *text = test_calloc(1, 65536);
    size_t n = fread(text, 1, 65535, file);
    assert_true(n > 0 && n < 65535);
    fclose(file);
    return text;
}

static void help_names_every_option_its_variable_and_its_default(void **state)
{
    (void)state;
    char help[OPTIONS_TEXT_MAX];
    options_help(help);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option *option = &options_table[i];
        char word[128];
        char variable[OPTION_VARIABLE_MAX];
        snprintf(word, sizeof word, "\n  --%s%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "",
                 option_variable(option, variable) == NULL ? "\n" : " ");
        if (strstr(help, word) == NULL)
            fail_msg("--help lacks \"%s\"", word);
        if (option_variable(option, variable) != NULL && strstr(help, variable) == NULL)
            fail_msg("--help lacks %s", variable);
        snprintf(word, sizeof word, "[default: %s]", option->fallback ? option->fallback : "");
        if (option->fallback != NULL && strstr(help, word) == NULL)
            fail_msg("--help lacks the default of --%s", option->name);
    }
}

static void help_fits_a_terminal(void **state)
{
    (void)state;
    char help[OPTIONS_TEXT_MAX];
    options_help(help);
    for (const char *line = help; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
}

/* The lines of the manual that describe the option: from its .It to the next; terminated. */
static void find_entry(const char *manual, const char *name, char *entry, size_t room)
{
    char start[64];
    snprintf(start, sizeof start, "\n.It Fl -%s", name);
    const char *from = strstr(manual, start);
    if (from == NULL) {
        fail_msg("the manual has no entry for --%s", name);
        return;
    }
    const char *body = from + strlen(start);
    const char *to = strstr(body, "\n.It ");
    const char *end = strstr(body, "\n.El");
    if (to == NULL || (end != NULL && end < to))
        to = end;
    assert_non_null(to);
    assert_true((size_t)(to - from) < room);
    memcpy(entry, from, (size_t)(to - from));
    entry[to - from] = '\0';
}

static void the_manual_describes_every_option_with_its_default(void **state)
{
    (void)state;
    char *manual = read_manual();
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option *option = &options_table[i];
        char entry[4096];
        char word[128];
        find_entry(manual, option->name, entry, sizeof entry);
        snprintf(word, sizeof word, "Default: %s.", option->fallback ? option->fallback : "");
        if (option->fallback != NULL && strstr(entry, word) == NULL)
            fail_msg("the manual does not say \"%s\" of --%s", word, option->name);
        snprintf(word, sizeof word, " Ar %s\n", option->value ? option->value : "");
        if (option->value != NULL && strstr(entry, word) == NULL)
            fail_msg("the manual names another value of --%s", option->name);
    }
    test_free(manual);
}

static void the_manual_names_every_variable_and_no_other(void **state)
{
    (void)state;
    char *manual = read_manual();
    size_t variables = 0;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        char variable[OPTION_VARIABLE_MAX];
        char word[64];
        if (option_variable(&options_table[i], variable) == NULL)
            continue;
        variables++;
        snprintf(word, sizeof word, "\n.It Ev %s\n", variable);
        if (strstr(manual, word) == NULL)
            fail_msg("the manual lacks %s", variable);
    }
    size_t named = 0;
    for (const char *at = manual; (at = strstr(at, "\n.It Ev ")) != NULL; at++)
        named++;
    assert_int_equal(named, variables);
    test_free(manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_every_option_its_variable_and_its_default),
        cmocka_unit_test(help_fits_a_terminal),
        cmocka_unit_test(the_manual_describes_every_option_with_its_default),
        cmocka_unit_test(the_manual_names_every_variable_and_no_other),
    };
    return cmocka_run_group_tests_name("options_documented", tests, NULL, NULL);
}
