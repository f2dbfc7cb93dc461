/* group/assignment.h - sets of partitions, and the server's assignors over them (KIP-848).
 *
 * A set is sorted by topic id and partition, without duplicates. Pure memory; not locked.
 */
#pragma once

#include "base/types.h"
#include "base/vec.h"

struct topic_partition {
	uint8_t topic_id[16];
	int32_t partition;
};

struct partition_set {
	MR_VEC(struct topic_partition) parts;
};

static inline void parts_release(struct partition_set *set)
{
	mr_vec_release(&set->parts);
}

void parts_add(struct partition_set *set, const struct topic_partition *part); /* anywhere; keeps order */
void parts_copy(struct partition_set *to, const struct partition_set *from);
bool parts_has(const struct partition_set *set, const struct topic_partition *part);
bool parts_equal(const struct partition_set *a, const struct partition_set *b);
/* to = a and b; to = a without b. `to` is none of them. */
void parts_both(const struct partition_set *a, const struct partition_set *b, struct partition_set *to);
void parts_without(const struct partition_set *a, const struct partition_set *b, struct partition_set *to);
void parts_merge(struct partition_set *to, const struct partition_set *more);

/* ---- assignors ---- */

struct assign_topic {
	uint8_t id[16];
	int32_t partitions;
};

struct assign_member {
	const char *name;       /* members are in the order of their names */
	const uint32_t *topics; /* indexes of the topics that it subscribes to, ascending */
	size_t topic_count;
	const struct partition_set *had; /* its target so far */
	struct partition_set target;     /* out */
};

/* "uniform": as even as can be, moving as little as can be. "range": for each topic, neighbours. */
typedef void (*assignor_fn)(const struct assign_topic *topics, size_t topic_count,
			    struct assign_member *members, size_t member_count);
assignor_fn assignor_find(mr_str name); /* NULL when there is none */
