/* What a worker and the server tell each other: pushes and pulls through libgradfold. On a Unix
 * socket tensors are not copied on the way: contributions lie in a buffer, sums are seen in a view.
 *
 * Errors are printed, with what was tried; false then. */
#pragma once

#include <gradfold/gradfold.h>

#include "graph.h"

/* When a worker dies, about one of its pushes: */
enum moment {
    NEVER,
    BEFORE, /* all is computed, nothing is sent */
    DURING, /* on its way: the server may have nothing, a part, or all */
    AFTER,  /* answered */
};

struct exchange {
    gf_client *client;
    gf_client *second; /* with `twice`: pushes the same at the same time */
    const char *job;   /* borrowed */
    uint32_t worker;
    bool shared; /* use buffers and views */
    bool twice;
    enum moment moment; /* in which the process kills itself … */
    size_t fatal_push;  /* … about this push, the first being 1 */
    size_t pushed;      /* begun so far */
};

/* address: as of gf_connect(). The rest of exchange is the caller's to set before. */
MUST_USE bool exchange_open(struct exchange *exchange, const char *address);
void exchange_close(struct exchange *exchange);

/* The job of this tape, in which each node expects the contributions of one backward pass; found,
 * if it is there. */
MUST_USE bool exchange_create_job(struct exchange *exchange, const struct tape *tape,
                                  uint32_t world_size);

/* All contributions, in their order: all or none of them count, and once, however often they are
 * sent: the sequence is the number of this push. Prints "push SEQUENCE ACCEPTED" or DUPLICATE. The
 * server must ignore those, and only those, that go to frozen nodes; and with `twice`, accept one
 * of the two. */
MUST_USE bool exchange_push(struct exchange *exchange, const struct contributions *contributions,
                            const struct tape *tape, bool final);

/* Waits until node id is complete, and copies its sum into gradient (the node's bytes). Prints
 * "pull STATE ID CONTRIBUTIONS ELEMENT…". It must hold as many contributions as it expects. */
MUST_USE bool exchange_pull(const struct exchange *exchange, const struct tape *tape, size_t id,
                            void *gradient);
