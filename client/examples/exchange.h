/* What a worker has to do with gradfold: everything about the server is in here.
 *
 * A round of training is two exchanges, one for each layer of the network. Each pushes this
 * worker's gradients and pulls the mean over all workers. They are begun one after the other, as
 * the backward pass delivers the layers, and are under way at the same time. */
#pragma once

#include "model.h"
#include "options.h"

#include <gradfold/gradfold.h>

/* In the order of the backward pass. The number is also the sequence of the layer's push in its
 * round. */
enum layer {
    OUTPUT_LAYER,
    HIDDEN_LAYER,
    LAYERS,
};

enum {
    LAYER_NODES_MAX = 3
};

struct exchange {
    const struct options *options;
    gf_client *client;
    gf_op *op[LAYERS]; /* under way, or NULL */
    gf_gradient buffer[LAYERS][LAYER_NODES_MAX];
};

/* All functions that can fail return 0, or -1 after they have said on stderr what went wrong. */

/* Connects to the server and creates the job, or finds that another worker has. The options are
 * borrowed until exchange_close(). */
int exchange_open(struct exchange *exchange, const struct options *options);
void exchange_close(struct exchange *exchange);

/* Sends the layer's gradients on their way and returns at once. `gradients` is read, and `mean`
 * written, until exchange_end() has returned. */
int exchange_begin(struct exchange *exchange, enum layer layer, uint64_t round,
                   struct tensors *gradients, struct tensors *mean);

/* Waits until the layer's mean has come. `verdict`: what became of the push. */
int exchange_end(struct exchange *exchange, enum layer layer, gf_verdict *verdict);

/* Pushes the layer once more, under the key that it already had. */
int exchange_repeat(struct exchange *exchange, enum layer layer, uint64_t round,
                    struct tensors *gradients, gf_verdict *verdict);
