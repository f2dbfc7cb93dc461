/* log/find_time.c - from a time to an offset, and what the largest timestamps are.
 *
 * The time index gives a place before which everything is older; from there headers are walked
 * to the first batch whose maxTimestamp is late enough, and that batch's records are read.
 */
#include "log/batch_bytes.h"
#include "log/find_time.h"
#include "log/lookup.h"

static int last_time(struct cursor *cursor, struct time_entry *out)
{
	const struct log_partition *partition = cursor->partition;
	return index_find_time(partition->topic->store->env->disk, partition->dir, cursor->base,
			       cursor->times_filed, INT64_MAX, out, NULL);
}

/* Does the entry name the end of a batch with that very timestamp? */
static bool time_entry_holds(struct cursor *cursor, const struct time_entry *entry)
{
	int64_t position;
	char header[BATCH_HEADER_SIZE];
	return cursor_find(cursor, cursor->base + entry->offset, &position, NULL) == 0 &&
	       cursor_header(cursor, position, header, NULL) == 0 &&
	       bb_last_offset(header) == cursor->base + entry->offset &&
	       bb_max_timestamp(header) == entry->timestamp;
}

int64_t segment_latest(struct log_partition *partition, int64_t base)
{
	struct cursor cursor;
	if (cursor_open(partition, base, &cursor, NULL) != 0)
		return SEGMENT_TIME_UNKNOWN;
	struct time_entry entry;
	int64_t latest = SEGMENT_TIME_UNKNOWN;
	struct index_tail tail;
	/* An entry for the segment's very last offset shows that the time index is whole; else it
	 * may have lost its end, and with it a larger timestamp. */
	if (cursor.base == base && last_time(&cursor, &entry) == 1 &&
	    base + entry.offset == cursor.next_base - 1 && time_entry_holds(&cursor, &entry)) {
		latest = entry.timestamp;
	} else if (cursor.base == base && index_build(partition->topic->store->env->disk, partition->dir,
						      base, cursor.size, &tail, NULL) == 0) {
		latest = tail.max_timestamp;
		index_tail_release(&tail);
	}
	cursor_close(&cursor);
	if (latest == SEGMENT_TIME_UNKNOWN)
		return latest;
	pthread_mutex_lock(&partition->lock);
	for (size_t i = 0; i < partition->segments.len; i++) {
		if (partition->segments.items[i]->base == base)
			partition->segments.items[i]->max_timestamp = latest;
	}
	pthread_mutex_unlock(&partition->lock);
	return latest;
}

/* The place from which to walk: everything before it is older than ms. */
static int64_t start_of_walk(struct cursor *cursor, int64_t ms)
{
	struct log_partition *partition = cursor->partition;
	struct time_entry entry;
	int rc = index_find_time(partition->topic->store->env->disk, partition->dir, cursor->base,
				 cursor->times_filed, ms, &entry, NULL);
	int64_t position;
	if (rc != 1 || !time_entry_holds(cursor, &entry) ||
	    cursor_find(cursor, cursor->base + entry.offset, &position, NULL) != 0)
		return 0;
	return position;
}

static int find_record(mr_str batch, int64_t from, int64_t ms, int64_t *offset, int64_t *timestamp,
		       struct mr_error *err)
{
	struct batch_iter it = {0};
	struct record record;
	int rc = batch_iter_start(&it, batch, err);
	while (rc == 0 && (rc = batch_iter_next(&it, &record, err)) == 1) {
		rc = 0;
		if (record.timestamp < ms || record.offset < from)
			continue;
		*offset = record.offset;
		*timestamp = record.timestamp;
		batch_iter_release(&it);
		return 0;
	}
	batch_iter_release(&it);
	return rc < 0 ? rc : 1;
}

static int find_in_batch(struct cursor *cursor, int64_t position, const char *header, int64_t from,
			 int64_t ms, int64_t *offset, int64_t *timestamp, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	size_t size = (size_t)bb_size(header), got;
	mr_buf_reserve(&bytes, size);
	int rc = cursor_read(cursor, bytes.ptr, size, position, &got, err);
	if (rc == 0 && (got < size || !bb_crc_ok(bytes.ptr, size)))
		rc = cursor_corrupt(cursor, position, bb_offset(header), err);
	if (rc == 0)
		rc = find_record(mr_str_n(bytes.ptr, size), from, ms, offset, timestamp, err);
	mr_buf_release(&bytes);
	return rc;
}

/* 0 found, 1 not in this segment. */
static int find_in_segment(struct cursor *cursor, int64_t from, int64_t ms, int64_t *offset,
			   int64_t *timestamp, struct mr_error *err)
{
	int64_t position = start_of_walk(cursor, ms);
	for (;;) {
		char header[BATCH_HEADER_SIZE];
		int rc = cursor_header(cursor, position, header, err);
		if (rc != 0)
			return rc;
		if (bb_max_timestamp(header) >= ms && bb_last_offset(header) >= from) {
			rc = find_in_batch(cursor, position, header, from, ms, offset, timestamp, err);
			if (rc != 1)
				return rc;
		}
		position += bb_size(header);
	}
}

/* Can the segment's largest timestamp rule it out? Unknown ones are looked up once. */
static bool too_old(struct log_partition *partition, const struct cursor *cursor, int64_t ms)
{
	if (cursor->next_base < 0)
		return false;
	int64_t latest = SEGMENT_TIME_UNKNOWN;
	pthread_mutex_lock(&partition->lock);
	for (size_t i = 0; i < partition->segments.len; i++) {
		if (partition->segments.items[i]->base == cursor->base)
			latest = partition->segments.items[i]->max_timestamp;
	}
	pthread_mutex_unlock(&partition->lock);
	if (latest == SEGMENT_TIME_UNKNOWN)
		latest = segment_latest(partition, cursor->base);
	return latest != SEGMENT_TIME_UNKNOWN && latest < ms;
}

int log_find_time(struct log_partition *partition, int64_t ms, int64_t *offset_out, int64_t *timestamp_out,
		  struct mr_error *err)
{
	int64_t from = log_start_offset(partition);
	for (;;) {
		struct cursor cursor;
		int rc = cursor_open(partition, from, &cursor, err);
		if (rc != 0)
			return rc;
		rc = too_old(partition, &cursor, ms)
			 ? 1
			 : find_in_segment(&cursor, from, ms, offset_out, timestamp_out, err);
		from = cursor.next_base;
		cursor_close(&cursor);
		if (rc != 1 || from < 0)
			return rc;
	}
}
