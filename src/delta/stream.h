/* delta/stream.h - a table as the source of a stream: what came since an offset, a batch at a time.
 *
 * Meaning and names are those of Spark's Delta source. A stream first reads what the table holds (unless
 * it is told where to start), file by file in the order in which they were written, then the files that
 * each version adds. Versions that only rearrange rows (dataChange=false) bring nothing.
 *
 * A batch is a function of the log, the options and the offset: asked again, it gives the same rows.
 */
#pragma once

#include "delta/delta.h"

struct delta_stream_offset {
	int64_t version; /* all versions up to it are consumed; -1: nothing yet */
	int64_t index;   /* and so many files of the next one */
	bool initial;    /* `index` files of that version's snapshot instead */
};

enum delta_stream_start {
	DELTA_START_SNAPSHOT,
	DELTA_START_VERSION,   /* at its changes */
	DELTA_START_LATEST,    /* behind the version that is the newest now */
	DELTA_START_TIMESTAMP, /* at the first version of that time or later; what is in the future: LATEST */
};

struct delta_stream_read {
	enum delta_stream_start start;
	int64_t start_at; /* a version, or milliseconds since 1970 */
	/* A batch takes files while fewer than max_files are in it and less than max_bytes: at least one.
	 * Versions are taken whole when change_feed is set. */
	int64_t max_files, max_bytes;
	bool ignore_deletes;      /* versions that only remove bring nothing */
	bool ignore_changes;      /* rows of files that were written again come again */
	bool skip_change_commits; /* versions that change or remove rows bring nothing */
	bool change_feed;         /* changes, with _change_type, _commit_version and _commit_timestamp */
	/* The schemaString that the stream was planned with, or empty: MR_ERR_CONFLICT,
	 * DELTA_SCHEMA_CHANGED_WITH_VERSION, at the version that brings another. */
	mr_str schema_json;
};

struct delta_stream_batch {
	struct delta_stream_offset end;
	size_t file_count;
	bool more;    /* a limit was reached: there is more up to the snapshot's version */
	bool decided; /* the offset says something that would be answered otherwise later (LATEST) */
};

/* Appends the relation "(SELECT ...)" of the rows between `from` and the snapshot's version, by the
 * snapshot's columns. MR_ERR_NOT_FOUND when the log no longer reaches back; MR_ERR_UNSUPPORTED, with
 * Spark's name of the condition, at a version that the options do not bear. */
MR_NODISCARD int delta_stream_sql(struct delta_table *table, const struct delta_snapshot *snapshot,
				  const struct delta_stream_read *read,
				  const struct delta_stream_offset *from, struct mr_buf *out,
				  struct delta_stream_batch *batch, struct mr_error *err);
