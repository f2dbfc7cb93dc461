/* ingest/event_scan.h - records of a topic as rows of typed columns, a batch at a time.
 *
 * The rows there are do not depend on the columns that are wanted: each document is decoded and
 * checked whole. A record that is no row (not JSON, a value that does not fit its column, text
 * that is not UTF-8, no value at all) is handed to `reject` and left out.
 *
 * One thread at a time; memory is that of one batch and a stretch of log.
 */
#pragma once

#include "codec/batch.h"
#include "codec/columns.h"
#include "ingest/layout.h"
#include "ingest/ranges.h"
#include "log/log.h"

struct event_scan;

/* fn takes the record before it returns; negative ends the scan with that error. */
struct event_rejects {
	int (*fn)(void *arg, int32_t partition, const struct record *record, const char *reason,
		  struct mr_error *err);
	void *arg;
	uint64_t *bytes_read; /* grows by the log that the scan read; may be NULL */
};

/* layout outlives the scan; ranges are copied; rejects may be NULL: dropped. */
MR_NODISCARD int event_scan_open(struct log_store *store, const struct event_layout *layout,
				 const struct topic_range *ranges, size_t count,
				 const struct event_rejects *rejects, struct event_scan **out,
				 struct mr_error *err);
void event_scan_close(struct event_scan *scan); /* NULL is fine */

/* Fills a cleared batch of layout->columns: 1, or 0 at the end. Strings are valid until the next
 * call. */
MR_NODISCARD int event_scan_next(struct event_scan *scan, struct columns *batch, struct mr_error *err);

/* Microseconds. A time that no clock shows is kept as near as it fits, but for the extremes, which
 * mean infinity to the engine. */
int64_t record_timestamp_us(const struct record *record);
