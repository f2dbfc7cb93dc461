/* group/subscription.h - what members of a classic "consumer" group tell each other through the broker.
 *
 *   Subscription  int16 version | [topic] | bytes user data
 *                 | from 1: [topic, [int32 partition]] owned | from 2: int32 generation
 *                 | from 3: string rack
 *   Assignment    int16 version | [topic, [int32 partition]] | bytes user data
 *
 * (Kafka: ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json; lengths are int32 for
 * arrays and bytes, int16 for strings.) Versions that are newer begin as version 3 does. Members
 * write these bytes: everything is checked. Pure memory, not locked.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"

struct named_partition {
	mr_str topic; /* a view into the bytes */
	int32_t partition;
};

struct named_partitions {
	MR_VEC(struct named_partition) items;
};

struct subscription {
	int version;
	MR_VEC(mr_str) topics;         /* views */
	struct named_partitions owned; /* nothing before version 1 */
	mr_str rack_id;                /* ptr NULL: not said */
};

/* 0 or MR_ERR_CORRUPT. The views end with the bytes; release *out in either case. */
MR_NODISCARD int subscription_read(mr_str bytes, struct subscription *out, struct mr_error *err);
void subscription_release(struct subscription *subscription);
/* False also for bytes that are no subscription. */
bool subscription_names(mr_str bytes, mr_str topic);

/* Appends to *out (the caller's to release); no bytes at all are an empty assignment. 0 or MR_ERR_CORRUPT. */
MR_NODISCARD int assignment_read(mr_str bytes, struct named_partitions *out, struct mr_error *err);
/* Partitions of one topic stand together. version: of the subscription that it answers. */
void assignment_write(const struct named_partition *parts, size_t count, int version, struct mr_buf *out);
