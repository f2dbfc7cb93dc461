/* ingest/ingest.h - a topic into a Delta table, each record exactly once.
 *
 * Rows and positions land in the same Delta commit: per partition an application transaction
 * "millrace-ingest/<topic>/<partition>" whose version is the next offset to ingest. What was
 * committed is what the newest snapshot says; nothing is kept beside it. A commit names the
 * positions that it started from, so that a second ingest of the same table is turned away.
 * "millrace-ingest/<topic>/id" tells a topic from one that was deleted and made again.
 *
 * A record that does not decode goes to the topic "<topic>.dlq" with its bytes as they were and
 * headers dlq.reason, dlq.topic, dlq.partition, dlq.offset; it is safe there before the commit that
 * passes it over. When a crash comes between the two, the dead letter is written again:
 * dlq.partition and dlq.offset tell the copies.
 *
 * Faults do not end it: it keeps trying, ever more slowly, and ingest_stats says what is wrong.
 * Two are reported and then lived with, because waiting mends neither: records that retention
 * dropped before they were ingested (counted as lost), and a topic that was made anew.
 *
 * Threading: open, start, stop, drain and close belong to one owner; the rest is safe from
 * any thread. ingest_step must not run beside the runner.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "broker/broker.h"
#include "codec/columns.h"
#include "conf/project.h"
#include "delta/delta.h"
#include "env/env.h"

struct ingest;
struct event_layout;
struct event_rejects;

/* How the records of some ranges become data files, which the step then commits. The default,
 * ingest_write_default, runs delta_write_files over the engine. Called by ingest_step only. */
struct ingest_writer {
	int (*write)(void *arg, struct ingest *ingest, const struct delta_snapshot *snapshot, mr_str ranges,
		     struct arena *arena, struct delta_file **files, size_t *count, struct mr_error *err);
	void *arg;
};

MR_NODISCARD int ingest_write_default(struct ingest *ingest, const struct delta_snapshot *snapshot,
				      mr_str ranges, struct arena *arena, struct delta_file **files,
				      size_t *count, struct mr_error *err);

struct ingest_options {
	const struct env *env;
	struct broker *broker;
	struct sql_engine *engine; /* NULL only with a writer of one's own */
	const struct conf_ingest *conf;
	const char *tables_dir;             /* the table is TABLES_DIR/schema/table */
	const struct ingest_writer *writer; /* copied; NULL: the default */
	bool manual;                        /* the log store has no threads: commit rounds are made here */
};

/* Creates the table (contract columns, kafka_* columns, partitions) or opens it and checks that its
 * columns are those. MR_ERR_NOT_FOUND: no such topic; MR_ERR_INVALID: the table is another one. */
MR_NODISCARD int ingest_open(const struct ingest_options *options, struct ingest **out, struct mr_error *err);
void ingest_close(struct ingest *ingest); /* stopped; NULL is fine */

/* The runner thread: commits when the oldest uncommitted record is commit_every_ms old, or
 * commit_rows or commit_bytes wait. ingest_stop commits what is there, if that succeeds at the
 * first try; what is not committed waits in the topic. */
void ingest_start(struct ingest *ingest);
void ingest_stop(struct ingest *ingest);

/* One commit of what is stable, up to commit_rows and about commit_bytes: 1, or 0 when there is
 * nothing new. MR_ERR_CONFLICT: another writer moved the positions. */
MR_NODISCARD int ingest_step(struct ingest *ingest, struct mr_error *err);
/* Steps until everything that was stable at the call is committed. */
MR_NODISCARD int ingest_drain(struct ingest *ingest, struct mr_error *err);

mr_str ingest_topic_name(const struct ingest *ingest);
mr_str ingest_table_name(const struct ingest *ingest);
struct delta_table *ingest_table(const struct ingest *ingest);
const struct event_layout *ingest_layout(const struct ingest *ingest);
/* Where a writer's scan hands what is no row (ingest/event_scan.h). */
const struct event_rejects *ingest_rejects(const struct ingest *ingest);

/* Appends the ranges that the table, as of snapshot, does not hold yet; nothing when there are none:
 * the second argument of millrace_events. */
void ingest_tail_ranges(struct ingest *ingest, const struct delta_snapshot *snapshot, struct mr_buf *out);

struct ingest_stats {
	uint64_t rows, bytes; /* committed since open; bytes of log */
	uint64_t rejected;    /* to the dead letters */
	uint64_t lost;        /* dropped by retention before they were ingested */
	uint64_t commits;
	int64_t last_commit_ms; /* wall clock; 0: none yet */
	uint64_t lag_rows;      /* stable and not committed */
	double lag_seconds;     /* how long the oldest of them has been so, or ingest has been open */
	uint64_t retries;       /* failed steps in a row */
	struct mr_error error;  /* code 0: none; else what stands in the way now, or did last */
};
void ingest_stats(struct ingest *ingest, struct ingest_stats *out);
