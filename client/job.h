/* A snapshot of a job: a deep copy of the server's answer, all of it in one arena. */
#pragma once

#include "gradfold/job.h"
#include "proto/header.h"

/* *job is set on success only. GF_CLIENT_PROTOCOL: the status is not complete. */
gf_code job_new(const Gradfold__V1__JobStatus *status, gf_job **job, gf_error *error);
