/* digits_worker: one of several processes that train a network together, through a gradfold server.
 *
 * 1. It starts from its checkpoint, or with the weights that every worker starts with.
 * 2. In each round it computes gradients on images of its own. The output layer's are sent off at
 * once, and are on their way while the hidden layer's are computed.
 * 3. It gets back the mean of all workers' gradients, and takes a step. All workers get the same
 * bits and take the same step, so their weights stay equal although nobody ever sends weights.
 * 4. It writes its checkpoint and goes on with the next round.
 *
 * What can go wrong:
 *   2', 3'  the connection is lost   the library connects again and sends again; nothing counts
 * twice any     the process is killed    restarted, it does its last round again from the
 * checkpoint: the same weights and images, so the same gradients under the same keys. What the
 *                                    server already had is a DUPLICATE, what it had not is
 * accepted, and the mean is there to be pulled: the others cannot finish the next round without
 * this worker, so this one is not retired. any     the server is gone       an error after the
 * call's time-out */
#include "checkpoint.h"
#include "delay.h"
#include "exchange.h"
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct worker {
    const struct options *options;
    struct digits digits;
    struct exchange exchange;
    struct progress progress;
    FILE *trace;
    uint64_t round;
    bool resumed; /* from a checkpoint, and the first round since is not over */
    struct tensors weights, gradients, mean;
};

static const char *verdict_name(gf_verdict verdict)
{
    return verdict == GF_DUPLICATE ? "DUPLICATE" : "ACCEPTED";
}

static int checkpoint_resume(struct worker *worker)
{
    model_init(&worker->weights);
    int found = checkpoint_load(worker->options->checkpoint, &worker->round, &worker->weights);
    worker->resumed = found == 1;
    return found < 0 ? -1 : 0;
}

/* Sends the layers off, the last one first. The waiting in between makes the workers arrive in ever
 * new orders: the demo shows that this changes nothing. */
static int gradients_send(struct worker *worker)
{
    const struct options *options = worker->options;
    struct forward forward;
    for (size_t k = 0; k < BATCH; k++)
        forward.image[k] = digits_pick(&worker->digits.train, options->worker, options->workers,
                                       worker->round, BATCH, k);
    model_forward(&worker->weights, &forward);

    model_backward_output(&forward, &worker->gradients);
    delay_random(options->delay_ms);
    if (exchange_begin(&worker->exchange, OUTPUT_LAYER, worker->round, &worker->gradients,
                       &worker->mean) != 0)
        return -1;

    model_backward_hidden(&worker->weights, &forward, &worker->gradients);
    delay_random(options->delay_ms);
    delay_trace(worker->trace, worker->round, options->worker);
    return exchange_begin(&worker->exchange, HIDDEN_LAYER, worker->round, &worker->gradients,
                          &worker->mean);
}

static int mean_receive(struct worker *worker)
{
    gf_verdict output, hidden;
    if (exchange_end(&worker->exchange, OUTPUT_LAYER, &output) != 0 ||
        exchange_end(&worker->exchange, HIDDEN_LAYER, &hidden) != 0)
        return -1;
    if (worker->resumed)
        progress_note("worker %zu is back and does round %" PRIu64 " again; its pushes: %s, %s",
                      worker->options->worker, worker->round, verdict_name(output),
                      verdict_name(hidden));
    worker->resumed = false;
    return 0;
}

/* What a worker does that never got the answer to its push. The server must see that it has it. */
static int push_again(struct worker *worker)
{
    gf_verdict verdict;
    if (exchange_repeat(&worker->exchange, OUTPUT_LAYER, worker->round, &worker->gradients,
                        &verdict) != 0)
        return -1;
    progress_note("worker %zu pushes round %" PRIu64 " again, as if the answer was lost: %s",
                  worker->options->worker, worker->round, verdict_name(verdict));
    return verdict == GF_DUPLICATE ? 0 : -1;
}

static int round_run(struct worker *worker)
{
    if (gradients_send(worker) != 0 || mean_receive(worker) != 0)
        return -1;
    if (worker->round == worker->options->repeat_round && push_again(worker) != 0)
        return -1;
    model_update(&worker->weights, &worker->mean);
    if (worker->options->progress)
        progress_show(&worker->progress, worker->round, (double)worker->mean.loss[0],
                      &worker->weights, &worker->digits.test);
    worker->round++;
    return checkpoint_save(worker->options->checkpoint, worker->round, &worker->weights);
}

static int train(struct worker *worker)
{
    progress_start(&worker->progress, worker->round, worker->options->rounds);
    while (worker->round < worker->options->rounds)
        if (round_run(worker) != 0)
            return -1;
    return weights_save(worker->options->weights, &worker->weights);
}

static int connect_and_train(struct worker *worker)
{
    if (exchange_open(&worker->exchange, worker->options) != 0)
        return -1;
    int result = train(worker);
    exchange_close(&worker->exchange);
    return result;
}

int main(int argc, char **argv)
{
    static struct worker worker;
    struct options options;

    if (options_parse(&options, argc, argv) != 0 || options_check_worker(&options) != 0)
        return EXIT_FAILURE;
    worker.options = &options;
    if (digits_load(&worker.digits, options.data) != 0)
        return EXIT_FAILURE;
    worker.trace = delay_trace_open(options.trace);
    int result = checkpoint_resume(&worker) == 0 ? connect_and_train(&worker) : -1;
    if (worker.trace != NULL)
        fclose(worker.trace);
    digits_free(&worker.digits);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
