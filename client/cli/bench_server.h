/* A gradfoldd for one bench: found beside this program or in PATH, on a free port of the loopback
 * address, ended with us. */
#pragma once

#include <sys/types.h>

#include "bench.h"
#include "report.h"

struct bench_server {
    pid_t pid;
    int ended;       /* a descriptor, readable when it has; -1: none */
    char folder[64]; /* of its port file and socket; "" for none */
};

void bench_server_init(struct bench_server *server);

/* Sets the bench's address. Else it was complained about. In both cases bench_server_stop(). */
enum exit_status bench_server_start(struct bench_server *server, struct bench *bench);
void bench_server_stop(struct bench_server *server);
