/* kafka/request.h - between core.c, which runs requests, and connection.c, which queues them. */
#pragma once

#include "base/varint.h"
#include "kafka/core.h"

struct request *request_new(struct conn *conn);
void request_drop(struct request *r); /* ends its waits; the memory is kept as a spare */
void request_step(struct request *r);
void request_finish(struct request *r); /* encodes the reply */

static inline size_t request_reply_bytes(const struct request *r)
{
	return r->reply.bytes.len + r->reply.spliced_bytes;
}

/* After each step: a busy request holds back the connection's input, else its frame is done. */
void conn_step_ended(struct conn *conn, struct request *r, bool busy);
void conn_request_done(struct conn *conn);
