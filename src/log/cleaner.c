/* log/cleaner.c - compaction of topics with cleanup.policy=compact.
 *
 * A partition is cleaned when the part of its sealed bytes that has not been cleaned passes
 * min.cleanable.dirty.ratio, or holds a record older than max.compaction.lag.ms. So the work is
 * proportional to what came in: at a ratio of one half, at most twice the dirty bytes are read.
 *
 * The sealed segments, up to the first that is younger than min.compaction.lag.ms or holds an open
 * transaction, are walked (clean_filter.h) and written anew, neighbours merged up to
 * segment.bytes. All of that happens without a lock: sealed bytes do not change. Only the exchange
 * of the files (clean_swap.c) takes the io_lock.
 *
 * Threading: one cleaner at a time (store.clean_lock), taken before io_lock.
 */
#include "log/cleaner.h"

#include "log/batch_bytes.h"
#include "log/clean_filter.h"
#include "log/find_time.h"
#include "log/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define CLEAN_EVERY_S 15
#define MAP_BYTES_MAX ((size_t)32 << 20)
#define WRITE_CHUNK ((size_t)1 << 20)

struct cleaning {
	struct log_partition *partition;
	struct log_topic_config config;
	int64_t now_ms;
	MR_VEC(struct clean_piece) pieces;
	int64_t dirty_from;
	struct clean_filter filter;
	struct mr_error *err;

	struct segment *result; /* being written */
	struct mr_file *file;
	struct mr_buf buffer;
	int64_t written;
};

/* The sealed segments that may be cleaned, as they are now. */
static void list_pieces(struct cleaning *cleaning)
{
	struct log_partition *partition = cleaning->partition;
	pthread_mutex_lock(&partition->lock);
	for (size_t i = 0; i + 1 < partition->segments.len; i++) {
		const struct segment *segment = partition->segments.items[i];
		if (partition->deleted || partition->fence_code ||
		    partition->segments.items[i + 1]->base > partition->stable_offset)
			break;
		mr_vec_push(&cleaning->pieces,
			    (struct clean_piece){segment->base, segment->stable_size, segment->version});
	}
	cleaning->dirty_from = mr_max_i64(partition->dirty_offset, partition->start_offset);
	pthread_mutex_unlock(&partition->lock);
}

static void drop_young(struct cleaning *cleaning)
{
	int64_t lag = cleaning->config.min_compaction_lag_ms;
	if (lag <= 0)
		return;
	for (size_t i = 0; i < cleaning->pieces.len; i++) {
		int64_t latest = segment_latest(cleaning->partition, cleaning->pieces.items[i].base);
		if (latest != SEGMENT_TIME_UNKNOWN && latest > cleaning->now_ms - lag)
			cleaning->pieces.len = i;
	}
}

/* The baseTimestamp of a segment's first batch; INT64_MAX when it cannot be told. */
static int64_t first_timestamp(struct log_partition *partition, int64_t base)
{
	struct cursor cursor;
	char header[BATCH_HEADER_SIZE];
	if (cursor_open(partition, base, &cursor, NULL) != 0)
		return INT64_MAX;
	int rc = cursor_header(&cursor, 0, header, NULL);
	cursor_close(&cursor);
	return rc == 0 ? (int64_t)mr_get_be64(header + 27) : INT64_MAX;
}

static bool is_worth_it(const struct cleaning *cleaning)
{
	int64_t clean = 0, dirty = 0, first_dirty = -1;
	for (size_t i = 0; i < cleaning->pieces.len; i++) {
		const struct clean_piece *piece = &cleaning->pieces.items[i];
		if (piece->base < cleaning->dirty_from) {
			clean += piece->size;
			continue;
		}
		if (first_dirty < 0)
			first_dirty = piece->base;
		dirty += piece->size;
	}
	if (dirty == 0)
		return false;
	if ((double)dirty * 1e6 > (double)(clean + dirty) * cleaning->config.min_cleanable_dirty_ppm)
		return true;
	int64_t lag = cleaning->config.max_compaction_lag_ms;
	return lag < cleaning->now_ms &&
	       first_timestamp(cleaning->partition, first_dirty) < cleaning->now_ms - lag;
}

static int each_batch(struct cleaning *cleaning, const struct clean_piece *piece, segment_batch_fn fn,
		      struct mr_error *err)
{
	struct cursor cursor;
	int rc = cursor_open(cleaning->partition, piece->base, &cursor, err);
	if (rc == 0 && cursor.base != piece->base) {
		cursor_close(&cursor);
		rc = 1;
	}
	if (rc != 0)
		return rc < 0 ? rc : mr_fail(err, MR_ERR_CONFLICT, "a segment went away under the cleaner");
	struct segment_scan scan = {
	    .file = cursor.file->file,
	    .limit = piece->size,
	    .next_offset = piece->base,
	    .check_crc = true,
	    .fn = fn,
	    .arg = cleaning,
	};
	rc = segment_scan(&scan, err);
	if (rc == 1)
		rc = cursor_corrupt(&cursor, scan.position, scan.next_offset, err);
	cursor_close(&cursor);
	return rc;
}

static int stopped(const struct cleaning *cleaning)
{
	return cleaning->partition->topic->store->stopping ? MR_ERR_CLOSED : 0;
}

static int survey(void *arg, const char *batch, int64_t position)
{
	struct cleaning *cleaning = arg;
	if (stopped(cleaning))
		return stopped(cleaning);
	return clean_filter_survey(&cleaning->filter, mr_str_n(batch, (size_t)bb_size(batch)), cleaning->err);
}

enum { MAP_FULL = 2 };

static int learn(void *arg, const char *batch, int64_t position)
{
	struct cleaning *cleaning = arg;
	if (stopped(cleaning))
		return stopped(cleaning);
	if (bb_last_offset(batch) < cleaning->dirty_from)
		return 0;
	int rc =
	    clean_filter_learn(&cleaning->filter, mr_str_n(batch, (size_t)bb_size(batch)), cleaning->err);
	return rc == 1 ? MAP_FULL : rc;
}

static int flush_result(struct cleaning *cleaning, struct mr_error *err)
{
	int rc =
	    file_write_at(cleaning->file, cleaning->buffer.ptr, cleaning->buffer.len, cleaning->written, err);
	cleaning->written += (int64_t)cleaning->buffer.len;
	mr_buf_clear(&cleaning->buffer);
	return rc;
}

static int keep(void *arg, const char *batch, int64_t position)
{
	struct cleaning *cleaning = arg;
	mr_str left;
	int rc = stopped(cleaning);
	if (rc == 0)
		rc = clean_filter_batch(&cleaning->filter, mr_str_n(batch, (size_t)bb_size(batch)), &left,
					cleaning->err);
	if (rc < 0 || left.len == 0)
		return rc;
	int64_t at = cleaning->written + (int64_t)cleaning->buffer.len;
	if (at + (int64_t)left.len > SEGMENT_SIZE_MAX)
		return mr_fail(cleaning->err, MR_ERR_LIMIT, "a compacted segment grows past 2 GiB");
	index_note(cleaning->result, left.ptr, at);
	mr_buf_str(&cleaning->buffer, left);
	return cleaning->buffer.len >= WRITE_CHUNK ? flush_result(cleaning, cleaning->err) : 0;
}

/* Under io_lock, so that it does not meet the removal of the folder. */
static int create_result(struct cleaning *cleaning, const struct clean_piece *first, struct mr_error *err)
{
	struct log_partition *partition = cleaning->partition;
	struct log_store *store = partition->topic->store;
	char *path = segment_path(partition->dir, first->base, ".log.cleaned");
	fair_lock(&store->io_lock);
	int rc = partition->deleted
		     ? mr_fail(err, MR_ERR_CONFLICT, "topic %s is deleted", partition->topic->name)
		     : disk_open(store->env->disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE,
				 &cleaning->file, err);
	fair_unlock(&store->io_lock);
	free(path);
	if (rc < 0)
		return rc;
	struct shared_file *shared = mr_alloc(sizeof *shared);
	*shared = (struct shared_file){.file = cleaning->file, .holds = 1};
	cleaning->result = segment_new(first->base);
	cleaning->result->file = shared;
	cleaning->result->version = first->version + 1;
	cleaning->result->created_ms = cleaning->now_ms;
	cleaning->written = 0;
	mr_buf_clear(&cleaning->buffer);
	return 0;
}

static int write_group(struct cleaning *cleaning, struct clean_group *group, struct mr_error *err)
{
	int rc = create_result(cleaning, group->pieces, err);
	if (rc < 0)
		return rc;
	group->result = cleaning->result;
	for (size_t i = 0; i < group->count && rc == 0; i++)
		rc = each_batch(cleaning, &group->pieces[i], keep, err);
	if (rc == 0)
		rc = flush_result(cleaning, err);
	if (rc == 0)
		rc = file_sync(cleaning->file, err);
	if (rc < 0)
		return rc;
	struct segment *result = group->result;
	index_seal(result);
	result->size = result->stable_size = result->written_size = result->synced_size = cleaning->written;
	result->max_timestamp = result->index.max_timestamp;
	return 0;
}

static int clean_group(struct cleaning *cleaning, const struct clean_piece *pieces, size_t count,
		       struct mr_error *err)
{
	struct log_store *store = cleaning->partition->topic->store;
	struct clean_group group = {.partition = cleaning->partition, .pieces = pieces, .count = count};
	int rc = write_group(cleaning, &group, err);
	if (rc == 0) {
		fair_lock(&store->io_lock);
		rc = clean_swap(&group, err);
		fair_unlock(&store->io_lock);
	}
	if (group.result)
		clean_discard(&group);
	return rc == 1 ? mr_fail(err, MR_ERR_CONFLICT, "segments went away under the cleaner") : rc;
}

/* How many pieces from `at` on make one segment. */
static size_t group_size(const struct cleaning *cleaning, size_t at)
{
	const struct clean_piece *pieces = cleaning->pieces.items;
	int64_t bytes = pieces[at].size;
	size_t count = 1;
	for (; at + count < cleaning->pieces.len; count++) {
		const struct clean_piece *piece = &pieces[at + count];
		bytes += piece->size;
		int64_t end = at + count + 1 < cleaning->pieces.len ? pieces[at + count + 1].base
								    : cleaning->filter.map_end;
		if (bytes > cleaning->config.segment_bytes || end - pieces[at].base > INT32_MAX)
			break;
	}
	return count;
}

static int clean_pieces(struct cleaning *cleaning, struct mr_error *err)
{
	struct log_partition *partition = cleaning->partition;
	int rc = 0;
	for (size_t at = 0; at < cleaning->pieces.len && rc == 0;) {
		size_t count = group_size(cleaning, at);
		rc = clean_group(cleaning, &cleaning->pieces.items[at], count, err);
		at += count;
	}
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&partition->lock);
	partition->dirty_offset = cleaning->filter.map_end;
	pthread_mutex_unlock(&partition->lock);
	return 0;
}

static int survey_and_learn(struct cleaning *cleaning, struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < cleaning->pieces.len && rc == 0; i++)
		rc = each_batch(cleaning, &cleaning->pieces.items[i], survey, err);
	int64_t undecided = clean_filter_undecided(&cleaning->filter);
	size_t known = 0;
	for (; known < cleaning->pieces.len && rc == 0; known++) {
		const struct clean_piece *piece = &cleaning->pieces.items[known];
		if (known + 1 < cleaning->pieces.len ? piece[1].base > undecided : undecided != INT64_MAX)
			break;
		rc = each_batch(cleaning, piece, learn, err);
	}
	if (rc < 0)
		return rc;
	cleaning->pieces.len = known; /* with the piece in which the map became full */
	return 0;
}

/* 1 when it was cleaned, 0 when there was no need. */
static int clean_partition(struct log_partition *partition, const struct log_topic_config *config,
			   struct mr_error *err)
{
	struct cleaning cleaning = {
	    .partition = partition,
	    .config = *config,
	    .now_ms = clock_wall_ms(partition->topic->store->env->clock),
	    .err = err,
	};
	int rc = 0;
	list_pieces(&cleaning);
	drop_young(&cleaning);
	if (is_worth_it(&cleaning)) {
		clean_filter_init(&cleaning.filter, MAP_BYTES_MAX, cleaning.now_ms,
				  config->delete_retention_ms);
		rc = survey_and_learn(&cleaning, err);
		if (rc == 0 && cleaning.pieces.len > 0 && cleaning.filter.map_end > 0)
			rc = clean_pieces(&cleaning, err);
		clean_filter_release(&cleaning.filter);
		rc = rc < 0 ? rc : 1;
	}
	mr_buf_release(&cleaning.buffer);
	mr_vec_release(&cleaning.pieces);
	if (rc == MR_ERR_CORRUPT)
		partition_set_damage(partition, err);
	return rc;
}

/* One partition's fault does not keep the others from being cleaned. */
static int clean_topics(struct log_store *store, struct mr_error *err)
{
	size_t count;
	struct log_topic **topics = log_topics(store, &count);
	int fault = 0;
	bool any = false;
	for (size_t t = 0; t < count; t++) {
		struct log_topic_config config;
		log_topic_config(topics[t], &config);
		if (!(config.cleanup_policy & LOG_CLEANUP_COMPACT))
			continue;
		for (int32_t i = 0; i < log_topic_partition_count(topics[t]); i++) {
			struct mr_error local;
			int rc = clean_partition(log_partition_at(topics[t], i), &config, &local);
			any |= rc == 1;
			if (rc < 0 && rc != MR_ERR_CONFLICT && rc != MR_ERR_CLOSED && fault == 0)
				fault = mr_fail(err, local.code, "%s", local.message);
		}
	}
	free(topics);
	if (any) {
		fair_lock(&store->io_lock);
		int rc = marks_write(store, fault ? NULL : err);
		fair_unlock(&store->io_lock);
		fault = fault ? fault : rc;
	}
	return fault;
}

int log_store_compact(struct log_store *store, struct mr_error *err)
{
	pthread_mutex_lock(&store->clean_lock);
	int rc = clean_topics(store, err);
	pthread_mutex_unlock(&store->clean_lock);
	return rc;
}

static void *run(void *arg)
{
	struct log_store *store = arg;
	for (;;) {
		struct timespec due;
		clock_gettime(CLOCK_MONOTONIC, &due);
		due.tv_sec += CLEAN_EVERY_S;
		int rc = 0;
		pthread_mutex_lock(&store->queue_lock);
		while (!store->stopping && rc != ETIMEDOUT)
			rc = pthread_cond_timedwait(&store->clean_wake, &store->queue_lock, &due);
		bool stop = store->stopping;
		pthread_mutex_unlock(&store->queue_lock);
		if (stop)
			return NULL;
		(void)!log_store_compact(store, NULL);
	}
}

int cleaner_start(struct log_store *store, struct mr_error *err)
{
	int rc = pthread_create(&store->cleaner, NULL, run, store);
	if (rc != 0)
		return mr_fail(err, MR_ERR_INTERNAL, "cannot start the cleaner thread: %s", strerror(rc));
	store->cleaner_runs = true;
	return 0;
}

void cleaner_stop(struct log_store *store)
{
	if (!store->cleaner_runs)
		return;
	pthread_mutex_lock(&store->queue_lock);
	store->stopping = true;
	pthread_cond_signal(&store->clean_wake);
	pthread_mutex_unlock(&store->queue_lock);
	pthread_join(store->cleaner, NULL);
	store->cleaner_runs = false;
}
