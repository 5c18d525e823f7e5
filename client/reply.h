/* One reply: which request it answers, and what that means for the request and the connection. */
#pragma once

#include "client/client.h"

/* The reader has a complete header. Sets up where its body goes. false: the connection is lost. */
bool reply_received(gf_client *client);

/* An answer follows no rule: its request fails (the greeting: all; NULL: all that were sent), and
 * the stream cannot be trusted any more. Returns false. */
bool reply_nonsense(gf_client *client, struct request *request, const gf_error *reason);
