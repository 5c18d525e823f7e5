/* digits_alone: trains as the workers do, but in one process and without a server.
 *
 * Each step computes the gradients of every worker's images, one worker after the other, and takes
 * their exact mean. The mean is all that gradfold does in the distributed run, so both must end
 * with the same weights, to the bit: that is what the demo shows. */
#include "checkpoint.h"
#include "mean.h"
#include "options.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

/* The gradients of one worker in one round, as worker.c computes them. */
static void gradients_compute(const struct tensors *weights, const struct digits *digits,
                              size_t worker, size_t workers, uint64_t round,
                              struct tensors *gradients)
{
    struct forward forward;
    for (size_t k = 0; k < BATCH; k++)
        forward.image[k] = digits_pick(&digits->train, worker, workers, round, BATCH, k);
    model_forward(weights, &forward);
    model_backward_output(&forward, gradients);
    model_backward_hidden(weights, &forward, gradients);
}

/* mean = the mean of gradients[0 … workers - 1], element by element. */
static void mean_compute(struct tensors *gradients, size_t workers, struct tensors *mean)
{
    float value[WORKERS_MAX];
    for (enum node node = 0; node < NODES; node++) {
        for (size_t i = 0; i < node_info[node].count; i++) {
            for (size_t worker = 0; worker < workers; worker++)
                value[worker] = tensors_node(&gradients[worker], node)[i];
            tensors_node(mean, node)[i] = mean_exact(value, workers);
        }
    }
}

static void train(const struct options *options, const struct digits *digits,
                  struct tensors *weights)
{
    static struct tensors gradients[WORKERS_MAX];
    struct tensors mean;
    struct progress progress;

    model_init(weights);
    progress_start(&progress, 0, options->rounds);
    for (uint64_t round = 0; round < options->rounds; round++) {
        for (size_t worker = 0; worker < options->workers; worker++)
            gradients_compute(weights, digits, worker, options->workers, round, &gradients[worker]);
        mean_compute(gradients, options->workers, &mean);
        model_update(weights, &mean);
        progress_show(&progress, round, (double)mean.loss[0], weights, &digits->test);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    struct digits digits;
    struct tensors weights;

    if (options_parse(&options, argc, argv) != 0 || digits_load(&digits, options.data) != 0)
        return EXIT_FAILURE;
    train(&options, &digits, &weights);
    int result = weights_save(options.weights, &weights);
    digits_free(&digits);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
