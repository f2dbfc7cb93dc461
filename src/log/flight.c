/* log/flight.c - the batches of one commit round on their way into a partition's segments.
 *
 * flight_take moves `pending` over; flight_write gives it places in segments, rolling where the
 * topic's limits say, and writes it, unless it may wait (write_back.c); when the round has made it durable,
 * flight_publish shows it to readers. When something failed, flight_drop forgets it and
 * partition_fence takes the offsets back. What is rolled away from is written before.
 *
 * A new segment's name is the offset after the last batch before it, so segments follow each
 * other without a gap even when a fault made the offsets skip.
 */
#include "log/batch_bytes.h"
#include "log/store.h"

#define BUFFER_KEPT_MAX ((size_t)64 << 10)

void flight_take(struct log_partition *partition)
{
	pthread_mutex_lock(&partition->lock);
	struct mr_buf empty = partition->flight;
	partition->flight = partition->pending;
	partition->pending = empty;
	partition->flight_end = partition->end_offset;
	partition->queued = false;
	pthread_mutex_unlock(&partition->lock);
}

static void flight_release(struct log_partition *partition)
{
	partition->topic->store->pending_bytes -= partition->flight.len;
	partition->runs.len = 0;
	if (partition->flight.cap > BUFFER_KEPT_MAX)
		spares_give(&partition->topic->store->spares, &partition->flight);
	mr_buf_clear(&partition->flight);
}

void flight_drop(struct log_partition *partition)
{
	flight_release(partition);
}

/* Only sealed segments are compacted. */
static int64_t compaction_due(const struct log_topic_config *config)
{
	return config->cleanup_policy & LOG_CLEANUP_COMPACT ? config->max_compaction_lag_ms : INT64_MAX;
}

static bool must_roll(const struct segment *active, const struct log_topic_config *config, const char *batch,
		      int64_t now_ms)
{
	if (active->size == 0)
		return false;
	return active->size + bb_size(batch) > config->segment_bytes ||
	       now_ms - active->created_ms >= mr_min_i64(config->segment_ms, compaction_due(config)) ||
	       bb_last_offset(batch) - active->base > INT32_MAX;
}

/* The file is made at once: its name is to be there for whoever syncs the folder. */
static int add_segment(struct log_partition *partition, int64_t base, int64_t now_ms, struct segment **out,
		       struct mr_error *err)
{
	struct segment *segment = segment_new(base);
	segment->created_ms = now_ms;
	pthread_mutex_lock(&partition->lock);
	mr_vec_push(&partition->segments, segment);
	pthread_mutex_unlock(&partition->lock);
	partition->dir_unsynced = true;
	partition->names++;
	*out = segment;
	return segment_open_file(segment, partition->topic->store->env->disk, partition->dir,
				 &partition->lock, err);
}

/* Behind what its segment's file is owed: that first. */
static int put_run(struct log_partition *partition, struct flight_run *run, struct mr_error *err)
{
	struct segment *segment = run->segment;
	struct mr_disk *disk = partition->topic->store->env->disk;
	int rc = write_back_owed(segment) > 0 ? write_back(partition, err) : 0;
	if (rc == 0)
		rc = segment_open_file(segment, disk, partition->dir, &partition->lock, err);
	if (rc == 0)
		rc = file_write_at(segment->file->file, partition->flight.ptr + run->from,
				   run->to - run->from, run->position, err);
	if (rc < 0)
		return rc;
	run->written = true;
	pthread_mutex_lock(&partition->lock);
	segment->written_size = run->position + (int64_t)(run->to - run->from);
	pthread_mutex_unlock(&partition->lock);
	return 0;
}

static int place_run(struct log_partition *partition, struct segment *segment, size_t from, size_t to,
		     bool wait, struct mr_error *err)
{
	if (from == to)
		return 0;
	struct flight_run run = {.segment = segment, .position = segment->size, .from = from, .to = to};
	int rc = wait ? 0 : put_run(partition, &run, err);
	if (rc < 0)
		return rc;
	mr_vec_push(&partition->runs, run);
	segment->size += (int64_t)(to - from);
	return 0;
}

/* The segment takes flight[from, to), and nothing more. */
static int finish_segment(struct log_partition *partition, struct segment *segment, size_t from, size_t to,
			  struct mr_error *err)
{
	int rc = place_run(partition, segment, from, to, false, err);
	return rc == 0 && write_back_owed(segment) > 0 ? write_back(partition, err) : rc;
}

int flight_write_rest(struct log_partition *partition, struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < partition->runs.len && rc == 0; i++) {
		if (!partition->runs.items[i].written)
			rc = put_run(partition, &partition->runs.items[i], err);
	}
	return rc;
}

int flight_write(struct log_partition *partition, bool wait, struct mr_error *err)
{
	struct log_topic_config config;
	log_topic_config(partition->topic, &config);
	int64_t now_ms = clock_wall_ms(partition->topic->store->env->clock);
	struct segment *active = partition_active(partition);
	if (!active) {
		partition->kafka_files_due = true;
		int rc = add_segment(partition, partition->written_next, now_ms, &active, err);
		if (rc < 0)
			return rc;
	}
	size_t from = 0, at = 0;
	int64_t base_size = active->size;
	while (at < partition->flight.len) {
		const char *batch = partition->flight.ptr + at;
		active->size = base_size + (int64_t)(at - from); /* as if written, for must_roll */
		bool roll = must_roll(active, &config, batch, now_ms);
		active->size = base_size;
		if (roll) {
			int rc = finish_segment(partition, active, from, at, err);
			if (rc == 0)
				rc = add_segment(partition, partition->written_next, now_ms, &active, err);
			if (rc < 0)
				return rc;
			base_size = 0;
			from = at;
		}
		partition->written_next = bb_next_offset(batch);
		at += (size_t)bb_size(batch);
	}
	return place_run(partition, active, from, at, wait, err);
}

static void publish_run(struct log_partition *partition, const struct flight_run *run)
{
	struct segment *segment = run->segment;
	for (size_t at = run->from; at < run->to;) {
		const char *batch = partition->flight.ptr + at;
		index_note(segment, batch, run->position + (int64_t)(at - run->from));
		at += (size_t)bb_size(batch);
	}
	segment->stable_size = run->position + (int64_t)(run->to - run->from);
	segment->max_timestamp = segment->index.max_timestamp;
	partition->max_timestamp = mr_max_i64(partition->max_timestamp, segment->max_timestamp);
}

/* This round's segments but the last will grow no more, nor will the one before the first. */
static void seal_rolled(struct log_partition *partition)
{
	size_t sealed = partition->segments.len - 1;
	const struct segment *first = partition->runs.items[0].segment;
	for (size_t i = sealed; i-- > 0;) {
		struct segment *segment = partition->segments.items[i];
		index_seal(segment);
		if (segment->base < first->base)
			break;
	}
}

void flight_publish(struct log_partition *partition)
{
	pthread_mutex_lock(&partition->lock);
	for (size_t i = 0; i < partition->runs.len; i++)
		publish_run(partition, &partition->runs.items[i]);
	if (partition->runs.len > 1 || (partition->runs.len == 1 && partition->runs.items[0].position == 0))
		seal_rolled(partition);
	partition->size_bytes += (int64_t)partition->flight.len;
	partition->stable_offset = partition->flight_end;
	for (size_t i = 0; i < partition->runs.len; i++)
		tail_add(partition, &partition->flight, &partition->runs.items[i]);
	txns_publish(&partition->txns, partition->stable_offset);
	pthread_cond_broadcast(&partition->moved);
	const struct flight_run *last = &partition->runs.items[partition->runs.len - 1];
	if (!last->written)
		write_back_note(partition, last->to - last->from);
	pthread_mutex_unlock(&partition->lock);
	flight_release(partition);
}
