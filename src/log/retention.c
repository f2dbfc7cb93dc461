/* log/retention.c - dropping whole segments that are past a topic's limits.
 *
 * Oldest first and one at a time, each removal durable before the next: a crash never leaves
 * a hole. The active segment stays. Readers that have a segment open finish with it.
 */
#include "log/find_time.h"
#include "log/store.h"

#include <stdlib.h>

/* The oldest segment's copy of what decides; false when there is only the active one. */
struct oldest {
	int64_t base, size, total, max_timestamp;
};

static bool oldest_of(struct log_partition *partition, struct oldest *out)
{
	pthread_mutex_lock(&partition->lock);
	bool droppable = partition->segments.len > 1 && !partition->deleted &&
			 partition->segments.items[1]->base <= partition->stable_offset;
	if (droppable) {
		const struct segment *segment = partition->segments.items[0];
		*out = (struct oldest){segment->base, segment->stable_size, partition->size_bytes,
				       segment->max_timestamp};
	}
	pthread_mutex_unlock(&partition->lock);
	return droppable;
}

static bool is_past(struct log_partition *partition, const struct log_topic_config *config,
		    const struct oldest *oldest, int64_t now_ms)
{
	if (config->retention_bytes >= 0 && oldest->total - oldest->size >= config->retention_bytes)
		return true;
	if (config->retention_ms < 0)
		return false;
	int64_t latest = oldest->max_timestamp;
	if (latest == SEGMENT_TIME_UNKNOWN)
		latest = segment_latest(partition, oldest->base);
	return latest != SEGMENT_TIME_UNKNOWN && latest < now_ms - config->retention_ms;
}

/* The names of newer segments must last before an older one goes: a power cut that took both would leave
 * recovery to begin the old one anew, with a hole where its bytes were. */
static int keep_newer_names(struct log_partition *partition, struct mr_error *err)
{
	if (!partition->dir_unsynced)
		return 0;
	int rc = disk_sync_dir(partition->topic->store->env->disk, partition->dir, err);
	if (rc == 0)
		partition->dir_unsynced = false;
	return rc;
}

int partition_drop_oldest(struct log_partition *partition, struct mr_error *err)
{
	struct mr_disk *disk = partition->topic->store->env->disk;
	int rc = keep_newer_names(partition, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&partition->sync_lock); /* the flusher may be writing its index */
	pthread_mutex_lock(&partition->lock);
	struct segment *segment = partition->segments.items[0];
	mr_vec_remove(&partition->segments, 0);
	partition->start_offset = mr_max_i64(partition->start_offset, partition->segments.items[0]->base);
	partition->size_bytes -= segment->stable_size;
	txns_drop_before(&partition->txns, partition->segments.items[0]->base);
	pthread_mutex_unlock(&partition->lock);
	rc = segment_unlink(disk, partition->dir, segment->base, err);
	pthread_mutex_unlock(&partition->sync_lock);
	segment_free(segment);
	return rc < 0 ? rc : disk_sync_dir(disk, partition->dir, err);
}

static int retain(struct log_partition *partition, struct mr_error *err)
{
	struct log_topic_config config;
	log_topic_config(partition->topic, &config);
	int64_t now_ms = clock_wall_ms(partition->topic->store->env->clock);
	struct oldest oldest;
	int rc = 0;
	bool may_drop = config.cleanup_policy & LOG_CLEANUP_DELETE;
	while (rc == 0 && may_drop && oldest_of(partition, &oldest) &&
	       is_past(partition, &config, &oldest, now_ms))
		rc = partition_drop_oldest(partition, err);
	pthread_mutex_lock(&partition->lock);
	producers_expire(&partition->producers, &partition->txns, now_ms);
	bool fenced = partition->fence_code && !partition->deleted;
	partition->retry_wanted |= fenced;
	pthread_mutex_unlock(&partition->lock);
	if (fenced)
		partition_ask_round(partition);
	return rc;
}

int retain_all(struct log_store *store, struct mr_error *err)
{
	size_t count;
	struct log_topic **topics = log_topics(store, &count);
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		for (int32_t p = 0; p < log_topic_partition_count(topics[i]) && rc == 0; p++)
			rc = retain(log_partition_at(topics[i], p), err);
	}
	free(topics);
	return rc;
}
