#include "help.h"

#include <gradfold/gradfold.h>
#include <stdio.h>
#include <string.h>

/* The lines of text, each with `indent` in front. */
static void print_lines(const char *text, const char *indent)
{
    for (;;) {
        size_t n = strcspn(text, "\n");
        printf("%s%.*s\n", n == 0 ? "" : indent, (int)n, text);
        if (text[n] == '\0')
            return;
        text += n + 1;
    }
}

static void print_option(const struct option *option)
{
    char left[80];
    char letter[8] = "    ";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
             option->value == NULL ? "" : " ", option->value == NULL ? "" : option->value);
    printf("  %-32s%s\n", left, option->variable == NULL ? "" : option->variable);
    print_lines(option->help, "        ");
    if (option->fallback != NULL)
        printf("        [default: %s]\n", option->fallback);
}

void help_command(const struct command *command)
{
    bool options = command->options[0].name != NULL;
    printf("Usage: gradfold %s%s%s%s\n", command->name, options ? " [OPTION]..." : "",
           command->operands[0] == '\0' ? "" : " ", command->operands);
    print_lines(command->about, "");
    printf("\nOptions, and the environment variables that stand in for those not given:\n");
    for (const struct option *option = command->options; option->name != NULL; option++)
        print_option(option);
    print_option(&option_help);
    printf("\nMore in gradfold-%s(1).\n", command->name);
}

void help_all(void)
{
    printf("Usage: gradfold COMMAND [OPTION]... [ARGUMENT]...\n"
           "Talks to gradfoldd, which sums the gradients of distributed training.\n\n"
           "Commands:\n");
    for (const struct command *command = commands; command->name != NULL; command++)
        printf("  %-10s %s\n", command->name, command->summary);
    printf("  %-10s %s\n", "help", "what a command does, and its options: gradfold help COMMAND");
    printf("\nOptions:\n  -h, --help     print this and exit\n"
           "      --version  print the version and exit\n\nExit status:\n");
#define X(name, number, text) printf("  %-4d %s\n", (number), (text));
    EXIT_STATUSES(X)
#undef X
    printf("\nMore in gradfold(1).\n");
}

void help_version(void)
{
    printf("gradfold %s\n", gf_version());
}
