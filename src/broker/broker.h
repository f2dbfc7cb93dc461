/* broker/broker.h - the topics as producers see them: contracts at the door, auto-create,
 * partition choice, dead letters. The Kafka front end, the gateway and every other
 * in-process producer append through here, never straight to the log.
 *
 * A topic may carry a contract (JSON Schema, codec/jsonschema.h). `off`: not looked at, batches
 * pass through untouched; `reject`: a batch with an invalid record is refused whole, with the
 * record's index and reason; `dlq`: valid records are appended, invalid ones go to
 * "<topic>.dlq" with their key, value, timestamp and headers, and the headers
 *   dlq.topic, dlq.partition, dlq.pointer (JSON pointer of the fault), dlq.reason,
 * and both are acknowledged only when both are stable. A value that is null or no JSON is
 * invalid under every contract.
 *
 * A batch of an idempotent producer that loses records to the dead letters keeps its offsets:
 * they become holes, so that the producer's sequence numbers go on to fit. A dead letter may
 * come twice when a client retries over a crash; it is never lost.
 *
 * Threading: safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "codec/batch.h"
#include "env/env.h"
#include "log/log.h"

struct broker;
struct json_schema;

enum on_invalid { ON_INVALID_OFF, ON_INVALID_REJECT, ON_INVALID_DLQ };

struct config_change; /* broker/config_key.h */

struct broker_topic_options {
	struct log_topic_config log;         /* fields that differ from the default are set by name */
	const struct config_change *configs; /* more, by name; may be NULL */
	size_t config_count;
	const char *schema_path;    /* NULL: no contract; for messages */
	struct json_schema *schema; /* taken */
	enum on_invalid on_invalid;
};

struct broker_options {
	const struct env *env;
	struct log_store *store;
	bool auto_create;                      /* auto.create.topics.enable */
	struct log_topic_config topic_default; /* partitions and settings of topics that say nothing */
	const char *config_path;               /* where dynamic configurations are kept; NULL: they are not */
	const char *group_config_path;         /* the same of groups' */
};

MR_NODISCARD int broker_new(const struct broker_options *options, struct broker **out, struct mr_error *err);
void broker_free(struct broker *broker); /* the store is the caller's */
struct log_store *broker_store(struct broker *broker);
struct group_configs *broker_group_configs(struct broker *broker); /* broker/group_config.h */
bool broker_auto_creates(const struct broker *broker);

/* Create the topic, or give the existing one this contract and configuration; what was set of it by
 * name and is not declared stays, and partitions are never taken away. Also makes
 * "<name>.dlq" (one partition, same durability and retention) when a contract's on_invalid is
 * dlq. The schema is taken, on failure too. MR_ERR_INVALID for an illegal name. */
MR_NODISCARD int broker_topic_declare(struct broker *broker, mr_str name,
				      const struct broker_topic_options *options, struct mr_error *err);
/* Find, or auto-create when both may_create and the broker's auto_create allow it. Otherwise
 * MR_ERR_NOT_FOUND; MR_ERR_INVALID when no topic can have that name. */
MR_NODISCARD int broker_topic_get(struct broker *broker, mr_str name, bool may_create, struct log_topic **out,
				  struct mr_error *err);
/* Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". */
MR_NODISCARD int broker_topic_name_check(mr_str name, struct mr_error *err);
/* The contract of a topic, or NULL; lives as long as the broker. */
const struct json_schema *broker_topic_schema(struct broker *broker, mr_str name);

struct broker_ack {             /* what must be stable before the producer may be told */
	struct log_append main; /* base_offset and next_offset -1 when nothing was appended here */
	struct log_partition *partition;
	struct log_partition *dlq; /* NULL unless records went there */
	int64_t dlq_next_offset;
	uint32_t valid;
	uint32_t invalid;
	int32_t bad_record; /* index of the first invalid one, for `reject`; else -1 */
	char reason[256];   /* of bad_record */
};

/* Beside log_append's LOG_BAD_... */
enum { BROKER_INVALID_RECORD = 3, BROKER_INVALID_TIMESTAMP = 5, BROKER_INVALID_CONFIG = 6 };

/* One whole wire batch. Returns log_append's codes, or BROKER_INVALID_RECORD or
 * BROKER_INVALID_TIMESTAMP with bad_record and reason in *ack (and in *err). After MR_ERR_BUSY nothing was
 * appended: try again after the next commit. May wait for a commit when the log fills up between a batch and
 * its dead letters. */
MR_NODISCARD int broker_produce(struct broker *broker, struct log_partition *partition, mr_str batch,
				struct broker_ack *ack, struct mr_error *err);
/* 0: stable, the producer may be told; 1: not yet; negative: a fault took the append back, and
 * the producer must be told that. */
MR_NODISCARD int broker_ack_state(const struct broker_ack *ack, struct mr_error *err);
static inline bool broker_ack_stable(const struct broker_ack *ack)
{
	return broker_ack_state(ack, NULL) == 0;
}

/* ---- in-process producer: collects records, makes batches, reports when they are safe ----
 *
 * One owner thread. A record's memory is copied on add, and kept until it is stable: what a
 * fault of the disk takes back is appended again. Records with a key go to murmur2(key) %
 * partitions as in Kafka's default partitioner (broker/partitioner.h); others stick to one
 * partition per batch, round robin.
 */
struct producer;
struct producer_options {
	size_t batch_bytes; /* 0: 256 KiB */
	int64_t linger_us;  /* what producer_poll honours; 0: flush at every poll */
	enum batch_codec codec;
};

MR_NODISCARD int producer_new(struct broker *broker, const struct producer_options *options,
			      struct producer **out, struct mr_error *err);
void producer_free(struct producer *producer); /* drops what was not flushed */

/* token: the caller's running number, from 1 on; producer_safe_token reports progress by it.
 * Tokens must not fall. timestamp_ms -1: now. The contract is enforced here, record by record:
 * under `reject` an invalid one is answered with BROKER_INVALID_RECORD and the reason in *err,
 * and the others are not touched; under `dlq` it goes to the dead letters and 0 is returned.
 * MR_ERR_BUSY: too much in flight; wait for a commit. MR_ERR_NOT_FOUND: no such topic.
 * MR_ERR_LIMIT: larger than the topic's max.message.bytes. Nothing was added unless 0. */
MR_NODISCARD int producer_add(struct producer *producer, mr_str topic, mr_str key, mr_str value,
			      const struct record_header *headers, size_t header_count, int64_t timestamp_ms,
			      uint64_t token, struct mr_error *err);
/* Send what is collected. MR_ERR_BUSY when the log is full: call again after a commit. After
 * any other error (a fenced partition, a deleted topic) what could be sent was sent, the rest is
 * kept and tried again by the next call. */
MR_NODISCARD int producer_flush(struct producer *producer, struct mr_error *err);
/* The same for what is older than linger_us or full: for the owner's timer. */
MR_NODISCARD int producer_poll(struct producer *producer, struct mr_error *err);
/* Every record added so far with a token <= this is stable (in its topic or in the dead
 * letters). Cheap: looks at the log only after a commit. Never falls. */
uint64_t producer_safe_token(struct producer *producer);
/* Flush and block until all is safe. */
MR_NODISCARD int producer_drain(struct producer *producer, int64_t timeout_ms, struct mr_error *err);

/* Counters since the start. records_in: taken, dead letters too; invalid: dead letters, and
 * what `reject` refused. */
struct broker_topic_stats {
	uint64_t records_in, bytes_in, invalid;
};
void broker_topic_stats(struct broker *broker, mr_str name, struct broker_topic_stats *out);
