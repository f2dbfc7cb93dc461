/* delta/write.c - a query's rows as Parquet files under the table.
 *
 * COPY does the work: every column cast to the table's type (what DuckDB would store
 * otherwise, a HUGEINT as DOUBLE say, would not be the table's), partition columns made the
 * very strings that the log holds, RETURN_STATS for the figures. Then files and folders are synced, or
 * left to their commit (sync.c). Files have unique names, so nothing that exists is touched; until they are
 * committed they are orphans, and on an error those that are known are removed.
 */
#include "delta/internal.h"

#include <strings.h>

#define CHANGE_FOLDER "_change_data"

struct writing {
	struct delta_table *table;
	const struct table_meta *meta;
	bool changes; /* change data: one column more, another folder */
	struct arena *arena;
	struct json_parser *parser;
	MR_VEC(struct delta_file) files;
};

/* ---- the query ---- */

static const struct column_def *find_column(const struct column_def *defs, size_t count, mr_str name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_eq(defs[i].name, name))
			return &defs[i];
	for (size_t i = 0; i < count; i++)
		if (defs[i].name.len == name.len && strncasecmp(defs[i].name.ptr, name.ptr, name.len) == 0)
			return &defs[i];
	return NULL;
}

static int check_columns(const struct table_meta *meta, const struct column_def *defs, size_t count,
			 bool changes, struct mr_error *err)
{
	for (size_t i = 0; i < meta->column_count; i++)
		if (!find_column(defs, count, meta->defs[i].name) && (changes || meta->defs[i].not_null))
			return mr_fail(err, MR_ERR_INVALID,
				       "the query gives no column %.*s, which the table has",
				       MR_FMT(meta->defs[i].name));
	for (size_t i = 0; i < count; i++)
		if (!find_column(meta->defs, meta->column_count, defs[i].name) &&
		    !(changes && mr_str_is(defs[i].name, "_change_type")))
			return mr_fail(err, MR_ERR_INVALID,
				       "the query gives a column %.*s, which the table lacks",
				       MR_FMT(defs[i].name));
	return 0;
}

static void put_column(struct mr_buf *sql, const struct table_meta *meta, size_t at,
		       const struct column_def *from)
{
	struct mr_buf expression = {0};
	bool json = from && from->type == COL_JSON && !meta->columns[at].nested;
	mr_buf_cstr(&expression, json ? "CAST(to_json(" : "CAST(");
	if (from)
		sql_quote_name(&expression, from->name);
	else /* a column that the query does not know is null, as in Spark's appends */
		mr_buf_cstr(&expression, "NULL");
	mr_buf_printf(&expression, "%s AS %.*s)", json ? ")" : "", MR_FMT(meta->columns[at].sql_type));
	if (meta->columns[at].partition)
		delta_partition_text_sql(sql, &meta->defs[at], mr_buf_view(&expression));
	else if (meta->columns[at].renamed)
		delta_type_rename_sql(sql, meta->columns[at].type, mr_buf_view(&expression), true);
	else
		mr_buf_str(sql, mr_buf_view(&expression));
	mr_buf_cstr(sql, " AS ");
	sql_quote_name(sql, meta->columns[at].physical);
	mr_buf_release(&expression);
}

/* Readers that map columns by id find them so. */
static void put_field_ids(struct mr_buf *sql, const struct table_meta *meta)
{
	const char *comma = ", FIELD_IDS {";
	for (size_t i = 0; i < meta->column_count; i++) {
		const struct table_column *column = &meta->columns[i];
		struct type_part part = {
		    .physical = column->physical, .field_id = column->field_id, .type = column->type};
		if (!column->field_id || column->partition || column->is_void)
			continue;
		mr_buf_cstr(sql, comma);
		delta_type_field_ids_sql(sql, &part);
		comma = ", ";
	}
	if (comma[2] != 'F')
		mr_buf_char(sql, '}');
}

static void put_target(struct mr_buf *sql, const struct writing *w)
{
	char id[37];
	rng_uuid(w->table->env->rng, id);
	struct mr_buf path = {0};
	mr_buf_printf(&path, "%s%s", w->table->path, w->changes ? "/" CHANGE_FOLDER : "");
	const char *kind = w->changes ? "cdc" : "part";
	if (!w->meta->partition_count)
		mr_buf_printf(&path, "/%s-00000-%s.c000.snappy.parquet", kind, id);
	mr_buf_cstr(sql, " TO ");
	sql_quote_literal(sql, mr_buf_view(&path));
	mr_buf_printf(
	    sql, " (FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION V1, ROW_GROUP_SIZE %d, RETURN_STATS",
	    ROW_GROUP_ROWS);
	if (w->meta->partition_count) {
		mr_buf_printf(sql, ", APPEND, FILENAME_PATTERN '%s-00000-{uuid}.c000.snappy', PARTITION_BY (",
			      kind);
		for (size_t i = 0; i < w->meta->partition_count; i++) {
			mr_buf_cstr(sql, i ? ", " : "");
			sql_quote_name(sql, w->meta->columns[w->meta->partition_index[i]].physical);
		}
		mr_buf_char(sql, ')');
	} else {
		mr_buf_cstr(sql, ", USE_TMP_FILE false"); /* the name is unique already */
	}
	put_field_ids(sql, w->meta);
	mr_buf_char(sql, ')');
	mr_buf_release(&path);
}

static int put_copy(struct mr_buf *sql, const struct writing *w, struct sql_conn *conn, mr_str query,
		    struct mr_error *err)
{
	struct column_def *defs;
	size_t count;
	int rc = sql_describe(conn, query, w->arena, &defs, &count, err);
	if (rc == 0)
		rc = check_columns(w->meta, defs, count, w->changes, err);
	if (rc < 0)
		return rc;
	mr_buf_cstr(sql, "COPY (SELECT ");
	const char *comma = "";
	for (size_t i = 0; i < w->meta->column_count; i++) {
		if (w->meta->columns[i].is_void)
			continue;
		mr_buf_cstr(sql, comma);
		comma = ", ";
		put_column(sql, w->meta, i, find_column(defs, count, w->meta->defs[i].name));
	}
	mr_buf_cstr(sql, w->changes ? ", _change_type" : "");
	mr_buf_cstr(sql, " FROM (");
	while (query.len && strchr("; \t\r\n", query.ptr[query.len - 1]))
		query.len--;
	mr_buf_str(sql, query);
	mr_buf_cstr(sql, "\n) AS q)"); /* the newline ends a comment in the query */
	put_target(sql, w);
	return 0;
}

/* ---- what COPY says it wrote ---- */

static int read_partition_values(struct writing *w, struct sql_result *result, size_t column,
				 struct delta_file *file, struct mr_error *err)
{
	const struct table_meta *meta = w->meta;
	if (!meta->partition_count)
		return 0;
	struct mr_buf text = {0};
	struct json_value keys;
	sql_put_json(result, column, &text);
	int rc = json_parse(w->parser, mr_buf_view(&text), &keys, err);
	file->partition_values =
	    arena_calloc(w->arena, meta->partition_count, sizeof *file->partition_values);
	for (size_t i = 0; i < meta->partition_count && rc == 0; i++) {
		mr_str value = json_str(json_get_str(keys, meta->columns[meta->partition_index[i]].physical));
		if (value.len) /* '' cannot be told from null in Delta */
			file->partition_values[i] = arena_copy(w->arena, value);
	}
	mr_buf_release(&text);
	return rc;
}

static int check_partition_nulls(const struct writing *w, const struct delta_file *file, struct mr_error *err)
{
	for (size_t i = 0; i < w->meta->partition_count; i++) {
		const struct column_def *def = &w->meta->defs[w->meta->partition_index[i]];
		if (def->not_null && !file->partition_values[i].len)
			return mr_fail(err, MR_ERR_INVALID,
				       "column %.*s is NOT NULL, and some rows have no value",
				       MR_FMT(def->name));
	}
	return 0;
}

static int read_stats(struct writing *w, struct sql_result *result, size_t column, struct delta_file *file,
		      struct mr_error *err)
{
	struct mr_buf text = {0}, stats = {0};
	struct json_value figures;
	size_t null_column;
	sql_put_json(result, column, &text);
	int rc = json_parse(w->parser, mr_buf_view(&text), &figures, err);
	if (rc == 0) {
		delta_stats_write(&stats, w->meta, file->rows, figures, &null_column);
		file->stats_json = arena_copy(w->arena, mr_buf_view(&stats));
		if (null_column != SIZE_MAX)
			rc = mr_fail(err, MR_ERR_INVALID,
				     "column %.*s is NOT NULL, and some rows have no value",
				     MR_FMT(w->meta->defs[null_column].name));
	}
	mr_buf_release(&text);
	mr_buf_release(&stats);
	return rc;
}

enum { OUT_FILENAME, OUT_COUNT, OUT_SIZE, OUT_STATISTICS, OUT_KEYS, OUT_COLUMNS };

static int find_outputs(struct sql_result *result, size_t at[OUT_COLUMNS], struct mr_error *err)
{
	static const char *const names[] = {"filename", "count", "file_size_bytes", "column_statistics",
					    "partition_keys"};
	for (size_t i = 0; i < OUT_COLUMNS; i++) {
		at[i] = SIZE_MAX;
		for (size_t j = 0; j < sql_column_count(result); j++)
			if (mr_str_is(sql_column_name(result, j), names[i]))
				at[i] = j;
		if (at[i] == SIZE_MAX)
			return mr_fail(err, MR_ERR_INTERNAL, "this DuckDB's COPY reports no %s", names[i]);
	}
	return 0;
}

static int take_file(struct writing *w, struct sql_result *result, const size_t at[OUT_COLUMNS],
		     struct mr_error *err)
{
	mr_str name = sql_str(result, at[OUT_FILENAME]);
	size_t skip = strlen(w->table->path) + 1;
	if (name.len <= skip || memcmp(name.ptr, w->table->path, skip - 1) != 0)
		return mr_fail(err, MR_ERR_INTERNAL, "COPY wrote %.*s, outside of the table", MR_FMT(name));
	struct delta_file file = {.path = arena_copy(w->arena, mr_str_tail(name, skip)),
				  .size = sql_int(result, at[OUT_SIZE]),
				  .rows = sql_int(result, at[OUT_COUNT])};
	/* In the list first: whatever fails now, the file gets removed. */
	mr_vec_push(&w->files, file);
	int rc = read_partition_values(w, result, at[OUT_KEYS], &file, err);
	if (rc == 0)
		rc = check_partition_nulls(w, &file, err);
	if (rc == 0)
		rc = read_stats(w, result, at[OUT_STATISTICS], &file, err);
	w->files.items[w->files.len - 1] = file;
	return rc;
}

/* ---- to the disk ---- */

static void remove_file(struct writing *w, mr_str relative)
{
	char *path = mr_asprintf("%s/%.*s", w->table->path, MR_FMT(relative));
	int ignored = disk_unlink(w->table->env->disk, path, NULL);
	(void)ignored;
	free(path);
}

/* A query without rows still makes a file (when there are no partitions). */
static void drop_empty(struct writing *w)
{
	for (size_t i = w->files.len; i-- > 0;) {
		if (w->files.items[i].rows)
			continue;
		remove_file(w, w->files.items[i].path);
		mr_vec_remove(&w->files, i);
	}
}

/* Now, or with the commit that will name them. */
static int sync_all(struct writing *w, struct mr_error *err)
{
	struct sync_list list;
	if (delta_sync_later(w->table, w->files.items, w->files.len)) {
		for (size_t i = 0; i < w->files.len; i++)
			w->files.items[i].unsynced = true;
		return 0;
	}
	delta_sync_init(&list, w->table);
	for (size_t i = 0; i < w->files.len; i++)
		delta_sync_add_file(&list, w->files.items[i].path);
	int rc = delta_sync_run(&list, err);
	delta_sync_release(&list);
	return rc;
}

static int run_copy(struct writing *w, struct sql_conn *conn, mr_str sql, struct mr_error *err)
{
	struct sql_result *result;
	size_t at[OUT_COLUMNS];
	int rc = sql_query(conn, sql, &result, err);
	if (rc < 0) {
		if (err)
			err->where[0] = 0; /* a place in our SQL, not the caller's */
		return rc;
	}
	rc = find_outputs(result, at, err);
	int failed = 0;
	while (rc == 0 && (rc = sql_next(result, err)) == 1) {
		rc = take_file(w, result, at, failed ? NULL : err);
		if (rc < 0 && !failed)
			failed = rc; /* go on, to know the other files */
		rc = 0;
	}
	sql_result_free(result);
	return failed ? failed : rc;
}

static int write_files(struct writing *w, struct sql_conn *conn, mr_str query, struct mr_error *err)
{
	struct mr_buf sql = {0};
	int rc = put_copy(&sql, w, conn, query, err);
	if (rc == 0)
		rc = run_copy(w, conn, mr_buf_view(&sql), err);
	drop_empty(w);
	if (rc == 0)
		rc = sync_all(w, err);
	for (size_t i = 0; i < w->files.len && rc < 0; i++)
		remove_file(w, w->files.items[i].path);
	mr_buf_release(&sql);
	return rc;
}

static int run_writing(struct writing *w, struct sql_conn *conn, mr_str query, struct delta_file **files,
		       size_t *count, struct mr_error *err)
{
	w->parser = json_parser_new();
	int rc = write_files(w, conn, query, err);
	if (rc == 0) {
		*files = arena_alloc(w->arena, (w->files.len + 1) * sizeof **files);
		if (w->files.len)
			memcpy(*files, w->files.items, w->files.len * sizeof **files);
		*count = w->files.len;
	}
	mr_vec_release(&w->files);
	json_parser_free(w->parser);
	return rc;
}

int delta_write_files(struct delta_table *table, const struct delta_snapshot *snapshot, struct sql_conn *conn,
		      mr_str query, struct arena *arena, struct delta_file **files, size_t *count,
		      struct mr_error *err)
{
	struct writing w = {.table = table, .meta = snapshot->meta, .arena = arena};
	return run_writing(&w, conn, query, files, count, err);
}

int delta_write_files_for(struct delta_table *table, mr_str metadata, struct sql_conn *conn, mr_str query,
			  struct arena *arena, struct delta_file **files, size_t *count, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct action_metadata action;
	struct table_meta *meta = NULL;
	int rc = json_parse(parser, metadata, &action.body, err);
	if (rc == 0)
		rc = delta_meta_parse(parser, &action, &meta, err);
	if (rc == 0)
		rc = disk_mkdir_all(table->env->disk, table->path, err);
	if (rc == 0) {
		struct writing w = {.table = table, .meta = meta, .arena = arena};
		rc = run_writing(&w, conn, query, files, count, err);
	}
	delta_meta_unref(meta);
	json_parser_free(parser);
	return rc;
}

int delta_write_changes(struct delta_table *table, const struct delta_snapshot *snapshot,
			struct sql_conn *conn, mr_str query, struct arena *arena, struct delta_file **files,
			size_t *count, struct mr_error *err)
{
	char *folder = mr_asprintf("%s/" CHANGE_FOLDER, table->path);
	int rc = disk_mkdir_all(table->env->disk, folder, err);
	free(folder);
	if (rc < 0)
		return rc;
	struct writing w = {.table = table, .meta = snapshot->meta, .arena = arena, .changes = true};
	return run_writing(&w, conn, query, files, count, err);
}
