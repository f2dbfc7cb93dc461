#include "query/bind.h"

#include "base/vec.h"
#include "delta/skip.h"
#include "query/topic_relation.h"

#include <stdio.h>
#include <stdlib.h>

struct captured {
	struct catalog_entry *entry;     /* NULL: made by CREATE TABLE, and then */
	struct delta_table *made;        /* its handle */
	struct delta_snapshot *snapshot; /* NULL: the table does not exist yet, or is a view */
	bool bound;                      /* by its own name */
};

struct binding {
	struct catalog *catalog;
	struct sql_conn *conn;
	enum bind_mode mode;
	const struct sql_table_predicate *predicates;
	size_t predicate_count;
	MR_VEC(struct captured *) captured; /* pointers: they stay put while more is reached */
};

struct binding *binding_new(struct catalog *catalog, struct sql_conn *conn, enum bind_mode mode)
{
	struct binding *b = mr_calloc(1, sizeof *b);
	b->catalog = catalog;
	b->conn = conn;
	b->mode = mode;
	return b;
}

void binding_free(struct binding *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->captured.len; i++) {
		delta_snapshot_unref(b->captured.items[i]->snapshot);
		free(b->captured.items[i]);
	}
	mr_vec_release(&b->captured);
	free(b);
}

void bind_predicates(struct binding *b, const struct sql_table_predicate *predicates, size_t count)
{
	b->predicates = predicates;
	b->predicate_count = count;
}

/* ---- capture ---- */

static struct captured *captured_find(struct binding *b, const struct catalog_entry *entry)
{
	for (size_t i = 0; i < b->captured.len; i++) {
		if (b->captured.items[i]->entry == entry)
			return b->captured.items[i];
	}
	return NULL;
}

/* A materialized view is as of its last refresh; all other flows are read through. */
static bool reads_through(const struct binding *b, const struct catalog_entry *entry)
{
	if (entry->kind != CATALOG_FLOW)
		return false;
	switch (entry->flow->kind) {
	case FLOW_TEMPORARY_VIEW:
		return true;
	case FLOW_STREAMING_TABLE:
		return b->mode == BIND_FRESH;
	case FLOW_MATERIALIZED_VIEW:
		return false;
	}
	return false;
}

static void reach(struct binding *b, struct catalog_entry *entry)
{
	if (!entry || captured_find(b, entry))
		return;
	struct captured *c = mr_alloc(sizeof *c);
	*c = (struct captured){.entry = entry};
	mr_vec_push(&b->captured, c);
	if (!reads_through(b, entry))
		return;
	for (size_t i = 0; i < entry->flow->source_count; i++)
		reach(b, catalog_find(b->catalog, entry->flow->sources[i].name));
}

static int by_rank_falling(const void *a, const void *b)
{
	const struct captured *const *left = a, *const *right = b;
	return ((*right)->entry ? (*right)->entry->rank : 0) - ((*left)->entry ? (*left)->entry->rank : 0);
}

/* Snapshots of all that was reached and has none yet, readers first. */
static int capture(struct binding *b, struct mr_error *err)
{
	if (b->captured.len)
		qsort(b->captured.items, b->captured.len, sizeof b->captured.items[0], by_rank_falling);
	for (size_t i = 0; i < b->captured.len; i++) {
		struct captured *c = b->captured.items[i];
		if (!c->entry || !c->entry->table || c->snapshot)
			continue;
		int rc = delta_snapshot(c->entry->table, &c->snapshot, err);
		if (rc < 0 && rc != MR_ERR_NOT_FOUND)
			return mr_error_wrap(err, rc, "table %s", c->entry->name);
	}
	return 0;
}

/* ---- relations ---- */

static int tail(struct binding *b, struct captured *c, struct mr_buf *out, bool *any, struct mr_error *err);

static void put_column_list(const struct delta_snapshot *snapshot, bool cast, struct mr_buf *out)
{
	const struct column_def *columns;
	size_t count = delta_columns(snapshot, &columns);
	for (size_t i = 0; i < count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		if (cast)
			mr_buf_cstr(out, "CAST(");
		sql_quote_name(out, columns[i].name);
		if (cast) {
			mr_buf_cstr(out, " AS ");
			sql_put_type(out, &columns[i]);
			mr_buf_cstr(out, ") AS ");
			sql_quote_name(out, columns[i].name);
		}
	}
}

static int create_view(struct binding *b, mr_str schema, mr_str name, mr_str relation, struct mr_error *err)
{
	struct mr_buf sql = {0};
	if (schema.len) {
		mr_buf_cstr(&sql, "CREATE SCHEMA IF NOT EXISTS ");
		sql_quote_name(&sql, schema);
		mr_buf_cstr(&sql, "; ");
	}
	mr_buf_cstr(&sql, "CREATE OR REPLACE VIEW ");
	if (schema.len) {
		sql_quote_name(&sql, schema);
		mr_buf_char(&sql, '.');
	}
	sql_quote_name(&sql, name);
	mr_buf_cstr(&sql, " AS SELECT * FROM ");
	mr_buf_str(&sql, relation);
	int rc = sql_exec(b->conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	return rc;
}

/* "bronze.access_log" -> "bronze", "access_log"; no dot: empty schema. */
static void split_name(mr_str name, mr_str *schema, mr_str *table)
{
	const char *dot = memchr(name.ptr, '.', name.len);
	*schema = dot ? mr_str_n(name.ptr, (size_t)(dot - name.ptr)) : MR_STR("");
	*table = dot ? mr_str_tail(name, schema->len + 1) : name;
}

/* Append text with every quoted path `from` replaced by `to`, string literals left alone. */
static void put_replaced(struct mr_buf *out, mr_str text, mr_str from, mr_str to)
{
	for (size_t i = 0; i < text.len;) {
		if (text.ptr[i] == '\'') {
			const char *end = memchr(text.ptr + i + 1, '\'', text.len - i - 1);
			size_t n = end ? (size_t)(end - text.ptr) - i + 1 : text.len - i;
			mr_buf_append(out, text.ptr + i, n);
			i += n;
		} else if (mr_str_starts(mr_str_tail(text, i), from)) {
			mr_buf_str(out, to);
			i += from.len;
		} else {
			mr_buf_char(out, text.ptr[i++]);
		}
	}
}

/* Bind `relation` as what `reader` sees under the name of `source`, and rename it in *query. */
static int bind_source(struct binding *b, mr_str reader, mr_str source, mr_str relation, struct mr_buf *query,
		       struct mr_error *err)
{
	mr_str schema, table;
	split_name(source, &schema, &table);
	char *private_schema = mr_asprintf("%.*s reads %.*s", MR_FMT(reader), MR_FMT(schema));
	int rc = create_view(b, mr_str_from(private_schema), table, relation, err);
	if (rc == 0) {
		struct mr_buf from = {0}, to = {0}, renamed = {0};
		sql_quote_path(&from, source);
		sql_quote_name(&to, mr_str_from(private_schema));
		mr_buf_char(&to, '.');
		sql_quote_name(&to, table);
		put_replaced(&renamed, mr_buf_view(query), mr_buf_view(&from), mr_buf_view(&to));
		mr_buf_release(&from);
		mr_buf_release(&to);
		mr_buf_release(query);
		*query = renamed;
	}
	free(private_schema);
	return rc;
}

static int put_relation(struct binding *b, struct captured *c, const struct sql_predicate *predicate,
			struct mr_buf *out, struct mr_error *err);

/* What a stream's options mean to its table. Batches have limits, what a reader sees of them has none. */
static struct delta_stream_read stream_read(const struct binding *b, const struct stream_options *options)
{
	static const enum delta_stream_start starts[] = {[STREAM_START_SNAPSHOT] = DELTA_START_SNAPSHOT,
							 [STREAM_START_VERSION] = DELTA_START_VERSION,
							 [STREAM_START_LATEST] = DELTA_START_LATEST,
							 [STREAM_START_TIMESTAMP] = DELTA_START_TIMESTAMP};
	bool limited = b->mode == BIND_COMMITTED;
	return (struct delta_stream_read){.start = starts[options->start],
					  .start_at = options->start_at,
					  .max_files = limited ? options->max_files : INT64_MAX,
					  .max_bytes = limited ? options->max_bytes : INT64_MAX,
					  .ignore_deletes = options->ignore_deletes,
					  .ignore_changes = options->ignore_changes,
					  .skip_change_commits = options->skip_change_commits,
					  .change_feed = options->read_change_feed};
}

/* Rows of a stream source that come after an offset: committed files, then its tail. */
static int put_since(struct binding *b, struct captured *source, const struct delta_stream_read *read,
		     const struct delta_stream_offset *from, struct mr_buf *out,
		     struct delta_stream_batch *batch, bool *any_tail, struct mr_error *err)
{
	*any_tail = false;
	if (!source->snapshot)
		return mr_fail(err, MR_ERR_NOT_FOUND, "table %s has no rows yet", source->entry->name);
	mr_buf_cstr(out, "(SELECT ");
	put_column_list(source->snapshot, false, out);
	if (read->change_feed)
		mr_buf_cstr(out, ", _change_type, _commit_version, _commit_timestamp");
	mr_buf_cstr(out, " FROM ");
	int rc = delta_stream_sql(source->entry->table, source->snapshot, read, from, out, batch, err);
	if (rc < 0)
		return mr_error_wrap(err, rc, "STREAM %s", source->entry->name);
	/* What is not committed has no version yet that a change feed could tell. */
	if (b->mode == BIND_FRESH && !read->change_feed) {
		size_t mark = out->len;
		mr_buf_cstr(out, " UNION ALL ");
		rc = tail(b, source, out, any_tail, err);
		if (!*any_tail && rc == 0)
			out->len = mark;
	}
	mr_buf_char(out, ')');
	return rc;
}

void bind_flow_app_id(const struct flow *flow, size_t source, enum bind_position_part part,
		      char out[BIND_APP_ID_SIZE])
{
	static const char *const suffixes[] = {
	    [BIND_VERSION] = "", [BIND_INDEX] = "/index", [BIND_INITIAL] = "/initial"};
	snprintf(out, BIND_APP_ID_SIZE, "millrace-flow/%.*s/%.*s%s", MR_FMT(flow->name),
		 MR_FMT(flow->sources[source].name), suffixes[part]);
}

struct delta_stream_offset bind_flow_position(const struct flow *flow, size_t source,
					      const struct delta_snapshot *snapshot)
{
	int64_t parts[BIND_POSITION_PARTS] = {-1, -1, -1};
	char app_id[BIND_APP_ID_SIZE];
	for (int part = 0; snapshot && part < BIND_POSITION_PARTS; part++) {
		bind_flow_app_id(flow, source, (enum bind_position_part)part, app_id);
		parts[part] = delta_txn(snapshot, mr_str_from(app_id));
	}
	bool initial = parts[BIND_VERSION] < 0 && parts[BIND_INITIAL] >= 0;
	return (struct delta_stream_offset){.version = parts[initial ? BIND_INITIAL : BIND_VERSION],
					    .index = mr_max_i64(parts[BIND_INDEX], 0),
					    .initial = initial};
}

/* The stream of the flow's batch. */
static int put_batch(struct binding *b, const struct flow_source *source, struct captured *c,
		     struct bind_flow_batch *batch, size_t i, struct mr_buf *out, bool *any_tail,
		     struct mr_error *err)
{
	struct delta_stream_read read = stream_read(b, &source->options);
	struct delta_stream_batch since;
	read.schema_json = batch->schema;
	int rc = put_since(b, c, &read, &batch->from[i], out, &since, any_tail, err);
	if (rc < 0)
		return rc;
	batch->to[i] = since.end;
	batch->new_files += since.file_count;
	batch->more |= since.more;
	batch->decided |= since.decided;
	batch->schema_now = delta_schema_json(c->snapshot);
	return 0;
}

/* The flow's query over its sources, all captured. `batch` NULL: streams are read whole. */
static int put_flow_query(struct binding *b, const struct flow *flow, struct bind_flow_batch *batch,
			  bool *any_tail, struct mr_buf *query, struct mr_error *err)
{
	struct bind_flow_batch whole = {.new_files = 0};
	*any_tail = false;
	mr_buf_str(query, flow->query);
	int rc = 0;
	for (size_t i = 0; i < flow->source_count && rc == 0; i++) {
		const struct flow_source *source = &flow->sources[i];
		struct catalog_entry *entry = catalog_find(b->catalog, source->name);
		if (!entry)
			continue; /* a topic, or the engine's to report */
		struct captured *c = captured_find(b, entry);
		MR_ASSERT(c);
		struct mr_buf relation = {0};
		bool tail_here = false;
		whole.from[i] = (struct delta_stream_offset){.version = -1};
		if (source->stream && (batch || c->snapshot))
			rc = put_batch(b, source, c, batch ? batch : &whole, i, &relation, &tail_here, err);
		else
			rc = put_relation(b, c, NULL, &relation, err);
		*any_tail |= tail_here;
		if (rc == 0)
			rc = bind_source(b, flow->name, source->name, mr_buf_view(&relation), query, err);
		mr_buf_release(&relation);
	}
	return rc;
}

/* The rows that the table will have but are not committed to it yet, as a SELECT. *any false
 * (and nothing appended) when there are none. */
static int tail(struct binding *b, struct captured *c, struct mr_buf *out, bool *any, struct mr_error *err)
{
	*any = false;
	if (c->entry->kind == CATALOG_INGEST) {
		struct mr_buf ranges = {0};
		ingest_tail_ranges(c->entry->ingest, c->snapshot, &ranges);
		if (ranges.len) {
			mr_buf_cstr(out, "SELECT ");
			put_column_list(c->snapshot, false, out);
			mr_buf_cstr(out, " FROM millrace_events(");
			sql_quote_literal(out, mr_str_from(c->entry->name));
			mr_buf_cstr(out, ", ");
			sql_quote_literal(out, mr_buf_view(&ranges));
			mr_buf_char(out, ')');
			*any = true;
		}
		mr_buf_release(&ranges);
		return 0;
	}
	if (!reads_through(b, c->entry))
		return 0;
	const struct flow *flow = c->entry->flow;
	struct bind_flow_batch batch = {.new_files = 0};
	for (size_t i = 0; i < flow->source_count; i++)
		batch.from[i] = bind_flow_position(flow, i, c->snapshot);
	struct mr_buf query = {0};
	bool any_tail;
	int rc = put_flow_query(b, flow, &batch, &any_tail, &query, err);
	/* A flow that its source has stopped shows what it has committed; its status says why. */
	if (rc == MR_ERR_UNSUPPORTED || rc == MR_ERR_NOT_FOUND)
		rc = batch.new_files = any_tail = 0;
	if (rc == 0 && (batch.new_files || any_tail)) {
		mr_buf_cstr(out, "SELECT ");
		put_column_list(c->snapshot, true, out);
		/* Columns that the table has and the query has not are null. */
		mr_buf_cstr(out, " FROM (SELECT * FROM ");
		delta_scan_rows_sql(c->snapshot, NULL, 0, out);
		mr_buf_cstr(out, " UNION ALL BY NAME SELECT * FROM (");
		mr_buf_str(out, mr_buf_view(&query));
		mr_buf_cstr(out, "))");
		*any = true;
	}
	mr_buf_release(&query);
	return rc;
}

/* The table, "(SELECT ...)": all rows that meet the predicate (NULL: all), and perhaps others. */
static int put_relation(struct binding *b, struct captured *c, const struct sql_predicate *predicate,
			struct mr_buf *out, struct mr_error *err)
{
	if (!c->snapshot) {
		if (c->entry->kind == CATALOG_INGEST)
			return mr_fail(err, MR_ERR_NOT_FOUND, "table %s is gone", c->entry->name);
		/* Not run yet: what its query gives now. */
		bool any_tail;
		struct mr_buf query = {0};
		const struct flow *flow = c->entry->flow;
		for (size_t i = 0; i < flow->source_count; i++)
			reach(b, catalog_find(b->catalog, flow->sources[i].name));
		int rc = capture(b, err);
		if (rc == 0)
			rc = put_flow_query(b, flow, NULL, &any_tail, &query, err);
		mr_buf_char(out, '(');
		mr_buf_str(out, mr_buf_view(&query));
		mr_buf_char(out, ')');
		mr_buf_release(&query);
		return rc;
	}
	mr_buf_cstr(out, "(SELECT ");
	put_column_list(c->snapshot, false, out);
	mr_buf_cstr(out, " FROM ");
	delta_scan_where_sql(c->snapshot, predicate, out);
	int rc = 0;
	if (b->mode == BIND_FRESH) {
		size_t mark = out->len;
		bool any;
		mr_buf_cstr(out, " UNION ALL ");
		rc = tail(b, c, out, &any, err);
		if (!any)
			out->len = mark;
	}
	mr_buf_char(out, ')');
	return rc;
}

/* ---- the public face ---- */

/* Parts of a statement are bound one by one, by the same names: what the part before asked of a table
 * says nothing of what this one needs. */
static const struct sql_predicate *predicate_of(const struct binding *b, struct captured *c, mr_str schema,
						mr_str table)
{
	bool again = c->bound;
	c->bound = true;
	if (again)
		return NULL;
	for (size_t i = 0; i < b->predicate_count; i++)
		if (mr_str_eq(b->predicates[i].schema, schema) && mr_str_eq(b->predicates[i].table, table))
			return b->predicates[i].predicate;
	return NULL;
}

static int bind_entry(struct binding *b, struct catalog_entry *entry, struct mr_error *err)
{
	struct mr_buf relation = {0};
	mr_str schema, table;
	struct captured *c = captured_find(b, entry);
	split_name(mr_str_from(entry->name), &schema, &table);
	int rc = put_relation(b, c, predicate_of(b, c, schema, table), &relation, err);
	if (rc == 0)
		rc = create_view(b, schema, table, mr_buf_view(&relation), err);
	mr_buf_release(&relation);
	return rc < 0 ? mr_error_wrap(err, rc, "%s", entry->name) : 0;
}

static int bind_topic(struct binding *b, struct log_topic *topic, struct mr_error *err)
{
	struct mr_buf relation = {0};
	topic_relation(topic, broker_topic_schema(catalog_broker(b->catalog), log_topic_name(topic)),
		       &relation);
	int rc = create_view(b, MR_STR(""), log_topic_name(topic), mr_buf_view(&relation), err);
	mr_buf_release(&relation);
	return rc < 0 ? mr_error_wrap(err, rc, "topic %.*s", MR_FMT(log_topic_name(topic))) : 0;
}

static int bind_system(struct binding *b, const struct system_table *table, struct mr_error *err)
{
	char relation[128];
	snprintf(relation, sizeof relation, "millrace_system('%s')", table->name);
	return create_view(b, MR_STR("sys"), mr_str_from(table->name), mr_str_from(relation), err);
}

static int capture_made(struct binding *b, struct delta_table *table, struct captured **out,
			struct mr_error *err)
{
	struct delta_snapshot *snapshot;
	for (size_t i = 0; i < b->captured.len; i++) {
		*out = b->captured.items[i];
		if ((*out)->made == table)
			return 0;
	}
	int rc = delta_snapshot(table, &snapshot, err);
	if (rc < 0)
		return rc;
	*out = mr_alloc(sizeof **out);
	**out = (struct captured){.made = table, .snapshot = snapshot};
	mr_vec_push(&b->captured, *out);
	return 0;
}

/* A topic, or a table that CREATE TABLE made; what is neither is left to the engine to report. */
static int bind_other(struct binding *b, mr_str name, struct mr_error *err)
{
	struct broker *broker = catalog_broker(b->catalog);
	struct log_topic *topic = broker ? log_topic_find(broker_store(broker), name) : NULL;
	if (topic)
		return bind_topic(b, topic, err);
	struct delta_table *table;
	struct captured *c;
	if (lake_find(catalog_lake(b->catalog), name, &table, NULL) < 0)
		return 0;
	int rc = capture_made(b, table, &c, err);
	if (rc == 0) {
		struct mr_buf relation = {0};
		mr_str schema, bare;
		split_name(name, &schema, &bare);
		delta_scan_where_sql(c->snapshot, predicate_of(b, c, schema, bare), &relation);
		rc = create_view(b, schema, bare, mr_buf_view(&relation), err);
		mr_buf_release(&relation);
	}
	return rc < 0 ? mr_error_wrap(err, rc, "table %.*s", MR_FMT(name)) : 0;
}

/* The system table that a name like "sys.topics" means, or NULL. ("system.topics" is translated.) */
static const struct system_table *find_system(struct binding *b, mr_str name)
{
	const struct system_tables *system = catalog_system(b->catalog);
	if (!system || !mr_str_starts(name, MR_STR("sys.")))
		return NULL;
	return system_table_find(system, mr_str_tail(name, 4));
}

int bind_tables(struct binding *b, const mr_str *names, size_t count, struct mr_error *err)
{
	for (size_t i = 0; i < count; i++)
		reach(b, catalog_find(b->catalog, names[i]));
	int rc = capture(b, err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct catalog_entry *entry = catalog_find(b->catalog, names[i]);
		const struct system_table *system = find_system(b, names[i]);
		if (entry)
			rc = bind_entry(b, entry, err);
		else if (system)
			rc = bind_system(b, system, err);
		else
			rc = bind_other(b, names[i], err);
	}
	return rc;
}

static int bind_lake(struct binding *b, struct mr_error *err)
{
	struct lake_names names;
	int rc = lake_names(catalog_lake(b->catalog), &names, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count && rc == 0; i++)
		if (!catalog_find(b->catalog, names.items[i]))
			rc = bind_other(b, names.items[i], err);
	lake_names_release(&names);
	return rc;
}

int bind_all(struct binding *b, struct mr_error *err)
{
	struct catalog_entry *const *entries;
	size_t count = catalog_entries(b->catalog, &entries);
	for (size_t i = 0; i < count; i++)
		reach(b, entries[i]);
	int rc = capture(b, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = bind_entry(b, entries[i], err);
	const struct system_table *system;
	size_t system_count =
	    catalog_system(b->catalog) ? system_table_list(catalog_system(b->catalog), &system) : 0;
	for (size_t i = 0; i < system_count && rc == 0; i++)
		rc = bind_system(b, &system[i], err);
	if (rc == 0)
		rc = bind_lake(b, err);
	if (!catalog_broker(b->catalog))
		return rc;
	size_t topic_count;
	struct log_topic **topics = log_topics(broker_store(catalog_broker(b->catalog)), &topic_count);
	for (size_t i = 0; i < topic_count && rc == 0; i++)
		rc = bind_topic(b, topics[i], err);
	free(topics);
	return rc;
}

int bind_flow(struct binding *b, const struct flow *flow, struct bind_flow_batch *batch, struct mr_buf *query,
	      struct mr_error *err)
{
	for (size_t i = 0; i < flow->source_count; i++)
		reach(b, catalog_find(b->catalog, flow->sources[i].name));
	int rc = capture(b, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < flow->source_count; i++) {
		struct catalog_entry *entry = catalog_find(b->catalog, flow->sources[i].name);
		struct captured *c = entry ? captured_find(b, entry) : NULL;
		int64_t version = c && c->snapshot ? delta_version(c->snapshot) : -1;
		batch->to[i] = (struct delta_stream_offset){.version = version};
	}
	batch->new_files = 0;
	batch->more = batch->decided = false;
	bool any_tail;
	return put_flow_query(b, flow, batch, &any_tail, query, err);
}
