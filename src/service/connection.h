/* service/connection.h - one TCP sender: bytes in, lines to the intake.
 *
 * A connection owns a buffer only while it holds bytes; the buffer grows to the longest line
 * allowed and no further. When the intake takes no more, the connection is parked: unwatched,
 * its bytes kept, until connection_resume. Belongs to the gateway's thread.
 */
#pragma once

#include "env/loop.h"
#include "service/intake.h"

#define CONNECTIONS_MAX 4096

struct connection;

/* All connections of a gateway, and what they share. */
struct connections {
	struct loop *loop;
	struct intake *intake;
	size_t line_bytes_max;
	struct connection *first;
	size_t count;
	size_t parked;
	char *spare; /* a buffer of the first size, for the next connection that reads */
	bool closing;
	void (*added)(void *arg); /* lines were added in this turn: flush at its end */
	void *arg;
};

/* Takes the descriptor; refuses it (closes it) beyond CONNECTIONS_MAX. */
void connection_open(struct connections *all, int fd);
/* There is room again: go on with what was parked. */
void connections_resume(struct connections *all);
/* From now on each connection takes what has arrived already, and ends. */
void connections_drain(struct connections *all);
/* Close what is left, and free. */
void connections_release(struct connections *all);
