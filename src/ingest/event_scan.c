#include "ingest/event_scan.h"

#include "ingest/reader.h"
#include "ingest/text.h"

#include <stdlib.h>

#define DAY_US (INT64_C(86400) * 1000000)

struct event_scan {
	const struct event_layout *layout;
	struct topic_reader *reader;
	struct json_columns *decoder; /* NULL without a contract */
	struct event_rejects rejects;
};

int event_scan_open(struct log_store *store, const struct event_layout *layout,
		    const struct topic_range *ranges, size_t count, const struct event_rejects *rejects,
		    struct event_scan **out, struct mr_error *err)
{
	struct topic_reader *reader;
	int rc = topic_reader_open(store, layout->topic, ranges, count, &reader, err);
	if (rc < 0)
		return rc;
	struct event_scan *scan = mr_calloc(1, sizeof *scan);
	scan->layout = layout;
	scan->reader = reader;
	if (layout->json_count)
		scan->decoder = json_columns_new(layout->columns, layout->json_count);
	if (rejects)
		scan->rejects = *rejects;
	*out = scan;
	return 0;
}

void event_scan_close(struct event_scan *scan)
{
	if (!scan)
		return;
	if (scan->rejects.bytes_read)
		*scan->rejects.bytes_read += topic_reader_bytes(scan->reader);
	topic_reader_close(scan->reader);
	json_columns_free(scan->decoder);
	free(scan);
}

static inline void put_str(struct columns *batch, size_t column, size_t row, mr_str text)
{
	struct column *c = &batch->columns[column];
	c->valid[row] = text.ptr != NULL;
	((mr_str *)c->values)[row] = text;
}

/* key and value as text: 0, or 1 when they are none. */
static int put_text(const struct record *record, struct columns *batch, size_t row, struct mr_error *err)
{
	if (!utf8_valid(record->key) || !utf8_valid(record->value)) {
		mr_fail(err, MR_ERR_INVALID, "the %s is not UTF-8",
			utf8_valid(record->key) ? "value" : "key");
		return 1;
	}
	put_str(batch, 0, row, record->key);
	put_str(batch, 1, row, record->value);
	return 0;
}

static int64_t floor_days(int64_t us)
{
	int64_t days = us / DAY_US;
	return days - (us % DAY_US < 0);
}

int64_t record_timestamp_us(const struct record *record)
{
	int64_t us;
	if (__builtin_mul_overflow(record->timestamp, 1000, &us))
		return record->timestamp < 0 ? -(INT64_MAX - 1) : INT64_MAX - 1;
	return us;
}

static void put_date(const struct event_layout *layout, int64_t record_us, struct columns *batch, size_t row)
{
	struct column *date = &batch->columns[layout->date_column];
	int64_t us = record_us;
	date->valid[row] = 1;
	if (layout->date_from != SIZE_MAX) {
		const struct column *from = &batch->columns[layout->date_from];
		date->valid[row] = from->valid[row];
		us = from->valid[row] ? ((int64_t *)from->values)[row] : 0;
	}
	((int32_t *)date->values)[row] = (int32_t)floor_days(us);
}

static void put_kafka(const struct event_layout *layout, const struct record *record, int32_t partition,
		      int64_t record_us, struct columns *batch, size_t row)
{
	size_t at = layout->kafka_column;
	struct column *columns = &batch->columns[at];
	put_str(batch, at, row, layout->topic);
	columns[1].valid[row] = columns[2].valid[row] = columns[3].valid[row] = 1;
	((int32_t *)columns[1].values)[row] = partition;
	((int64_t *)columns[2].values)[row] = record->offset;
	((int64_t *)columns[3].values)[row] = record_us;
}

/* 0: row holds the record; 1: it is no row, *err says why. */
static int put_row(struct event_scan *scan, const struct record *record, int32_t partition,
		   struct columns *batch, size_t row, struct mr_error *err)
{
	int rc;
	if (!scan->decoder) {
		rc = put_text(record, batch, row, err);
	} else if (!record->value.ptr) {
		mr_fail(err, MR_ERR_INVALID, "the value is null");
		rc = 1;
	} else {
		rc = json_columns_decode(scan->decoder, record->value, batch, row, err);
	}
	if (rc != 0)
		return rc;
	int64_t us = record_timestamp_us(record);
	if (scan->layout->has_date)
		put_date(scan->layout, us, batch, row);
	put_kafka(scan->layout, record, partition, us, batch, row);
	return 0;
}

int event_scan_next(struct event_scan *scan, struct columns *batch, struct mr_error *err)
{
	struct mr_error reason;
	while (batch->rows < COLUMNS_ROWS_MAX) {
		struct record record;
		int32_t partition;
		int rc = topic_reader_next(scan->reader, &batch->arena, &record, &partition, err);
		if (rc < 0)
			return rc;
		if (rc == READER_END || (rc == READER_STRETCH_END && batch->rows > 0))
			break;
		if (rc == READER_STRETCH_END)
			continue;
		if (put_row(scan, &record, partition, batch, batch->rows, &reason) == 0) {
			batch->rows++;
		} else if (scan->rejects.fn) {
			rc = scan->rejects.fn(scan->rejects.arg, partition, &record, reason.message, err);
			if (rc < 0)
				return rc;
		}
	}
	return batch->rows > 0;
}
