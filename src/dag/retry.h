/* dag/retry.h - how long a failed try waits for the next: Airflow's formula, jitter included.
 *
 *   b    = max(1, ceil(delay * multiplier^(try - 1)))           whole seconds
 *   wait = min(b + sha1("dag#task#logical date#try") mod b, 24 h), then max_retry_delay
 *
 * The jitter depends on names only, so a restarted scheduler waits as long. Pure.
 */
#pragma once

#include "base/types.h"
#include "dag/dag.h"

/* Without exponential backoff (multiplier 0 or 1) it is retry_delay. Returns microseconds. */
int64_t retry_wait_us(mr_str dag_id, const struct dag_task *task, int64_t logical_date_us,
		      int32_t try_number);
