/* ingest/ingest.c - opening: the contract's columns, the table that holds them, and the tail. */
#include "ingest/ingest.h"

#include "codec/jsonschema.h"
#include "ingest/dead_letters.h"
#include "ingest/ingest_internal.h"

#include <stdlib.h>
#include <time.h>

mr_str ingest_topic_name(const struct ingest *ingest)
{
	return ingest->layout->topic;
}

mr_str ingest_table_name(const struct ingest *ingest)
{
	return ingest->layout->table;
}

struct delta_table *ingest_table(const struct ingest *ingest)
{
	return ingest->table;
}

const struct event_layout *ingest_layout(const struct ingest *ingest)
{
	return ingest->layout;
}

const struct event_rejects *ingest_rejects(const struct ingest *ingest)
{
	return &ingest->rejects;
}

/* ---- opening ---- */

/* The contract's properties as columns; none without a contract. */
static int contract_columns(const struct json_schema *schema, struct arena *arena, struct column_def **out,
			    size_t *count, struct mr_error *err)
{
	const struct json_schema_column *columns;
	*count = schema ? json_schema_columns(schema, &columns) : 0;
	*out = *count ? arena_calloc(arena, *count, sizeof **out) : NULL;
	for (size_t i = 0; i < *count; i++) {
		/* Required is the contract's to enforce at the door: rows from before it stay readable. */
		(*out)[i].name = columns[i].name;
		int rc = column_type_parse(mr_str_from(columns[i].type), &(*out)[i], err);
		if (rc < 0)
			return mr_error_wrap(err, rc, "property \"%.*s\"", MR_FMT(columns[i].name));
	}
	return 0;
}

static int make_layout(struct ingest *ingest, struct mr_error *err)
{
	const struct conf_ingest *conf = &ingest->conf;
	struct arena arena = {0};
	struct event_layout_options options = {.topic = conf->topic,
					       .table = conf->table,
					       .partition_by = conf->partition_by,
					       .partition_count = conf->partition_count,
					       .date_from = conf->date_from};
	struct column_def *contract;
	int rc = contract_columns(broker_topic_schema(ingest->options.broker, conf->topic), &arena, &contract,
				  &options.contract_count, err);
	options.contract = contract;
	if (rc == 0)
		rc = event_layout_new(&options, &ingest->layout, err);
	arena_release(&arena);
	return rc < 0 ? mr_error_wrap(err, rc, "ingest of topic %.*s", MR_FMT(conf->topic)) : 0;
}

static int open_table(struct ingest *ingest, struct mr_error *err)
{
	mr_str name = ingest->layout->table;
	const char *dot = memchr(name.ptr, '.', name.len);
	mr_str schema = dot ? mr_str_n(name.ptr, (size_t)(dot - name.ptr)) : MR_STR("default");
	mr_str table = dot ? mr_str_tail(name, schema.len + 1) : name;
	char *path = mr_asprintf("%s/%.*s/%.*s", ingest->options.tables_dir, MR_FMT(schema), MR_FMT(table));
	int rc = delta_open(ingest->options.env, ingest->options.engine, path, &ingest->table, err);
	free(path);
	return rc;
}

static int differs(const struct ingest *ingest, mr_str column, const char *what, struct mr_error *err)
{
	mr_fail(err, MR_ERR_INVALID, "table %.*s does not fit topic %.*s: column \"%.*s\" %s",
		MR_FMT(ingest->layout->table), MR_FMT(ingest->layout->topic), MR_FMT(column), what);
	return mr_hint(err, "ingest into a table of another name, or move %s away to begin it anew",
		       delta_path(ingest->table));
}

static bool same_type(const struct column_def *a, const struct column_def *b)
{
	enum column_type left = a->type == COL_JSON ? COL_STRING : a->type;
	enum column_type right = b->type == COL_JSON ? COL_STRING : b->type;
	return left == right &&
	       (left != COL_DECIMAL || (a->precision == b->precision && a->scale == b->scale));
}

/* The table that is there must have our columns, and no others. */
static int check_columns(const struct ingest *ingest, const struct delta_snapshot *snapshot,
			 struct mr_error *err)
{
	const struct event_layout *layout = ingest->layout;
	const struct column_def *columns;
	size_t count = delta_columns(snapshot, &columns);
	for (size_t i = 0; i < layout->column_count; i++) {
		size_t at = 0;
		while (at < count && !mr_str_eq(columns[at].name, layout->columns[i].name))
			at++;
		if (at == count)
			return differs(ingest, layout->columns[i].name, "is missing", err);
		if (!same_type(&columns[at], &layout->columns[i]))
			return differs(ingest, columns[at].name, "has another type", err);
	}
	for (size_t at = 0; at < count; at++) {
		size_t i = 0;
		while (i < layout->column_count && !mr_str_eq(columns[at].name, layout->columns[i].name))
			i++;
		if (i == layout->column_count)
			return differs(ingest, columns[at].name, "comes from elsewhere", err);
	}
	return 0;
}

static int check_partitions(const struct ingest *ingest, const struct delta_snapshot *snapshot,
			    struct mr_error *err)
{
	const struct event_layout *layout = ingest->layout;
	const mr_str *columns;
	size_t count = delta_partition_columns(snapshot, &columns);
	for (size_t i = 0; i < layout->partition_count || i < count; i++) {
		if (i >= layout->partition_count)
			return differs(ingest, columns[i], "partitions it, and partition_by does not name it",
				       err);
		if (i >= count || !mr_str_eq(columns[i], layout->partition_by[i]))
			return differs(ingest, layout->partition_by[i], "does not partition it in this place",
				       err);
	}
	return 0;
}

static int create_or_check(struct ingest *ingest, struct mr_error *err)
{
	const struct event_layout *layout = ingest->layout;
	struct delta_create create = {.columns = layout->columns,
				      .column_count = layout->column_count,
				      .partition_by = layout->partition_by,
				      .partition_count = layout->partition_count};
	struct delta_snapshot *snapshot;
	int rc = delta_snapshot(ingest->table, &snapshot, err);
	if (rc == MR_ERR_NOT_FOUND) {
		rc = delta_create(ingest->table, &create, err);
		if (rc < 0 && rc != MR_ERR_EXISTS)
			return rc;
		rc = delta_snapshot(ingest->table, &snapshot, err);
	}
	if (rc < 0)
		return rc;
	rc = check_columns(ingest, snapshot, err);
	if (rc == 0)
		rc = check_partitions(ingest, snapshot, err);
	delta_snapshot_unref(snapshot);
	return rc;
}

/* Rows of a partitioned table are held until this many are together: one row group's worth, not
 * the engine's half a million. */
static int open_connection(struct ingest *ingest, struct mr_error *err)
{
	int rc = sql_connect(ingest->options.engine, &ingest->conn, err);
	if (rc < 0)
		return rc;
	return sql_exec(ingest->conn, MR_STR("SET partitioned_write_flush_threshold = 122880"), err);
}

static int open_parts(struct ingest *ingest, struct mr_error *err)
{
	struct broker *broker = ingest->options.broker;
	int rc = broker_topic_get(broker, ingest->conf.topic, true, &ingest->topic, err);
	if (rc == 0)
		rc = make_layout(ingest, err);
	if (rc == 0)
		rc = open_table(ingest, err);
	if (rc == 0)
		rc = create_or_check(ingest, err);
	if (rc == 0 && ingest->options.engine)
		rc = open_connection(ingest, err);
	if (rc == 0)
		rc = dead_letters_new(broker, ingest->topic, ingest->options.manual, &ingest->dead_letters,
				      err);
	return rc < 0 ? rc : ingest_rewind(ingest, err);
}

static int reject(void *arg, int32_t partition, const struct record *record, const char *reason,
		  struct mr_error *err)
{
	struct ingest *ingest = arg;
	return dead_letters_add(ingest->dead_letters, partition, record, reason, err);
}

/* A row of figures that are not given is not a limit of nothing. */
static void set_defaults(struct conf_ingest *conf)
{
	if (conf->commit_every_ms <= 0)
		conf->commit_every_ms = 5000;
	if (conf->commit_bytes <= 0)
		conf->commit_bytes = 128 << 20;
	if (conf->commit_rows <= 0)
		conf->commit_rows = 1000000;
}

static int write_files(void *arg, struct ingest *ingest, const struct delta_snapshot *snapshot, mr_str ranges,
		       struct arena *arena, struct delta_file **files, size_t *count, struct mr_error *err)
{
	return ingest_write_default(ingest, snapshot, ranges, arena, files, count, err);
}

int ingest_open(const struct ingest_options *options, struct ingest **out, struct mr_error *err)
{
	struct ingest *ingest = mr_calloc(1, sizeof *ingest);
	ingest->options = *options;
	ingest->conf = *options->conf;
	ingest->writer = options->writer ? *options->writer : (struct ingest_writer){.write = write_files};
	set_defaults(&ingest->conf);
	ingest->rejects =
	    (struct event_rejects){.fn = reject, .arg = ingest, .bytes_read = &ingest->bytes_read};
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&ingest->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&ingest->lock, NULL);
	int rc = open_parts(ingest, err);
	if (rc < 0) {
		ingest_close(ingest);
		return rc;
	}
	ingest->listener = (struct log_listener){.fn = ingest_moved, .arg = ingest};
	log_listen(broker_store(options->broker), &ingest->listener);
	*out = ingest;
	return 0;
}

void ingest_close(struct ingest *ingest)
{
	if (!ingest)
		return;
	if (ingest->listener.fn)
		log_unlisten(broker_store(ingest->options.broker), &ingest->listener);
	dead_letters_free(ingest->dead_letters);
	if (ingest->conn)
		sql_disconnect(ingest->conn);
	if (ingest->table)
		delta_close(ingest->table);
	event_layout_free(ingest->layout);
	mr_vec_release(&ingest->seen);
	pthread_cond_destroy(&ingest->moved);
	pthread_mutex_destroy(&ingest->lock);
	free(ingest);
}

void ingest_tail_ranges(struct ingest *ingest, const struct delta_snapshot *snapshot, struct mr_buf *out)
{
	struct arena arena = {0};
	struct ingest_positions at;
	struct log_topic *topic = log_topic_find(broker_store(ingest->options.broker), ingest->layout->topic);
	if (!topic)
		return;
	ingest_positions_read(snapshot, topic, &arena, &at);
	for (size_t p = 0; p < at.count; p++) {
		if (at.items[p].from < at.items[p].stable)
			ranges_put(out,
				   (struct topic_range){(int32_t)p, at.items[p].from, at.items[p].stable});
	}
	arena_release(&arena);
}
