/* log/clean_filter.c - which records stay. See the header. */
#include "log/clean_filter.h"

#include "log/batch_bytes.h"
#include "log/producer_state.h"

#include "base/vec.h"

#include <stdlib.h>

/* A transaction's end. */
struct clean_marker {
	int64_t first;  /* of its batches that are still there; -1: none */
	int64_t offset; /* the marker's */
	bool commit;
};

struct clean_producer {
	int64_t last_offset; /* of its last batch */
	int64_t open_first;  /* of the transaction under way; -1 */
	MR_VEC(struct clean_marker) markers;
};

void clean_filter_init(struct clean_filter *filter, size_t map_bytes, int64_t now_ms,
		       int64_t delete_retention_ms)
{
	*filter = (struct clean_filter){.now_ms = now_ms, .delete_retention_ms = delete_retention_ms};
	clean_map_init(&filter->map, map_bytes);
	batch_writer_init(&filter->writer, 0);
}

void clean_filter_release(struct clean_filter *filter)
{
	mr_map_each (&filter->producers, entry) {
		struct clean_producer *producer = entry->value;
		mr_vec_release(&producer->markers);
		free(producer);
	}
	mr_map_release(&filter->producers);
	clean_map_release(&filter->map);
	batch_iter_release(&filter->iter);
	batch_writer_release(&filter->writer);
}

static struct clean_producer *producer_of(const struct clean_filter *filter, const char *batch)
{
	return mr_map_get(&filter->producers, mr_str_n(batch + 43, 8));
}

static bool has_attribute(const char *batch, int bit)
{
	return mr_get_be16(batch + BATCH_AT_ATTRIBUTES) & bit;
}

/* A control record's key: i16 version, i16 type (0 abort, 1 commit). An empty control batch has
 * been cleaned: 1. */
static int read_marker(struct clean_filter *filter, mr_str batch, bool *commit, struct mr_error *err)
{
	struct record record;
	int rc = batch_iter_start(&filter->iter, batch, err);
	if (rc == 0)
		rc = batch_iter_next(&filter->iter, &record, err);
	if (rc < 0)
		return rc;
	if (rc == 0 || record.key.len < 4)
		return 1;
	*commit = mr_get_be16(record.key.ptr + 2) == 1;
	return 0;
}

int clean_filter_survey(struct clean_filter *filter, mr_str batch, struct mr_error *err)
{
	if (bb_producer_id(batch.ptr) < 0)
		return 0;
	struct clean_producer *producer = producer_of(filter, batch.ptr);
	if (!producer) {
		producer = mr_calloc(1, sizeof *producer);
		producer->open_first = -1;
		mr_map_put(&filter->producers, mr_str_n(batch.ptr + 43, 8), producer);
	}
	producer->last_offset = bb_last_offset(batch.ptr);
	if (has_attribute(batch.ptr, BATCH_CONTROL)) {
		struct clean_marker marker = {producer->open_first, bb_offset(batch.ptr), true};
		int rc = read_marker(filter, batch, &marker.commit, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			mr_vec_push(&producer->markers, marker);
		producer->open_first = -1;
	} else if (has_attribute(batch.ptr, BATCH_TRANSACTIONAL) && producer->open_first < 0) {
		producer->open_first = bb_offset(batch.ptr);
	}
	return 0;
}

int64_t clean_filter_undecided(const struct clean_filter *filter)
{
	int64_t first = INT64_MAX;
	mr_map_each (&filter->producers, entry) {
		const struct clean_producer *producer = entry->value;
		if (producer->open_first >= 0)
			first = mr_min_i64(first, producer->open_first);
	}
	return first;
}

/* The first marker of the producer at or behind the offset; NULL when there is none. */
static const struct clean_marker *marker_behind(const struct clean_filter *filter, const char *batch)
{
	const struct clean_producer *producer = producer_of(filter, batch);
	if (!producer)
		return NULL;
	size_t low = 0, high = producer->markers.len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (producer->markers.items[middle].offset < bb_offset(batch))
			low = middle + 1;
		else
			high = middle;
	}
	return low < producer->markers.len ? &producer->markers.items[low] : NULL;
}

static bool is_aborted(const struct clean_filter *filter, const char *batch)
{
	if (!has_attribute(batch, BATCH_TRANSACTIONAL) || has_attribute(batch, BATCH_CONTROL))
		return false;
	const struct clean_marker *marker = marker_behind(filter, batch);
	return marker && !marker->commit;
}

int clean_filter_learn(struct clean_filter *filter, mr_str batch, struct mr_error *err)
{
	if (!has_attribute(batch.ptr, BATCH_CONTROL) && !is_aborted(filter, batch.ptr)) {
		struct record record;
		int rc = batch_iter_start(&filter->iter, batch, err);
		while (rc == 0 && (rc = batch_iter_next(&filter->iter, &record, err)) == 1) {
			rc = 0;
			if (record.key.ptr && !clean_map_put(&filter->map, record.key, record.offset))
				return 1;
			filter->map_end = record.offset + 1;
			if (filter->iter.left == 0)
				break;
		}
		if (rc < 0)
			return rc;
	}
	filter->map_end = bb_next_offset(batch.ptr);
	return 0;
}

/* What is to become of one batch. */
struct verdict {
	struct batch_header header;
	int64_t horizon; /* -1: none yet */
	bool all;        /* every record goes */
	bool dying;      /* holds something that goes when the horizon is past */
	bool changed;
};

static bool stays(const struct clean_filter *filter, struct verdict *verdict, const struct record *record)
{
	if (verdict->all)
		return false;
	if ((verdict->header.attributes & BATCH_CONTROL) || record->offset >= filter->map_end)
		return true;
	if (!record->key.ptr || record->offset < clean_map_get(&filter->map, record->key))
		return false;
	if (record->value.ptr)
		return true;
	if (verdict->horizon >= 0 && verdict->horizon <= filter->now_ms)
		return false;
	verdict->dying = true;
	return true;
}

static void judge_marker(const struct clean_filter *filter, const char *batch, struct verdict *verdict)
{
	const struct clean_marker *marker = marker_behind(filter, batch);
	bool cleaned_before = !marker || marker->offset != bb_offset(batch); /* it is empty */
	bool may_go = cleaned_before || (marker->commit && marker->first < 0);
	verdict->dying = may_go && !cleaned_before;
	verdict->all =
	    may_go && (cleaned_before || (verdict->horizon >= 0 && verdict->horizon <= filter->now_ms));
}

static void add_record(struct clean_filter *filter, const struct verdict *verdict,
		       const struct record *record)
{
	MR_VEC(struct record_header) headers = {0};
	struct record_header header;
	mr_str cursor = record->headers;
	while (record_header_next(&cursor, &header, NULL) == 1)
		mr_vec_push(&headers, header);
	filter->writer.next_delta = (int32_t)(record->offset - verdict->header.base_offset);
	batch_writer_add(&filter->writer, record->timestamp, record->key, record->value, headers.items,
			 headers.len);
	mr_vec_release(&headers);
}

static int build(struct clean_filter *filter, mr_str batch, struct verdict *verdict, mr_str *out,
		 struct mr_error *err)
{
	struct record record;
	batch_writer_start(&filter->writer);
	bool new_horizon = verdict->dying && verdict->horizon < 0;
	if (new_horizon)
		verdict->horizon = filter->now_ms + filter->delete_retention_ms;
	if (verdict->horizon >= 0)
		batch_writer_base(&filter->writer, verdict->horizon);
	int rc = batch_iter_start(&filter->iter, batch, err);
	while (rc == 0 && (rc = batch_iter_next(&filter->iter, &record, err)) == 1) {
		rc = 0;
		if (stays(filter, verdict, &record))
			add_record(filter, verdict, &record);
	}
	filter->writer.next_delta = verdict->header.last_offset_delta + 1;
	if (rc == 0)
		rc = batch_writer_finish(&filter->writer, batch_codec_of(&verdict->header), out, err);
	if (rc < 0)
		return rc;
	struct batch_header from = verdict->header;
	if (verdict->horizon >= 0)
		from.attributes |= BATCH_DELETE_HORIZON;
	batch_writer_inherit(&filter->writer, &from, *out);
	batch_patch_offset((char *)out->ptr, from.base_offset, from.leader_epoch);
	return 0;
}

/* Its sequence number would be forgotten with it; a producer that is silent for long is anyway. */
static bool last_of_producer(const struct clean_filter *filter, const char *batch)
{
	const struct clean_producer *producer = producer_of(filter, batch);
	return producer && producer->last_offset == bb_last_offset(batch) &&
	       filter->now_ms - bb_max_timestamp(batch) < PRODUCER_EXPIRES_MS;
}

int clean_filter_batch(struct clean_filter *filter, mr_str batch, mr_str *out, struct mr_error *err)
{
	struct verdict verdict = {.horizon = -1};
	int rc = batch_read_header(batch, &verdict.header, err);
	if (rc < 0)
		return rc;
	if (verdict.header.attributes & BATCH_DELETE_HORIZON)
		verdict.horizon = verdict.header.base_timestamp;
	if (verdict.header.attributes & BATCH_CONTROL)
		judge_marker(filter, batch.ptr, &verdict);
	else
		verdict.all = is_aborted(filter, batch.ptr);
	int32_t kept = 0;
	struct record record;
	rc = batch_iter_start(&filter->iter, batch, err);
	while (rc == 0 && (rc = batch_iter_next(&filter->iter, &record, err)) == 1) {
		rc = 0;
		kept += stays(filter, &verdict, &record);
		if (filter->iter.left == 0)
			break;
	}
	if (rc < 0)
		return rc;
	if (kept == 0 && !last_of_producer(filter, batch.ptr)) {
		*out = MR_STR_NULL;
		return 0;
	}
	if (kept == verdict.header.record_count && !(verdict.dying && verdict.horizon < 0)) {
		*out = batch;
		return 0;
	}
	return build(filter, batch, &verdict, out, err);
}
