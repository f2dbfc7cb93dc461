/* delta/changes.c - which rows came and went, version by version: the change data feed.
 *
 * A version that has cdc actions says so itself: their files hold the rows with _change_type. Of any
 * other the rows of files that were added are inserted, those of files that were removed deleted; and
 * where a file only got another deletion vector, the rows that one vector hides and the other does
 * not (protocol, "Reader Requirements for AddCDCFile").
 *
 * However many versions, it becomes at most five scans: of files that came, that went, of change
 * files, and of files before and after they got another vector. A list of the files' versions and
 * times is joined to each.
 */
#include "delta/internal.h"

enum change_kind { CHANGE_INSERT, CHANGE_DELETE, CHANGE_FEED, CHANGE_HIDDEN, CHANGE_SHOWN, CHANGE_KINDS };

struct stamp {
	int64_t version, ms;
};

/* Files of one kind of change. before: those with their other vector, for HIDDEN and SHOWN. */
struct changed_files {
	MR_VEC(struct delta_data_file) files;
	MR_VEC(struct delta_data_file) before;
	MR_VEC(struct stamp) stamps;
};

struct change {
	struct arena *arena;
	const struct delta_snapshot *snapshot;
	struct json_parser *inner; /* for metadata inside of what is being read */
	struct changed_files kinds[CHANGE_KINDS];
	struct stamp stamp;
	/* of the version that is being read */
	MR_VEC(struct delta_data_file) adds;
	MR_VEC(struct delta_data_file) removes;
	MR_VEC(struct delta_data_file) feed;
};

/* Rows of another version are shown by the snapshot's columns: added ones are null, renamed ones have their
 * new names, those that are gone are left out. A column of another type is none of these, unless it was
 * widened. */
static int check_columns(const struct change *c, const struct table_meta *was, int64_t version,
			 struct mr_error *err)
{
	const struct table_meta *now = c->snapshot->meta;
	if (mr_str_is(delta_meta_property(now, "delta.enableTypeWidening"), "true"))
		return 0;
	for (size_t i = 0; i < was->column_count; i++)
		for (size_t j = 0; j < now->column_count; j++) {
			const struct table_column *before = &was->columns[i], *after = &now->columns[j];
			if (before->nested || after->nested || mr_str_eq(before->sql_type, after->sql_type) ||
			    !mr_str_eq(before->physical, after->physical))
				continue;
			mr_fail(
			    err, MR_ERR_UNSUPPORTED,
			    "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_SCHEMA_CHANGE: column %.*s of %s is %.*s in "
			    "version %lld and was %.*s in version %lld",
			    MR_FMT(now->defs[j].name), c->snapshot->path, MR_FMT(after->sql_type),
			    (long long)c->snapshot->version, MR_FMT(before->sql_type), (long long)version);
			return mr_hint(err, "ask for the versions before and after the change apart");
		}
	return 0;
}

static int check_metadata(const struct change *c, struct json_value body, struct mr_error *err)
{
	struct action_metadata action;
	struct table_meta *meta;
	struct mr_buf text = {0};
	json_write_value(&text, body);
	int rc = json_parse(c->inner, mr_buf_view(&text), &action.body, err);
	if (rc == 0)
		rc = delta_meta_parse(c->inner, &action, &meta, err);
	if (rc == 0) {
		rc = check_columns(c, meta, c->stamp.version, err);
		delta_meta_unref(meta);
	}
	mr_buf_release(&text);
	return rc;
}

static int note_metadata(struct change *c, struct json_value body, struct mr_error *err)
{
	mr_str on = json_str(json_get(json_get(body, "configuration"), "delta.enableChangeDataFeed"));
	if (mr_str_is(on, "true"))
		return check_metadata(c, body, err);
	return mr_fail(err, MR_ERR_INVALID, "%s: version %lld does not record changes", c->snapshot->path,
		       (long long)c->stamp.version);
}

static int note_action(void *arg, const struct action *action, struct mr_error *err)
{
	struct change *c = arg;
	struct delta_data_file file;
	struct json_value at;
	int rc;
	switch (action->kind) {
	case ACTION_COMMIT_INFO:
		at = json_get(action->commit_info, "inCommitTimestamp");
		if (json_type(at) == JSON_INT)
			c->stamp.ms = json_int(at);
		return 0;
	case ACTION_METADATA:
		return note_metadata(c, action->metadata.body, err);
	case ACTION_ADD:
	case ACTION_REMOVE:
		rc = action->file.data_change
			 ? delta_data_file_read(c->snapshot, &action->file, c->arena, &file, err)
			 : 1;
		if (rc == 0 && action->kind == ACTION_ADD)
			mr_vec_push(&c->adds, file);
		else if (rc == 0)
			mr_vec_push(&c->removes, file);
		return rc < 0 ? rc : 0;
	case ACTION_CDC:
		rc = delta_data_file_read(c->snapshot, &action->file, c->arena, &file, err);
		if (rc == 0)
			mr_vec_push(&c->feed, file);
		return rc;
	default:
		return 0;
	}
}

static void put_changed(struct change *c, enum change_kind kind, const struct delta_data_file *file,
			const struct delta_data_file *before)
{
	mr_vec_push(&c->kinds[kind].files, *file);
	mr_vec_push(&c->kinds[kind].stamps, c->stamp);
	if (before)
		mr_vec_push(&c->kinds[kind].before, *before);
}

/* The version's actions are known: what do they come to? */
static void sort_version(struct change *c)
{
	struct mr_map removed = {0};
	for (size_t i = 0; i < c->feed.len; i++)
		put_changed(c, CHANGE_FEED, &c->feed.items[i], NULL);
	for (size_t i = 0; i < c->removes.len && !c->feed.len; i++)
		mr_map_put(&removed, c->removes.items[i].path, &c->removes.items[i]);
	for (size_t i = 0; i < c->adds.len && !c->feed.len; i++) {
		const struct delta_data_file *before = mr_map_remove(&removed, c->adds.items[i].path);
		if (before) {
			put_changed(c, CHANGE_HIDDEN, &c->adds.items[i], before);
			put_changed(c, CHANGE_SHOWN, before, &c->adds.items[i]);
		} else {
			put_changed(c, CHANGE_INSERT, &c->adds.items[i], NULL);
		}
	}
	mr_map_each (&removed, entry) {
		put_changed(c, CHANGE_DELETE, entry->value, NULL);
	}
	mr_map_release(&removed);
	c->adds.len = c->removes.len = c->feed.len = 0;
}

static int read_version(struct delta_table *table, struct change *c, int64_t version, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	struct file_info info;
	char *path = delta_store_commit_path(table, version);
	int rc = disk_stat(table->env->disk, path, &info, err);
	if (rc == 0)
		rc = delta_store_read_commit(table, version, &bytes, err);
	if (rc == MR_ERR_NOT_FOUND) {
		mr_fail(err, rc, "%s: the log no longer holds version %lld", table->path, (long long)version);
	} else if (rc == 0) {
		c->stamp = (struct stamp){version, info.mtime_ms};
		rc = delta_actions_parse(table->parser, mr_buf_view(&bytes), path, note_action, c, err);
	}
	if (rc == 0)
		sort_version(c);
	free(path);
	mr_buf_release(&bytes);
	return rc;
}

/* ---- as SQL ---- */

static void put_columns(struct mr_buf *out, const struct table_meta *meta)
{
	for (size_t i = 0; i < meta->column_count; i++) {
		mr_buf_cstr(out, "f.");
		sql_quote_name(out, meta->defs[i].name);
		mr_buf_cstr(out, ", ");
	}
}

static void put_stamps(struct mr_buf *out, const struct changed_files *changed)
{
	mr_buf_cstr(out, " JOIN (VALUES ");
	for (size_t i = 0; i < changed->stamps.len; i++)
		mr_buf_printf(out, "%s(%zu, CAST(%lld AS BIGINT), make_timestamptz(%lld))", i ? ", " : "", i,
			      (long long)changed->stamps.items[i].version,
			      (long long)changed->stamps.items[i].ms * 1000);
	mr_buf_cstr(out, ") v(i, version, moment) ON f." DELTA_FILE_COLUMN " = v.i");
}

/* _change_type of change files, by file and row. */
static void put_types(struct mr_buf *out, const struct delta_snapshot *snapshot,
		      const struct changed_files *changed)
{
	mr_buf_cstr(out, " JOIN (SELECT _change_type, file_index, file_row_number FROM read_parquet([");
	for (size_t i = 0; i < changed->files.len; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		delta_scan_put_file(out, snapshot->disk, snapshot->path, changed->files.items[i].path);
	}
	mr_buf_cstr(out, "], union_by_name=true, hive_partitioning=false)) c ON f." DELTA_FILE_COLUMN
			 " = c.file_index AND f." DELTA_ROW_COLUMN " = c.file_row_number");
}

static void put_kind(struct mr_buf *out, const struct change *c, enum change_kind kind)
{
	static const char *const types[CHANGE_KINDS] = {[CHANGE_INSERT] = "'insert'",
							[CHANGE_DELETE] = "'delete'",
							[CHANGE_FEED] = "c._change_type",
							[CHANGE_HIDDEN] = "'delete'",
							[CHANGE_SHOWN] = "'insert'"};
	const struct changed_files *changed = &c->kinds[kind];
	bool compares = changed->before.len > 0;
	if (!changed->files.len)
		return;
	mr_buf_cstr(out, " UNION ALL SELECT ");
	put_columns(out, c->snapshot->meta);
	mr_buf_printf(out, "%s, v.version, v.moment FROM ", types[kind]);
	delta_scan_files_sql(c->snapshot, compares ? changed->before.items : changed->files.items,
			     changed->files.len, out);
	mr_buf_cstr(out, " f");
	put_stamps(out, changed);
	if (kind == CHANGE_FEED)
		put_types(out, c->snapshot, changed);
	if (!compares)
		return;
	mr_buf_cstr(out, " ANTI JOIN ");
	delta_scan_files_sql(c->snapshot, changed->files.items, changed->files.len, out);
	mr_buf_cstr(out, " g ON f." DELTA_FILE_COLUMN " = g." DELTA_FILE_COLUMN " AND f." DELTA_ROW_COLUMN
			 " = g." DELTA_ROW_COLUMN);
}

static void put_changes(struct mr_buf *out, const struct change *c)
{
	mr_buf_cstr(out, "(SELECT ");
	put_columns(out, c->snapshot->meta);
	mr_buf_cstr(out, "CAST(NULL AS VARCHAR) AS _change_type, CAST(NULL AS BIGINT) AS _commit_version, "
			 "CAST(NULL AS TIMESTAMPTZ) AS _commit_timestamp FROM ");
	delta_scan_files_sql(c->snapshot, NULL, 0, out);
	mr_buf_cstr(out, " f WHERE false");
	for (int kind = 0; kind < CHANGE_KINDS; kind++)
		put_kind(out, c, (enum change_kind)kind);
	mr_buf_char(out, ')');
}

static int check_recorded(const struct change *c, struct delta_table *table, int64_t from,
			  struct mr_error *err)
{
	struct delta_snapshot *first;
	int rc = delta_snapshot_at(table, from, &first, err);
	if (rc < 0)
		return rc;
	if (!mr_str_is(delta_property(first, "delta.enableChangeDataFeed"), "true")) {
		mr_fail(err, MR_ERR_INVALID, "%s: version %lld does not record changes", table->path,
			(long long)from);
		rc = mr_hint(
		    err,
		    "delta.enableChangeDataFeed has to be true from the first version on that is asked for");
	}
	if (rc == 0)
		rc = check_columns(c, first->meta, from, err);
	delta_snapshot_unref(first);
	return rc;
}

static void release(struct change *c)
{
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		mr_vec_release(&c->kinds[kind].files);
		mr_vec_release(&c->kinds[kind].before);
		mr_vec_release(&c->kinds[kind].stamps);
	}
	mr_vec_release(&c->adds);
	mr_vec_release(&c->removes);
	mr_vec_release(&c->feed);
	arena_release(c->arena);
	json_parser_free(c->inner);
}

int delta_changes_between_sql(struct delta_table *table, const struct delta_snapshot *snapshot, int64_t from,
			      int64_t to, struct mr_buf *out, struct mr_error *err)
{
	struct arena arena = {0};
	struct change c = {.arena = &arena, .snapshot = snapshot, .inner = json_parser_new()};
	int rc = from <= to ? check_recorded(&c, table, from, err) : 0;
	pthread_mutex_lock(&table->lock);
	for (int64_t version = from; version <= to && rc == 0; version++)
		rc = read_version(table, &c, version, err);
	pthread_mutex_unlock(&table->lock);
	if (rc == 0)
		put_changes(out, &c);
	release(&c);
	return rc;
}

int delta_changes_sql(struct delta_table *table, const struct delta_snapshot *snapshot, int64_t from,
		      struct mr_buf *out, struct mr_error *err)
{
	if (from < 0 || from > snapshot->version)
		return mr_fail(err, MR_ERR_INVALID, "there are no versions from %lld to %lld",
			       (long long)from, (long long)snapshot->version);
	return delta_changes_between_sql(table, snapshot, from, snapshot->version, out, err);
}
