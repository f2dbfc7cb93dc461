#include "ingest/topic_source.h"

#include "base/map.h"
#include "codec/json.h"
#include "ingest/event_scan.h"
#include "ingest/ingest_internal.h"
#include "ingest/reader.h"
#include "ingest/text.h"

#include <pthread.h>
#include <stdlib.h>

struct topic_source {
	struct log_store *store;
	pthread_mutex_t lock;
	struct mr_map ingests; /* by table name */
};

/* ---- millrace_topic, millrace_topic_raw ---- */

enum { T_KEY, T_VALUE, T_HEADERS, T_PARTITION, T_OFFSET, T_TIMESTAMP, T_COLUMNS };

static const struct column_def topic_columns[T_COLUMNS] = {
    {.name = {"key", 3}, .type = COL_STRING},     {.name = {"value", 5}, .type = COL_STRING},
    {.name = {"headers", 7}, .type = COL_STRING}, {.name = {"partition", 9}, .type = COL_INTEGER},
    {.name = {"offset", 6}, .type = COL_LONG},    {.name = {"timestamp", 9}, .type = COL_TIMESTAMP},
};

/* What a bind leaves for its scans. */
struct bound {
	struct arena arena;
	struct topic_source *source;
	struct ingest *ingest; /* NULL: a topic as it is */
	bool writes;           /* the ingest's own scan: what does not decode goes to the dead letters */
	bool raw;
	mr_str topic;
	struct topic_range *ranges;
	size_t range_count;
};

static struct bound *bound_new(struct topic_source *source)
{
	struct bound *bound = mr_calloc(1, sizeof *bound);
	bound->source = source;
	return bound;
}

static void unbind(void *arg)
{
	struct bound *bound = arg;
	arena_release(&bound->arena);
	free(bound);
}

static int bind_topic(struct topic_source *source, bool raw, const mr_str *params, struct arena *arena,
		      struct column_def **defs, size_t *def_count, void **out, struct mr_error *err)
{
	struct bound *bound = bound_new(source);
	bound->raw = raw;
	bound->topic = arena_copy(&bound->arena, params[0]);
	int rc = ranges_parse(params[1], &bound->arena, &bound->ranges, &bound->range_count, err);
	if (rc == 0 && !log_topic_find(source->store, bound->topic))
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic \"%.*s\"", MR_FMT(params[0]));
	if (rc < 0) {
		unbind(bound);
		return rc;
	}
	struct column_def *columns = arena_calloc(arena, T_COLUMNS, sizeof *columns);
	memcpy(columns, topic_columns, sizeof topic_columns);
	if (raw)
		columns[T_KEY].type = columns[T_VALUE].type = COL_BINARY;
	*defs = columns;
	*def_count = T_COLUMNS;
	*out = bound;
	return 0;
}

static int bind_topic_text(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
			   size_t *def_count, void **out, struct mr_error *err)
{
	return bind_topic(arg, false, params, arena, defs, def_count, out, err);
}

static int bind_topic_raw(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
			  size_t *def_count, void **out, struct mr_error *err)
{
	return bind_topic(arg, true, params, arena, defs, def_count, out, err);
}

struct topic_scan {
	struct topic_reader *reader;
	bool raw;
	bool wanted[T_COLUMNS];
	struct mr_buf headers;
};

static int open_topic(void *arg, const size_t *projected, size_t projected_count, void **out,
		      struct mr_error *err)
{
	const struct bound *bound = arg;
	struct topic_reader *reader;
	int rc = topic_reader_open(bound->source->store, bound->topic, bound->ranges, bound->range_count,
				   &reader, err);
	if (rc < 0)
		return rc;
	struct topic_scan *scan = mr_calloc(1, sizeof *scan);
	scan->reader = reader;
	scan->raw = bound->raw;
	for (size_t i = 0; i < projected_count; i++) {
		if (projected[i] < T_COLUMNS)
			scan->wanted[projected[i]] = true;
	}
	*out = scan;
	return 0;
}

static void close_topic(void *arg)
{
	struct topic_scan *scan = arg;
	topic_reader_close(scan->reader);
	mr_buf_release(&scan->headers);
	free(scan);
}

static int headers_json(struct topic_scan *scan, const struct record *record, struct arena *arena,
			mr_str *out, struct mr_error *err)
{
	mr_buf_clear(&scan->headers);
	struct json_writer w = json_writer(&scan->headers);
	mr_str cursor = record->headers;
	struct record_header header;
	int rc;
	json_begin_array(&w);
	while ((rc = record_header_next(&cursor, &header, err)) == 1) {
		json_begin_object(&w);
		json_member_str(&w, "key", header.key);
		json_key(&w, "value");
		header.value.ptr ? json_put_str(&w, header.value) : json_put_null(&w);
		json_end_object(&w);
	}
	json_end_array(&w);
	*out = arena_copy(arena, mr_buf_view(&scan->headers));
	return rc;
}

static void put_bytes(struct topic_scan *scan, struct columns *batch, size_t column, mr_str bytes)
{
	struct column *c = &batch->columns[column];
	c->valid[batch->rows] = bytes.ptr != NULL;
	((mr_str *)c->values)[batch->rows] = scan->raw ? bytes : utf8_text(bytes, &batch->arena);
}

static int put_record(struct topic_scan *scan, const struct record *record, int32_t partition,
		      struct columns *batch, struct mr_error *err)
{
	struct column *c = batch->columns;
	size_t row = batch->rows;
	if (scan->wanted[T_KEY])
		put_bytes(scan, batch, T_KEY, record->key);
	if (scan->wanted[T_VALUE])
		put_bytes(scan, batch, T_VALUE, record->value);
	c[T_HEADERS].valid[row] = scan->wanted[T_HEADERS];
	if (scan->wanted[T_HEADERS]) {
		int rc =
		    headers_json(scan, record, &batch->arena, &((mr_str *)c[T_HEADERS].values)[row], err);
		if (rc < 0)
			return rc;
	}
	c[T_PARTITION].valid[row] = c[T_OFFSET].valid[row] = c[T_TIMESTAMP].valid[row] = 1;
	((int32_t *)c[T_PARTITION].values)[row] = partition;
	((int64_t *)c[T_OFFSET].values)[row] = record->offset;
	((int64_t *)c[T_TIMESTAMP].values)[row] = record_timestamp_us(record);
	batch->rows++;
	return 0;
}

static int next_topic(void *arg, struct columns *batch, struct mr_error *err)
{
	struct topic_scan *scan = arg;
	while (batch->rows < COLUMNS_ROWS_MAX) {
		struct record record;
		int32_t partition;
		int rc = topic_reader_next(scan->reader, &batch->arena, &record, &partition, err);
		if (rc < 0)
			return rc;
		if (rc == READER_END || (rc == READER_STRETCH_END && batch->rows > 0))
			break;
		if (rc == READER_RECORD)
			rc = put_record(scan, &record, partition, batch, err);
		if (rc < 0)
			return rc;
	}
	return batch->rows > 0;
}

/* ---- millrace_events, and what an ingest writes by ---- */

static int bind_rows(struct topic_source *source, bool writes, const mr_str *params, struct arena *arena,
		     struct column_def **defs, size_t *def_count, void **out, struct mr_error *err)
{
	pthread_mutex_lock(&source->lock);
	struct ingest *ingest = mr_map_get(&source->ingests, params[0]);
	pthread_mutex_unlock(&source->lock);
	if (!ingest)
		return mr_fail(err, MR_ERR_NOT_FOUND, "no topic is ingested into a table \"%.*s\"",
			       MR_FMT(params[0]));
	struct bound *bound = bound_new(source);
	bound->ingest = ingest;
	bound->writes = writes;
	int rc = ranges_parse(params[1], &bound->arena, &bound->ranges, &bound->range_count, err);
	if (rc < 0) {
		unbind(bound);
		return rc;
	}
	const struct event_layout *layout = ingest_layout(ingest);
	*defs = arena_calloc(arena, layout->column_count, sizeof **defs);
	memcpy(*defs, layout->columns, layout->column_count * sizeof **defs);
	/* JSON is kept as it was written: to the engine it is text, as the table has it. */
	for (size_t i = 0; i < layout->column_count; i++) {
		if ((*defs)[i].type == COL_JSON)
			(*defs)[i].type = COL_STRING;
	}
	*def_count = layout->column_count;
	*out = bound;
	return 0;
}

static int bind_events(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
		       size_t *def_count, void **out, struct mr_error *err)
{
	return bind_rows(arg, false, params, arena, defs, def_count, out, err);
}

static int bind_writes(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
		       size_t *def_count, void **out, struct mr_error *err)
{
	return bind_rows(arg, true, params, arena, defs, def_count, out, err);
}

static int open_events(void *arg, const size_t *projected, size_t projected_count, void **out,
		       struct mr_error *err)
{
	const struct bound *bound = arg;
	struct event_scan *scan;
	int rc = event_scan_open(bound->source->store, ingest_layout(bound->ingest), bound->ranges,
				 bound->range_count, bound->writes ? ingest_rejects(bound->ingest) : NULL,
				 &scan, err);
	if (rc == 0)
		*out = scan;
	return rc;
}

static int next_events(void *arg, struct columns *batch, struct mr_error *err)
{
	return event_scan_next(arg, batch, err);
}

static void close_events(void *arg)
{
	event_scan_close(arg);
}

/* ---- registration ---- */

int topic_source_register(struct sql_engine *engine, struct broker *broker, struct topic_source **out,
			  struct mr_error *err)
{
	struct topic_source *source = mr_calloc(1, sizeof *source);
	source->store = broker_store(broker);
	pthread_mutex_init(&source->lock, NULL);
	const struct sql_source functions[] = {
	    {"millrace_topic", 2, source, bind_topic_text, unbind, open_topic, next_topic, close_topic},
	    {"millrace_topic_raw", 2, source, bind_topic_raw, unbind, open_topic, next_topic, close_topic},
	    {"millrace_events", 2, source, bind_events, unbind, open_events, next_events, close_events},
	    {INGEST_WRITE_FUNCTION, 2, source, bind_writes, unbind, open_events, next_events, close_events},
	};
	for (size_t i = 0; i < MR_COUNT(functions); i++) {
		int rc = sql_register_source(engine, &functions[i], err);
		/* The engine holds what is registered already: *out is the caller's to free after it. */
		*out = source;
		if (rc < 0)
			return rc;
	}
	return 0;
}

void topic_source_free(struct topic_source *source)
{
	if (!source)
		return;
	mr_map_release(&source->ingests);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

void topic_source_add_ingest(struct topic_source *source, struct ingest *ingest)
{
	pthread_mutex_lock(&source->lock);
	mr_map_put(&source->ingests, ingest_table_name(ingest), ingest);
	pthread_mutex_unlock(&source->lock);
}
