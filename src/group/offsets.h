/* group/offsets.h - the committed offsets of one group, and those that a transaction holds.
 *
 * What a producer's transaction commits is kept apart by producer id until the transaction is
 * decided. Of two commits for a partition the one that stands later in the internal topic
 * wins, also when the earlier one becomes visible later. Pure memory, not locked.
 */
#pragma once

#include "base/map.h"
#include "base/vec.h"

struct group_offset {
	int32_t partition;
	int32_t leader_epoch; /* -1: unknown */
	int64_t offset;
	int64_t commit_ms;  /* wall */
	int64_t log_offset; /* of its record in the internal topic */
	char *metadata;
};

struct topic_offsets {
	char *topic;
	MR_VEC(struct group_offset) partitions; /* ascending */
};

struct txn_offset {
	char *topic;
	struct group_offset value;
};

struct txn_offsets {
	int64_t producer_id;
	MR_VEC(struct txn_offset) entries;
};

struct group_offsets {
	struct mr_map topics;  /* name -> struct topic_offsets */
	struct mr_map pending; /* producer id -> struct txn_offsets */
	size_t count;          /* committed ones */
};

void offsets_release(struct group_offsets *offsets);

/* metadata is copied. */
void offsets_put(struct group_offsets *offsets, mr_str topic, const struct group_offset *value,
		 mr_str metadata);
const struct group_offset *offsets_get(const struct group_offsets *offsets, mr_str topic, int32_t partition);
/* Also what transactions hold of it: their end must not bring it back. */
void offsets_remove(struct group_offsets *offsets, mr_str topic, int32_t partition);

void offsets_put_pending(struct group_offsets *offsets, int64_t producer_id, mr_str topic,
			 const struct group_offset *value, mr_str metadata);
/* Is a transaction undecided about this partition? */
bool offsets_undecided(const struct group_offsets *offsets, mr_str topic, int32_t partition);
void offsets_decide(struct group_offsets *offsets, int64_t producer_id, bool commit);
