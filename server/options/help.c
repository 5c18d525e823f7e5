#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "options/table.h"

/* The text as it grows; that it fits is our own affair, since nothing in it comes from outside. */
struct page {
    char *text;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct page *page, const char *format, ...)
{
    size_t room = OPTIONS_TEXT_MAX - page->length;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(page->text + page->length, room, format, args);
    va_end(args);
    must(n >= 0 && (size_t)n < room);
    page->length += (size_t)n;
}

static void add_indented(struct page *page, const char *lines)
{
    for (;;) {
        size_t n = strcspn(lines, "\n");
        add(page, "      %.*s", (int)n, lines);
        if (lines[n] == '\0')
            return;
        add(page, "\n");
        lines += n + 1;
    }
}

static void add_option(struct page *page, const struct option *option)
{
    char left[64];
    char variable[OPTION_VARIABLE_MAX];
    snprintf(left, sizeof left, "--%s%s%s", option->name, option->value == NULL ? "" : " ",
             option->value == NULL ? "" : option->value);
    const char *right = option_variable(option, variable);
    if (right == NULL)
        add(page, "  %s\n", left);
    else
        add(page, "  %-32s%s\n", left, right);
    add_indented(page, option->help);
    if (option->fallback != NULL)
        add(page, "\n      [default: %s]", option->fallback);
    add(page, "\n");
}

void options_help(char text[static OPTIONS_TEXT_MAX])
{
    struct page page = {.text = text};
    add(&page, "Usage: gradfoldd [OPTION]...\n"
               "Sums the gradients that distributed training workers push, exactly.\n\n"
               "Options, and the environment variables that stand in for those not given:\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        add_option(&page, &options_table[i]);
    add(&page, "\nSIGTERM and SIGINT stop the server in order. Exit codes: 0 stopped in order,\n"
               "1 could not start or go on, 2 an option or a variable makes no sense.\n"
               "More in gradfoldd(8).\n");
}

void options_version(char text[static OPTIONS_TEXT_MAX])
{
    snprintf(text, OPTIONS_TEXT_MAX, "gradfoldd %s\n", GRADFOLD_VERSION);
}
