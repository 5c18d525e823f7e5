/* A server for the client library within its own system calls (connect, poll and clock_gettime
 * are wrapped when the target is linked): a connection is a socket pair, the server answers
 * whenever the client polls, and time passes only when there is nothing else to wait for. So
 * there is no thread, no port and no waiting, and a client that waits for ever is seen at once. */
#pragma once

#include "fuzz.h"

enum {
    FAKE_PEER_SEGMENT = 4096
};

/* The next answers, as records of responses (records.h) whose control byte says:
 *
 *   bit 0     sent as it is: without it, the answer gets the id of the request
 *   bit 1     the connection is closed after it
 *   bit 2     the request is not answered at all, the next answer is for the next one
 *   bit 3     sent before the request is complete, if its body is yet to come
 *   bits 4-5  in pieces: 0 whole, 1 header and body apart, 2, 3 smaller ones
 *   bit 6     a greeting is answered with it, too
 *   bit 7     a sealed memfd of FAKE_PEER_SEGMENT bytes comes along
 *
 * What is left behind the last one is sent as it is, with the last answer; then connections are
 * refused. */
void fake_peer_begin(struct span answers);

/* Closes what the client left open. */
void fake_peer_end(void);

/* Milliseconds that the client believes to have passed. */
uint64_t fake_peer_passed_ms(void);

/* The body of the last answer. false: another one may have come between. */
bool fake_peer_last_body(struct span *body);
