#include "frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "gradfold.pb-c.h"
#include "proto/frame.h"

enum {
    FIRST = 1 << 21,     /* of ids and sequences: from here to 2^28 they take four bytes */
    ROUNDS_MAX = 1 << 7, /* up to here, a round takes one */
    EACH_MAX = 512
};

static struct frames frames_of(const struct small *small, size_t each)
{
    struct frames frames = {.each = each, .bytes = each * small->pushes};
    frames.at = malloc(frames.bytes);
    if (frames.at == NULL)
        bench_fail("memory", "none left");
    return frames;
}

/* Returns the bytes of the frame that it writes to `to`, which has room for EACH_MAX. */
static size_t pack_request(const struct small *small, uint64_t i, uint8_t *to)
{
    const float gradient[SMALL_ELEMENTS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    uint64_t shape = SMALL_ELEMENTS;
    Gradfold__V1__Contribution contribution = GRADFOLD__V1__CONTRIBUTION__INIT;
    contribution.has_node = true;
    contribution.has_dtype = true;
    contribution.dtype = GRADFOLD__V1__DTYPE__DTYPE_F32;
    contribution.n_shape = 1;
    contribution.shape = &shape;
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    push.job = (char *)small->job;
    push.has_round = true;
    push.round = i / small->round;
    push.has_worker = true;
    push.has_sequence = true;
    push.sequence = FIRST + i;
    push.has_final = true;
    push.final = (i + 1) % small->round == 0;
    push.n_contributions = 1;
    push.contributions = &(Gradfold__V1__Contribution *){&contribution};
    Gradfold__V1__Request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = FIRST + i;
    request.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    request.push = &push;
    if (gradfold__v1__request__get_packed_size(&request) >
        EACH_MAX - FRAME_PREFIX_BYTES - sizeof gradient)
        bench_fail("frame", "too large");
    size_t header = gradfold__v1__request__pack(&request, to + FRAME_PREFIX_BYTES);
    frame_prefix_encode(to, (uint32_t)header, sizeof gradient);
    memcpy(to + FRAME_PREFIX_BYTES + header, gradient, sizeof gradient);
    return FRAME_PREFIX_BYTES + header + sizeof gradient;
}

static size_t pack_reply(const struct small *small, uint64_t i, uint8_t *to)
{
    Gradfold__V1__Status status = GRADFOLD__V1__STATUS__INIT;
    status.has_code = true;
    Gradfold__V1__PushResult result = GRADFOLD__V1__PUSH_RESULT__INIT;
    result.has_verdict = true;
    result.verdict = GRADFOLD__V1__VERDICT__VERDICT_ACCEPTED;
    result.has_round = true;
    result.round = i / small->round;
    result.has_ignored = true;
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    response.has_id = true;
    response.id = FIRST + i;
    response.status = &status;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_PUSH;
    response.push = &result;
    size_t header = gradfold__v1__response__pack(&response, to + FRAME_PREFIX_BYTES);
    frame_prefix_encode(to, (uint32_t)header, 0);
    return FRAME_PREFIX_BYTES + header;
}

static struct frames prepare(const struct small *small,
                             size_t (*pack)(const struct small *, uint64_t, uint8_t *))
{
    uint8_t frame[EACH_MAX];
    struct frames frames = frames_of(small, pack(small, 0, frame));
    for (uint64_t i = 0; i < small->pushes; i++) {
        if (pack(small, i, frame) != frames.each)
            bench_fail("frame", "not as long as the others");
        memcpy(frames.at + i * frames.each, frame, frames.each);
    }
    return frames;
}

void frames_prepare(const struct small *small, struct frames *requests, struct frames *replies)
{
    if (small->pushes / small->round > ROUNDS_MAX)
        bench_fail("small pushes", "at most 128 rounds");
    *requests = prepare(small, pack_request);
    *replies = prepare(small, pack_reply);
}

const char *frames_explain(const struct frames *replies, size_t at, const uint8_t *got, size_t n)
{
    static char text[256];
    size_t same = 0;
    while (same < n && got[same] == replies->at[at + same])
        same++;
    size_t start = (at + same) / replies->each * replies->each; /* of the answer that differs */
    const uint8_t *frame = start >= at ? got + (start - at) : NULL;
    Gradfold__V1__Response *response = NULL;
    uint32_t header = 0;
    if (frame != NULL && got + n - frame >= FRAME_PREFIX_BYTES)
        memcpy(&header, frame + 4, sizeof header);
    if (header > 0 && header <= (size_t)(got + n - frame) - FRAME_PREFIX_BYTES)
        response = gradfold__v1__response__unpack(NULL, header, frame + FRAME_PREFIX_BYTES);
    if (response != NULL && response->status != NULL && response->status->message != NULL)
        snprintf(text, sizeof text, "answer %zu: code %d: %s", start / replies->each,
                 response->status->code, response->status->message);
    else
        snprintf(text, sizeof text, "answer %zu is not as expected", start / replies->each);
    return text;
}
