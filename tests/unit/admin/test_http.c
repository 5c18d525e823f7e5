#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* The answer's status; and its body and head hold these (NULL: whatever). */
static void expect(struct fixture *f, const char *request, int status, const char *body,
                   const char *head)
{
    struct answer a = fixture_ask(f, request);
    if (a.status != status)
        fail_msg("%s: %d instead of %d: %s", request, a.status, status, a.bytes);
    if (body != NULL && strstr(a.body, body) == NULL)
        fail_msg("%s: \"%s\" does not hold \"%s\"", request, a.body, body);
    if (head != NULL && strcasestr(a.bytes, head) == NULL)
        fail_msg("%s: \"%s\" does not hold \"%s\"", request, a.bytes, head);
    answer_free(&a);
}

static void create(struct fixture *f, const char *name)
{
    struct job_spec spec = {.name = name,
                            .world_size = 1,
                            .reduction = REDUCTION_SUM,
                            .accumulation = ACCUMULATION_EXACT,
                            .non_finite = NON_FINITE_REJECT,
                            .retain_rounds = 2};
    rig_create(&f->rig, 0, &spec);
    assert_int_equal(rig_last(&f->rig)->error.code, CODE_OK);
}

static void health_and_readiness(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET /healthz", 200, "ok\n", "\r\nCache-Control: no-store\r\n");
    expect(f, "GET /readyz", 503, "starting\n", NULL);
    admin_set_state(f->admin, ADMIN_READY);
    expect(f, "GET /readyz", 200, "ready\n", NULL);
    admin_set_state(f->admin, ADMIN_STOPPING);
    expect(f, "GET /readyz", 503, "stopping\n", NULL);
    expect(f, "GET /healthz", 200, "ok\n", NULL);
}

static void head_is_get_without_a_body(void **state)
{
    struct fixture *f = *state;
    create(f, "a");
    static const char *const paths[] = {"HEAD /healthz", "HEAD /metrics", "HEAD /v1/jobs",
                                        "HEAD /v1/jobs/a"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer a = fixture_ask(f, paths[i]);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_length, 0);
        answer_free(&a);
    }
}

static void other_methods_are_not_allowed(void **state)
{
    struct fixture *f = *state;
    static const char *const methods[] = {"POST",    "PUT",   "DELETE", "PATCH",
                                          "OPTIONS", "TRACE", "get",    "BREW"};
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics", "/v1/jobs",
                                        "/v1/jobs/a"};
    create(f, "a");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        for (size_t j = 0; j < sizeof paths / sizeof *paths; j++) {
            char request[64];
            snprintf(request, sizeof request, "%s %s", methods[i], paths[j]);
            expect(f, request, 405, "\"status\":405", "\r\nAllow: GET, HEAD\r\n");
        }
    }
    assert_non_null(core_find_job(f->rig.core, "a"));
}

static void a_body_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    int fd = fixture_connect(f);
    fixture_send(f, fd, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    assert_true(fixture_receive(f, fd, 5000, &a));
    assert_int_equal(a.status, 405);
    answer_free(&a);
}

static void unknown_paths_are_json_errors(void **state)
{
    struct fixture *f = *state;
    static const char *const requests[] = {
        "GET /",          "GET /healthz/",   "GET /healthzz",
        "GET /v1",        "GET /v1/jobs/",   "GET /v1/jobs/none",
        "GET //v1/jobs",  "GET /V1/jobs",    "GET /v1/../v1/jobs",
        "GET /metric",    "GET *",           "GET /v1/jobs/a/b",
        "GET /v1/jobs/%", "GET /v1/jobs/%4", "GET /v1/jobs/%zz",
        "HEAD /nowhere",  "POST /nowhere"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        expect(f, requests[i], 404, requests[i][0] == 'H' ? NULL : "{\"error\":{\"status\":404,",
               "\r\nContent-Type: application/json\r\n");
}

static void names_of_jobs_are_decoded(void **state)
{
    struct fixture *f = *state;
    create(f, "run-7_a.b");
    expect(f, "GET /v1/jobs/run-7_a.b", 200, "\"name\":\"run-7_a.b\"", NULL);
    expect(f, "GET /v1/jobs/run%2D7%5fa%2eb", 200, "\"name\":\"run-7_a.b\"", NULL);
    expect(f, "GET /v1/jobs/run-7_a.b%00", 404, "no such job", NULL);
    expect(f, "GET /v1/jobs/run-7_a.b%00x", 404, "no such job", NULL);
    expect(f, "GET /v1/jobs/run-7_a.b%20", 404, "no such job", NULL);
    expect(f, "GET /v1/jobs%2frun-7_a.b", 404, "no such page", NULL);
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    create(f, name);
    char request[300];
    snprintf(request, sizeof request, "GET /v1/jobs/%s", name);
    expect(f, request, 200, name, NULL);
    snprintf(request, sizeof request, "GET /v1/jobs/%sn", name);
    expect(f, request, 404, "no such job", NULL);
}

static void the_query_is_checked(void **state)
{
    struct fixture *f = *state;
    create(f, "a");
    expect(f, "GET /v1/jobs/a?nodes=0", 200, NULL, NULL);
    expect(f, "GET /v1/jobs/a?nodes=1", 200, "\"nodes\":[", NULL);
    expect(f, "GET /v1/jobs/a?other=1", 200, "\"nodes\":[", NULL);
    expect(f, "GET /v1/jobs/a?nodes=yes", 400, "nodes is 0 or 1", NULL);
    expect(f, "GET /v1/jobs/a?nodes=", 400, "nodes is 0 or 1", NULL);
    expect(f, "GET /healthz?x=y", 200, "ok", NULL);
}

static void many_requests_on_one_connection(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    int fd = fixture_connect(f);
    for (int i = 0; i < 50; i++)
        fixture_send(f, fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_send(f, fd, "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(fixture_receive(f, fd, 5000, &a));
    size_t answers = 0;
    for (const char *at = a.body; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        answers++;
    assert_int_equal(a.status, 200);
    assert_int_equal(answers, 49);
    assert_non_null(strstr(a.body, "HTTP/1.1 404"));
    answer_free(&a);
}

static void what_is_not_http_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const nonsense[] = {
        "\r\n\r\n\r\n", "GFD1\x10\x01\x02\x03 nonsense\r\n\r\n", "GET\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",

        "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct answer a;
        int fd = fixture_connect(f);
        fixture_send(f, fd, nonsense[i]);
        shutdown(fd, SHUT_WR);
        assert_true(fixture_receive(f, fd, 5000, &a));
        if (a.status == 200)
            fail_msg("%s: %s", nonsense[i], a.bytes);
        answer_free(&a);
    }
    expect(f, "GET /healthz", 200, "ok", NULL);
}

static void a_request_beyond_its_memory_is_refused(void **state)
{
    struct fixture *f = *state;
    static char request[40000];
    struct answer a;
    int n = snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ");
    memset(request + n, 'x', sizeof request - (size_t)n - 1);
    int fd = fixture_connect(f);
    fixture_send(f, fd, request);
    assert_true(fixture_receive(f, fd, 5000, &a));
    assert_true(a.status >= 400 || a.status == 0);
    answer_free(&a);
}

static void an_address_that_is_taken_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct admin_config config = {.address = (const struct sockaddr *)&f->address,
                                  .core = f->rig.core};
    struct error error;
    assert_null(admin_new(&f->loop, &config, &error));
    assert_int_equal(error.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(error.message, "cannot listen"));
    expect(f, "GET /healthz", 200, "ok", NULL);
}

static void closed_flag(void *context)
{
    *(bool *)context = true;
}

static void two_admins_in_one_process_one_on_ipv6(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct admin_config config = {.address = (const struct sockaddr *)&any, .core = f->rig.core};
    struct error error;
    struct admin *other = admin_new(&f->loop, &config, &error);
    if (other == NULL)
        skip(); /* a machine without IPv6 */
    struct sockaddr_storage bound;
    admin_address(other, &bound);
    assert_int_equal(bound.ss_family, AF_INET6);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&bound, sizeof any), 0);
    fixture_send(f, fd, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct answer a;
    assert_true(fixture_receive(f, fd, 5000, &a));
    assert_int_equal(a.status, 200);
    answer_free(&a);
    expect(f, "GET /healthz", 200, "ok", NULL);
    bool closed = false;
    admin_stop(other, closed_flag, &closed);
    assert_false(closed); /* never from within */
    fixture_run(f, 100);
    assert_true(closed);
    expect(f, "GET /healthz", 200, "ok", NULL);
}

int main(void)
{
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(health_and_readiness),
        HTTP_TEST(head_is_get_without_a_body),
        HTTP_TEST(other_methods_are_not_allowed),
        HTTP_TEST(a_body_is_not_waited_for),
        HTTP_TEST(unknown_paths_are_json_errors),
        HTTP_TEST(names_of_jobs_are_decoded),
        HTTP_TEST(the_query_is_checked),
        HTTP_TEST(many_requests_on_one_connection),
        HTTP_TEST(what_is_not_http_is_refused),
        HTTP_TEST(a_request_beyond_its_memory_is_refused),
        HTTP_TEST(an_address_that_is_taken_is_an_error),
        HTTP_TEST(two_admins_in_one_process_one_on_ipv6),
    };
    return cmocka_run_group_tests_name("admin_http", tests, NULL, NULL);
}
