/* lake/fsck.h - between the files of FSCK. */
#pragma once

#include "lake/internal.h"

struct fsck {
	struct lake_session *s;
	struct delta_table *table;
	const struct delta_snapshot *snapshot;
	bool reads_rows;
	size_t count;
	struct mr_buf rows;
};

void fsck_found(struct fsck *f, const char *problem, mr_str file, mr_str detail);
/* The file's bounds and null counts against its rows, which are read. */
void fsck_statistics(struct fsck *f, const struct delta_data_file *file);
