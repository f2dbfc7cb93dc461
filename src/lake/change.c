#include "lake/change.h"

#include "delta/skip.h"
#include "lake/rows.h"

int change_open_append(struct change *c, struct lake_session *s, struct delta_table *table,
		       struct mr_error *err)
{
	*c = (struct change){.s = s, .table = table, .alias = MR_STR("t"), .has_turn = s->overtaken > 0};
	if (c->has_turn)
		delta_turn_take(table);
	int rc = delta_snapshot(table, &c->base, err);
	if (rc < 0) {
		if (c->has_turn)
			delta_turn_give(table);
		return rc;
	}
	c->has_feed = mr_str_is(delta_property(c->base, "delta.enableChangeDataFeed"), "true");
	return 0;
}

int change_open(struct change *c, struct lake_session *s, struct delta_table *table, struct mr_error *err)
{
	int rc = change_open_append(c, s, table, err);
	if (rc < 0)
		return rc;
	c->file_count = delta_files(c->base, &s->arena, &c->files);
	c->removed = arena_calloc(&s->arena, c->file_count + 1, sizeof *c->removed);
	c->read = arena_calloc(&s->arena, c->file_count + 1, sizeof *c->read);
	return 0;
}

static void drop_files(struct change *c, const struct delta_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *path = mr_asprintf("%s/%.*s", delta_path(c->table), MR_FMT(files[i].path));
		int ignored = disk_unlink(c->s->lake->options.env->disk, path, NULL);
		(void)ignored;
		free(path);
	}
}

/* All vectors of a change lie in one file. */
static void drop_vectors(struct change *c)
{
	mr_str name;
	if (!c->marked.len || delta_dv_path(c->marked.items[0].dv, &c->s->arena, &name, NULL) != 0)
		return;
	char *path = mr_asprintf("%s/%.*s", delta_path(c->table), MR_FMT(name));
	int ignored = disk_unlink(c->s->lake->options.env->disk, path, NULL);
	(void)ignored;
	free(path);
}

void change_close(struct change *c)
{
	drop_files(c, c->added.items, c->added.len);
	drop_files(c, c->cdc.items, c->cdc.len);
	drop_vectors(c);
	mr_vec_release(&c->marked);
	mr_vec_release(&c->added);
	mr_vec_release(&c->cdc);
	mr_vec_release(&c->metrics);
	delta_snapshot_unref(c->base);
	if (c->has_turn)
		delta_turn_give(c->table);
}

void change_remove(struct change *c, size_t file)
{
	c->removed[file] = true;
	c->read[file] = true;
}

void change_metric(struct change *c, const char *name, int64_t value)
{
	mr_vec_push(&c->metrics, (struct delta_metric){name, value});
}

int64_t change_rows_added(const struct change *c)
{
	int64_t rows = 0;
	for (size_t i = 0; i < c->added.len; i++)
		rows += c->added.items[i].rows;
	return rows;
}

int change_add_rows(struct change *c, mr_str query, struct mr_error *err)
{
	struct delta_file *files;
	size_t count;
	int rc = rows_write(c->s, c->table, c->base, query, &files, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		mr_vec_push(&c->added, files[i]);
	return rc;
}

int change_add_feed(struct change *c, mr_str query, struct mr_error *err)
{
	struct delta_file *files;
	size_t count;
	if (!c->has_feed)
		return 0;
	int rc = delta_write_changes(c->table, c->base, c->s->conn, query, &c->s->arena, &files, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		mr_vec_push(&c->cdc, files[i]);
	return rc;
}

/* ---- looking ---- */

void change_columns(const struct change *c, const char *prefix, struct mr_buf *out)
{
	const struct column_def *defs;
	size_t count = delta_columns(c->base, &defs);
	for (size_t i = 0; i < count; i++) {
		mr_buf_printf(out, "%s%s", i ? ", " : "", prefix);
		sql_quote_name(out, defs[i].name);
	}
}

void change_scan(const struct change *c, const size_t *chosen, size_t count, struct mr_buf *out)
{
	struct delta_data_file *files = arena_alloc(&c->s->arena, (count + 1) * sizeof *files);
	for (size_t i = 0; i < count; i++)
		files[i] = c->files[chosen[i]];
	delta_scan_files_sql(c->base, files, count, out);
}

/* The first column of a query, as indexes; rows of the second summed. */
static int collect(struct change *c, mr_str query, const size_t *of, size_t **out, size_t *count,
		   int64_t *sum, struct mr_error *err)
{
	struct sql_result *result = NULL;
	MR_VEC(size_t) found = {0};
	*sum = 0;
	int rc = sql_query(c->s->conn, query, &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1) {
		size_t at = (size_t)sql_int(result, 0);
		mr_vec_push(&found, of ? of[at] : at);
		*sum += sql_int(result, 1);
	}
	sql_result_free(result);
	if (rc == 0) {
		*out = arena_alloc(&c->s->arena, (found.len + 1) * sizeof **out);
		if (found.len)
			memcpy(*out, found.items, found.len * sizeof **out);
		*count = found.len;
	}
	mr_vec_release(&found);
	return rc;
}

int change_find_partitions(struct change *c, mr_str condition, size_t **chosen, size_t *count)
{
	const mr_str *names;
	if (!delta_partition_columns(c->base, &names) || !c->file_count)
		return 1;
	struct mr_buf sql = {0};
	int64_t ignored;
	mr_buf_cstr(&sql, "SELECT " DELTA_FILE_COLUMN ", 1 FROM ");
	delta_partition_values_sql(c->base, c->files, c->file_count, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE %.*s ORDER BY 1", MR_FMT(c->alias), MR_FMT(condition));
	/* Other columns are not there: such a query does not bind. */
	int rc = collect(c, mr_buf_view(&sql), NULL, chosen, count, &ignored, NULL);
	mr_buf_release(&sql);
	return rc < 0 ? 1 : 0;
}

/* The files that may hold rows that meet the condition. */
static int find_candidates(struct change *c, mr_str condition, size_t *chosen, size_t *count,
			   struct mr_error *err)
{
	struct sql_predicate *predicate;
	bool *keep = arena_calloc(&c->s->arena, c->file_count + 1, sizeof *keep);
	int rc = sql_condition_predicate(c->s->conn, condition, c->alias, &c->s->arena, &predicate, err);
	if (rc < 0)
		return rc;
	if (predicate)
		delta_skip(c->base, predicate, keep);
	*count = 0;
	for (size_t i = 0; i < c->file_count; i++)
		if (!predicate || keep[i])
			chosen[(*count)++] = i;
	return 0;
}

int change_find(struct change *c, mr_str condition, size_t **chosen, size_t *count, int64_t *rows,
		struct mr_error *err)
{
	size_t *candidates = arena_alloc(&c->s->arena, (c->file_count + 1) * sizeof *candidates), some;
	c->looks = true;
	int rc = find_candidates(c, condition, candidates, &some, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < some; i++)
		c->read[candidates[i]] = true;
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT " DELTA_FILE_COLUMN ", count(*) FROM ");
	change_scan(c, candidates, some, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE %.*s GROUP BY 1 ORDER BY 1", MR_FMT(c->alias), MR_FMT(condition));
	rc = collect(c, mr_buf_view(&sql), candidates, chosen, count, rows, err);
	mr_buf_release(&sql);
	return rc;
}

/* ---- deleting ---- */

static int feed_deleted(struct change *c, const size_t *chosen, size_t count, mr_str condition,
			struct mr_error *err)
{
	struct mr_buf sql = {0};
	if (!c->has_feed || !count)
		return 0;
	mr_buf_cstr(&sql, "SELECT ");
	change_columns(c, "", &sql);
	mr_buf_cstr(&sql, ", 'delete' AS _change_type FROM ");
	change_scan(c, chosen, count, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE %.*s", MR_FMT(c->alias), MR_FMT(condition));
	int rc = change_add_feed(c, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	return rc;
}

/* The rows that stay, in new files. */
static int rewrite_without(struct change *c, const size_t *chosen, size_t count, mr_str condition,
			   struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT ");
	change_columns(c, "", &sql);
	mr_buf_cstr(&sql, " FROM ");
	change_scan(c, chosen, count, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE (%.*s) IS NOT TRUE", MR_FMT(c->alias), MR_FMT(condition));
	int rc = change_add_rows(c, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	for (size_t i = 0; i < count; i++)
		change_remove(c, chosen[i]);
	return rc;
}

int change_mark_where(struct change *c, const size_t *chosen, size_t count, mr_str condition,
		      struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT " DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN " FROM ");
	change_scan(c, chosen, count, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE %.*s", MR_FMT(c->alias), MR_FMT(condition));
	int rc = change_mark(c, mr_buf_view(&sql), chosen, err);
	mr_buf_release(&sql);
	return rc;
}

int change_delete_where(struct change *c, mr_str condition, struct mr_error *err)
{
	size_t *chosen, count;
	int64_t rows = 0;
	c->looks = true;
	/* Whole partitions: their files go, unread. */
	if (change_find_partitions(c, condition, &chosen, &count) == 0) {
		for (size_t i = 0; i < count; i++) {
			change_remove(c, chosen[i]);
			c->rows_removed += mr_max_i64(c->files[chosen[i]].rows, 0);
		}
		c->partition_condition = condition;
		return 0; /* whole files that go are their own change data */
	}
	int rc = change_find(c, condition, &chosen, &count, &rows, err);
	if (rc < 0 || !count)
		return rc;
	c->rows_removed += rows;
	rc = change_can_mark(c, chosen, count) ? change_mark_where(c, chosen, count, condition, err)
					       : rewrite_without(c, chosen, count, condition, err);
	return rc == 0 ? feed_deleted(c, chosen, count, condition, err) : rc;
}

/* ---- committing ---- */

/* Could a file of that partition have met the condition? When in doubt, yes. */
static bool may_match(void *arg, const mr_str *partition_values)
{
	struct change *c = arg;
	struct delta_data_file file = {.partition_values = partition_values};
	struct mr_buf sql = {0};
	struct sql_result *result = NULL;
	mr_buf_cstr(&sql, "SELECT count(*) FROM ");
	delta_partition_values_sql(c->base, &file, 1, &sql);
	mr_buf_printf(&sql, " AS %.*s WHERE (%.*s) IS NOT FALSE", MR_FMT(c->alias),
		      MR_FMT(c->partition_condition));
	int rc = sql_query(c->s->conn, mr_buf_view(&sql), &result, NULL);
	if (rc == 0)
		rc = sql_next(result, NULL);
	bool may = rc != 1 || sql_int(result, 0) > 0;
	sql_result_free(result);
	mr_buf_release(&sql);
	return may;
}

static size_t paths_of(const struct change *c, const bool *marked, mr_str **out)
{
	mr_str *paths = arena_alloc(&c->s->arena, (c->file_count + 1) * sizeof *paths);
	size_t count = 0;
	for (size_t i = 0; i < c->file_count; i++)
		if (marked[i])
			paths[count++] = c->files[i].path;
	*out = paths;
	return count;
}

int change_commit(struct change *c, const char *operation, const char *parameters, struct mr_error *err)
{
	mr_str *removes, *reads;
	size_t remove_count = paths_of(c, c->removed, &removes), read_count = paths_of(c, c->read, &reads);
	bool looked = c->looks || read_count || remove_count || c->reads_table || c->metadata.len;
	int64_t version;
	if (!c->added.len && !remove_count && !c->metadata.len)
		return 0;
	size_t file_count = c->added.len + c->marked.len;
	struct delta_file *files = arena_alloc(&c->s->arena, (file_count + 1) * sizeof *files);
	for (size_t i = 0; i < file_count; i++)
		files[i] = i < c->added.len ? c->added.items[i] : c->marked.items[i - c->added.len];
	struct delta_commit commit = {
	    .files = files,
	    .file_count = file_count,
	    .operation = operation,
	    .operation_parameters = mr_str_from(parameters),
	    .read = c->metadata.len ? NULL : c->base,
	    .base = looked ? c->base : NULL,
	    .isolation = mr_str_is(delta_property(c->base, "delta.isolationLevel"), "Serializable")
			     ? DELTA_SERIALIZABLE
			     : DELTA_WRITE_SERIALIZABLE,
	    .removes = removes,
	    .remove_count = remove_count,
	    .reads = reads,
	    .read_count = read_count,
	    .reads_table = c->reads_table,
	    .may_match = c->partition_condition.len ? may_match : NULL,
	    .may_match_arg = c,
	    .rearranges = c->rearranges,
	    .cdc = c->cdc.items,
	    .cdc_count = c->cdc.len,
	    .metadata = c->metadata,
	    .features = c->features,
	    .feature_count = c->feature_count,
	    .drops_feature = c->drops_feature,
	    .domains = c->domain,
	    .domain_count = c->domain != NULL,
	    .metrics = c->metrics.items,
	    .metric_count = c->metrics.len,
	    .enforced = true,
	};
	int rc = delta_commit(c->table, &commit, &version, err);
	if (rc == 0)
		c->added.len = c->cdc.len = c->marked.len = 0; /* they are the table's now */
	return rc;
}
