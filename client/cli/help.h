/* --help, made from the tables, so that it cannot differ from what is accepted. */
#pragma once

#include "command.h"

void help_all(void);
void help_command(const struct command *command);
void help_version(void);
