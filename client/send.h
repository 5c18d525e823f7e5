/* Sending: the queue's requests, head and tensors, straight from where they lie. */
#pragma once

#include "client/client.h"

/* Is there something that may be sent now? */
bool send_wanted(const gf_client *client);

/* Sends what the socket takes, up to about 1 MiB. */
void send_some(gf_client *client);
