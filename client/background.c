#include "client/background.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "client/clock.h"
#include "client/drive.h"
#include "client/flight.h"
#include "client/report.h"

enum {
    WATCH_US = 200,
    PROMPT_MAX = 4096, /* answers that nobody came for */
    SOON_MS = 100      /* so long before a deadline, answers should be looked for */
};

static bool my_turn(const gf_client *client)
{
    return client->waiters == 0 && client_busy(client) && !client->background_stop;
}

/* Nobody else is going to do it soon. */
static bool urgent(const gf_client *client)
{
    return client->slow > 0 || client->connection.send_blocked || client->prompt >= PROMPT_MAX;
}

static bool due(const gf_client *client)
{
    return flight_next_deadline_ms(client) <= clock_now_ms() + SOON_MS;
}

/* true: nobody came. */
static bool watch(gf_client *client)
{
    uint64_t active = client->active;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += WATCH_US * 1000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    client->background_watches = true;
    pthread_cond_clockwait(&client->background_wanted, &client->lock, CLOCK_MONOTONIC, &end);
    client->background_watches = false;
    return client->active == active;
}

static void drive(gf_client *client)
{
    client->driving = true;
    while (my_turn(client))
        drive_once(client, NEVER);
    client->driving = false;
    if (client->waiters > 0)
        pthread_cond_broadcast(&client->changed);
}

static void *run(void *data)
{
    gf_client *client = data;
    bool quiet = false; /* nobody came for a while */
    pthread_mutex_lock(&client->lock);
    while (!client->background_stop) {
        if (!client->driving && my_turn(client) && (quiet || urgent(client) || due(client))) {
            drive(client);
        } else if (!quiet) {
            quiet = watch(client);
        } else {
            pthread_cond_wait(&client->background_wanted, &client->lock);
            quiet = false;
        }
    }
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

gf_code background_start(gf_client *client, gf_error *error)
{
    if (client->background_started)
        return GF_OK;
    /* The thread takes no signals: they are the program's. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&client->background, NULL, run, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0)
        return report(error, GF_CLIENT_SYSTEM, "no thread: %s", strerror(failure));
    client->background_started = true;
    return GF_OK;
}

void background_wake(gf_client *client)
{
    if (client->background_started && !client->driving &&
        (!client->background_watches || urgent(client)))
        pthread_cond_signal(&client->background_wanted);
}

void background_stop(gf_client *client)
{
    if (!client->background_started)
        return;
    pthread_mutex_lock(&client->lock);
    client->background_stop = true;
    pthread_cond_signal(&client->background_wanted);
    drive_wake(client);
    pthread_mutex_unlock(&client->lock);
    pthread_join(client->background, NULL);
    client->background_started = false;
}
