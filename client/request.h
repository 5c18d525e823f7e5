/* One request on its way: what is sent for it, how far that is, and what came of it.
 *
 *     QUEUED ──► SENDING ──► AWAITING ──► DONE
 *        ▲          │            │
 *        └──────────┴────────────┘   the connection was lost, or the server is stopping
 *
 * A reply may overtake the rest of its request's body (a push that is refused at its header): the
 * body is sent to its end all the same, so that the stream stays readable, and only then it is
 * DONE.
 *
 * Everything here happens under the client's lock. */
#pragma once

#include <sys/uio.h>

#include "base/heap.h"
#include "base/list.h"
#include "gradfold/gradfold.h"
#include "proto/header.h"

enum request_state {
    REQUEST_QUEUED,
    REQUEST_SENDING,
    REQUEST_AWAITING,
    REQUEST_DONE
};

/* Somebody's memory, sent or filled in place. */
struct piece {
    void *data;
    uint64_t bytes;
};

/* A position in an array of pieces. */
struct cursor {
    size_t piece;
    uint64_t offset;
};

enum {
    REQUEST_FEW = 4
};

struct request;

/* What differs from one request to another. */
struct request_kind {
    const char *what; /* for messages: "push" */
    Gradfold__V1__Response__ResultCase result;

    /* May it be sent now? false: something else must be answered first. NULL: always. */
    bool (*ready)(gf_client *client, struct request *request);

    /* Decides before each sending what is sent; NULL: it stays as it was made. */
    gf_code (*prepare)(gf_client *client, struct request *request, gf_error *error);

    /* The answer is OK. Reads the result; says through request->into where the body belongs. A code
     * other than GF_OK fails the request; GF_CLIENT_PROTOCOL the connection too. */
    gf_code (*accept)(struct request *request, const Gradfold__V1__Response *response,
                      uint64_t body_bytes, gf_error *error);

    /* The answer is a refusal. true: send the request again. NULL: never. */
    bool (*again)(struct request *request, gf_code code, uint64_t now_ms);

    /* The answer is a refusal that means success. NULL: none does. */
    bool (*excuse)(const struct request *request, gf_code code);

    /* It belongs to no operation but to the connection: is never sent again, and this frees what is
     * to be freed once it is DONE. */
    void (*ended)(gf_client *client, struct request *request);

    void (*free)(struct request *request); /* NULL: frees nothing more than the request */
};

struct request {
    const struct request_kind *kind;
    struct list link; /* in the client's queue or awaiting */
    enum request_state state;
    uint64_t id;    /* on the wire */
    uint64_t order; /* of submission */
    uint64_t begun_ms;
    uint64_t deadline_ms; /* NEVER: none */
    struct heap_node deadline;
    struct gf_op *op;

    uint8_t *head; /* frame prefix and header, owned */
    size_t head_bytes;
    struct piece *out;             /* [0] is the head, then the body: array of borrowed memory */
    struct piece few[REQUEST_FEW]; /* is the array, when they are */
    size_t n_out;
    uint64_t body_bytes;
    const int *passes; /* the descriptor that leaves with the first byte; NULL: none */
    struct cursor sent;
    uint64_t sent_bytes;
    unsigned sendings; /* complete ones */
    bool prompt;       /* small, and answered at once: others may wait for that */

    struct piece *into; /* where the reply's body belongs; owned array of borrowed memory */
    size_t n_into;

    bool answered;    /* the reply came before the request was sent to its end */
    gf_error outcome; /* of a DONE or answered one */
};

/* A frame's head of this message for a body of so many bytes. *head is reallocated, with room for
 * so many bytes more behind it. */
gf_code head_pack(Gradfold__V1__Request *message, uint64_t body_bytes, size_t room, uint8_t **head,
                  size_t *head_bytes, gf_error *error);

/* Makes the frame's head from message; body pieces are out[1] …, already filled in. The id must be
 * set. */
gf_code request_pack(struct request *request, Gradfold__V1__Request *message, gf_error *error);

/* Room for n pieces of body behind the head; not needed for none. */
gf_code request_reserve(struct request *request, size_t n, gf_error *error);

/* A body piece, in order; room was reserved. */
void request_add_piece(struct request *request, const void *data, uint64_t bytes);

/* Nothing of it has left, as far as anybody knows. */
void request_rewind(struct request *request);

/* Frees what it owns, but not the request. */
void request_release(struct request *request);

/* NULL is allowed. */
void request_free(struct request *request);

/* Up to max bytes from cursor on, in at most n vectors; returns how many it used. */
int pieces_vector(const struct piece *pieces, size_t n_pieces, struct cursor cursor,
                  struct iovec *vector, int n, uint64_t max);

/* bytes further on, over pieces that are empty too. */
void pieces_advance(const struct piece *pieces, size_t n_pieces, struct cursor *cursor,
                    uint64_t bytes);

uint64_t vector_bytes(const struct iovec *vector, int n);
