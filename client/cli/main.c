/* gradfold: from argv to a command's run function. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "command.h"
#include "help.h"
#include "report.h"

static enum exit_status unknown(const char *name)
{
    complain("there is no command \"%s\"", name);
    advise("gradfold --help lists them");
    return STATUS_USAGE;
}

static enum exit_status run(const struct command *command, int argc, char **argv)
{
    struct arguments arguments;
    report_name(command->name);
    enum exit_status status = arguments_read(&arguments, command, argc, argv);
    if (status == STATUS_DONE && arguments.help)
        help_command(command);
    else if (status == STATUS_DONE)
        status = command->run(&arguments);
    arguments_free(&arguments);
    return report_output(status);
}

/* gradfold help [COMMAND] */
static enum exit_status help(int argc, char **argv)
{
    const struct command *command = argc > 0 ? command_find(argv[0]) : NULL;
    if (argc > 0 && command == NULL)
        return unknown(argv[0]);
    if (command == NULL)
        help_all();
    else
        help_command(command);
    return report_output(STATUS_DONE);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        complain("a command is missing");
        advise("gradfold --help lists them");
        return STATUS_USAGE;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return (int)help(argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0) {
        help_version();
        return (int)report_output(STATUS_DONE);
    }
    const struct command *command = command_find(name);
    return (int)(command == NULL ? unknown(name) : run(command, argc - 2, argv + 2));
}
