/* Nobody can make the server hold more than it may, or keep the others waiting. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/code.h"
#include "proto/frame.h"
#include "served.h"
#include "wire.h"

enum {
    ELEMENTS = 400000,
    STAGING_BYTES = 2 << 20
};

struct fixture {
    struct served served;
    struct wire a, b;
    float *floats;
};

static int setup(void **state)
{
    static struct fixture f;
    served_options(&f.served);
    f.served.options.staging_bytes = STAGING_BYTES; /* one body of ELEMENTS, not two */
    f.served.options.max_body_bytes = UINT64_C(1) << 40;
    f.served.options.max_connections = 3;
    served_start(&f.served, 1);
    wire_connect(&f.a, &f.served.address[0]);
    wire_connect(&f.b, &f.served.address[0]);
    f.floats = wire_floats(ELEMENTS, 1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wire_close(&f->a);
    wire_close(&f->b);
    served_end(&f->served);
    free(f->floats);
    return 0;
}

static void list_jobs(struct wire *w, uint64_t id)
{
    Gradfold__V1__ListJobs list = GRADFOLD__V1__LIST_JOBS__INIT;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = id;
    request.op_case = GRADFOLD__V1__REQUEST__OP_LIST_JOBS;
    request.list_jobs = &list;
    wire_send_header(w, &request, 0);
}

/* A has the staging and holds back the end of its body; B waits. */
static void fill_staging(struct fixture *f)
{
    wire_create(&f->a, "j", ELEMENTS, 2);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 1, true);
    wire_write(&f->a, f->floats, 1000);
    served_wait(&f->served, 1, 0, 0);
    wire_push_header(&f->b, "j", ELEMENTS, 1, 2, true);
    wire_write(&f->b, f->floats, ELEMENTS * sizeof(float) / 2);
    served_wait(&f->served, 1, 1, 0);
}

static void a_push_waits_for_staging_until_another_is_folded(void **state)
{
    struct fixture *f = *state;
    fill_staging(f);
    wire_write(&f->a, (char *)f->floats + 1000, ELEMENTS * sizeof(float) - 1000);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    wire_write(&f->b, f->floats + ELEMENTS / 2, ELEMENTS * sizeof(float) / 2);
    assert_int_equal(wire_receive(&f->b), CODE_OK);
    wire_pull(&f->a, "j", 3, 10000);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_true(((float *)(void *)f->a.body)[ELEMENTS - 1] == 2);
}

static void a_lost_connection_gives_its_staging_to_who_waits(void **state)
{
    struct fixture *f = *state;
    fill_staging(f);
    shutdown(f->a.fd, SHUT_RDWR);
    wire_write(&f->b, f->floats + ELEMENTS / 2, ELEMENTS * sizeof(float) / 2);
    assert_int_equal(wire_receive(&f->b), CODE_OK);
}

static void delete_job(struct wire *w, const char *job)
{
    char name[64];
    snprintf(name, sizeof name, "%s", job);
    Gradfold__V1__DeleteJob delete = GRADFOLD__V1__DELETE_JOB__INIT;
    delete.job = name;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.op_case = GRADFOLD__V1__REQUEST__OP_DELETE_JOB;
    request.delete_job = &delete;
    assert_int_equal(wire_ask(w, &request), CODE_OK);
}

static void a_push_that_is_refused_while_it_waits_leaves_its_connection_usable(void **state)
{
    struct fixture *f = *state;
    struct wire c;
    fill_staging(f);
    wire_connect(&c, &f->served.address[0]);
    delete_job(&c, "j");
    assert_int_equal(wire_receive(&f->b), CODE_NOT_FOUND);
    assert_int_equal(f->b.response->id, 2);
    wire_write(&f->b, f->floats + ELEMENTS / 2, ELEMENTS * sizeof(float) / 2);
    list_jobs(&f->b, 3);
    assert_int_equal(wire_receive(&f->b), CODE_OK);
    wire_close(&c);
}

static void a_push_that_can_never_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "huge", STAGING_BYTES, 1);
    wire_push_header(&f->a, "huge", STAGING_BYTES, 0, 1, false);
    assert_int_equal(wire_receive(&f->a), CODE_RESOURCE_EXHAUSTED);
}

/* Sends a body that never ends until told to. */
struct flood {
    struct wire *wire;
    atomic_bool enough;
    atomic_ullong sent;
};

static void *flood(void *ctx)
{
    static char zeros[1 << 18];
    struct flood *flood = ctx;
    while (!atomic_load(&flood->enough)) {
        ssize_t n = send(flood->wire->fd, zeros, sizeof zeros, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        atomic_fetch_add(&flood->sent, (unsigned long long)n);
    }
    return NULL;
}

static void an_endless_body_does_not_stall_others(void **state)
{
    struct fixture *f = *state;
    struct flood ctx = {.wire = &f->a};
    pthread_t thread;
    wire_push_header(&f->a, "nobody", UINT64_C(1) << 37, 0, 1, false);
    assert_int_equal(wire_receive(&f->a), CODE_NOT_FOUND);
    pthread_create(&thread, NULL, flood, &ctx);
    while (atomic_load(&ctx.sent) < (8 << 20))
        ;
    for (uint64_t i = 1; i <= 200; i++) {
        list_jobs(&f->b, i);
        assert_int_equal(wire_receive(&f->b), CODE_OK);
    }
    atomic_store(&ctx.enough, true);
    pthread_join(thread, NULL);
    served_wait(&f->served, 0, 0, 0);                /* the loop's thread has written it */
    assert_true(f->served.turn_bytes_max < 3 << 19); /* a turn is 1 MiB and the end of a read */
}

enum {
    NODES = 4000,
    PADDING = 60000
};

/* A job whose description is long. */
static void create_wide(struct wire *w)
{
    static Gradfold__V1__Node node = GRADFOLD__V1__NODE__INIT;
    static Gradfold__V1__Node *nodes[NODES];
    char name[] = "wide";
    node.has_dtype = true;
    for (int i = 0; i < NODES; i++)
        nodes[i] = &node;
    Gradfold__V1__JobSpec spec = GRADFOLD__V1__JOB_SPEC__INIT;
    spec.name = name;
    spec.nodes = nodes;
    spec.n_nodes = NODES;
    spec.has_world_size = true;
    spec.world_size = 1;
    Gradfold__V1__CreateJob create = GRADFOLD__V1__CREATE_JOB__INIT;
    create.spec = &spec;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.op_case = GRADFOLD__V1__REQUEST__OP_CREATE_JOB;
    request.create_job = &create;
    assert_int_equal(wire_ask(w, &request), CODE_OK);
}

/* A long question for a long answer: to describe the job, with a field of the future. */
static size_t make_question(uint8_t *frame)
{
    static const uint8_t head[] = "\x08\x01\x22\x06\x0a\x04wide\x7a\xe0\xd4\x03";
    size_t n = FRAME_PREFIX_BYTES;
    memcpy(frame + n, head, sizeof head - 1);
    n += sizeof head - 1;
    memset(frame + n, 'x', PADDING);
    n += PADDING;
    frame_prefix_encode(frame, (uint32_t)(n - FRAME_PREFIX_BYTES), 0);
    return n;
}

static void replies_that_nobody_reads_stop_the_reading_of_requests(void **state)
{
    struct fixture *f = *state;
    static uint8_t frame[PADDING + 64];
    size_t length = make_question(frame), part = 0, sent = 0;
    struct timeval patience = {.tv_usec = 300000};
    create_wide(&f->b);
    setsockopt(f->a.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    for (;;) {
        ssize_t n = send(f->a.fd, frame + part, length - part, MSG_NOSIGNAL);
        if (n < 0)
            break;
        part += (size_t)n;
        sent += part / length;
        part %= length;
        assert_true(sent < 100000);
    }
    assert_int_equal(errno, EAGAIN); /* the server has stopped reading ... */
    list_jobs(&f->b, 1);             /* ... from A, not from B */
    assert_int_equal(wire_receive(&f->b), CODE_OK);
    for (size_t answered = 0; answered < sent; answered++)
        assert_int_equal(wire_receive(&f->a), CODE_OK);
    wire_write(&f->a, frame + part, length - part);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
}

static void a_connection_beyond_the_limit_is_told_so(void **state)
{
    struct fixture *f = *state;
    struct wire c, d, e;
    list_jobs(&f->a, 1);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    wire_connect(&c, &f->served.address[0]);
    list_jobs(&c, 1);
    assert_int_equal(wire_receive(&c), CODE_OK);
    wire_connect(&d, &f->served.address[0]);
    list_jobs(&d, 1); /* what it sends does not eat the answer */
    assert_int_equal(wire_receive(&d), CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(d.response->id, 0);
    wire_expect_end(&d);
    wire_close(&d);
    shutdown(c.fd, SHUT_WR);
    wire_expect_end(&c);
    wire_close(&c);
    int code;
    do { /* the server's side of C closes a moment after ours */
        wire_connect(&e, &f->served.address[0]);
        list_jobs(&e, 1);
        code = wire_receive(&e);
        wire_close(&e);
    } while (code == CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(code, CODE_OK);
}

static void exhausted_descriptors_make_new_peers_wait(void **state)
{
    enum {
        FDS_MAX = 256
    };
    struct fixture *f = *state;
    struct rlimit old, low;
    int fds[FDS_MAX], n = 0;
    struct wire c = {.fd = -1};
    list_jobs(&f->a, 1);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    list_jobs(&f->b, 1);
    assert_int_equal(wire_receive(&f->b), CODE_OK);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = FDS_MAX;
    setrlimit(RLIMIT_NOFILE, &low);
    while (n < FDS_MAX && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    close(fds[--n]); /* for our end; there is none left for theirs */
    wire_connect(&c, &f->served.address[0]);
    list_jobs(&c, 7);
    assert_true(wire_is_silent(&c));
    served_wait(&f->served, 0, 0, 0);
    assert_in_range(f->served.net_stats.accept_pauses, 1, 100); /* and the server does not spin */
    list_jobs(&f->b, 2);
    assert_int_equal(wire_receive(&f->b), CODE_OK);
    while (n > 0)
        close(fds[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(wire_receive(&c), CODE_OK);
    assert_int_equal(c.response->id, 7);
    wire_close(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_push_waits_for_staging_until_another_is_folded),
        TEST(a_lost_connection_gives_its_staging_to_who_waits),
        TEST(a_push_that_is_refused_while_it_waits_leaves_its_connection_usable),
        TEST(a_push_that_can_never_fit_is_refused),
        TEST(an_endless_body_does_not_stall_others),
        TEST(replies_that_nobody_reads_stop_the_reading_of_requests),
        TEST(a_connection_beyond_the_limit_is_told_so),
        TEST(exhausted_descriptors_make_new_peers_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
