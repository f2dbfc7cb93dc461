/* ingest/layout.h - how the records of a topic become the rows of a table.
 *
 * Columns, in order: what the topic's contract names (or, without one, `key` and `value` as
 * text), `date` when the table is partitioned by a date that the contract does not name, then
 *
 *   kafka_topic string, kafka_partition integer, kafka_offset long, kafka_timestamp timestamp
 *
 * Immutable once made: safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "codec/columns.h"

struct event_layout {
	struct arena arena; /* holds everything below */
	mr_str topic;
	mr_str table;
	struct column_def *columns;
	size_t column_count;
	size_t json_count; /* the first columns: members of the document; 0: key and value */
	bool has_date;     /* `date` is derived */
	size_t date_from;  /* column it is derived from; SIZE_MAX: the record's timestamp */
	size_t date_column;
	size_t kafka_column; /* the first of the four */
	mr_str *partition_by;
	size_t partition_count;
};

struct event_layout_options {
	mr_str topic, table;
	const struct column_def *contract; /* NULL: none */
	size_t contract_count;
	const mr_str *partition_by;
	size_t partition_count;
	mr_str date_from; /* empty: the first timestamp of the contract, else the record's */
};

MR_NODISCARD int event_layout_new(const struct event_layout_options *options, struct event_layout **out,
				  struct mr_error *err);
void event_layout_free(struct event_layout *layout); /* NULL is fine */
