#include "client/drive.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/background.h"
#include "client/clock.h"
#include "client/flight.h"
#include "client/send.h"

/* Those who wait hear of what is done when the lock is about to be free, once for all of it. */
static void tell(gf_client *client)
{
    if (client->news && client->waiters > 0)
        pthread_cond_broadcast(&client->changed);
    client->news = false;
}

void drive_wake(gf_client *client)
{
    if (client->polling) {
        uint64_t one = 1;
        ssize_t n = write(client->wake_fd, &one, sizeof one);
        (void)n; /* fails only when it is awake anyway */
    }
}

void drive_move_begin(gf_client *client)
{
    client->moving = true;
    tell(client);
    pthread_mutex_unlock(&client->lock);
}

void drive_move_end(gf_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->moving = false;
    if (client->onlookers > 0)
        pthread_cond_broadcast(&client->changed);
}

void drive_settle(gf_client *client)
{
    client->onlookers++;
    while (client->moving)
        pthread_cond_wait(&client->changed, &client->lock);
    client->onlookers--;
}

/* Until something is due, or until_ms. */
static int poll_ms(const gf_client *client, uint64_t until_ms)
{
    if (send_wanted(client) || client->connection.give_up || client->background_stop)
        return 0;
    uint64_t due_ms = flight_next_deadline_ms(client);
    uint64_t timer_ms = connection_timer_ms(client);
    if (timer_ms < due_ms)
        due_ms = timer_ms;
    if (until_ms < due_ms)
        due_ms = until_ms;
    if (due_ms == NEVER)
        return -1;
    uint64_t now_ms = clock_now_ms();
    uint64_t left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void sleep_in_poll(gf_client *client, uint64_t until_ms)
{
    struct pollfd fds[2] = {{.fd = client->wake_fd, .events = POLLIN}};
    fds[1] = connection_interest(client);
    int timeout_ms = poll_ms(client, until_ms);
    client->polling = true;
    tell(client);
    pthread_mutex_unlock(&client->lock);
    int n = poll(fds, 2, timeout_ms);
    pthread_mutex_lock(&client->lock);
    client->polling = false;
    if (n <= 0)
        return;
    uint64_t count;
    if (fds[0].revents != 0 && read(client->wake_fd, &count, sizeof count) < 0)
        return;
    if (!client->connection.give_up)
        connection_event(client, fds[1].revents);
}

void drive_once(gf_client *client, uint64_t until_ms)
{
    uint64_t finished = client->finished;
    uint64_t now_ms = clock_now_ms();
    flight_expire(client, now_ms);
    if (client->connection.give_up)
        connection_drop(client);
    connection_tick(client, now_ms);
    if (send_wanted(client))
        send_some(client);
    if (client->finished == finished)
        sleep_in_poll(client, until_ms);
}

void drive_attend(gf_client *client)
{
    if (client->driving)
        drive_wake(client);
    else
        drive_hand_over(client);
}

void drive_hand_over(gf_client *client)
{
    if (client->waiters > 0)
        pthread_cond_broadcast(&client->changed);
    else
        background_wake(client);
}

void drive_nudge(gf_client *client)
{
    if (client->driving) {
        drive_wake(client);
        return;
    }
    client->driving = true;
    if (send_wanted(client))
        send_some(client);
    client->driving = false;
    drive_hand_over(client);
}

/* Waits for somebody else's change. */
static void look_on(gf_client *client, uint64_t until_ms)
{
    if (until_ms == NEVER) {
        pthread_cond_wait(&client->changed, &client->lock);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    pthread_cond_clockwait(&client->changed, &client->lock, CLOCK_MONOTONIC, &until);
}

static bool over(uint64_t until_ms)
{
    return until_ms != NEVER && clock_now_ms() >= until_ms;
}

bool drive_until(gf_client *client, bool (*ready)(const void *what), const void *what,
                 uint64_t until_ms)
{
    client->waiters++;
    client->active++;
    if (client->driving)
        drive_wake(client); /* the background thread lets go of its place */
    /* At least one turn: who only looks, again and again, keeps the background thread away. */
    bool looked = false;
    while (!ready(what) && !(looked && over(until_ms))) {
        looked = true;
        if (client->driving) {
            look_on(client, until_ms);
            continue;
        }
        client->driving = true;
        do
            drive_once(client, until_ms);
        while (!ready(what) && !over(until_ms));
        client->driving = false;
    }
    client->waiters--;
    client->active++;
    if (!client->driving)
        drive_hand_over(client);
    return ready(what);
}
