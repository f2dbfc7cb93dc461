/* share/records.h - the records of `__share_group_state`, in Kafka's own formats.
 *
 *   key       int16 0 (snapshot) or 1 (update), string group, topic id 16 bytes, partition i32
 *   snapshot  int16 0, then (flexible): snapshot epoch i32, state epoch i32, leader epoch i32, start
 *             offset i64, created ms i64, written ms i64, batches { first i64, last i64, state i8,
 *             deliveries i16 }; tagged: 0 count of records that are done with, i32
 *   update    int16 0, then (flexible): snapshot epoch i32, leader epoch i32, start offset i64 (-1:
 *             as before), batches; tagged 0 as above
 *
 * (Kafka: ShareSnapshotKey.json and so on.) A snapshot is all there is to know, updates after it
 * change it. A null value forgets the partition. The topic is not compacted, which would lose
 * updates: what is before the oldest partition's snapshot is deleted.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "share/partition.h"

#define SHARE_STATE_TOPIC "__share_group_state"

enum share_record { SHARE_SNAPSHOT, SHARE_UPDATE };

struct share_key {
	enum share_record kind;
	mr_str group;
	uint8_t topic_id[16];
	int32_t partition;
};
void share_key_write(const struct share_key *key, struct mr_buf *out);
/* 0, 1 for a key of another kind, MR_ERR_CORRUPT. A view into bytes. */
MR_NODISCARD int share_key_read(mr_str bytes, struct share_key *out, struct mr_error *err);

struct share_value {
	int32_t snapshot_epoch;
	int32_t state_epoch; /* of a snapshot */
	int64_t created_ms, written_ms;
	int64_t start; /* of an update: -1, unchanged */
	int32_t done_count;
	struct share_ranges batches; /* of share_value_read: the caller's, mr_vec_release */
};
void share_value_write(enum share_record kind, const struct share_value *value, struct mr_buf *out);
MR_NODISCARD int share_value_read(enum share_record kind, mr_str bytes, struct share_value *out,
				  struct mr_error *err);
