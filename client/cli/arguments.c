#include "arguments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "value.h"

const struct option option_help = {
    .name = "help", .letter = 'h', .kind = OPTION_FLAG, .help = "print this and exit"};

/* -- Finding -- */

static const struct option *find_long(const struct command *command, const char *name, size_t n)
{
    const struct option *option = command->options;
    while (option->name != NULL && (strlen(option->name) != n || strncmp(option->name, name, n)))
        option++;
    if (option->name == NULL)
        option = n == 4 && strncmp(name, "help", n) == 0 ? &option_help : NULL;
    return option;
}

static const struct option *find_short(const struct command *command, char letter)
{
    const struct option *option = command->options;
    while (option->name != NULL && option->letter != letter)
        option++;
    if (option->name == NULL)
        option = letter == option_help.letter ? &option_help : NULL;
    return option;
}

/* -- Checking -- */

static void expect_numbers(const struct option *option, char *text, size_t room)
{
    if (option->max == UINT64_MAX)
        snprintf(text, room, "a whole number from %" PRIu64, option->min);
    else
        snprintf(text, room, "a whole number from %" PRIu64 " to %" PRIu64, option->min,
                 option->max);
}

static void expect_words(const struct option *option, char *text, size_t room)
{
    size_t n = 0;
    for (const char *const *word = option->words; *word != NULL && n < room; word++) {
        const char *separator = word == option->words ? "" : word[1] == NULL ? " or " : ", ";
        n += (size_t)snprintf(text + n, room - n, "%s%s", separator, *word);
    }
}

/* Sets *number to what the text means. False: `expected` says what would make sense. */
static bool understand(const struct option *option, const char *text, uint64_t *number,
                       char *expected, size_t room)
{
    switch (option->kind) {
    case OPTION_FLAG:
        return true;
    case OPTION_TEXT:
        snprintf(expected, room, "%s", option->value);
        return text[0] != '\0';
    case OPTION_NUMBER:
        expect_numbers(option, expected, room);
        return value_count(text, number) && *number >= option->min && *number <= option->max;
    case OPTION_TIME:
        snprintf(expected, room, "a time from %" PRIu64 "ms to 24h with its unit, such as 10s",
                 option->min);
        return value_time(text, number) && *number >= option->min && *number <= option->max;
    case OPTION_WORD:
        expect_words(option, expected, room);
        *number = (uint64_t)value_word(text, option->words);
        return *number != UINT64_MAX;
    }
    return false;
}

static enum exit_status refuse(const struct command *command)
{
    advise("gradfold help %s", command->name);
    return STATUS_USAGE;
}

static enum exit_status check(const struct command *command, const struct option *option,
                              const char *where, const char *text)
{
    char expected[256];
    uint64_t number;
    if (understand(option, text, &number, expected, sizeof expected))
        return STATUS_DONE;
    complain("%s: \"%s\": expected %s", where, text, expected);
    return refuse(command);
}

/* -- Reading -- */

/* The value of an option is behind it, or the next argument. */
static enum exit_status take(struct arguments *a, const struct option *option, const char *text,
                             char **next, int *taken)
{
    *taken = 0;
    if (option == &option_help) {
        a->help = true;
        return STATUS_DONE;
    }
    if (option->value == NULL && text != NULL) {
        complain("--%s takes no value", option->name);
        return refuse(a->command);
    }
    if (option->value != NULL && text == NULL) {
        text = *next;
        *taken = 1;
    }
    if (option->value != NULL && text == NULL) {
        complain("--%s %s: the value is missing", option->name, option->value);
        return refuse(a->command);
    }
    char where[64];
    snprintf(where, sizeof where, "--%s", option->name);
    if (text == NULL)
        text = "";
    a->given[a->n_given++] = (struct given){.option = option, .text = text};
    return check(a->command, option, where, text);
}

static enum exit_status unknown(const struct arguments *a, const char *argument)
{
    complain("%s has no option %s", a->command->name, argument);
    return refuse(a->command);
}

/* argv[0] begins with a dash; *taken says how many arguments it needed beside itself. */
static enum exit_status read_option(struct arguments *a, char **argv, int *taken)
{
    char *argument = argv[0];
    const struct option *option;
    const char *text = NULL;
    if (argument[1] == '-') {
        size_t n = strcspn(argument, "=");
        text = argument[n] == '=' ? argument + n + 1 : NULL;
        option = find_long(a->command, argument + 2, n - 2);
    } else {
        option = find_short(a->command, argument[1]);
        if (option != NULL && argument[2] != '\0')
            text = argument + 2;
    }
    return option == NULL ? unknown(a, argument) : take(a, option, text, argv + 1, taken);
}

static enum exit_status read_all(struct arguments *a, int argc, char **argv)
{
    bool options = true;
    for (int i = 0; i < argc; i++) {
        int taken = 0;
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            enum exit_status status = read_option(a, argv + i, &taken);
            if (status != STATUS_DONE || a->help)
                return status;
        } else {
            a->operands[a->n_operands++] = argv[i];
        }
        i += taken;
    }
    return STATUS_DONE;
}

/* What was given, else what the environment says, else the fallback. */
static enum exit_status settle(struct arguments *a, size_t index)
{
    const struct option *option = &a->command->options[index];
    for (size_t i = 0; i < a->n_given; i++) {
        if (a->given[i].option == option)
            a->value[index] = a->given[i].text;
    }
    const char *variable = option->variable == NULL ? NULL : getenv(option->variable);
    if (a->value[index] == NULL && variable != NULL) {
        a->value[index] = variable;
        return check(a->command, option, option->variable, variable);
    }
    if (a->value[index] == NULL)
        a->value[index] = option->fallback;
    if (a->value[index] == NULL && option->required) {
        complain("--%s %s is missing", option->name, option->value);
        return refuse(a->command);
    }
    return STATUS_DONE;
}

static enum exit_status count_operands(const struct arguments *a)
{
    if (a->n_operands < a->command->operands_min) {
        complain("%s is missing", a->command->operand);
        return refuse(a->command);
    }
    if (a->n_operands > a->command->operands_max) {
        complain("unexpected argument \"%s\"", a->operands[a->command->operands_max]);
        return refuse(a->command);
    }
    return STATUS_DONE;
}

enum exit_status arguments_read(struct arguments *arguments, const struct command *command,
                                int argc, char **argv)
{
    *arguments = (struct arguments){.command = command, .operands = argv};
    arguments->given = calloc((size_t)argc + 1, sizeof *arguments->given);
    if (arguments->given == NULL)
        return report_no_memory();
    enum exit_status status = read_all(arguments, argc, argv);
    if (status != STATUS_DONE || arguments->help)
        return status;
    status = count_operands(arguments);
    for (size_t i = 0; status == STATUS_DONE && command->options[i].name != NULL; i++)
        status = settle(arguments, i);
    return status;
}

void arguments_free(struct arguments *arguments)
{
    free(arguments->given);
}

/* -- Asking -- */

static const struct option *known(const struct arguments *arguments, const char *name)
{
    const struct option *option = find_long(arguments->command, name, strlen(name));
    if (option == NULL || option == &option_help) {
        complain("internal error: %s has no option --%s", arguments->command->name, name);
        exit(STATUS_FAILED);
    }
    return option;
}

const char *arguments_text(const struct arguments *arguments, const char *name)
{
    return arguments->value[known(arguments, name) - arguments->command->options];
}

bool arguments_flag(const struct arguments *arguments, const char *name)
{
    return arguments_text(arguments, name) != NULL;
}

uint64_t arguments_number(const struct arguments *arguments, const char *name)
{
    const char *text = arguments_text(arguments, name);
    uint64_t number = 0;
    char expected[256];
    if (text != NULL)
        understand(known(arguments, name), text, &number, expected, sizeof expected);
    return number;
}

const char *arguments_next(const struct arguments *arguments, const char *name, size_t *at)
{
    const struct option *option = known(arguments, name);
    while (*at < arguments->n_given) {
        const struct given *given = &arguments->given[(*at)++];
        if (given->option == option)
            return given->text;
    }
    return NULL;
}
