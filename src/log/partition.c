/* log/partition.c - one partition's state in memory: appending, waiting, asking.
 *
 * An append assigns offsets and copies the batch into `pending`; the committer does the rest
 * (flight.c, commit.c). Reading is read.c's and find_time.c's.
 */
#include "log/batch_bytes.h"
#include "log/store.h"

#include "base/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct log_partition *partition_new(struct log_topic *topic, int32_t index)
{
	struct log_partition *partition = mr_calloc(1, sizeof *partition);
	partition->topic = topic;
	partition->index = index;
	partition->dir = mr_asprintf("%s/log/%s-%d", topic->store->dir, topic->name, (int)index);
	partition->max_timestamp = -1;
	pthread_mutex_init(&partition->lock, NULL);
	pthread_mutex_init(&partition->rebuild_lock, NULL);
	pthread_mutex_init(&partition->sync_lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&partition->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return partition;
}

void partition_free(struct log_partition *partition)
{
	if (!partition)
		return;
	for (size_t i = 0; i < partition->segments.len; i++)
		segment_free(partition->segments.items[i]);
	mr_vec_release(&partition->segments);
	mr_vec_release(&partition->runs);
	mr_buf_release(&partition->pending);
	mr_buf_release(&partition->flight);
	tail_clear(&partition->tail);
	producers_release(&partition->producers);
	txns_release(&partition->txns);
	pthread_mutex_destroy(&partition->lock);
	pthread_mutex_destroy(&partition->rebuild_lock);
	pthread_mutex_destroy(&partition->sync_lock);
	pthread_cond_destroy(&partition->moved);
	free(partition->fence_message);
	free(partition->damage_message);
	free(partition->dir);
	free(partition);
}

struct segment *partition_active(const struct log_partition *partition)
{
	return partition->segments.len ? partition->segments.items[partition->segments.len - 1] : NULL;
}

struct segment *partition_segment(const struct log_partition *partition, int64_t base)
{
	size_t low = 0, high = partition->segments.len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (partition->segments.items[middle]->base < base)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < partition->segments.len && partition->segments.items[low]->base == base;
	return found ? partition->segments.items[low] : NULL;
}

static void enqueue(struct log_partition *partition)
{
	struct log_store *store = partition->topic->store;
	pthread_mutex_lock(&store->queue_lock);
	partition->queue_next = NULL;
	*store->queue_tail = partition;
	store->queue_tail = &partition->queue_next;
	pthread_cond_signal(&store->queue_wake);
	pthread_mutex_unlock(&store->queue_lock);
}

void partition_ask_round(struct log_partition *partition)
{
	pthread_mutex_lock(&partition->lock);
	bool wake = !partition->queued;
	partition->queued = true;
	pthread_mutex_unlock(&partition->lock);
	if (wake)
		enqueue(partition);
}

static int check_batch(const struct log_partition *partition, mr_str batch, int32_t size_max,
		       struct mr_error *err)
{
	const char *name = partition->topic->name;
	if (batch.len < BATCH_HEADER_SIZE)
		return mr_fail(err, MR_ERR_CORRUPT,
			       "a batch of %zu bytes for %s-%d is shorter than its header", batch.len, name,
			       (int)partition->index);
	if ((int64_t)batch.len > size_max)
		return mr_fail(err, MR_ERR_LIMIT,
			       "a batch of %zu bytes is over max.message.bytes=%d of topic %s", batch.len,
			       (int)size_max, name);
	if (bb_size(batch.ptr) != (int64_t)batch.len)
		return mr_fail(err, MR_ERR_CORRUPT, "a batch for %s-%d says %lld bytes and has %zu", name,
			       (int)partition->index, (long long)bb_size(batch.ptr), batch.len);
	/* Fewer records than offsets: a compacted batch, or one that lost records to a contract. */
	if (batch.ptr[BATCH_AT_MAGIC] != 2 || bb_count(batch.ptr) < 0 || bb_last_delta(batch.ptr) < 0 ||
	    bb_count(batch.ptr) > (int64_t)bb_last_delta(batch.ptr) + 1)
		return mr_fail(err, MR_ERR_CORRUPT, "a batch for %s-%d has an impossible header", name,
			       (int)partition->index);
	if (!bb_crc_ok(batch.ptr, batch.len))
		return mr_fail(err, MR_ERR_CORRUPT, "a batch for %s-%d fails its CRC-32C", name,
			       (int)partition->index);
	return 0;
}

static int fenced(const struct log_partition *partition, struct mr_error *err)
{
	if (partition->deleted)
		return mr_fail(err, MR_ERR_NOT_FOUND, "topic %s is deleted", partition->topic->name);
	return mr_fail(err, partition->fence_code, "%s-%d takes no appends: %s", partition->topic->name,
		       (int)partition->index, partition->fence_message);
}

/* The batch has been checked; the lock is held. */
static void admit(struct log_partition *partition, mr_str batch, int64_t now_ms, bool stamp,
		  struct log_append *out)
{
	struct mr_buf *pending = &partition->pending;
	size_t at = pending->len;
	spares_grow(&partition->topic->store->spares, pending, batch.len);
	mr_buf_append(pending, batch.ptr, batch.len);
	char *copy = pending->ptr + at;
	batch_patch_offset(copy, partition->end_offset, 0);
	if (stamp)
		bb_stamp(copy, batch.len, now_ms);
	producers_note(&partition->producers, copy, batch.len, now_ms);
	txns_note(&partition->txns, copy, batch.len);
	*out = (struct log_append){
	    .base_offset = partition->end_offset,
	    .next_offset = bb_next_offset(copy),
	    .append_time_ms = stamp ? now_ms : -1,
	};
	partition->end_offset = out->next_offset;
}

/* The batch is an idempotent producer's: 0 when it follows (also when it is a duplicate, told by
 * *out), or why it is refused. */
static int judge(const struct log_partition *partition, mr_str batch, bool stamp, int64_t now_ms,
		 struct log_append *out, struct mr_error *err)
{
	const char *name = partition->topic->name;
	int64_t id = bb_producer_id(batch.ptr);
	bool transactional = mr_get_be16(batch.ptr + BATCH_AT_ATTRIBUTES) & BATCH_TRANSACTIONAL;
	struct producer_batch first;
	switch (producers_judge(&partition->producers, batch.ptr, &first)) {
	case PRODUCER_NEXT:
		break;
	case PRODUCER_DUPLICATE:
		*out = (struct log_append){
		    .base_offset = first.base_offset,
		    .next_offset = first.base_offset + first.last_offset_delta + 1,
		    .append_time_ms = stamp ? now_ms : -1,
		    .duplicate = true,
		};
		return 0;
	case PRODUCER_BAD_SEQUENCE:
		mr_fail(err, LOG_BAD_SEQUENCE, "producer %lld: sequence %d does not follow in %s-%d",
			(long long)id, (int)bb_base_sequence(batch.ptr), name, (int)partition->index);
		return LOG_BAD_SEQUENCE;
	case PRODUCER_BAD_EPOCH:
		mr_fail(err, LOG_BAD_EPOCH, "producer %lld: epoch %d is over in %s-%d", (long long)id,
			(int)bb_producer_epoch(batch.ptr), name, (int)partition->index);
		return LOG_BAD_EPOCH;
	}
	if (!transactional && txns_undecided(&partition->txns, id) >= 0) {
		mr_fail(err, LOG_BAD_TXN_STATE, "producer %lld: its transaction in %s-%d is not ended",
			(long long)id, name, (int)partition->index);
		return LOG_BAD_TXN_STATE;
	}
	return 0;
}

static int append_locked(struct log_partition *partition, mr_str batch, int64_t now_ms, bool stamp,
			 struct log_append *out, struct mr_error *err)
{
	if (partition->deleted || partition->fence_code)
		return fenced(partition, err);
	if (bb_producer_id(batch.ptr) >= 0) {
		out->duplicate = false;
		int rc = judge(partition, batch, stamp, now_ms, out, err);
		if (rc != 0 || out->duplicate)
			return rc;
	}
	admit(partition, batch, now_ms, stamp, out);
	return 0;
}

/* A marker's size is ours, not the producer's. */
static bool is_control(mr_str batch)
{
	return batch.len >= BATCH_HEADER_SIZE &&
	       (mr_get_be16(batch.ptr + BATCH_AT_ATTRIBUTES) & BATCH_CONTROL) != 0;
}

int log_append(struct log_partition *partition, mr_str batch, struct log_append *out, struct mr_error *err)
{
	struct log_topic *topic = partition->topic;
	struct log_store *store = topic->store;
	pthread_mutex_lock(&topic->lock);
	int32_t size_max = topic->config.max_message_bytes;
	bool stamp = topic->config.log_append_time;
	pthread_mutex_unlock(&topic->lock);
	int rc = check_batch(partition, batch, is_control(batch) ? INT32_MAX : size_max, err);
	if (rc < 0)
		return rc;
	size_t pending = atomic_fetch_add(&store->pending_bytes, batch.len) + batch.len;
	if (pending > store->pending_bytes_max && pending > batch.len) {
		store->pending_bytes -= batch.len;
		return mr_fail(err, MR_ERR_BUSY, "%zu MB wait for the disk already",
			       store->pending_bytes_max >> 20);
	}
	if (pending > store->pending_bytes_high)
		store->pending_bytes_high = pending;
	int64_t now_ms = clock_wall_ms(store->env->clock);

	pthread_mutex_lock(&partition->lock);
	rc = append_locked(partition, batch, now_ms, stamp, out, err);
	bool retry = rc < 0 && partition->fence_code && !partition->deleted;
	bool admitted = rc == 0 && !out->duplicate;
	bool wake = (admitted || retry) && !partition->queued;
	partition->queued |= wake;
	partition->retry_wanted |= retry;
	pthread_mutex_unlock(&partition->lock);

	if (admitted) {
		store->appended_batches++;
		store->appended_bytes += batch.len;
	} else {
		store->pending_bytes -= batch.len;
	}
	if (wake)
		enqueue(partition);
	return rc;
}

/* Take back what is not stable; faults without progress between them share one range. */
static void note_lost(struct log_partition *partition)
{
	int64_t from = partition->stable_offset, to = partition->end_offset;
	if (from == to)
		return;
	struct lost_range *last = &partition->lost[(partition->lost_count - 1) % LOST_RANGES_KEPT];
	if (partition->lost_count == 0 || last->from != from)
		last = &partition->lost[partition->lost_count++ % LOST_RANGES_KEPT];
	*last = (struct lost_range){from, to, partition->fence_code};
	producers_roll_back(&partition->producers, from);
	txns_roll_back(&partition->txns, from);
}

void partition_fence(struct log_partition *partition, const struct mr_error *err)
{
	struct log_store *store = partition->topic->store;
	pthread_mutex_lock(&partition->lock);
	bool first = !partition->fence_code;
	if (first) {
		partition->fence_code = err->code ? err->code : MR_ERR_IO;
		free(partition->fence_message);
		partition->fence_message = mr_strdup(err->message);
	}
	note_lost(partition);
	store->pending_bytes -= partition->pending.len;
	mr_buf_release(&partition->pending);
	pthread_cond_broadcast(&partition->moved);
	pthread_mutex_unlock(&partition->lock);
	if (first && store->health)
		store->health(store->health_arg, partition, err);
}

void partition_set_damage(struct log_partition *partition, const struct mr_error *err)
{
	pthread_mutex_lock(&partition->lock);
	if (!partition->damage_code) {
		partition->damage_code = err->code;
		partition->damage_message = mr_strdup(err->message);
	}
	pthread_mutex_unlock(&partition->lock);
}

/* Lock held: 0 stable, 1 not yet, negative lost. */
static int append_state(const struct log_partition *partition, int64_t next_offset, struct mr_error *err)
{
	uint32_t kept = partition->lost_count < LOST_RANGES_KEPT ? partition->lost_count : LOST_RANGES_KEPT;
	for (uint32_t i = 0; i < kept; i++) {
		const struct lost_range *lost = &partition->lost[i];
		if (next_offset > lost->from && next_offset <= lost->to)
			return mr_fail(err, lost->code, "%s-%d lost an append to a fault: %s",
				       partition->topic->name, (int)partition->index,
				       partition->fence_message);
	}
	if (partition->stable_offset >= next_offset)
		return 0;
	if (partition->deleted)
		return fenced(partition, err);
	return 1;
}

int log_append_state(struct log_partition *partition, int64_t next_offset, struct mr_error *err)
{
	pthread_mutex_lock(&partition->lock);
	int rc = append_state(partition, next_offset, err);
	pthread_mutex_unlock(&partition->lock);
	return rc;
}

int log_wait_stable(struct log_partition *partition, int64_t offset, int64_t timeout_ms, struct mr_error *err)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&partition->lock);
	int rc;
	while ((rc = append_state(partition, offset, err)) == 1) {
		if (partition->fence_code && offset > partition->end_offset) {
			rc = fenced(partition, err);
			break;
		}
		if (pthread_cond_timedwait(&partition->moved, &partition->lock, &until) == ETIMEDOUT &&
		    append_state(partition, offset, err) == 1) {
			rc = mr_fail(err, MR_ERR_TIMEOUT, "%s-%d did not reach offset %lld in %lld ms",
				     partition->topic->name, (int)partition->index, (long long)offset,
				     (long long)timeout_ms);
			break;
		}
	}
	pthread_mutex_unlock(&partition->lock);
	return rc;
}

int log_partition_health(struct log_partition *partition, struct mr_error *err)
{
	pthread_mutex_lock(&partition->lock);
	int rc = 0;
	if (partition->deleted || partition->fence_code)
		rc = fenced(partition, err);
	else if (partition->damage_code)
		rc = mr_fail(err, partition->damage_code, "%s", partition->damage_message);
	pthread_mutex_unlock(&partition->lock);
	return rc;
}

/* One field, read under the lock. */
static int64_t peek(const struct log_partition *partition, const int64_t *field)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&partition->lock;
	pthread_mutex_lock(lock);
	int64_t value = *field;
	pthread_mutex_unlock(lock);
	return value;
}

int64_t log_start_offset(const struct log_partition *partition)
{
	return peek(partition, &partition->start_offset);
}

int64_t log_stable_offset(const struct log_partition *partition)
{
	return peek(partition, &partition->stable_offset);
}

int64_t log_end_offset(const struct log_partition *partition)
{
	return peek(partition, &partition->end_offset);
}

int64_t log_size_bytes(const struct log_partition *partition)
{
	return peek(partition, &partition->size_bytes);
}

int64_t log_max_timestamp(const struct log_partition *partition)
{
	return peek(partition, &partition->max_timestamp);
}

struct log_topic *log_partition_topic(const struct log_partition *partition)
{
	return partition->topic;
}

int32_t log_partition_index(const struct log_partition *partition)
{
	return partition->index;
}
