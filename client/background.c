#include "client/background.h"

#include <signal.h>
#include <string.h>

#include "client/clock.h"
#include "client/drive.h"
#include "client/report.h"

static bool my_turn(const gf_client *client)
{
    return client->impatient == 0 && client_busy(client) && !client->background_stop;
}

static void *run(void *data)
{
    gf_client *client = data;
    pthread_mutex_lock(&client->lock);
    while (!client->background_stop) {
        if (client->driving || !my_turn(client)) {
            pthread_cond_wait(&client->background_wanted, &client->lock);
            continue;
        }
        client->driving = client->background_drives = true;
        while (my_turn(client))
            drive_once(client, NEVER);
        client->driving = client->background_drives = false;
        if (client->waiters > 0)
            pthread_cond_broadcast(&client->changed);
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
    if (client->background_started && !client->driving)
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
