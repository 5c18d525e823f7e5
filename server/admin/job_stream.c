/* One job's description on its way to a client.
 *
 * A job may have 262,144 nodes and 65 rounds of 65,536 workers: some 100 MB of JSON. So it is never
 * put together whole: whenever the client takes bytes and none are left, the next piece is written:
 *
 *   HEAD    name, age, memory
 *   ROUNDS  one round a piece, ascending by number; behind the last, the policy
 *   NODES   some nodes a piece; the job is referenced, and a tape never changes
 *   DONE
 *
 * The core moves on between two pieces. Each round is right for the moment of its piece; a round
 * that was retired meanwhile is left out, and all that are left when the job was deleted. */
#include "admin/job_stream.h"

#include <stdlib.h>
#include <string.h>

#include "admin/job_text.h"

enum {
    PIECE_BYTES = 16384
};

enum stage {
    STAGE_HEAD,
    STAGE_ROUNDS,
    STAGE_NODES,
    STAGE_DONE
};

struct job_stream {
    const struct world *world;
    struct job *job;
    bool nodes;
    enum stage stage;
    uint64_t next_round; /* the first number that was not shown */
    bool any_round;
    size_t next_node;
    struct text piece;
    size_t sent; /* of the piece */
};

static void write_head(struct job_stream *s, uint64_t now_ms)
{
    text_add(&s->piece, "{");
    job_text_head(&s->piece, s->job, now_ms);
    text_add(&s->piece, ",\"rounds\":[");
    s->stage = STAGE_ROUNDS;
}

static const struct round *find_round(const struct job *job, uint64_t from)
{
    if (job->deleted)
        return NULL;
    list_each (link, &job->rounds) {
        const struct round *round = list_entry(link, struct round, link);
        if (round->number >= from)
            return round;
    }
    return NULL;
}

static void write_round(struct job_stream *s, uint64_t now_ms)
{
    const struct round *round = find_round(s->job, s->next_round);
    if (round == NULL) {
        text_add(&s->piece, "],\n\"spec\":{");
        job_text_spec(&s->piece, s->job);
        text_add(&s->piece, s->nodes ? ",\"nodes\":[" : "}}\n");
        s->stage = s->nodes ? STAGE_NODES : STAGE_DONE;
        return;
    }
    text_add(&s->piece, s->any_round ? ",\n" : "\n");
    job_text_round(&s->piece, round, now_ms);
    s->any_round = true;
    s->next_round = round->number + 1;
}

static void write_nodes(struct job_stream *s)
{
    const struct tape *tape = &s->job->tape;
    for (; s->next_node < tape->size && s->piece.length < PIECE_BYTES; s->next_node++) {
        text_add(&s->piece, s->next_node > 0 ? ",\n" : "\n");
        job_text_node(&s->piece, &tape->nodes[s->next_node], s->next_node);
    }
    if (s->next_node < tape->size)
        return;
    text_add(&s->piece, "]}}\n");
    s->stage = STAGE_DONE;
}

static void write_piece(struct job_stream *s)
{
    struct admin_numbers numbers;
    text_clear(&s->piece);
    s->sent = 0;
    world_lock(s->world);
    world_numbers(s->world, &numbers);
    switch (s->stage) {
    case STAGE_HEAD:
        write_head(s, numbers.now_ms);
        break;
    case STAGE_ROUNDS:
        write_round(s, numbers.now_ms);
        break;
    case STAGE_NODES:
        write_nodes(s);
        break;
    case STAGE_DONE:
        break;
    }
    world_unlock(s->world);
}

static ssize_t read_stream(void *context, uint64_t position, char *out, size_t room)
{
    struct job_stream *s = context;
    (void)position;
    while (s->sent == s->piece.length && s->stage != STAGE_DONE && !s->piece.failed)
        write_piece(s);
    if (s->piece.failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t n = s->piece.length - s->sent;
    if (n == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n > room)
        n = room;
    memcpy(out, s->piece.bytes + s->sent, n);
    s->sent += n;
    return (ssize_t)n;
}

static void unref(const struct world *world, struct job *job)
{
    world_lock(world);
    job_unref(job);
    world_unlock(world);
}

static void free_stream(void *context)
{
    struct job_stream *s = context;
    text_free(&s->piece);
    unref(s->world, s->job);
    free(s);
}

struct MHD_Response *job_stream_response(const struct world *world, struct job *job, bool nodes)
{
    struct job_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        unref(world, job);
        return NULL;
    }
    s->world = world;
    s->nodes = nodes;
    s->job = job;
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES,
                                                                      read_stream, s, free_stream);
    if (response == NULL)
        free_stream(s);
    return response;
}
