/* log/find_time.h - the largest timestamp of a segment, for retention and for log_find_time. */
#pragma once

#include "log/store.h"

/* Of the segment that starts at `base`; looked up in the time index, or in the batches when that
 * does not hold, and remembered. SEGMENT_TIME_UNKNOWN when the segment is gone or unreadable. */
int64_t segment_latest(struct log_partition *partition, int64_t base);
