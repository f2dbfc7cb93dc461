/* ingest/ranges.h - half-open ranges of offsets, one a partition, and their text.
 *
 * "0:100-200,1:5-9" is offsets 100..199 of partition 0 and 5..8 of partition 1: the form in
 * which a range travels through SQL. At most LOG_PARTITIONS_MAX ranges; empty ones are legal.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

struct topic_range {
	int32_t partition;
	int64_t from, to;
};

/* *out lives in arena. Empty text: no range. MR_ERR_INVALID with the byte where it ends to be one. */
MR_NODISCARD int ranges_parse(mr_str text, struct arena *arena, struct topic_range **out, size_t *count,
			      struct mr_error *err);
/* Appends one range, after a comma when out is not empty. */
void ranges_put(struct mr_buf *out, struct topic_range range);
