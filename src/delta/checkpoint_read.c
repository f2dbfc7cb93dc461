/* delta/checkpoint_read.c - checkpoints of every kind into a state.
 *
 *   N.checkpoint.parquet                    classic; as a V2 one it may name sidecars
 *   N.checkpoint.PART.PARTS.parquet         classic in parts
 *   N.checkpoint.UUID.json or .parquet      V2: what is no file of the table, and the names of
 *   _sidecars/NAME.parquet                  its sidecars, which hold add and remove actions
 *
 * Files that are added are most of a checkpoint: they come by columns, and their statistics stay
 * where they are (stats_source.c). Those with a deletion vector or tags, and all other actions, go
 * through the JSON of actions: one parser, one meaning. A sidecar's own sidecars are not looked at,
 * so there are no cycles.
 */
#include "delta/internal.h"

#define FILES_EXPECTED_MAX 100000000

struct sidecars {
	struct arena arena;
	MR_VEC(mr_str) names;
};

static int note_sidecar(void *arg, const struct action *action, struct mr_error *err)
{
	struct sidecars *sidecars = arg;
	if (action->kind != ACTION_SIDECAR)
		return 0;
	mr_str name = action->sidecar.path;
	if (!name.len || memchr(name.ptr, '/', name.len) || memchr(name.ptr, 0, name.len))
		return mr_fail(err, MR_ERR_CORRUPT, "\"%.*s\" is no sidecar's name",
			       (int)mr_min_size(name.len, 200), name.ptr ? name.ptr : "");
	mr_vec_push(&sidecars->names, arena_copy(&sidecars->arena, name));
	return 0;
}

struct apply {
	struct delta_table *table;
	struct delta_log_state *state;
	struct sidecars *sidecars; /* NULL: they have none */
};

static int apply_action(const struct apply *apply, const struct action *action, struct mr_error *err)
{
	if (action->kind == ACTION_SIDECAR && apply->sidecars)
		return note_sidecar(apply->sidecars, action, err);
	return delta_state_apply(apply->state, apply->table->parser, action, err);
}

/* The rows of a column that meet a condition, as JSON. */
static int apply_column(const struct apply *apply, struct sql_conn *conn, const char *column, mr_str from,
			const char *where, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_printf(&sql, "SELECT to_json(\"%s\") FROM %.*s WHERE \"%s\" IS NOT NULL%s", column,
		      MR_FMT(from), column, where);
	struct sql_result *result = NULL;
	int rc = sql_query(conn, mr_buf_view(&sql), &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1) {
		mr_str body = sql_str(result, 0);
		struct action action;
		mr_buf_clear(&sql);
		mr_buf_printf(&sql, "{\"%s\":", column);
		mr_buf_str(&sql, body);
		mr_buf_char(&sql, '}');
		rc = delta_action_parse(apply->table->parser, mr_buf_view(&sql), &action, err);
		if (rc == 0)
			rc = apply_action(apply, &action, err);
	}
	sql_result_free(result);
	mr_buf_release(&sql);
	return rc;
}

/* ---- add, by columns ---- */

/* Members that are read as columns; what else is not null sends a row through JSON. */
enum add_column {
	ADD_ROW,
	ADD_PATH,
	ADD_SIZE,
	ADD_TIME,
	ADD_DATA_CHANGE,
	ADD_ROW_ID,
	ADD_ROW_VERSION,
	ADD_CLUSTERING,
	ADD_PARTITIONS
};

static const struct {
	const char *name;
	enum add_column column; /* ADD_ROW: none */
	bool later;             /* not looked at now */
} add_members[] = {
    {"path", ADD_PATH, false},
    {"size", ADD_SIZE, false},
    {"modificationTime", ADD_TIME, false},
    {"dataChange", ADD_DATA_CHANGE, false},
    {"baseRowId", ADD_ROW_ID, false},
    {"defaultRowCommitVersion", ADD_ROW_VERSION, false},
    {"clusteringProvider", ADD_CLUSTERING, false},
    {"partitionValues", ADD_ROW, true},
    {"stats", ADD_ROW, true},
    {"stats_parsed", ADD_ROW, true},
    {"partitionValues_parsed", ADD_ROW, true},
};

struct add_layout {
	bool has[ADD_PARTITIONS];
	bool has_stats, has_stats_parsed, has_partition_values;
	struct mr_buf others; /* " AND add.tags IS NULL ...": rows that columns tell whole */
};

static int read_layout(struct sql_conn *conn, mr_str from, struct add_layout *layout, struct mr_error *err)
{
	struct arena arena = {0};
	struct column_def *defs;
	size_t count;
	struct mr_buf sql = {0};
	mr_buf_printf(&sql, "SELECT unnest(add) FROM %.*s", MR_FMT(from));
	int rc = sql_describe(conn, mr_buf_view(&sql), &arena, &defs, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t j = 0;
		while (j < MR_COUNT(add_members) && !mr_str_is(defs[i].name, add_members[j].name))
			j++;
		layout->has_stats |= mr_str_is(defs[i].name, "stats");
		layout->has_stats_parsed |= mr_str_is(defs[i].name, "stats_parsed");
		layout->has_partition_values |= mr_str_is(defs[i].name, "partitionValues");
		if (j == MR_COUNT(add_members)) {
			mr_buf_cstr(&layout->others, " AND add.");
			sql_quote_name(&layout->others, defs[i].name);
			mr_buf_cstr(&layout->others, " IS NULL");
		} else {
			layout->has[add_members[j].column] = true;
		}
	}
	arena_release(&arena);
	mr_buf_release(&sql);
	return rc;
}

static void put_add_query(struct mr_buf *sql, const struct apply *apply, const struct add_layout *layout,
			  mr_str from)
{
	const struct table_meta *meta = apply->state->meta;
	mr_buf_cstr(sql, "SELECT file_row_number");
	for (size_t i = 0; i < MR_COUNT(add_members); i++) {
		if (add_members[i].column == ADD_ROW)
			continue;
		mr_buf_printf(sql, layout->has[add_members[i].column] ? ", add.\"%s\"" : ", NULL",
			      add_members[i].name);
	}
	for (size_t i = 0; i < meta->partition_count; i++) {
		mr_buf_cstr(sql, layout->has_partition_values
				     ? ", map_extract_value(add.\"partitionValues\", "
				     : ", nullif('', ");
		sql_quote_literal(sql, meta->columns[meta->partition_index[i]].physical);
		mr_buf_char(sql, ')');
	}
	mr_buf_printf(sql, " FROM %.*s WHERE add.path IS NOT NULL", MR_FMT(from));
	mr_buf_str(sql, mr_buf_view(&layout->others));
}

static int apply_add_row(const struct apply *apply, struct sql_result *row, mr_str *values,
			 struct mr_error *err)
{
	struct delta_log_state *state = apply->state;
	struct file_arrival file = {.path = sql_str(row, ADD_PATH),
				    .partition_values = values,
				    .size = sql_int(row, ADD_SIZE),
				    .modified_ms = sql_int(row, ADD_TIME),
				    .data_change = sql_int(row, ADD_DATA_CHANGE) != 0};
	for (size_t i = 0; i < state->meta->partition_count; i++)
		values[i] = sql_str(row, ADD_PARTITIONS + i);
	if (!sql_is_null(row, ADD_ROW_ID) || !sql_is_null(row, ADD_ROW_VERSION) ||
	    !sql_is_null(row, ADD_CLUSTERING)) {
		file.extra = arena_calloc(&state->files->arena, 1, sizeof *file.extra);
		file.extra->base_row_id = sql_is_null(row, ADD_ROW_ID) ? -1 : sql_int(row, ADD_ROW_ID);
		file.extra->default_row_commit_version =
		    sql_is_null(row, ADD_ROW_VERSION) ? -1 : sql_int(row, ADD_ROW_VERSION);
		file.extra->clustering_provider =
		    delta_file_set_text(state->files, sql_str(row, ADD_CLUSTERING));
	}
	state->later_row = (size_t)sql_int(row, ADD_ROW);
	return delta_state_add_file(state, &file, err);
}

/* As the file's footer says; 0 when it does not. */
static size_t count_rows(struct sql_conn *conn, mr_str from)
{
	struct mr_buf sql = {0};
	struct sql_result *result = NULL;
	mr_buf_printf(&sql, "SELECT count(*) FROM %.*s", MR_FMT(from));
	int rc = sql_query(conn, mr_buf_view(&sql), &result, NULL);
	int64_t rows = rc == 0 && sql_next(result, NULL) == 1 ? sql_int(result, 0) : 0;
	sql_result_free(result);
	mr_buf_release(&sql);
	return rows < 0 || rows > FILES_EXPECTED_MAX ? 0 : (size_t)rows;
}

static int apply_add_rows(const struct apply *apply, struct sql_conn *conn, const struct add_layout *layout,
			  mr_str from, struct mr_error *err)
{
	struct sql_result *result = NULL;
	struct mr_buf sql = {0};
	mr_str *values = mr_calloc(apply->state->meta->partition_count + 1, sizeof *values);
	delta_live_reserve(&apply->state->live, apply->state->live.len + count_rows(conn, from));
	put_add_query(&sql, apply, layout, from);
	int rc = sql_query(conn, mr_buf_view(&sql), &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1)
		rc = apply_add_row(apply, result, values, err);
	sql_result_free(result);
	mr_buf_release(&sql);
	free(values);
	return rc;
}

/* One file's. */
static int apply_adds(const struct apply *apply, struct sql_conn *conn, mr_str from, mr_str path,
		      struct mr_error *err)
{
	struct add_layout layout = {0};
	struct delta_log_state *state = apply->state;
	if (!state->meta)
		return mr_fail(err, MR_ERR_CORRUPT, "files are added before there is metaData");
	int rc = read_layout(conn, from, &layout, err);
	if (rc == 0 && (!layout.has[ADD_PATH] || !layout.has[ADD_SIZE]))
		rc = mr_fail(err, MR_ERR_CORRUPT, "its add actions have no path or no size");
	if (rc == 0 && (layout.has_stats || layout.has_stats_parsed))
		delta_state_begin_later(state, apply->table, path, true);
	if (state->later)
		state->later->parsed_only = !layout.has_stats;
	if (rc == 0)
		rc = apply_add_rows(apply, conn, &layout, from, err);
	if (rc == 0)
		delta_state_end_later(state);
	if (rc == 0 && layout.others.len) {
		struct mr_buf where = {0};
		mr_buf_printf(&where, " AND NOT (true%s)", layout.others.ptr);
		rc = apply_column(apply, conn, "add", from, where.ptr, err);
		mr_buf_release(&where);
	}
	mr_buf_release(&layout.others);
	return rc;
}

/* ---- a checkpoint's files ---- */

/* In this order: files are read by the metadata. */
static const char *const columns_in_order[] = {"protocol", "metaData", "txn",   "domainMetadata",
					       "sidecar",  "add",      "remove"};

/* The action columns that a file has; adds apart, or only them. */
static int read_columns(const struct apply *apply, struct sql_conn *conn, mr_str path, bool adds,
			struct mr_error *err)
{
	struct arena arena = {0};
	struct column_def *defs;
	size_t count;
	struct mr_buf sql = {0}, from = {0};
	mr_buf_cstr(&from, "read_parquet(");
	delta_scan_put_path(&from, path);
	mr_buf_cstr(&from, ", hive_partitioning=false)");
	mr_buf_printf(&sql, "SELECT * FROM %s", from.ptr);
	int rc = sql_describe(conn, mr_buf_view(&sql), &arena, &defs, &count, err);
	for (size_t i = 0; i < MR_COUNT(columns_in_order) && rc == 0; i++) {
		const char *column = columns_in_order[i];
		bool is_add = strcmp(column, "add") == 0, there = false;
		for (size_t j = 0; j < count; j++)
			there |= mr_str_is(defs[j].name, column);
		if (!there || (is_add || strcmp(column, "remove") == 0) != adds)
			continue;
		rc = is_add ? apply_adds(apply, conn, mr_buf_view(&from), path, err)
			    : apply_column(apply, conn, column, mr_buf_view(&from), "", err);
	}
	mr_buf_release(&sql);
	mr_buf_release(&from);
	arena_release(&arena);
	return rc;
}

/* What is no file's comes first, whatever part it is in. */
static int read_parquet(const struct apply *apply, struct sql_conn *conn, const char *folder,
			const mr_str *names, size_t count, struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < 2 * count && rc == 0; i++) {
		char *path =
		    mr_asprintf("%s/%s%.*s", apply->table->log_path, folder, MR_FMT(names[i % count]));
		if (i < count)
			rc = disk_fetch(apply->table->env->disk, path, err);
		if (rc == 0)
			rc = read_columns(apply, conn, mr_str_from(path), i >= count, err);
		free(path);
	}
	return rc;
}

static int read_json(const struct apply *apply, const struct delta_log_part *part, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	char *path = mr_asprintf("%s/%s", apply->table->log_path, part->name);
	int rc = disk_read_file(apply->table->env->disk, path, COMMIT_BYTES_MAX, &bytes, err);
	if (rc == 0)
		rc = delta_log_apply_commit(apply->table, apply->state, mr_buf_view(&bytes), part->version,
					    err);
	if (rc == 0)
		rc = delta_actions_parse(apply->table->parser, mr_buf_view(&bytes), part->name, note_sidecar,
					 apply->sidecars, err);
	free(path);
	mr_buf_release(&bytes);
	return rc;
}

static int read_top(const struct apply *apply, struct sql_conn *conn, const struct delta_log_part *parts,
		    size_t count, struct mr_error *err)
{
	if (mr_str_ends(mr_str_from(parts->name), MR_STR(".json")))
		return read_json(apply, parts, err);
	MR_VEC(mr_str) names = {0};
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&names, mr_str_from(parts[i].name));
	int rc = read_parquet(apply, conn, "", names.items, names.len, err);
	mr_vec_release(&names);
	return rc;
}

int delta_checkpoint_read(struct delta_table *table, const struct delta_log_part *parts, size_t count,
			  struct delta_log_state *state, struct mr_error *err)
{
	struct sql_conn *conn;
	int rc = sql_connect(table->engine, &conn, err);
	if (rc < 0)
		return rc;
	struct sidecars sidecars = {0};
	struct apply apply = {table, state, &sidecars};
	rc = read_top(&apply, conn, parts, count, err);
	apply.sidecars = NULL;
	if (rc == 0 && sidecars.names.len)
		rc = read_parquet(&apply, conn, "_sidecars/", sidecars.names.items, sidecars.names.len, err);
	if (rc == 0)
		rc = delta_state_check(state, err);
	mr_vec_release(&sidecars.names);
	arena_release(&sidecars.arena);
	sql_disconnect(conn);
	return rc;
}
