/* Connecting: who is not there, who is somebody else, who comes later. */
#include "fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port on which nobody listens: it stays bound to the returned socket. */
static int dead_port(char *address, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
    getsockname(fd, (struct sockaddr *)&at, &length);
    snprintf(address, size, "127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

static gf_code try_connect(struct fixture *f, const char *address, uint32_t timeout_ms)
{
    gf_close(f->client); /* the fake server serves one connection at a time */
    f->client = NULL;
    const gf_options options = {
        .size = sizeof options, .connect_timeout_ms = timeout_ms, .retry_max_ms = 50};
    gf_client *client = NULL;
    gf_code code = gf_connect(address, &options, &client, &f->error);
    if (code != GF_OK)
        assert_null(client);
    gf_close(client);
    return code;
}

static void a_server_that_is_not_there_is_reported_in_time(void **state)
{
    struct fixture *f = *state;
    char address[32];
    int fd = dead_port(address, sizeof address);
    int64_t begun = now_ms();
    assert_int_equal(try_connect(f, address, 200), GF_CLIENT_UNREACHABLE);
    assert_in_range(now_ms() - begun, 199, 3000);
    assert_non_null(strstr(f->error.message, "Connection refused"));
    assert_non_null(strstr(f->error.message, address));
    close(fd);
}

static void a_server_that_accepts_and_says_nothing_is_reported_in_time(void **state)
{
    struct fixture *f = *state;
    char address[32];
    int fd = dead_port(address, sizeof address);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(try_connect(f, address, 200), GF_CLIENT_UNREACHABLE);
    close(fd);
}

static void a_name_that_does_not_exist_is_reported(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(try_connect(f, "no-such-host.invalid:7433", 300), GF_CLIENT_UNREACHABLE);
}

static void a_name_with_several_addresses_is_tried_through(void **state)
{
    struct fixture *f = *state; /* localhost may be ::1 first, where the server does not listen */
    char address[32];
    snprintf(address, sizeof address, "localhost:%u", f->server->port);
    assert_int_equal(try_connect(f, address, 5000), GF_OK);
}

static void somebody_else_is_recognized_at_once(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.refuse_hello = GF_UNAUTHENTICATED;
    fake_set(f->server, &faults);
    int64_t begun = now_ms();
    assert_int_equal(try_connect(f, f->server->address, 5000), GF_UNAUTHENTICATED);
    assert_string_equal(f->error.message, "not you");
    assert_true(now_ms() - begun < 4000);
}

static void a_server_that_is_starting_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct fake_faults faults = fake_no_faults();
    faults.connections = 3; /* the first ones are cut at once */
    faults.cut_write = 0;
    fake_set(f->server, &faults);
    assert_int_equal(try_connect(f, f->server->address, 5000), GF_OK);
}

static void options_without_their_size_are_refused(void **state)
{
    struct fixture *f = *state;
    const gf_options options = {0};
    gf_client *client = NULL;
    assert_int_equal(gf_connect(f->server->address, &options, &client, &f->error),
                     GF_INVALID_ARGUMENT);
    assert_int_equal(gf_connect("nonsense", NULL, &client, &f->error), GF_INVALID_ARGUMENT);
    gf_close(NULL);
}

static void an_idle_connection_that_was_lost_is_made_again(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        fake_pause(f->server);
        fake_restart(f->server);
        assert_ok(f, gf_ping(f->client, GF_DEFAULT_TIMEOUT, NULL, &f->error));
    }
    assert_int_equal(fake_counters(f->server).connections, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_is_not_there_is_reported_in_time),
        TEST(a_server_that_accepts_and_says_nothing_is_reported_in_time),
        TEST(a_name_that_does_not_exist_is_reported),
        TEST(a_name_with_several_addresses_is_tried_through),
        TEST(somebody_else_is_recognized_at_once),
        TEST(a_server_that_is_starting_is_waited_for),
        TEST(options_without_their_size_are_refused),
        TEST(an_idle_connection_that_was_lost_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
