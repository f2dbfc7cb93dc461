/* log/log.h - topic partitions on disk: append, read, and when an append is safe.
 *
 * A store owns DIR/log/<topic>-<partition>/ (segments in Kafka's own format) and
 * DIR/journal/. Batches are opaque here but for their 61-byte header: the log checks
 * length, magic and CRC, assigns offsets, and never looks at a record.
 *
 * Durability. An append returns an offset at once; the batch is *stable* when
 * partition_stable() is past it. For a durable topic (the default) stable means that
 * fdatasync has covered it; for a relaxed one, that it is in the page cache. Readers
 * see stable batches only. One committer thread writes and syncs for all partitions;
 * no lock is held across I/O.
 *
 * Threading: every function is safe from any thread unless it says otherwise. Topics
 * and partitions live until the store closes (a deleted topic's handles stay valid and
 * answer MR_ERR_NOT_FOUND).
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "env/env.h"

struct log_store;
struct log_topic;
struct log_partition;

/* cleanup.policy: bits, one or both. Compaction goes by a record's key (docs/log.md). */
enum log_cleanup { LOG_CLEANUP_DELETE = 1, LOG_CLEANUP_COMPACT = 2 };

enum log_durability { LOG_DURABLE, LOG_RELAXED };

#define LOG_COMPRESSION_PRODUCER (-1)
#define LOG_MESSAGE_BYTES_LEAST 61 /* a batch's header */
#define LOG_MESSAGE_BYTES_MOST (1 << 30)
#define LOG_SETTINGS_MAX (128 << 10) /* bytes of a topic's settings */

#define LOG_PARTITIONS_MAX 10000
#define LOG_TOPIC_NAME_MAX 249 /* Kafka's limit: 249 of [a-zA-Z0-9._-], not "." or ".." */

/* How durable batches are made safe; docs/log.md has the figures behind the default. */
enum log_journal_use {
	LOG_JOURNAL_AUTO, /* the journal, but a segment's own sync for few partitions with much each */
	LOG_JOURNAL_ALWAYS,
	LOG_JOURNAL_NEVER, /* one sync a round for every partition written */
};

struct log_store_options {
	const struct env *env;
	const char *dir;          /* made when absent */
	size_t journal_bytes;     /* 0: at most 256 MiB a file, two files */
	size_t pending_bytes_max; /* 0: 16 MiB; appends beyond it answer MR_ERR_BUSY */
	enum log_journal_use journal;
	bool manual; /* no threads: the owner calls log_store_commit (tests/sim) */
	/* Told when a partition is fenced, with the fault, and with NULL when it is open again; in the thread
	 * that commits, so be quick and call nothing of the store that waits. May be NULL. */
	void (*health)(void *arg, struct log_partition *partition, const struct mr_error *fault);
	void *health_arg;
};

struct log_topic_config {
	int32_t partitions;        /* 1 .. LOG_PARTITIONS_MAX */
	int64_t retention_ms;      /* -1: for ever. Kafka's default 7 days */
	int64_t retention_bytes;   /* -1: no limit */
	int64_t segment_bytes;     /* default 1 GiB; at least 1 MiB, or 64 KiB in tests */
	int64_t segment_ms;        /* default 7 days */
	int32_t max_message_bytes; /* default 1048588, Kafka's; the batch as sent */
	bool log_append_time;      /* message.timestamp.type */
	enum log_durability durability;
	int32_t cleanup_policy;          /* enum log_cleanup; default delete */
	int32_t min_cleanable_dirty_ppm; /* min.cleanable.dirty.ratio in millionths; default 500000 */
	int64_t min_compaction_lag_ms;   /* default 0 */
	int64_t max_compaction_lag_ms;   /* default INT64_MAX: no limit */
	int64_t delete_retention_ms;     /* how long tombstones stay; default 1 day */
	/* The broker's, who looks at records: compression.type as enum batch_codec, or as the producer
	 * sent it; how far a record's timestamp may be in the past and in the future. */
	int32_t compression;
	int64_t timestamp_before_max_ms; /* default INT64_MAX: no limit */
	int64_t timestamp_after_max_ms;  /* default one hour */
	/* Lines "name=value", kept with the topic and never looked at here: what was set by name, and by
	 * whom the rest of this struct was made (broker/topic_config.h). Copied when it is given; what
	 * log_topic_config hands out lives as long as the store. NULL means none. */
	const char *settings;
};

void log_topic_config_default(struct log_topic_config *config); /* one partition, durable */

/* Open or create; recovers every partition: replays the journal into the segments and
 * cuts each partition at the first bad batch. Nothing acknowledged is cut; what had been
 * acknowledged and is unreadable is reported by log_partition_health. */
MR_NODISCARD int log_store_open(const struct log_store_options *options, struct log_store **out,
				struct mr_error *err);
/* Commits what is pending, writes a clean-shutdown mark, frees. NULL is fine. */
void log_store_close(struct log_store *store);
const char *log_store_dir(const struct log_store *store);
/* Frees without writing anything: what a crash leaves. Only for tests. */
void log_store_abandon(struct log_store *store);

MR_NODISCARD int log_topic_create(struct log_store *store, mr_str name, const struct log_topic_config *config,
				  struct log_topic **out, struct mr_error *err); /* MR_ERR_EXISTS */
/* Removes the files; durable on return. */
MR_NODISCARD int log_topic_delete(struct log_store *store, mr_str name, struct mr_error *err);
/* Replace what may change (all but a lower partition count), durably. */
MR_NODISCARD int log_topic_alter(struct log_topic *topic, const struct log_topic_config *config,
				 struct mr_error *err);
struct log_topic *log_topic_find(struct log_store *store, mr_str name); /* NULL when absent */
/* A snapshot of the topics there are, by name; free(). */
struct log_topic **log_topics(struct log_store *store, size_t *count);

mr_str log_topic_name(const struct log_topic *topic);
void log_topic_config(const struct log_topic *topic, struct log_topic_config *out);
void log_topic_id(const struct log_topic *topic, uint8_t uuid[16]);
int32_t log_topic_partition_count(const struct log_topic *topic);
struct log_partition *log_partition_at(struct log_topic *topic, int32_t index); /* NULL when out of range */

struct log_topic *log_partition_topic(const struct log_partition *partition);
int32_t log_partition_index(const struct log_partition *partition);

struct log_append {
	int64_t base_offset;
	int64_t next_offset;    /* one past the last record: stable when partition_stable() >= this */
	int64_t append_time_ms; /* -1 unless the topic stamps log append time */
	bool duplicate;         /* an idempotent producer's retry; base_offset is the first try's */
};

enum { LOG_BAD_SEQUENCE = 1, LOG_BAD_EPOCH = 2, LOG_BAD_TXN_STATE = 4 };

/* Append one whole batch (copied). 0 on success; LOG_BAD_SEQUENCE or LOG_BAD_EPOCH when an
 * idempotent producer's numbers do not fit, LOG_BAD_TXN_STATE when its transaction is not ended and
 * the batch is not of it; MR_ERR_BUSY when too much is pending (wait for
 * the next commit); MR_ERR_LIMIT past max_message_bytes; MR_ERR_CORRUPT for a bad CRC or
 * header; MR_ERR_IO/NO_SPACE while the partition is fenced; MR_ERR_NOT_FOUND when deleted. */
MR_NODISCARD int log_append(struct log_partition *partition, mr_str batch, struct log_append *out,
			    struct mr_error *err);

int64_t log_start_offset(const struct log_partition *partition);
int64_t log_stable_offset(const struct log_partition *partition); /* the high watermark */
int64_t log_end_offset(const struct log_partition *partition);    /* appended, maybe not stable */
int64_t log_size_bytes(const struct log_partition *partition);
int64_t log_max_timestamp(const struct log_partition *partition); /* of stable batches; -1 when none */

/* Whole batches from the one that holds `offset` on, appended to out: as many as fit in
 * max_bytes, but at least one when min_one. Stable batches only. Returns 0, also when there
 * is nothing yet (nothing appended); MR_ERR_LIMIT ("out of range") below the start or
 * above the stable offset. *next_out (may be NULL) is the offset after the last batch. */
MR_NODISCARD int log_read(struct log_partition *partition, int64_t offset, size_t max_bytes, bool min_one,
			  struct mr_buf *out, int64_t *next_out, struct mr_error *err);

/* The first record whose timestamp is at or after ms: 0 and *offset_out and *timestamp_out
 * of its batch-exact record; 1 when there is none. */
MR_NODISCARD int log_find_time(struct log_partition *partition, int64_t ms, int64_t *offset_out,
			       int64_t *timestamp_out, struct mr_error *err);

/* Forget the records before `offset` (-1: all that are stable). Durable on return; *low_watermark
 * (may be NULL) is the start offset then. Whole segments before it are removed, the rest of the
 * first one is hidden. MR_ERR_LIMIT ("out of range") past the stable offset. */
MR_NODISCARD int log_delete_records(struct log_partition *partition, int64_t offset, int64_t *low_watermark,
				    struct mr_error *err);

/* Stable bytes from the batch that holds `offset` to the end. Costs a look into an index. */
int64_t log_bytes_after(struct log_partition *partition, int64_t offset);

/* Called once per commit round, in the committer's thread, with the partitions whose stable
 * offset moved, or whose appends a fault or a deletion took back. Must be short and must not call back into
 * the store's mutating functions: set a flag, wake a loop. Zero it but for fn and arg before log_listen. */
struct log_listener {
	void (*fn)(void *arg, struct log_partition *const *moved, size_t count);
	void *arg;
	struct log_listener *next;
};
void log_listen(struct log_store *store, struct log_listener *listener);
void log_unlisten(struct log_store *store, struct log_listener *listener); /* no call after return */

/* Block until the stable offset reaches `offset` or timeout passes: 0, MR_ERR_TIMEOUT, or the
 * error that fenced the partition. */
MR_NODISCARD int log_wait_stable(struct log_partition *partition, int64_t offset, int64_t timeout_ms,
				 struct mr_error *err);

/* One commit round in the caller's thread: for `manual` stores. */
MR_NODISCARD int log_store_commit(struct log_store *store, struct mr_error *err);
/* Write to segment files what the journal and memory have alone; a thread of the store does so within a
 * second. For tests, and for who reads the files of a running store. */
void log_store_write_back(struct log_store *store);
/* What became of an append whose next_offset was `next_offset`: 0 when it is stable, 1 while it is
 * not yet, negative when a fault took it back (the error that fenced the partition; the caller
 * may append again). This, not a comparison with log_stable_offset, decides an acknowledgement:
 * the offsets of appends that were taken back are skipped, so later batches pass them. */
MR_NODISCARD int log_append_state(struct log_partition *partition, int64_t next_offset, struct mr_error *err);

/* 0 when all is well; else the fault that fences the partition, or the damage that recovery
 * found in it (it goes on serving what is readable). */
MR_NODISCARD int log_partition_health(struct log_partition *partition, struct mr_error *err);

/* Drop segments past retention, and have the next round try fenced partitions again; called every minute by
 * the committer, or by tests. */
MR_NODISCARD int log_store_retain(struct log_store *store, struct mr_error *err);

/* Compact what needs it, in the caller's thread; a thread of the store does so every 15 seconds.
 * A fault in one partition is returned, and the others are compacted nevertheless. */
MR_NODISCARD int log_store_compact(struct log_store *store, struct mr_error *err);

/* Fresh producer ids for InitProducerId; durable before it returns. */
MR_NODISCARD int log_next_producer_id(struct log_store *store, int64_t *out, struct mr_error *err);

struct log_stats {              /* counters since open */
	uint64_t rounds, syncs; /* syncs: fdatasync calls of commit rounds and checkpoints */
	uint64_t appended_batches, appended_bytes, journal_bytes, checkpoints;
	size_t pending_bytes, pending_bytes_high;
};
void log_store_stats(struct log_store *store, struct log_stats *out);
