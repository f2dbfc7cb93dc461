/* broker/topic.h - what the broker knows of a topic beside the log: between broker/'s files.
 *
 * A broker_topic lives as long as the broker. Its contract is replaced as a whole, atomically;
 * the old one is kept until the end, because readers hold no reference.
 */
#pragma once

#include "base/map.h"
#include "broker/broker.h"
#include "codec/jsonschema.h"

#include <pthread.h>
#include <stdatomic.h>

#define DEAD_SUFFIX ".dlq"
#define DEAD_HEADERS 4
#define DEAD_BATCH_BYTES_MAX (64 << 20)
#define DEAD_MARKS 64
#define RECORD_HEADERS_MAX 256 /* of a record in a batch that is taken apart */

struct contract {
	struct json_schema *schema;
	enum on_invalid on_invalid; /* reject or dlq when it is in force */
	struct contract *older;
};

/* A batch of an idempotent producer whose dead letters are in: its retry must not add them
 * again. A ring; what fell out of it is appended twice, never lost. */
struct dead_mark {
	const struct log_partition *partition;
	int64_t producer_id;
	int16_t epoch;
	int32_t sequence;
	int64_t dlq_next_offset;
};

struct broker_topic {
	char *name;
	char *dead_name;
	_Atomic(struct contract *) contract; /* NULL: none */
	_Atomic uint64_t records_in, bytes_in, invalid;
	pthread_mutex_t lock; /* of the marks */
	struct dead_mark marks[DEAD_MARKS];
	uint32_t mark_count;
};

/* Scratch memory of one inspection; borrowed, so that threads share a few. */
struct inspector {
	struct json_parser *parser;
	struct batch_iter records;
	struct batch_writer valid, dead, repacked;
	struct inspector *next;
};

struct broker {
	const struct env *env;
	struct log_store *store;
	bool auto_create;
	struct log_topic_config topic_default;
	struct broker_config *config;
	struct group_configs *group_configs;
	pthread_mutex_t admin_lock; /* alterations of topics and broker: one after the other */
	pthread_rwlock_t lock;      /* of the map */
	struct mr_map topics;
	pthread_mutex_t inspectors_lock;
	struct inspector *inspectors;
};

/* The broker's side of the topic of that name; made when there is none yet. */
struct broker_topic *broker_topic_of(struct broker *broker, mr_str name);

/* The schema is taken; NULL: no contract from now on. */
void broker_set_contract(struct broker *broker, mr_str name, struct json_schema *schema,
			 enum on_invalid on_invalid);
/* Have the contract that the topic's settings say; none when they say none. */
MR_NODISCARD int broker_load_contract(struct broker *broker, struct log_topic *topic, struct mr_error *err);

/* Refuse a batch (BROKER_INVALID_RECORD, BROKER_INVALID_TIMESTAMP, with bad_record and reason in
 * *ack), or make it what the topic's configuration wants. *inspector, given NULL, is the caller's to
 * give back when it was taken: *batch may point into it. */
MR_NODISCARD int admit_batch(struct broker *broker, const struct log_topic_config *config,
			     struct inspector **inspector, struct log_partition *partition,
			     const struct batch_header *header, mr_str *batch, struct broker_ack *ack,
			     struct mr_error *err);

struct inspector *inspector_take(struct broker *broker);
void inspector_give(struct broker *broker, struct inspector *inspector);
/* A record's value against a schema; *fault is written when it is invalid. */
bool inspector_valid(struct inspector *inspector, const struct json_schema *schema, mr_str value,
		     struct json_fault *fault);

static inline bool contract_in_force(const struct contract *contract)
{
	return contract && contract->on_invalid != ON_INVALID_OFF;
}

static inline void broker_topic_count(struct broker_topic *topic, uint64_t records, uint64_t bytes,
				      uint64_t invalid)
{
	atomic_fetch_add_explicit(&topic->records_in, records, memory_order_relaxed);
	atomic_fetch_add_explicit(&topic->bytes_in, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&topic->invalid, invalid, memory_order_relaxed);
}

/* The headers that tell why a record is a dead letter. Views into the arguments and `number`. */
void dead_headers(const struct broker_topic *topic, int32_t partition, const struct json_fault *fault,
		  char number[16], struct record_header out[DEAD_HEADERS]);
/* The partition that takes the topic's dead letters; made when it is gone. */
MR_NODISCARD int dead_partition(struct broker *broker, struct broker_topic *topic, struct log_topic *source,
				struct log_partition **out, struct mr_error *err);
