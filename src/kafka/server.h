/* kafka/server.h - the Kafka wire protocol on a TCP port.
 *
 * One event loop thread owns every connection; requests on a connection are answered in
 * order. Produce answers when its batches are stable (acks=all and acks=1 alike; acks=0 gets
 * none); Fetch waits on a list until min_bytes are there or max_wait is over: no sleeping,
 * no polling.
 */
#pragma once

#include "auth/auth.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "broker/broker.h"
#include "env/env.h"
#include "group/group.h"
#include "kafka/tls.h"
#include "txn/txn.h"

struct kafka_server;

struct kafka_server_options {
	const struct env *env;
	struct broker *broker;
	struct groups *groups;
	struct txns *txns;
	struct share *share;
	struct auth *auth;      /* NULL: everybody may do everything */
	const char *listen;     /* "127.0.0.1:9092"; NULL: no plain listener */
	const char *advertised; /* "host:port"; NULL: the address the client connected to */
	const char *tls_listen; /* the same for TLS; NULL: no TLS listener */
	const char *tls_advertised;
	struct tls_options tls;
	bool insecure;            /* listen beyond loopback even when there is no user */
	const char *cluster_id;   /* 22 characters, kept in the data folder */
	size_t request_bytes_max; /* 0: 100 MiB, Kafka's socket.request.max.bytes */
	size_t connections_max;   /* 0: 2000 */
	/* A connection that nothing moves on for this long is closed, at the latest after half as much
	 * again. 0: 10 minutes, as Kafka's connections.max.idle.ms */
	int64_t idle_ms;
	int64_t
	    login_ms; /* time for the TLS handshake and, where there are users, a first request. 0: 30 s */
};

/* MR_ERR_INVALID for an address beyond loopback while there is no user, unless `insecure`. */
MR_NODISCARD int kafka_server_start(const struct kafka_server_options *options, struct kafka_server **out,
				    struct mr_error *err);
/* Stops accepting, answers what is stable within timeout_ms, closes, frees. */
void kafka_server_stop(struct kafka_server *server, int64_t timeout_ms);
int kafka_server_port(const struct kafka_server *server);     /* 0: no plain listener */
int kafka_server_tls_port(const struct kafka_server *server); /* 0: no TLS listener */

/* What `key` stands for moved (core.h): the requests that wait for it are stepped soon. Any thread. */
void kafka_server_wake(struct kafka_server *server, const void *key);

struct kafka_stats {
	uint64_t connections, connections_open, bytes_in, bytes_out, bad_frames;
};
struct kafka_api_stats {
	const char *name;
	int16_t key;
	uint64_t requests, errors;
	uint64_t latency_us_sum;
};
void kafka_server_stats(struct kafka_server *server, struct kafka_stats *out);
/* One row per API that is served; the array is static in size, filled by the call. */
size_t kafka_server_api_stats(struct kafka_server *server, struct kafka_api_stats *out, size_t max);

struct kafka_connection {
	mr_str peer, user, client_id, software_name, software_version; /* empty: unknown */
	int peer_port;
	bool tls;
	int64_t opened_ms;
	uint64_t requests, bytes_in, bytes_out;
};
/* The open ones; array and texts come from the arena. */
struct kafka_connection *kafka_server_connections(struct kafka_server *server, struct arena *arena,
						  size_t *count);
