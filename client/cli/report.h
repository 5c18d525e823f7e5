/* What goes to standard error: what failed, and what to do next. */
#pragma once

#include <gradfold/gradfold.h>

#include "exit_status.h"

/* "gradfold COMMAND: …", where report_name() says what the command is. */
void report_name(const char *command);
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* An indented line below a complaint. */
__attribute__((format(printf, 1, 2))) void advise(const char *format, ...);

/* Complains about a call that failed, with its code and the message, and advises what fits the
 * code. job: which it was about; NULL: none. */
enum exit_status report_error(const gf_error *error, const char *what, const char *job);

enum exit_status report_no_memory(void);

/* Standard output could not be written to: STATUS_FILE; else `status`. To be called at the end. */
enum exit_status report_output(enum exit_status status);
