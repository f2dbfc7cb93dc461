#include "ingest/reader.h"

#include "log/transactions.h"

#include <stdlib.h>

#define STRETCH_BYTES ((size_t)1 << 20)

struct topic_reader {
	struct log_topic *topic;
	struct topic_range *ranges; /* from moves on as it is read */
	size_t count;
	size_t at;
	struct log_partition *partition; /* of ranges[at] */
	struct mr_buf stretch;
	mr_str rest;          /* batches of the stretch not yet looked at */
	int64_t stretch_next; /* where the next stretch starts */
	struct batch_iter batch;
	enum { NEEDS_STRETCH, IN_STRETCH, IN_BATCH } state;
	bool copies; /* the batch at hand is compressed */
	uint64_t bytes;
};

int topic_reader_open(struct log_store *store, mr_str topic, const struct topic_range *ranges, size_t count,
		      struct topic_reader **out, struct mr_error *err)
{
	struct log_topic *found = log_topic_find(store, topic);
	if (!found)
		return mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic \"%.*s\"", MR_FMT(topic));
	for (size_t i = 0; i < count; i++) {
		if (!log_partition_at(found, ranges[i].partition))
			return mr_fail(err, MR_ERR_NOT_FOUND, "topic \"%.*s\" has no partition %d",
				       MR_FMT(topic), ranges[i].partition);
	}
	struct topic_reader *reader = mr_calloc(1, sizeof *reader);
	reader->topic = found;
	reader->ranges = mr_calloc(count ? count : 1, sizeof *ranges);
	reader->count = count;
	if (count)
		memcpy(reader->ranges, ranges, count * sizeof *ranges);
	*out = reader;
	return 0;
}

void topic_reader_close(struct topic_reader *reader)
{
	if (!reader)
		return;
	batch_iter_release(&reader->batch);
	mr_buf_release(&reader->stretch);
	free(reader->ranges);
	free(reader);
}

uint64_t topic_reader_bytes(const struct topic_reader *reader)
{
	return reader->bytes;
}

/* Nothing was read at range->from. Offsets of appends that were taken back hold no record: when
 * the log is known to reach beyond the range, the rest of it is such a hole. */
static int nothing_read(struct topic_reader *reader, struct topic_range *range, struct mr_error *err)
{
	int64_t stable = log_last_stable_offset(reader->partition);
	if (stable < range->to) {
		mr_str topic = log_topic_name(reader->topic);
		return mr_fail(err, MR_ERR_LIMIT, "%.*s-%d ends at offset %lld, before %lld", MR_FMT(topic),
			       range->partition, (long long)stable, (long long)range->to);
	}
	range->from = range->to;
	return 1;
}

/* Fetch the next stretch: 1, or 0 when every range is read. */
static int read_stretch(struct topic_reader *reader, struct mr_error *err)
{
	while (reader->at < reader->count && reader->ranges[reader->at].from >= reader->ranges[reader->at].to)
		reader->at++;
	if (reader->at == reader->count)
		return 0;
	struct topic_range *range = &reader->ranges[reader->at];
	reader->partition = log_partition_at(reader->topic, range->partition);
	mr_buf_clear(&reader->stretch);
	reader->stretch_next = range->from;
	int rc = log_read_committed(reader->partition, range->from, STRETCH_BYTES, true, &reader->stretch,
				    &reader->stretch_next, err);
	if (rc < 0)
		return rc;
	if (reader->stretch_next <= range->from)
		rc = nothing_read(reader, range, err);
	if (rc < 0)
		return rc;
	reader->rest = mr_buf_view(&reader->stretch);
	reader->bytes += reader->stretch.len;
	return 1;
}

/* Start on the next batch of the stretch: 1, or 0 when the stretch is used up. */
static int next_batch(struct topic_reader *reader, struct mr_error *err)
{
	while (reader->rest.len) {
		int64_t size = batch_size(reader->rest, err);
		if (size < 0)
			return (int)size;
		if (size == 0) /* log_read gives whole batches */
			return mr_fail(err, MR_ERR_CORRUPT, "half a batch in the log");
		mr_str batch = mr_str_n(reader->rest.ptr, (size_t)size);
		reader->rest = mr_str_tail(reader->rest, (size_t)size);
		int rc = batch_iter_start(&reader->batch, batch, err);
		if (rc < 0)
			return rc;
		struct topic_range *range = &reader->ranges[reader->at];
		const struct batch_header *header = &reader->batch.header;
		/* What precedes `from` in it is skipped record by record. */
		if (header->base_offset >= range->to) {
			range->from = range->to;
			reader->rest.len = 0;
			return 0;
		}
		reader->copies = (header->attributes & BATCH_CODEC_MASK) != BATCH_NONE;
		return 1;
	}
	/* What was aborted, and markers, are not in the stretch: pass them. */
	struct topic_range *range = &reader->ranges[reader->at];
	range->from = mr_max_i64(range->from, mr_min_i64(range->to, reader->stretch_next));
	return 0;
}

/* A compressed batch's records live in one buffer that the next batch takes. */
static void keep(struct record *record, struct arena *arena)
{
	mr_str *parts[] = {&record->key, &record->value, &record->headers};
	for (size_t i = 0; i < MR_COUNT(parts); i++) {
		if (parts[i]->ptr)
			*parts[i] = arena_copy(arena, *parts[i]);
	}
}

/* The next record of the batch at hand that is in the range: READER_RECORD, or 0 when there is none. */
static int next_record(struct topic_reader *reader, struct record *record, struct mr_error *err)
{
	struct topic_range *range = &reader->ranges[reader->at];
	int rc;
	do {
		rc = batch_iter_next(&reader->batch, record, err);
	} while (rc > 0 && record->offset < range->from);
	if (rc < 0)
		return rc;
	if (rc > 0 && record->offset < range->to) {
		range->from = record->offset + 1;
		return READER_RECORD;
	}
	const struct batch_header *header = &reader->batch.header;
	int64_t batch_end = header->base_offset + header->last_offset_delta + 1;
	range->from = mr_min_i64(range->to, mr_max_i64(range->from, batch_end));
	if (range->from == range->to)
		reader->rest.len = 0;
	return 0;
}

int topic_reader_next(struct topic_reader *reader, struct arena *arena, struct record *record,
		      int32_t *partition, struct mr_error *err)
{
	for (;;) {
		int rc;
		switch (reader->state) {
		case NEEDS_STRETCH:
			rc = read_stretch(reader, err);
			if (rc <= 0)
				return rc;
			reader->state = IN_STRETCH;
			break;
		case IN_STRETCH:
			rc = next_batch(reader, err);
			if (rc < 0)
				return rc;
			reader->state = rc ? IN_BATCH : NEEDS_STRETCH;
			if (rc == 0)
				return READER_STRETCH_END;
			break;
		case IN_BATCH:
			rc = next_record(reader, record, err);
			if (rc < 0)
				return rc;
			if (rc == READER_RECORD) {
				*partition = reader->ranges[reader->at].partition;
				if (reader->copies)
					keep(record, arena);
				return READER_RECORD;
			}
			reader->state = IN_STRETCH;
		}
	}
}
