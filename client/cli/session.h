/* A connection to the server that --server and --timeout name. */
#pragma once

#include <gradfold/gradfold.h>

#include "arguments.h"
#include "report.h"

/* *client is the caller's on STATUS_DONE; else it was complained about. */
enum exit_status session_open(const struct arguments *arguments, gf_client **client);

/* The same, at any address. */
enum exit_status session_open_at(const char *address, uint32_t timeout_ms, gf_client **client);

/* How long to wait for a connection. */
uint32_t session_connect_ms(uint32_t timeout_ms);

/* The job as the server describes it, the caller's on STATUS_DONE; else it was complained about. */
enum exit_status session_describe(gf_client *client, const char *name, gf_job **job);

/* Complains unless code is GF_OK; report_error()'s status then. */
enum exit_status session_check(gf_code code, const gf_error *error, const char *what,
                               const char *job);
