/* Receiving: replies to their requests, tensors straight into the caller's buffers. */
#pragma once

#include "client/client.h"

/* Receives what is there, up to about 1 MiB, and acts upon it. */
void receive_some(gf_client *client);

/* A new stream begins; what was half received is forgotten. */
void receive_reset(gf_client *client);
