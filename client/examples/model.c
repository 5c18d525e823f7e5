#include "model.h"

#include <math.h>

const struct node_info node_info[NODES] = {
    [HIDDEN_WEIGHT] = {"hidden.weight", {HIDDEN, PIXELS}, 2, (size_t)HIDDEN *PIXELS},
    [HIDDEN_BIAS] = {"hidden.bias", {HIDDEN}, 1, HIDDEN},
    [OUTPUT_WEIGHT] = {"output.weight", {CLASSES, HIDDEN}, 2, (size_t)CLASSES *HIDDEN},
    [OUTPUT_BIAS] = {"output.bias", {CLASSES}, 1, CLASSES},
    [LOSS] = {"loss", {0}, 0, 1},
};

_Static_assert(ELEMENTS == HIDDEN * PIXELS + HIDDEN + CLASSES * HIDDEN + CLASSES + 1,
               "tensors hold floats and no padding");

float *tensors_node(struct tensors *tensors, enum node node)
{
    float *const first[NODES] = {
        [HIDDEN_WEIGHT] = tensors->hidden_weight,
        [HIDDEN_BIAS] = tensors->hidden_bias,
        [OUTPUT_WEIGHT] = tensors->output_weight,
        [OUTPUT_BIAS] = tensors->output_bias,
        [LOSS] = tensors->loss,
    };
    return first[node];
}

/* -- Weights to start with -- */

/* Evenly spread over -1 … 1: the upper bits of a linear congruential generator (Knuth's MMIX). */
static float spread(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

static void layer_init(float *weight, size_t count, size_t inputs, uint64_t *state)
{
    float scale =
        sqrtf(6.0f / (float)inputs); /* He et al. 2015: keeps the variance through a ReLU */
    for (size_t i = 0; i < count; i++)
        weight[i] = spread(state) * scale;
}

void model_init(struct tensors *weights)
{
    uint64_t state = 1;
    *weights = (struct tensors){0};
    layer_init(weights->hidden_weight, node_info[HIDDEN_WEIGHT].count, PIXELS, &state);
    layer_init(weights->output_weight, node_info[OUTPUT_WEIGHT].count, HIDDEN, &state);
}

/* -- Forward -- */

static float dot(const float *a, const float *b, size_t count)
{
    float sum = 0.0f;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static void hidden_layer(const struct tensors *weights, const float *pixel, float *hidden)
{
    for (size_t i = 0; i < HIDDEN; i++) {
        float in =
            weights->hidden_bias[i] + dot(&weights->hidden_weight[i * PIXELS], pixel, PIXELS);
        hidden[i] = in > 0.0f ? in : 0.0f;
    }
}

static void output_layer(const struct tensors *weights, const float *hidden, float *output)
{
    for (size_t i = 0; i < CLASSES; i++)
        output[i] =
            weights->output_bias[i] + dot(&weights->output_weight[i * HIDDEN], hidden, HIDDEN);
}

static size_t largest(const float *value, size_t count)
{
    size_t at = 0;
    for (size_t i = 1; i < count; i++)
        at = value[i] > value[at] ? i : at;
    return at;
}

/* Turns outputs into probabilities. Subtracting the largest first keeps expf() from overflowing. */
static void softmax(float *output)
{
    float max = output[largest(output, CLASSES)];
    float sum = 0.0f;
    for (size_t i = 0; i < CLASSES; i++) {
        output[i] = expf(output[i] - max);
        sum += output[i];
    }
    for (size_t i = 0; i < CLASSES; i++)
        output[i] /= sum;
}

void model_forward(const struct tensors *weights, struct forward *forward)
{
    float loss = 0.0f;
    for (size_t k = 0; k < BATCH; k++) {
        const struct image *image = forward->image[k];
        float *error = forward->error[k];
        hidden_layer(weights, image->pixel, forward->hidden[k]);
        output_layer(weights, forward->hidden[k], error);
        softmax(error);
        loss -= logf(fmaxf(error[image->label], 0x1p-100f));
        error[image->label] -= 1.0f;
    }
    forward->loss = loss / BATCH;
}

/* -- Backward -- */

static void add_scaled(float *to, const float *from, float scale, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += scale * from[i];
}

void model_backward_output(const struct forward *forward, struct tensors *gradients)
{
    for (size_t i = 0; i < CLASSES; i++) {
        float *weight = &gradients->output_weight[i * HIDDEN];
        gradients->output_bias[i] = 0.0f;
        for (size_t j = 0; j < HIDDEN; j++)
            weight[j] = 0.0f;
        for (size_t k = 0; k < BATCH; k++) {
            float error = forward->error[k][i] / BATCH;
            gradients->output_bias[i] += error;
            add_scaled(weight, forward->hidden[k], error, HIDDEN);
        }
    }
    gradients->loss[0] = forward->loss;
}

/* The gradient of the loss by the input of hidden unit i, for one image; the ReLU lets it through
 * or not. */
static float hidden_error(const struct tensors *weights, const struct forward *forward, size_t k,
                          size_t i)
{
    float sum = 0.0f;
    for (size_t j = 0; j < CLASSES; j++)
        sum += weights->output_weight[j * HIDDEN + i] * forward->error[k][j];
    return forward->hidden[k][i] > 0.0f ? sum / BATCH : 0.0f;
}

void model_backward_hidden(const struct tensors *weights, const struct forward *forward,
                           struct tensors *gradients)
{
    for (size_t i = 0; i < HIDDEN; i++) {
        float *weight = &gradients->hidden_weight[i * PIXELS];
        gradients->hidden_bias[i] = 0.0f;
        for (size_t j = 0; j < PIXELS; j++)
            weight[j] = 0.0f;
        for (size_t k = 0; k < BATCH; k++) {
            float error = hidden_error(weights, forward, k, i);
            gradients->hidden_bias[i] += error;
            add_scaled(weight, forward->image[k]->pixel, error, PIXELS);
        }
    }
}

/* -- The step, and how good it was -- */

static void descend(float *weight, const float *gradient, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weight[i] -= LEARNING_RATE * gradient[i];
}

void model_update(struct tensors *weights, const struct tensors *gradients)
{
    descend(weights->hidden_weight, gradients->hidden_weight, node_info[HIDDEN_WEIGHT].count);
    descend(weights->hidden_bias, gradients->hidden_bias, node_info[HIDDEN_BIAS].count);
    descend(weights->output_weight, gradients->output_weight, node_info[OUTPUT_WEIGHT].count);
    descend(weights->output_bias, gradients->output_bias, node_info[OUTPUT_BIAS].count);
}

double model_accuracy(const struct tensors *weights, const struct images *images)
{
    size_t right = 0;
    for (size_t i = 0; i < images->count; i++) {
        float hidden[HIDDEN], output[CLASSES];
        hidden_layer(weights, images->image[i].pixel, hidden);
        output_layer(weights, hidden, output);
        right += largest(output, CLASSES) == images->image[i].label;
    }
    return 100.0 * (double)right / (double)images->count;
}
