/* tests/unit/kafka/bench.h - a connection without sockets over a log whose commits the test makes itself.
 *
 *   struct bench b;
 *   bench_open(&b, 0);
 *   conn_feed(&b.conn, bench_frame(&b, API_Heartbeat, 4, &request));
 *   const struct heartbeat_response *r = bench_reply(&b, API_Heartbeat, 4);
 *   bench_close(&b);
 */
#pragma once

#include "codec/batch.h"
#include "kafka/core.h"
#include "kafka/request.h"
#include "test.h"

struct bench {
	struct loop *loop;
	struct log_store *store;
	struct broker *broker;
	struct kafka_core core;
	struct conn conn;
	struct log_listener listener;
	MR_VEC(struct log_partition *) moved;
	MR_VEC(const void *) answered; /* tickets */
	struct mr_buf replies;         /* what the connection gave and no test has read */
	struct arena arena;
	struct batch_writer writer;
	int32_t correlation;
};

/* pending_bytes_max 0: the log's own. */
void bench_open(struct bench *b, size_t pending_bytes_max);
void bench_open_in(struct bench *b, const struct env *env, const char *folder, size_t pending_bytes_max);
void bench_close(struct bench *b);

/* One round of the log; the coordinators take a step, and whoever waited goes on. */
int bench_try_commit(struct bench *b);
void bench_commit(struct bench *b);

void bench_on_output(struct conn *conn); /* what further connections of a test take: nothing */
struct log_topic *bench_topic(struct bench *b, const char *name); /* made when there is none */
/* A whole request with its header; from the arena, like everything below. */
mr_str bench_frame(struct bench *b, enum api_index index, int version, const void *request);
mr_str bench_batch(struct bench *b, int records, size_t value_bytes);
/* The next reply, decoded; NULL when there is none. */
void *bench_reply(struct bench *b, enum api_index index, int version);
/* Its correlation id, or -1 when there is none; *body without the header. */
int32_t bench_next_reply(struct bench *b, bool flexible, mr_str *body);
