/* A bare libuv server: for every so many bytes that come in, so many go out. No frame, no protobuf,
 * no sum: what sockets and the loop cost by themselves. */
#pragma once

#include <stddef.h>

#include "frames.h"

/* Starts one on the loopback interface, in a process that ends with this one, and connects to it.
 * Each request is answered with the next of the replies. Returns the socket. */
int echo_connect(const struct frames *requests, const struct frames *replies);
