#include "admin/consume.h"

#include "admin/position.h"
#include "admin/record_format.h"
#include "base/vec.h"
#include "codec/json.h"
#include "log/transactions.h"

#include <pthread.h>
#include <stdlib.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define READ_BYTES_LEAST ((size_t)64 << 10)
#define WAIT_MS_MAX 30000

struct cursor {
	struct log_partition *partition; /* NULL: not read */
	int64_t next, until;             /* until INT64_MAX: no end */
	struct mr_buf bytes;
	mr_str rest;   /* batches not begun */
	int64_t after; /* all of bytes */
	struct batch_iter it;
	struct record record;
	bool has; /* record is the next one */
};

struct consume {
	const struct admin *admin;
	mr_str topic;
	struct record_format *format;
	int64_t count;
	size_t partitions;
	struct cursor *cursors;
};

/* ---- from where to where ---- */

static int begin(struct consume *c, struct log_topic *topic, struct json_value in, struct mr_error *err)
{
	struct position from, to;
	bool bounded;
	struct json_value only = json_get(in, "partition");
	int rc = position_parse_range(json_str(json_get(in, "offset")), clock_wall_ms(c->admin->env->clock),
				      &from, &to, &bounded, err);
	if (rc == 0 && json_present(only) && (json_int(only) < 0 || json_int(only) >= (int64_t)c->partitions))
		return mr_fail(err, MR_ERR_NOT_FOUND, "topic %.*s has %zu partitions: none is number %lld",
			       MR_FMT(c->topic), c->partitions, (long long)json_int(only));
	for (size_t i = 0; i < c->partitions && rc == 0; i++) {
		struct cursor *cursor = &c->cursors[i];
		if (json_present(only) && json_int(only) != (int64_t)i)
			continue;
		cursor->partition = log_partition_at(topic, (int32_t)i);
		cursor->until = INT64_MAX;
		rc = position_offset(&from, cursor->partition, &cursor->next, err);
		if (rc == 0 && bounded)
			rc = position_offset(&to, cursor->partition, &cursor->until, err);
	}
	return rc;
}

/* As the answer before had it. A partition that was added since is not read. */
static void go_on(struct consume *c, struct log_topic *topic, struct json_value in)
{
	struct json_iter next = json_iter(json_get(in, "next")), until = json_iter(json_get(in, "until"));
	for (size_t i = 0; i < c->partitions && json_next(&next) && json_next(&until); i++) {
		struct cursor *cursor = &c->cursors[i];
		if (json_type(next.value) == JSON_NULL)
			continue;
		cursor->partition = log_partition_at(topic, (int32_t)i);
		cursor->next = json_int(next.value);
		cursor->until = json_type(until.value) == JSON_NULL ? INT64_MAX : json_int(until.value);
	}
}

/* ---- reading ---- */

static int fill(struct cursor *cursor, size_t max, struct mr_error *err)
{
	int64_t start = log_start_offset(cursor->partition);
	if (cursor->next < start) /* removed meanwhile */
		cursor->next = start;
	cursor->after = cursor->next;
	if (cursor->next >= cursor->until || cursor->next >= log_stable_offset(cursor->partition))
		return 0;
	int rc = log_read_committed(cursor->partition, cursor->next, max, true, &cursor->bytes,
				    &cursor->after, err);
	cursor->rest = mr_buf_view(&cursor->bytes);
	return rc;
}

/* The next record into cursor->record. */
static int advance(struct cursor *cursor, struct mr_error *err)
{
	cursor->has = false;
	for (;;) {
		int rc = cursor->it.left ? batch_iter_next(&cursor->it, &cursor->record, err) : 0;
		if (rc < 0)
			return rc;
		if (rc == 1 && cursor->record.offset < cursor->next)
			continue;
		if (rc == 1) {
			cursor->has = cursor->record.offset < cursor->until;
			if (cursor->has)
				cursor->next = cursor->record.offset;
			else
				cursor->next = cursor->until;
			return 0;
		}
		int64_t size = batch_size(cursor->rest, err);
		if (size < 0)
			return (int)size;
		if (size == 0) {
			if (cursor->after > cursor->next)
				cursor->next = mr_min_i64(cursor->after, cursor->until);
			return 0;
		}
		rc = batch_iter_start(&cursor->it, mr_str_n(cursor->rest.ptr, (size_t)size), err);
		if (rc < 0)
			return rc;
		cursor->rest = mr_str_tail(cursor->rest, (size_t)size);
	}
}

static struct cursor *earliest(struct consume *c)
{
	struct cursor *best = NULL;
	for (size_t i = 0; i < c->partitions; i++) {
		struct cursor *cursor = &c->cursors[i];
		if (cursor->has && (!best || cursor->record.timestamp < best->record.timestamp))
			best = cursor;
	}
	return best;
}

/* A piece of text; *records were put. */
static int read_piece(struct consume *c, struct mr_buf *text, int64_t *records, struct mr_error *err)
{
	size_t share = mr_max_size(PIECE_BYTES / c->partitions, READ_BYTES_LEAST);
	int rc = 0;
	for (size_t i = 0; i < c->partitions && rc == 0; i++) {
		if (!c->cursors[i].partition)
			continue;
		rc = fill(&c->cursors[i], share, err);
		if (rc == 0)
			rc = advance(&c->cursors[i], err);
	}
	for (struct cursor *cursor;
	     rc == 0 && *records < c->count && text->len < PIECE_BYTES && (cursor = earliest(c));) {
		rc = record_format_put(c->format, c->topic, log_partition_index(cursor->partition),
				       &cursor->record, text, err);
		cursor->next = cursor->record.offset + 1;
		++*records;
		if (rc == 0)
			rc = advance(cursor, err);
	}
	return rc;
}

static bool has_more(const struct consume *c)
{
	for (size_t i = 0; i < c->partitions; i++) {
		const struct cursor *cursor = &c->cursors[i];
		if (cursor->partition && cursor->next < cursor->until &&
		    cursor->next < log_last_stable_offset(cursor->partition))
			return true;
	}
	return false;
}

/* ---- waiting ---- */

struct arrival {
	struct log_listener listener;
	struct consume *consume;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool came;
};

static void on_moved(void *arg, struct log_partition *const *moved, size_t count)
{
	struct arrival *arrival = arg;
	const struct consume *c = arrival->consume;
	bool ours = false;
	for (size_t i = 0; i < count && !ours; i++) {
		for (size_t k = 0; k < c->partitions && !ours; k++)
			ours = c->cursors[k].partition == moved[i];
	}
	if (!ours)
		return;
	pthread_mutex_lock(&arrival->lock);
	arrival->came = true;
	pthread_cond_signal(&arrival->changed);
	pthread_mutex_unlock(&arrival->lock);
}

static void await(struct consume *c, int64_t wait_ms)
{
	struct log_store *store = broker_store(c->admin->broker);
	struct arrival arrival = {.listener = {.fn = on_moved, .arg = &arrival}, .consume = c};
	pthread_condattr_t attr;
	struct timespec until;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&arrival.lock, NULL);
	pthread_cond_init(&arrival.changed, &attr);
	pthread_condattr_destroy(&attr);
	log_listen(store, &arrival.listener);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&arrival.lock);
	while (!arrival.came && !has_more(c) &&
	       pthread_cond_timedwait(&arrival.changed, &arrival.lock, &until) == 0)
		;
	pthread_mutex_unlock(&arrival.lock);
	log_unlisten(store, &arrival.listener);
	pthread_cond_destroy(&arrival.changed);
	pthread_mutex_destroy(&arrival.lock);
}

/* ---- the call ---- */

static void put_head(struct consume *c, int64_t records, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	for (int until = 0; until < 2; until++) {
		json_key(&w, until ? "until" : "next");
		json_begin_array(&w);
		for (size_t i = 0; i < c->partitions; i++) {
			int64_t offset = until ? c->cursors[i].until : c->cursors[i].next;
			if (c->cursors[i].partition && offset != INT64_MAX)
				json_put_int(&w, offset);
			else
				json_put_null(&w);
		}
		json_end_array(&w);
	}
	json_member_int(&w, "records", records);
	json_member_bool(&w, "more", has_more(c));
	json_end_object(&w);
	mr_buf_char(out, '\n');
}

static int consume(struct consume *c, struct json_value in, struct mr_buf *out, struct mr_error *err)
{
	int64_t records = 0, wait_ms = mr_min_i64(json_int(json_get(in, "wait_ms")), WAIT_MS_MAX);
	struct mr_buf text = {0};
	if (wait_ms > 0 && !has_more(c))
		await(c, wait_ms);
	int rc = read_piece(c, &text, &records, err);
	if (rc == 0) {
		put_head(c, records, out);
		mr_buf_str(out, mr_buf_view(&text));
	}
	mr_buf_release(&text);
	return rc;
}

static int open_consume(struct consume *c, struct json_value in, struct mr_error *err)
{
	c->topic = json_str(json_get(in, "topic"));
	c->count = json_present(json_get(in, "count")) ? json_int(json_get(in, "count")) : INT64_MAX;
	struct log_topic *topic = log_topic_find(broker_store(c->admin->broker), c->topic);
	if (!topic) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic %.*s", MR_FMT(c->topic));
		return mr_hint(err, "millrace topic list");
	}
	c->partitions = (size_t)log_topic_partition_count(topic);
	c->cursors = mr_calloc(c->partitions, sizeof *c->cursors);
	int rc = record_format_parse(json_str(json_get(in, "format")), &c->format, err);
	if (rc == 0 && json_present(json_get(in, "next")))
		go_on(c, topic, in);
	else if (rc == 0)
		rc = begin(c, topic, in, err);
	return rc;
}

int admin_consume(const struct admin *admin, mr_str body, struct mr_buf *out, struct mr_error *err)
{
	struct consume c = {.admin = admin};
	struct json_parser *parser = json_parser_new();
	struct json_value in;
	int rc = json_parse(parser, body, &in, err);
	if (rc == 0)
		rc = open_consume(&c, in, err);
	if (rc == 0)
		rc = consume(&c, in, out, err);
	for (size_t i = 0; i < c.partitions; i++) {
		mr_buf_release(&c.cursors[i].bytes);
		batch_iter_release(&c.cursors[i].it);
	}
	free(c.cursors);
	record_format_free(c.format);
	json_parser_free(parser);
	return rc;
}
