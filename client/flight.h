/* The requests in flight: from submission to outcome. All under the client's lock. */
#pragma once

#include "client/client.h"

/* Gives a new request its id and deadline; needs no lock. timeout_ms as in the public calls. */
void flight_prepare(gf_client *client, struct request *request, uint32_t timeout_ms);

/* Queues it: from now on it ends with flight_finish(), at its deadline at the latest. */
void flight_add(gf_client *client, struct request *request);

/* The same, ahead of another one that is queued and has not begun. */
void flight_add_before(struct request *request, struct request *next);

/* It is DONE with this outcome, which is copied; a failed push takes the pull of its operation
 * along. If its bytes are half on the wire, the connection is given up. Not while bytes move. */
void flight_finish(gf_client *client, struct request *request, const gf_error *outcome);

/* All of it was sent. If it is answered already, flight_finish_answered() is due: not at once,
 * since that may take its pull along, of which bytes left together with its own. */
void flight_sent(gf_client *client, struct request *request);

/* Ends what was answered before it was sent to its end, and is now. */
void flight_finish_answered(gf_client *client);

/* It must be sent once more. */
void flight_requeue(gf_client *client, struct request *request);

/* The connection was lost: what was sent, in part or whole, goes back in front; what belonged to
 * the connection ends. */
void flight_requeue_all(gf_client *client);

/* Ends what is past its deadline. */
void flight_expire(gf_client *client, uint64_t now_ms);

/* When the next deadline is; NEVER: there is none. */
uint64_t flight_next_deadline_ms(const gf_client *client);

/* What a reply with this id is for; NULL: for nobody any more. */
struct request *flight_find(gf_client *client, uint64_t id);

/* Ends all of which anything was sent. */
void flight_fail_sent(gf_client *client, const gf_error *outcome);

/* Ends all. */
void flight_fail_all(gf_client *client, const gf_error *outcome);
