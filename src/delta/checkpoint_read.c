/* delta/checkpoint_read.c - checkpoints of every kind into a state.
 *
 *   N.checkpoint.parquet                    classic; as a V2 one it may name sidecars
 *   N.checkpoint.PART.PARTS.parquet         classic in parts
 *   N.checkpoint.UUID.json or .parquet      V2: what is no file of the table, and the names of
 *   _sidecars/NAME.parquet                  its sidecars, which hold add and remove actions
 *
 * Rows go through the JSON of actions: one parser, one meaning. A sidecar's own sidecars are not
 * looked at, so there are no cycles.
 */
#include "delta/internal.h"

struct sidecars {
	struct arena arena;
	MR_VEC(mr_str) names;
};

static void put_path(struct mr_buf *sql, const struct delta_table *table, const char *folder, mr_str name)
{
	struct mr_buf path = {0};
	mr_buf_printf(&path, "%s/%s%.*s", table->log_path, folder, MR_FMT(name));
	delta_scan_put_path(sql, mr_buf_view(&path));
	mr_buf_release(&path);
}

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

static int apply_column(const struct apply *apply, struct sql_conn *conn, const char *column, mr_str from,
			struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_printf(&sql, "SELECT to_json(\"%s\") FROM %.*s WHERE \"%s\" IS NOT NULL", column, MR_FMT(from),
		      column);
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

/* In this order: files are read by the metadata. */
static const char *const columns_in_order[] = {"protocol", "metaData", "txn",   "domainMetadata",
					       "sidecar",  "add",      "remove"};

/* The action columns that the files of `from` have. */
static int read_columns(const struct apply *apply, struct sql_conn *conn, mr_str from, struct mr_error *err)
{
	struct arena arena = {0};
	struct column_def *defs;
	size_t count;
	struct mr_buf sql = {0};
	mr_buf_printf(&sql, "SELECT * FROM %.*s", MR_FMT(from));
	int rc = sql_describe(conn, mr_buf_view(&sql), &arena, &defs, &count, err);
	for (size_t i = 0; i < MR_COUNT(columns_in_order) && rc == 0; i++)
		for (size_t j = 0; j < count && rc == 0; j++)
			if (mr_str_is(defs[j].name, columns_in_order[i]))
				rc = apply_column(apply, conn, columns_in_order[i], from, err);
	mr_buf_release(&sql);
	arena_release(&arena);
	return rc;
}

static int read_parquet(const struct apply *apply, struct sql_conn *conn, const char *folder,
			const mr_str *names, size_t count, struct mr_error *err)
{
	struct mr_buf from = {0};
	mr_buf_cstr(&from, "read_parquet([");
	for (size_t i = 0; i < count; i++) {
		mr_buf_cstr(&from, i ? ", " : "");
		put_path(&from, apply->table, folder, names[i]);
	}
	mr_buf_cstr(&from, "], hive_partitioning=false, union_by_name=true)");
	int rc = read_columns(apply, conn, mr_buf_view(&from), err);
	mr_buf_release(&from);
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
