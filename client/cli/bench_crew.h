/* The worker processes: each waits for an order, carries it out and answers. The next order goes
 * out when all have answered, so that they begin together. */
#pragma once

#include <sys/types.h>

#include "bench.h"
#include "report.h"

enum bench_task {
    TASK_PREPARE, /* memory for a job */
    TASK_OP,
};

struct bench_order {
    enum bench_task task;
    enum bench_op op;
    bool verify; /* compare every element of the sum */
    char job[64];
    uint64_t bytes;
    uint64_t round;
};

struct bench_answer {
    uint64_t begin_ns, end_ns; /* of the operation, CLOCK_MONOTONIC */
    gf_error error;            /* code GF_OK: carried out */
    char what[32];             /* that failed */
};

struct bench_crew {
    uint32_t n;
    int server; /* readable when a server of our own has ended; -1: there is none. Borrowed */
    pid_t *pid;
    int *channel;
    struct bench_answer *answer;
};

/* Forks the workers, which connect. No gf_client may exist. Else it was complained about. In both
 * cases bench_crew_stop(). */
enum exit_status bench_crew_start(struct bench_crew *crew, const struct bench *bench, int server);

/* Gives the order to all and awaits all answers, which are in crew->answer then. A worker that
 * failed or died is complained about, as is a dead server. */
enum exit_status bench_crew_do(struct bench_crew *crew, const struct bench_order *order);

/* Ends the processes, whatever they are doing. */
void bench_crew_stop(struct bench_crew *crew);

/* What a worker does until its channel is closed. */
void bench_worker_run(const struct bench *bench, uint32_t worker, int channel);
