/* A request from its header's bytes to the core's decision: unpacked, translated, stepped, on a
 * core with everything around it done at once (tests/support/core_rig.h).
 *
 * Input: the budgets (1 byte), then records. A record's control byte:
 *
 *   bits 0-1  the peer
 *   bits 2-4  before it: 1 time passes, 2 folds are held back or let go, 3 the same for persisting,
 *             4 the peer is lost, 5 a body on its way is completed, 6 it is refused
 *   bit 5     the body stays half-way
 *
 * Whatever is asked, an unpacked header takes bounded memory, strings that are passed on are
 * UTF-8, budgets hold after every step, and when all jobs are deleted all memory has come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_rig.h"
#include "fuzz.h"
#include "message_strings.h"
#include "net/request.h"
#include "proto/header.h"
#include "records.h"

enum {
    PEERS = 4,
    ARENA_BYTES = 1 << 20
};

extern const struct record_format record_format;
const struct record_format record_format = {1, 1, &gradfold__v1__request__descriptor};

struct story {
    struct rig rig;
    struct arena arena;
};

static void check(const struct story *s)
{
    struct core_stats stats;
    core_stats(s->rig.core, &stats);
    must(stats.staging_used <= stats.staging_max);
    must(stats.results_used <= stats.results_max);
    must(stats.accumulators_used <= stats.accumulators_max);
    must(stats.pushes_waiting + stats.bodies_receiving <= PEERS);
    must(stats.pushes_discarded <= stats.pushes_accepted);
}

static void step(struct story *s, struct event event)
{
    rig_forget(&s->rig);
    rig_step(&s->rig, event);
    for (size_t i = 0; i < s->rig.n_replies; i++) {
        const struct error *error = &s->rig.replies[i].error;
        must(error->code != CODE_INTERNAL);
        must((error->code == CODE_OK) == (error->message[0] == '\0'));
    }
    check(s);
}

/* -- Bodies -- */

static void fill(struct story *s, struct peer *peer, struct span from, uint64_t most)
{
    uint64_t room;
    unsigned char *to = body_room(&peer->intake, &room);
    if (room > most)
        room = most;
    (void)s;
    for (uint64_t done = 0; done < room;) {
        uint64_t n = 1 + (room - done) / 2;
        struct span piece = input_take(&from, n);
        memset(to + done, 0, n);
        if (piece.n > 0)
            memcpy(to + done, piece.at, piece.n);
        body_received(&peer->intake, n);
        done += n;
    }
}

static void complete(struct story *s, struct peer *peer, struct span from)
{
    if (peer->intake.state != INTAKE_GRANTED)
        return;
    fill(s, peer, from, UINT64_MAX);
    step(s, (struct event){.kind = EVENT_BODY_COMPLETE, .peer = peer});
}

static void drop(struct story *s, struct peer *peer)
{
    if (peer->intake.state == INTAKE_GRANTED || peer->intake.state == INTAKE_REFUSED)
        step(s, (struct event){.kind = EVENT_BODY_DROPPED, .peer = peer});
}

static void lose(struct story *s, struct peer *peer)
{
    drop(s, peer);
    step(s, (struct event){.kind = EVENT_PEER_LOST, .peer = peer});
    peer_init(peer);
}

/* -- Records -- */

static void before(struct story *s, struct peer *peer, const struct record *record)
{
    switch (record->control >> 2 & 7) {
    case 1:
        s->rig.now_ms += (record->control & 0x80) != 0 ? 100000000 : 100;
        step(s, (struct event){.kind = EVENT_TICK});
        break;
    case 2:
        s->rig.hold_folds = !s->rig.hold_folds;
        step(s, (struct event){.kind = EVENT_TICK});
        break;
    case 3:
        s->rig.hold_persist = !s->rig.hold_persist;
        step(s, (struct event){.kind = EVENT_TICK});
        break;
    case 4:
        lose(s, peer);
        break;
    case 5:
        complete(s, peer, record->body);
        break;
    case 6:
        drop(s, peer);
        break;
    default:
        break;
    }
}

static void ask(struct story *s, struct peer *peer, const Gradfold__V1__Request *message,
                const struct record *record)
{
    struct request request;
    struct error error;
    if (request_translate(&s->arena, message, record->prefix.body_bytes, NULL, &request, &error))
        return;
    if (request.event.kind != EVENT_PUSH && record->prefix.body_bytes > 0)
        return;
    if (request.event.kind == EVENT_PUSH && peer->intake.state != INTAKE_NONE)
        lose(s, peer); /* is not offered while another is under way */
    request.event.peer = peer;
    step(s, request.event);
    if (request.event.kind == EVENT_PUSH && peer->intake.state == INTAKE_GRANTED) {
        uint64_t room;
        body_room(&peer->intake, &room);
        must(room == record->prefix.body_bytes); /* or other frames would be taken for tensors */
        if ((record->control & 0x20) != 0)
            fill(s, peer, record->body, record->prefix.body_bytes / 2);
        else
            complete(s, peer, record->body);
    }
}

/* What was unpacked can be packed, and is judged the same then. */
static void check_message(const Gradfold__V1__Request *message, bool strings_ok)
{
    size_t n = gradfold__v1__request__get_packed_size(message);
    uint8_t *bytes = malloc(n + 1);
    must(bytes != NULL && gradfold__v1__request__pack(message, bytes) == n);
    bool utf8 = message_strings_ok(&message->base);
    must(!strings_ok || utf8);
    must(header_request_strings_ok(bytes, n) == utf8);
    free(bytes);
}

static void handle(struct story *s, const struct record *record)
{
    struct peer *peer = &s->rig.peers[record->control % PEERS];
    Gradfold__V1__Request *message;
    struct error error;
    before(s, peer, record);
    uint8_t *header = input_copy(record->header); /* what of it is kept is found out */
    enum code code = header_unpack_request(&s->arena, header, record->header.n, &message, &error);
    bool strings_ok = header_request_strings_ok(header, record->header.n);
    uint64_t id = header_request_id(header, record->header.n);
    free(header);
    must(s->arena.used <= ARENA_BYTES);
    if (code == CODE_OK) {
        must(id == (message->has_id ? message->id : 0));
        check_message(message, strings_ok);
        if (strings_ok)
            ask(s, peer, message, record);
    }
    arena_reset(&s->arena);
}

static void finish(struct story *s)
{
    struct list *link;
    struct core_stats stats;
    s->rig.hold_folds = s->rig.hold_persist = false;
    while ((link = list_first(core_jobs(s->rig.core))) != NULL) {
        char name[LIMIT_NAME + 1];
        snprintf(name, sizeof name, "%s", list_entry(link, struct job, link)->name);
        step(s, (struct event){.kind = EVENT_DELETE_JOB, .peer = &s->rig.peers[0], .job = name});
    }
    for (size_t i = 0; i < PEERS; i++)
        lose(s, &s->rig.peers[i]);
    core_stats(s->rig.core, &stats);
    must(stats.staging_used == 0 && stats.results_used == 0 && stats.accumulators_used == 0);
    must(stats.pushes_waiting == 0 && stats.pulls_waiting == 0 && stats.folds_running == 0);
    must(core_idle(s->rig.core));
    rig_free(&s->rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = {data, n};
    struct record record;
    struct core_config config = rig_config();
    uint8_t budgets = input_u8(&in);
    struct story *s = calloc(1, sizeof *s);
    config.staging_bytes >>= budgets & 7;
    config.result_bytes >>= budgets >> 3 & 3;
    config.accumulator_bytes >>= budgets >> 5;
    must(s != NULL && rig_init(&s->rig, &config));
    arena_init(&s->arena, ARENA_BYTES);
    for (size_t i = 0; i < RECORDS_MAX && record_take(&in, &record_format, &record); i++)
        handle(s, &record);
    finish(s);
    arena_free(&s->arena);
    free(s);
    return 0;
}
