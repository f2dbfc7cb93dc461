/* log/cleaner.h - compaction: what is cleaned when, and putting the result in place. */
#pragma once

#include "log/store.h"

/* A sealed segment as it was when the cleaner looked; its bytes do not change. */
struct clean_piece {
	int64_t base, size;
	uint32_t version;
};

/* Consecutive pieces that become one segment, named by the first. */
struct clean_group {
	struct log_partition *partition;
	const struct clean_piece *pieces;
	size_t count;
	struct segment *result; /* its index in memory, its file BASE.log.cleaned, synced */
};

/* clean_swap.c. The crash-safe exchange, under io_lock; takes group->result on success. 0; 1 when the pieces
 * are not there any more: the result has been thrown away. */
MR_NODISCARD int clean_swap(struct clean_group *group, struct mr_error *err);
/* Remove BASE.log.cleaned and the result. */
void clean_discard(struct clean_group *group);
/* At start: finish an exchange that a crash interrupted, remove half-made results. */
MR_NODISCARD int clean_recover(struct log_partition *partition, struct mr_error *err);

/* cleaner.c: the thread. */
int cleaner_start(struct log_store *store, struct mr_error *err);
void cleaner_stop(struct log_store *store);
