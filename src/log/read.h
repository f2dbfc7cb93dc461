/* log/read.h - what reading and viewing share. */
#pragma once

#include "log/store.h"
#include "log/view.h"

/* MR_ERR_LIMIT when offset is not within start..stable, MR_ERR_NOT_FOUND for a deleted topic. */
MR_NODISCARD int read_check_range(struct log_partition *partition, int64_t offset, int64_t *stable,
				  struct mr_error *err);

/* Of whole good batches in memory, those that the request asks for; *next moves past the last. */
mr_str tail_slice(const char *bytes, size_t len, const struct log_view_request *request, int64_t *next);
