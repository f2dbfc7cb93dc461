/* kafka/core.h - what the connections of one server share, and the life of a request.
 *
 * A request is decoded into its arena, then its API's step function runs: at once, and again
 * whenever a partition it waits for has moved or its timer has fired, until it answers
 * STEP_DONE. The reply is encoded then and stays with the request, which leaves its
 * connection's queue when the last byte was sent: so replies keep the order of requests.
 *
 * Sans I/O: nothing here or in connection.c and the handlers touches a socket. Threading: all
 * in the loop's thread.
 */
#pragma once

#include "auth/sasl.h"
#include "base/map.h"
#include "broker/broker.h"
#include "env/env.h"
#include "env/loop.h"
#include "group/group.h"
#include "kafka/errors.h"
#include "kafka/label.h"
#include "kafka/fetch_session.h"
#include "kafka/messages.h"
#include "share/share.h"
#include "txn/txn.h"

#include <pthread.h>
#include <stdatomic.h>

#define KAFKA_NODE_ID 1
#define API_NEVER_FLEXIBLE INT16_MAX
#define KAFKA_LEADER_EPOCH 0
#define KAFKA_FETCH_BYTES_MAX (55 << 20)        /* Kafka's fetch.max.bytes */
#define KAFKA_FILE_VIEWS_MAX 512                /* stretches of files in unsent replies, of all connections */
#define KAFKA_SPARE_INPUT_MAX ((size_t)8 << 20) /* of input buffers between two frames */
#define KAFKA_IN_FLIGHT_MAX 1024                /* unanswered requests of one connection */
#define KAFKA_UNSENT_BYTES_MAX (32UL << 20)     /* of one connection; then it is not read from */

struct conn;
struct kafka_core;
struct request;

enum step {
	STEP_DONE, /* request->out holds the reply */
	STEP_WAIT, /* run me again when a partition I wait for moved, or the timer fires */
	STEP_BUSY, /* the log is full: run me after the next commit, read nothing till then */
};

struct api {
	int16_t key;
	int16_t min, max, flexible;
	const char *name;
	const struct wire_struct *request;
	const struct wire_struct *response;
	enum step (*step)(struct request *r);
};

#define API(key, name, member, min, max, flexible) API_##name,
enum api_index {
#include "kafka/api.def"
	API_COUNT
};
#undef API

extern const struct api kafka_apis[API_COUNT];
const struct api *kafka_api_find(int16_t key); /* NULL when not served */

/* ---- waiting ----
 *
 * A request waits for keys. A key is an address that stands for something that moves: a
 * partition, or what another module hands out (a group's ticket, a transaction). A key is
 * compared, never followed; a wake for one that nobody waits for is nothing.
 */

struct wait {
	struct request *request;
	struct wait *next;
	struct wait **link; /* what points at this one */
	struct wait_list *list;
};

struct waiters {
	struct mr_map lists; /* key -> struct wait_list; a partition's is kept, others while in use */
};

/* ---- requests ---- */

struct request {
	struct request *next; /* in the connection's queue, or spare */
	struct conn *conn;
	const struct api *api;
	struct wire_header header;
	struct arena arena;
	void *in;       /* the decoded request, by api */
	void *out;      /* the response, set to its defaults */
	void *progress; /* the handler's own; NULL at its first step */
	bool done;
	bool silent; /* no reply: acks=0 */
	bool failed; /* some part was answered with an error code */
	bool expired;
	bool woken;   /* on the list of those to be stepped */
	bool hang_up; /* close the connection instead of a reply */
	int64_t start_us;
	struct loop_timer timer;
	struct wait *waits; /* in the arena */
	size_t wait_count;
	/* The handler's: called when the request goes, answered or not, for what is not in the arena. */
	void (*release)(struct request *r);
	struct wire_out reply; /* the frame, once done */
};

static inline struct kafka_core *request_core(const struct request *r);

/* An answer that needs a code: notes that the request failed when it is not KE_NONE. */
static inline int16_t request_code(struct request *r, int16_t code)
{
	if (code != KE_NONE)
		r->failed = true;
	return code;
}

#define request_array(r, array, length) \
	((array)->items = \
	     arena_calloc(&(r)->arena, mr_max_size((size_t)(length), 1), sizeof *(array)->items), \
	 (array)->count = (int32_t)(length))

/* Be stepped when one of these moves; replaces what was waited for before. */
void request_wait(struct request *r, struct log_partition *const *partitions, size_t count);
/* The same for keys of any kind. */
void request_wait_keys(struct request *r, const void *const *keys, size_t count);
/* The same for a key of any kind and a partition; either may be NULL. */
void request_wait_key(struct request *r, const void *key, struct log_partition *partition);
/* Be stepped, with `expired` set, after delay_us. */
void request_deadline(struct request *r, int64_t delay_us);

/* Step again when `write` moves on: true when it is safe or lost, and then groups_write_state says
 * which. */
bool request_wait_write(struct request *r, const struct group_write *write);

/* ---- the shared part ---- */

struct api_counters {
	_Atomic uint64_t requests, errors, latency_us_sum;
};

struct kafka_core {
	const struct env *env;
	struct broker *broker;
	struct groups *groups;
	struct txns *txns;
	struct share *share;
	struct log_store *store;
	struct auth *auth;          /* NULL: everybody may do everything */
	struct admin_worker *admin; /* NULL: administration waits for the disk where it is asked */
	struct loop *loop;
	mr_str cluster_id;
	size_t request_bytes_max;
	struct waiters waiters;
	pthread_mutex_t labels_lock; /* of every connection's label */
	struct fetch_sessions fetch_sessions;
	struct mr_map topic_ids; /* 16 bytes -> struct log_topic */
	MR_VEC(struct request *) ready;
	MR_VEC(struct conn *) busy; /* connections whose head of input waits for the log */
	struct request *spare;
	size_t spare_count;
	MR_VEC(struct mr_buf) inputs; /* input buffers that no connection needs now */
	size_t inputs_bytes;
	size_t file_views; /* of replies under way; each may hold a file open */
	struct api_counters counters[API_COUNT];
	_Atomic uint64_t bytes_in, bytes_out, bad_frames;
};

void kafka_core_init(struct kafka_core *core, const struct env *env, struct broker *broker,
		     struct loop *loop);
void kafka_core_release(struct kafka_core *core); /* after every connection was released */

/* A commit round ended and these partitions moved: steps the requests that wait for them and
 * the connections that wait for room in the log. */
void kafka_core_moved(struct kafka_core *core, struct log_partition *const *moved, size_t count);
/* What these keys stand for moved: partitions or others. The same steps. */
void kafka_core_wake(struct kafka_core *core, const void *const *keys, size_t count);

/* By name or, from the versions that have them, by id; NULL when there is none. */
struct log_topic *kafka_topic_by_id(struct kafka_core *core, const uint8_t id[16]);
struct log_topic *kafka_topic_of(struct kafka_core *core, mr_str name, const uint8_t id[16], bool by_id);

/* The broker's own: only the broker writes it. */
static inline bool kafka_topic_is_internal(mr_str name)
{
	return mr_str_is(name, GROUP_TOPIC) || mr_str_is(name, "__transaction_state") ||
	       mr_str_is(name, "__share_group_state");
}

/* ---- connections ---- */

struct conn {
	struct kafka_core *core;
	struct mr_buf in;
	size_t in_at; /* consumed bytes of in */
	struct request *first, *last;
	size_t queued;
	size_t unsent_bytes;  /* of the replies that are done */
	size_t sent;          /* bytes of the first reply that are gone */
	struct request *busy; /* its frame is still at in_at */
	bool listed;          /* in core->busy */
	bool shares;          /* it has share sessions */
	bool broken;          /* garbage came: close when what was asked before is answered */
	char host[64];        /* the address the client connected to */
	int port;
	char peer[64]; /* and its own */
	int peer_port;
	struct conn_label label; /* labels_lock */
	_Atomic uint64_t requests, bytes_in, bytes_out;
	int64_t opened_ms; /* wall clock */
	struct {
		uint64_t requests, in, out;
	} seen;                 /* by conn_moved */
	mr_str advertised_host; /* what its listener tells clients instead of `host`; empty: nothing */
	int advertised_port;
	struct {
		struct mr_buf user;        /* empty: nobody has shown who he is */
		int mechanism;             /* of the last handshake; -1: there was none */
		bool raw;                  /* tokens come as bare frames: handshake version 0 */
		struct sasl *sasl;         /* an exchange that is under way */
	} identity;                        /* kafka/security.h */
	int64_t muted_until_us;            /* its quota is overdrawn: nothing is read before */
	void (*output)(struct conn *conn); /* a reply may be ready, or input may go on */
};

void conn_init(struct conn *conn, struct kafka_core *core, void (*output)(struct conn *conn));
void conn_release(struct conn *conn); /* drops what is unanswered */

/* Room for input: where, and how much of it. Only while conn_wants_input; then conn_received, also
 * when nothing came. */
char *conn_room(struct conn *conn, size_t *room);
void conn_received(struct conn *conn, size_t len);
void conn_feed(struct conn *conn, mr_str bytes); /* both, for tests */
bool conn_wants_input(const struct conn *conn);
/* Its quota is overdrawn: it wants input again at muted_until_us. */
bool conn_is_muted(const struct conn *conn);
/* Handle the frames that are there, as far as limits allow; true when there was any. */
bool conn_pump(struct conn *conn);
/* Answer the waiting Fetches with what there is: the broker is stopping. */
void conn_end_polls(struct conn *conn);
/* False when nothing has moved since the last call: no request came whole, nor 64 KiB of one, and
 * nothing was taken of what the client is owed. One that waits for an answer of ours has moved. */
bool conn_moved(struct conn *conn);
/* The replies that may be sent now, in order; conn_sent tells how much of it went. */
size_t conn_output(struct conn *conn, struct wire_piece *pieces, size_t max);
void conn_sent(struct conn *conn, size_t len);
/* True when nothing is left to do and the connection is to be closed. */
bool conn_finished(const struct conn *conn);
/* Where clients find the broker: the advertised address, else the one this client used. */
mr_str conn_broker_host(const struct conn *conn);
int conn_broker_port(const struct conn *conn);

static inline struct kafka_core *request_core(const struct request *r)
{
	return r->conn->core;
}
