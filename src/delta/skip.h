/* delta/skip.h - data skipping: which of a snapshot's files may hold rows that meet a predicate.
 *
 * Partition values are looked at first, then the statistics of the files that are left, and only of
 * those. The answer errs on one side: a file that is skipped holds no such row; rows of the others are
 * tested by who reads them. What makes a bound weaker than it looks:
 *   - a bound may be missing, for a column or a whole file;
 *   - strings may be cut, the maximum then rounded up; times are cut to milliseconds, and some writers
 *     do not round up; a zoned time beside a constant without zone depends on the session's zone;
 *   - floating point columns may hold NaN, above all numbers, though their maximum does not say so;
 *   - JSON's numbers are decimal: a bound is taken as a little wider than it is written.
 *
 * Threading: any thread, as a snapshot's readers.
 */
#pragma once

#include "delta/delta.h"
#include "sql/predicate.h"

/* keep[i]: whether the i-th file that delta_files() lists may hold such rows. Returns how many. */
size_t delta_skip(const struct delta_snapshot *snapshot, const struct sql_predicate *predicate, bool *keep);
/* As delta_scan_sql, without the files that hold no such row. NULL: nothing is known. */
void delta_scan_where_sql(const struct delta_snapshot *snapshot, const struct sql_predicate *predicate,
			  struct mr_buf *out);
