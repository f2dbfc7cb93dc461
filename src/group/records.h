/* group/records.h - the records of `__consumer_offsets`, in Kafka's own formats.
 *
 * A key begins with an int16 that says what it is; a null value forgets what the key names.
 *
 *   key  what             key's fields                value (int16 version first)
 *   0,1  committed offset group, topic, partition     3: offset, leader epoch, metadata, commit time
 *   2    classic group    group                       3: type, generation, protocol, leader, since,
 *                                                        members
 *   3    consumer group   group                       0: epoch
 *   5    its member       group, member               0: what the member asked for
 *   6    its target       group                       0: the epoch of the target assignment
 *   7    target of one    group, member               0: topics and partitions
 *   8    held by one      group, member               0: epochs, state, topics and partitions
 *
 * (Kafka: OffsetCommitKey/Value.json, GroupMetadataKey/Value.json, ConsumerGroup*.json.) Written
 * in the versions above; older versions of an offset's and a group's value are read, too.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "group/classic.h"
#include "group/consumer.h"
#include "group/offsets.h"

enum record_kind {
	RECORD_OFFSET_V0 = 0,
	RECORD_OFFSET = 1,
	RECORD_CLASSIC_GROUP = 2,
	RECORD_CONSUMER_GROUP = 3,
	RECORD_CONSUMER_MEMBER = 5,
	RECORD_TARGET = 6,
	RECORD_TARGET_MEMBER = 7,
	RECORD_CURRENT_MEMBER = 8,
};

struct record_key {
	int kind;
	mr_str group;
	mr_str topic; /* or the member */
	int32_t partition;
};

/* 0, 1 for a kind that is not known here, MR_ERR_CORRUPT. Views into bytes. */
MR_NODISCARD int record_key_read(mr_str bytes, struct record_key *out, struct mr_error *err);
/* Only the fields that the kind has. */
void record_key_write(const struct record_key *key, struct mr_buf *out);

/* *metadata_out is a view; value->metadata and log_offset are left alone. */
MR_NODISCARD int record_offset_read(mr_str bytes, struct group_offset *value, mr_str *metadata_out,
				    struct mr_error *err);
void record_offset_write(const struct group_offset *value, mr_str metadata, struct mr_buf *out);

/* Puts the group into the state that was written; it was reset before. */
MR_NODISCARD int record_group_read(mr_str bytes, struct classic_group *g, struct mr_error *err);
void record_group_write(const struct classic_group *g, struct mr_buf *out);

/* ---- consumer groups: records_consumer.c. A value is read into what it is of. ---- */

MR_NODISCARD int record_consumer_read(int kind, mr_str bytes, struct consumer_group *g, mr_str member,
				      struct mr_error *err);
/* member NULL for the group's own kinds. */
void record_consumer_write(int kind, const struct consumer_group *g, const struct consumer_member *m,
			   struct mr_buf *out);
