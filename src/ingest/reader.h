/* ingest/reader.h - the records of some ranges of a topic, in order, a stretch of log at a time.
 *
 * What is read is what was committed: batches of aborted transactions and their markers are passed
 * over, and a range ends at or before the last stable offset.
 *
 * Reads about a mebibyte of batches at once. A record is valid until the first call of
 * topic_reader_next after one that returned READER_STRETCH_END: so a caller may keep views of a
 * whole stretch. Records of compressed batches are copied into the caller's arena for that.
 *
 * One thread at a time. The store outlives the reader.
 */
#pragma once

#include "base/mem.h"
#include "codec/batch.h"
#include "ingest/ranges.h"
#include "log/log.h"

struct topic_reader;

/* ranges are copied. MR_ERR_NOT_FOUND: no such topic or partition. */
MR_NODISCARD int topic_reader_open(struct log_store *store, mr_str topic, const struct topic_range *ranges,
				   size_t count, struct topic_reader **out, struct mr_error *err);
void topic_reader_close(struct topic_reader *reader); /* NULL is fine */

enum { READER_END = 0, READER_RECORD = 1, READER_STRETCH_END = 2 };

/* READER_RECORD with *record and *partition; READER_STRETCH_END: the memory of the records so far
 * goes with the next call; READER_END; or an error: MR_ERR_LIMIT when a range is not, or no
 * longer, in the log; MR_ERR_CORRUPT. */
MR_NODISCARD int topic_reader_next(struct topic_reader *reader, struct arena *arena, struct record *record,
				   int32_t *partition, struct mr_error *err);

uint64_t topic_reader_bytes(const struct topic_reader *reader); /* of log read so far */
