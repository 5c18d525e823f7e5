/* A small neural network: 64 pixels, 32 hidden units (ReLU), 10 classes (softmax), cross-entropy
 * loss.
 *
 * All of it is f32 arithmetic in a fixed order: the same weights and images give the same
 * gradients, to the bit, whoever computes them. That, and sums that do not depend on the order in
 * which they are made, is why every worker ends with the same weights without ever sending them to
 * another. */
#pragma once

#include "data.h"

#include <stddef.h>
#include <stdint.h>

enum {
    HIDDEN = 32,
    BATCH = 16, /* images a worker looks at in one training step */
};

#define LEARNING_RATE 0.5f

/* What a training step sums over the workers. The numbers are the node ids of the gradfold job. */
enum node {
    HIDDEN_WEIGHT,
    HIDDEN_BIAS,
    OUTPUT_WEIGHT,
    OUTPUT_BIAS,
    LOSS, /* not trained, but summed all the same: the progress line wants it */
    NODES,
};

struct node_info {
    const char *name;
    uint64_t shape[2];
    size_t dimensions; /* used ones of shape; a scalar has none */
    size_t count;      /* elements, the product of the shape */
};

extern const struct node_info node_info[NODES];

/* A value for each element of each node: weights, or their gradients. Nothing but floats, one
 * behind the other, in the order of the nodes. */
struct tensors {
    float hidden_weight[HIDDEN * PIXELS]; /* [HIDDEN][PIXELS] */
    float hidden_bias[HIDDEN];
    float output_weight[CLASSES * HIDDEN]; /* [CLASSES][HIDDEN] */
    float output_bias[CLASSES];
    float loss[1]; /* unused in weights */
};

enum {
    ELEMENTS = sizeof(struct tensors) / sizeof(float)
};

/* The elements of one node; borrowed from `tensors`. */
float *tensors_node(struct tensors *tensors, enum node node);

/* What the forward pass leaves for the backward pass. The images are borrowed. */
struct forward {
    const struct image *image[BATCH];
    float hidden[BATCH][HIDDEN]; /* activations, after the ReLU */
    float error[BATCH]
               [CLASSES]; /* softmax minus one-hot: the gradient of the loss by the outputs */
    float loss;           /* mean over the batch */
};

/* The weights that everybody starts with: random-looking, always the same. */
void model_init(struct tensors *weights);

/* Runs the images named in `forward` through the network and fills in the rest of `forward`. */
void model_forward(const struct tensors *weights, struct forward *forward);

/* The backward pass, last layer first, so that its gradients can be on their way to the server
 * while the hidden layer's are computed. Each fills in its own part of `gradients`: the mean over
 * the batch. */
void model_backward_output(const struct forward *forward, struct tensors *gradients);
void model_backward_hidden(const struct tensors *weights, const struct forward *forward,
                           struct tensors *gradients);

/* One step of gradient descent: weights -= LEARNING_RATE * gradients. */
void model_update(struct tensors *weights, const struct tensors *gradients);

/* How many of the images are classified rightly, in percent. */
double model_accuracy(const struct tensors *weights, const struct images *images);
