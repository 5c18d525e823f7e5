/* The thread behind the asynchronous form: it drives while operations are in flight and nobody
 * waits.
 *
 * Small pushes, whose answers come at once, are an exception while a thread goes on submitting them
 * and waiting for them: that one sends and receives as it goes, and taking turns with it would cost
 * more than the pushes. The background thread watches, and drives once nobody came for a while. */
#pragma once

#include "client/client.h"

/* Starts it with the first use. Under the lock. */
gf_code background_start(gf_client *client, gf_error *error);

/* It may be its turn. Under the lock. */
void background_wake(gf_client *client);

/* Ends it, if it was ever started. Without the lock. */
void background_stop(gf_client *client);
