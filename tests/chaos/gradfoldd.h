/* A gradfoldd process under test: started on free ports, watched, stopped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct gradfoldd {
    pid_t pid;
    char folder[64];
    char address[64];
    char admin[64];
};

/* program: its path. options: beside those for listening, ends with NULL. false: it did not start
 * within ten seconds; the reason was printed. */
bool gradfoldd_start(struct gradfoldd *d, const char *program, const char *const *options);

/* SIGTERM, then the exit status: 0 when it ended well, within 15 seconds. */
int gradfoldd_stop(struct gradfoldd *d);

/* Has it ended by itself? */
bool gradfoldd_died(struct gradfoldd *d);

/* The value of a metric without labels, from /metrics; -1: there is none. */
double gradfoldd_metric(const struct gradfoldd *d, const char *name);

/* Resident bytes and open descriptors, from /proc. */
bool gradfoldd_look(const struct gradfoldd *d, uint64_t *resident_bytes, unsigned *descriptors);

/* A TCP connection to "a.b.c.d:port", blocking, with time-outs of five seconds; -1: none. */
int connect_to(const char *address);

/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);

/* The next number of a seeded generator, and one below n. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t n);
