/* group/writes.c - appending to the internal topic, and applying what has become stable. */
#include "group/coordinator.h"

#include <stdlib.h>

#define BATCH_BYTES_MAX (64 << 20)

/* ---- the topic ---- */

int groups_ensure_topic(struct groups *groups, struct mr_error *err)
{
	struct log_store *store = broker_store(groups->broker);
	if (groups->topic && log_topic_find(store, MR_STR(GROUP_TOPIC)) == groups->topic)
		return 0;
	groups->topic = log_topic_find(store, MR_STR(GROUP_TOPIC));
	if (groups->topic)
		return 0;
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.partitions = groups->options.topic_partitions;
	config.retention_ms = -1;
	config.segment_bytes = groups->options.topic_segment_bytes;
	config.cleanup_policy = LOG_CLEANUP_COMPACT;
	config.max_message_bytes = BATCH_BYTES_MAX;
	return log_topic_create(store, MR_STR(GROUP_TOPIC), &config, &groups->topic, err);
}

/* Java's String.hashCode of the name: the partition that Kafka would choose. */
static int32_t java_hash(mr_str s)
{
	uint32_t hash = 0;
	for (size_t i = 0; i < s.len;) {
		uint32_t c = (uint8_t)s.ptr[i++];
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
		c = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;
		for (; more > 0 && i < s.len; more--)
			c = c << 6 | ((uint8_t)s.ptr[i++] & 63);
		if (c >= 0x10000) {
			hash = hash * 31 + (0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		hash = hash * 31 + c;
	}
	return (int32_t)hash;
}

static struct log_partition *partition_of(struct groups *groups, mr_str group)
{
	if (!groups->topic)
		return NULL;
	int32_t hash = java_hash(group) & INT32_MAX;
	return log_partition_at(groups->topic, hash % log_topic_partition_count(groups->topic));
}

struct log_partition *groups_partition_of(struct groups *groups, mr_str group)
{
	pthread_mutex_lock(&groups->lock);
	struct log_partition *partition = partition_of(groups, group);
	pthread_mutex_unlock(&groups->lock);
	return partition;
}

/* ---- appending ---- */

void write_start(struct groups *groups)
{
	batch_writer_start(&groups->batch);
	mr_buf_clear(&groups->value);
}

void write_record(struct groups *groups, const struct record_key *key, bool forget)
{
	mr_buf_clear(&groups->key);
	record_key_write(key, &groups->key);
	batch_writer_add(&groups->batch, clock_wall_ms(groups->env->clock), mr_buf_view(&groups->key),
			 forget ? MR_STR_NULL : mr_buf_view(&groups->value), NULL, 0);
	mr_buf_clear(&groups->value);
}

/* Kafka's form for offsets of a transaction: the producer's id and epoch, no sequence. */
static mr_str as_transactional(struct groups *groups, mr_str batch, int64_t producer_id,
			       int16_t producer_epoch)
{
	struct batch_header from = {
	    .attributes = BATCH_TRANSACTIONAL,
	    .producer_id = producer_id,
	    .producer_epoch = producer_epoch,
	    .base_sequence = -1,
	};
	batch_writer_inherit(&groups->batch, &from, batch);
	return batch;
}

int write_end(struct groups *groups, mr_str group, int64_t producer_id, int16_t producer_epoch,
	      struct group_write *write, struct mr_error *err)
{
	*write = (struct group_write){NULL, -1};
	if (groups->batch.count == 0)
		return 0;
	mr_str batch;
	int rc = groups_ensure_topic(groups, err);
	if (rc == 0)
		rc = batch_writer_finish(&groups->batch, BATCH_NONE, &batch, err);
	if (rc < 0)
		return rc;
	if (producer_id >= 0)
		batch = as_transactional(groups, batch, producer_id, producer_epoch);
	struct log_append append;
	struct log_partition *partition = partition_of(groups, group);
	rc = log_append(partition, batch, &append, err);
	if (rc > 0)
		return mr_fail(err, MR_ERR_INVALID, "a newer producer has taken over the transaction");
	if (rc == 0)
		*write = (struct group_write){partition, append.next_offset};
	return rc;
}

int groups_write_state(const struct group_write *write, struct mr_error *err)
{
	return write->partition ? log_append_state(write->partition, write->next_offset, err) : 0;
}

/* ---- settling ---- */

void unsettled_free(struct unsettled *u)
{
	for (size_t i = 0; i < u->entries.entries.len; i++) {
		free(u->entries.entries.items[i].topic);
		free(u->entries.entries.items[i].value.metadata);
	}
	mr_vec_release(&u->entries.entries);
	free(u->group);
	free(u);
}

void settle_later(struct groups *groups, const struct group_write *write, enum settle kind,
		  struct group *group, int64_t producer_id, struct txn_offsets *entries)
{
	struct unsettled *u = mr_calloc(1, sizeof *u);
	*u = (struct unsettled){
	    .write = *write,
	    .kind = kind,
	    .group = mr_strdup(group->name),
	    .producer_id = producer_id,
	    .entries = *entries,
	};
	*entries = (struct txn_offsets){0};
	group->unsettled++;
	*groups->last = u;
	groups->last = &u->next;
}

static void apply(struct groups *groups, struct group *group, const struct unsettled *u)
{
	int64_t first = u->write.next_offset - (int64_t)u->entries.entries.len;
	for (size_t i = 0; i < u->entries.entries.len; i++) {
		struct txn_offset *entry = &u->entries.entries.items[i];
		mr_str topic = mr_str_from(entry->topic);
		mr_str metadata = mr_str_from(entry->value.metadata ? entry->value.metadata : "");
		entry->value.log_offset = first + (int64_t)i;
		if (u->kind == SETTLE_COMMIT)
			offsets_put(&group->offsets, topic, &entry->value, metadata);
		else if (u->kind == SETTLE_TXN)
			offsets_put_pending(&group->offsets, u->producer_id, topic, &entry->value, metadata);
		else
			offsets_remove(&group->offsets, topic, entry->value.partition);
	}
	if (u->kind == SETTLE_TXN)
		txn_groups_note(groups, u->producer_id, group);
}

static void settle_one(struct groups *groups, const struct unsettled *u, bool stable)
{
	struct group *group = group_find(groups, mr_str_from(u->group));
	MR_ASSERT(group); /* unsettled writes keep it */
	group->unsettled--;
	if (stable)
		apply(groups, group, u);
	if (u->kind == SETTLE_DELETE) {
		group->deleting = false;
		if (stable) {
			classic_reset(&group->classic);
			consumer_release(&group->consumer);
			consumer_init(&group->consumer, &groups->options, &groups->deadlines);
			group->kind = GROUP_CLASSIC;
			offsets_release(&group->offsets);
		}
	}
	group_drop_if_blank(groups, group);
}

void settle_all(struct groups *groups)
{
	while (groups->first) {
		struct unsettled *u = groups->first;
		int state = groups_write_state(&u->write, NULL);
		if (state > 0)
			return;
		groups->first = u->next;
		if (!groups->first)
			groups->last = &groups->first;
		settle_one(groups, u, state == 0);
		unsettled_free(u);
	}
}
