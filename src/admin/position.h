/* admin/position.h - a place in a partition, as people say it.
 *
 *   start, earliest   the first record that is there       end, latest   after the last one
 *   42                that offset                          -42, end-42   so many before the end
 *   @2h, 2h           the first record of the last two hours
 *   @2026-11-23T10:00:00Z, @1795438241, @1795438241665     the first record at or after that time
 *
 * Pure but for position_offset, which asks the log. A range is FROM:TO, either may be left out.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "log/log.h"

enum position_kind { POSITION_START, POSITION_END, POSITION_OFFSET, POSITION_BACK, POSITION_TIME };

struct position {
	enum position_kind kind;
	int64_t value; /* an offset, a count, or milliseconds since 1970 */
};

MR_NODISCARD int position_parse(mr_str text, int64_t now_ms, struct position *out, struct mr_error *err);
/* *bounded: there is a TO. */
MR_NODISCARD int position_parse_range(mr_str text, int64_t now_ms, struct position *from, struct position *to,
				      bool *bounded, struct mr_error *err);
/* Never outside what the partition holds: a place before its start is its start, one after its end its end.
 */
MR_NODISCARD int position_offset(const struct position *position, struct log_partition *partition,
				 int64_t *out, struct mr_error *err);
