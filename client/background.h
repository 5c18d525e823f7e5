/* The thread behind the asynchronous form. */
#pragma once

#include "client/client.h"

/* Starts it with the first use. Under the lock. */
gf_code background_start(gf_client *client, gf_error *error);

/* It may be its turn. Under the lock. */
void background_wake(gf_client *client);

/* Ends it, if it was ever started. Without the lock. */
void background_stop(gf_client *client);
