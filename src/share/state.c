/* share/state.c - the internal topic of states: appending, replay after a restart, pruning. */
#include "share/coordinator.h"

#include "log/replay.h"

#include <stdlib.h>

#define BATCH_BYTES_MAX (64 << 20)
#define SEGMENT_BYTES (100 << 20) /* share.coordinator.state.topic.segment.bytes */
/* A snapshot that is this many records behind the end is renewed, so that the topic can be cut. */
#define SNAPSHOT_BEHIND_MAX 10000

int share_ensure_topic(struct share *share, struct mr_error *err)
{
	struct log_store *store = broker_store(share->broker);
	share->topic = log_topic_find(store, MR_STR(SHARE_STATE_TOPIC));
	if (share->topic)
		return 0;
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.retention_ms = -1;
	config.segment_bytes = SEGMENT_BYTES;
	config.max_message_bytes = BATCH_BYTES_MAX;
	return log_topic_create(store, MR_STR(SHARE_STATE_TOPIC), &config, &share->topic, err);
}

int share_append(struct share *share, const struct share_part *part, enum share_record kind, bool forget,
		 struct group_write *write, struct mr_error *err)
{
	mr_str batch;
	struct log_append append;
	struct share_key key = {
	    .kind = kind, .group = mr_str_from(part->group->name), .partition = part->index};
	memcpy(key.topic_id, part->topic_id, 16);
	mr_buf_clear(&share->key);
	share_key_write(&key, &share->key);
	batch_writer_start(&share->batch);
	batch_writer_add(&share->batch, clock_wall_ms(share->env->clock), mr_buf_view(&share->key),
			 forget ? MR_STR_NULL : mr_buf_view(&share->value), NULL, 0);
	int rc = share_ensure_topic(share, err);
	if (rc == 0)
		rc = batch_writer_finish(&share->batch, BATCH_NONE, &batch, err);
	if (rc == 0)
		rc = log_append(log_partition_at(share->topic, 0), batch, &append, err);
	if (rc == 0)
		*write = (struct group_write){log_partition_at(share->topic, 0), append.next_offset};
	return rc;
}

/* ---- replay ---- */

struct replay {
	struct share *share;
	struct mr_map topics; /* id -> struct log_topic */
};

static void learn_topics(struct replay *replay)
{
	size_t count;
	struct log_topic **all = log_topics(broker_store(replay->share->broker), &count);
	for (size_t i = 0; i < count; i++) {
		uint8_t id[16];
		log_topic_id(all[i], id);
		mr_map_put(&replay->topics, mr_str_n(id, 16), all[i]);
	}
	free(all);
}

static void apply_value(struct share_part *part, enum share_record kind, const struct share_value *value,
			int64_t offset)
{
	if (kind == SHARE_SNAPSHOT) {
		part_begin(part, mr_max_i64(value->start, 0));
		part->snapshot_at = offset;
		part->snapshot_epoch = value->snapshot_epoch;
		part->state_epoch = value->state_epoch;
		part->created_ms = value->created_ms;
		part->updates = 0;
	} else {
		part->updates++;
		if (value->start > part->records.start)
			share_partition_set_start(&part->records, value->start);
	}
	for (size_t i = 0; i < value->batches.len; i++)
		share_partition_put(&part->records, &value->batches.items[i]);
	part->snapshot_due = false;
}

static int apply_record(void *arg, const struct batch_header *batch, const struct record *record,
			struct mr_error *err)
{
	struct replay *replay = arg;
	struct share_key key;
	struct share_value value;
	int rc = share_key_read(record->key, &key, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	struct share_partition_ref ref = {
	    .topic = mr_map_get(&replay->topics, mr_str_n(key.topic_id, 16)),
	    .partition = key.partition,
	};
	if (!ref.topic || !log_partition_at(ref.topic, ref.partition))
		return 0; /* the topic is deleted */
	struct share_group *group = share_group_make(replay->share, key.group);
	struct share_part *part = part_find(group, &ref);
	if (!record->value.ptr) {
		if (part)
			part_free(part);
		return 0;
	}
	rc = share_value_read(key.kind, record->value, &value, err);
	if (rc < 0)
		return rc;
	if (!part)
		part = part_make(group, &ref);
	/* An update whose snapshot was cut off with the topic's old records cannot be. */
	if (key.kind == SHARE_SNAPSHOT || part->begun)
		apply_value(part, key.kind, &value, record->offset);
	mr_vec_release(&value.batches);
	return 0;
}

int share_replay(struct share *share, struct mr_error *err)
{
	struct replay replay = {.share = share};
	share->topic = log_topic_find(broker_store(share->broker), MR_STR(SHARE_STATE_TOPIC));
	if (!share->topic)
		return 0;
	learn_topics(&replay);
	int rc = log_replay(share->topic, apply_record, &replay, err);
	mr_map_release(&replay.topics);
	return rc;
}

/* ---- pruning ---- */

/* A topic that is gone: its states need not hold the log's records back. */
static bool is_lost(struct share *share, const struct share_part *part)
{
	return log_topic_find(broker_store(share->broker), log_topic_name(part->topic)) != part->topic;
}

int64_t share_prune_point(struct share *share)
{
	if (!share->topic)
		return -1;
	struct group_write write;
	struct log_partition *log = log_partition_at(share->topic, 0);
	int64_t end = log_stable_offset(log), oldest = end;
	mr_map_each (&share->by_name, entry) {
		struct share_group *group = entry->value;
		mr_map_each (&group->parts, each) {
			struct share_part *part = each->value;
			if (!part->begun || is_lost(share, part))
				continue;
			/* Safe or not: until the new one is, the old one is kept. */
			if (part->snapshot_at >= 0)
				oldest = mr_min_i64(oldest, part->snapshot_at);
			if (end - part->snapshot_at > SNAPSHOT_BEHIND_MAX) {
				part->snapshot_due = true;
				(void)!part_flush(part, &write, NULL);
			}
		}
	}
	return oldest > log_start_offset(log) ? oldest : -1;
}
