/* delta/scan.c - the SQL relation that yields a snapshot's rows.
 *
 * The schema is given to read_parquet in full, so that a column that a file lacks reads
 * as NULL and one that it has in another width is cast; nothing is guessed from folder names
 * (hive_partitioning off: it would read the string 'NULL' as null). Partition values come from
 * the log: as a constant per partition while there are few of them, which lets DuckDB drop whole
 * branches by a predicate; by a join on the file's index when there are many.
 */
#include "delta/internal.h"

#define BRANCHES_MAX 64
#define ROW_BYTES_GUESS 64
#define ROWS_FOR_THREADS (4 * ROW_GROUP_ROWS)

struct scan_file {
	mr_str path;
	const mr_str *partition_values;
	const struct delta_dv *dv;
	int64_t rows; /* that live, or a guess */
};

struct scan {
	struct mr_disk *disk;
	const char *table_path;
	const struct table_meta *meta;
	MR_VEC(struct scan_file) files;
};

static int64_t rows_or_guess(int64_t rows, int64_t size)
{
	return rows >= 0 ? rows : size / ROW_BYTES_GUESS;
}

/* read_parquet takes patterns: what would be one is put in brackets. */
void delta_scan_put_path(struct mr_buf *out, mr_str path)
{
	struct mr_buf pattern = {0};
	for (size_t i = 0; i < path.len; i++) {
		if (strchr("*?[", path.ptr[i]) && path.ptr[i])
			mr_buf_printf(&pattern, "[%c]", path.ptr[i]);
		else
			mr_buf_char(&pattern, path.ptr[i]);
	}
	sql_quote_literal(out, mr_buf_view(&pattern));
	mr_buf_release(&pattern);
}

/* The file's path for read_parquet, which reads it of this machine. A file that cannot be had leaves the
 * reason in its place, and that is what DuckDB says it does not find. */
void delta_scan_put_file(struct mr_buf *out, struct mr_disk *disk, const char *table_path, mr_str name)
{
	struct mr_error err = {0};
	struct mr_buf path = {0};
	if (name.ptr[0] != '/')
		mr_buf_printf(&path, "%s/", table_path);
	mr_buf_str(&path, name);
	if (disk_fetch(disk, path.ptr, &err) < 0) {
		mr_buf_clear(&path);
		mr_buf_printf(&path, "%.*s (%s)", MR_FMT(name), err.message);
	}
	delta_scan_put_path(out, mr_buf_view(&path));
	mr_buf_release(&path);
}

/* MAP{which: {name, type, default_value}}: which column of a file is which of the table. */
static void put_schema(struct mr_buf *out, const struct table_meta *meta)
{
	const char *comma = "";
	mr_buf_cstr(out, "MAP{");
	for (size_t i = 0; i < meta->column_count; i++) {
		if (meta->columns[i].partition || meta->columns[i].is_void)
			continue;
		mr_buf_cstr(out, comma);
		if (meta->mapping == MAPPING_ID)
			mr_buf_printf(out, "%lld", (long long)meta->columns[i].field_id);
		else
			sql_quote_literal(out, meta->columns[i].physical);
		mr_buf_cstr(out, ": {name: ");
		sql_quote_literal(out, meta->defs[i].name);
		mr_buf_cstr(out, ", type: ");
		sql_quote_literal(out, meta->columns[i].read_type);
		mr_buf_cstr(out, ", default_value: NULL}");
		comma = ", ";
	}
	mr_buf_char(out, '}');
}

static const struct scan_file *file_at(const struct scan *scan, const size_t *indexes, size_t i)
{
	return &scan->files.items[indexes ? indexes[i] : i];
}

static int64_t rows_of(const struct scan *scan, const size_t *indexes, size_t count)
{
	int64_t rows = 0;
	for (size_t i = 0; i < count; i++)
		rows += file_at(scan, indexes, i)->rows;
	return rows;
}

/* One file whose schema it is told DuckDB reads in one thread, however large. It does not of two: so such a
 * file is named twice, and put_where leaves the second out, unread. */
static bool is_named_twice(const struct scan *scan, const size_t *indexes, size_t count)
{
	return count == 1 && file_at(scan, indexes, 0)->rows >= ROWS_FOR_THREADS;
}

static void put_read(struct mr_buf *out, const struct scan *scan, const size_t *indexes, size_t count)
{
	size_t named = count + is_named_twice(scan, indexes, count);
	mr_buf_cstr(out, "read_parquet([");
	for (size_t i = 0; i < named; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		delta_scan_put_file(out, scan->disk, scan->table_path,
				    file_at(scan, indexes, mr_min_size(i, count - 1))->path);
	}
	/* Nor does it look into it for how many rows there are, and would plan joins for one row a file. */
	mr_buf_printf(out, "], hive_partitioning=false, explicit_cardinality=%lld, schema=",
		      (long long)mr_max_i64(rows_of(scan, indexes, count), 1));
	put_schema(out, scan->meta);
	mr_buf_char(out, ')');
}

/* The test that a row is not deleted; nothing when no file has a deletion vector. */
static void put_where(struct mr_buf *out, const struct scan *scan, const size_t *indexes, size_t count)
{
	struct mr_buf spec = {0};
	bool any = false, twice = is_named_twice(scan, indexes, count);
	delta_vectors_begin(&spec, scan->table_path);
	for (size_t i = 0; i < count; i++) {
		const struct delta_dv *dv = file_at(scan, indexes, i)->dv;
		if (dv)
			delta_vectors_add(&spec, i, dv);
		any |= dv != NULL;
	}
	if (twice)
		mr_buf_cstr(out, " WHERE file_index < 1");
	if (any) {
		mr_buf_printf(out, " %s delta_row_is_live(", twice ? "AND" : "WHERE");
		sql_quote_literal(out, mr_buf_view(&spec));
		mr_buf_cstr(out, ", CAST(file_index AS BIGINT), CAST(file_row_number AS BIGINT))");
	}
	mr_buf_release(&spec);
}

/* A column that is no partition's, out of what was read. */
static void put_stored(struct mr_buf *out, const struct table_meta *meta, size_t column)
{
	const struct table_column *c = &meta->columns[column];
	struct mr_buf name = {0};
	sql_quote_name(&name, meta->defs[column].name);
	if (c->is_void)
		mr_buf_printf(out, "CAST(NULL AS %.*s)", MR_FMT(c->sql_type));
	else if (c->renamed)
		delta_type_rename_sql(out, c->type, mr_buf_view(&name), false);
	else
		mr_buf_str(out, mr_buf_view(&name));
	if (c->is_void || c->renamed) {
		mr_buf_cstr(out, " AS ");
		mr_buf_str(out, mr_buf_view(&name));
	}
	mr_buf_release(&name);
}

static size_t partition_position(const struct table_meta *meta, size_t column)
{
	size_t i = 0;
	while (meta->partition_index[i] != column)
		i++;
	return i;
}

static void put_empty(struct mr_buf *out, const struct table_meta *meta)
{
	mr_buf_cstr(out, "(SELECT ");
	for (size_t i = 0; i < meta->column_count; i++) {
		mr_buf_printf(out, "%sCAST(NULL AS %.*s) AS ", i ? ", " : "",
			      MR_FMT(meta->columns[i].sql_type));
		sql_quote_name(out, meta->defs[i].name);
	}
	mr_buf_cstr(out, " WHERE false)");
}

/* ---- few partitions: one branch each ---- */

struct branch {
	const mr_str *values;
	bool has_dv; /* rows are tested only where some may be deleted */
	MR_VEC(size_t) files;
};

static bool belongs(const struct table_meta *meta, const struct branch *branch, const struct scan_file *file)
{
	if (branch->has_dv != (file->dv != NULL))
		return false;
	for (size_t i = 0; i < meta->partition_count; i++)
		if (!mr_str_eq(branch->values[i], file->partition_values[i]))
			return false;
	return true;
}

/* Sorts the files into branches; false when there are more than BRANCHES_MAX. */
static bool sort_into_branches(const struct scan *scan, struct branch *branches, size_t *count)
{
	*count = 0;
	size_t last = 0; /* neighbours in the log mostly share a partition */
	for (size_t i = 0; i < scan->files.len; i++) {
		const struct scan_file *file = &scan->files.items[i];
		size_t at = last;
		if (at >= *count || !belongs(scan->meta, &branches[at], file))
			for (at = 0; at < *count && !belongs(scan->meta, &branches[at], file);)
				at++;
		if (at == BRANCHES_MAX)
			return false;
		if (at == *count) {
			branches[*count].values = file->partition_values;
			branches[(*count)++].has_dv = file->dv != NULL;
		}
		mr_vec_push(&branches[at].files, i);
		last = at;
	}
	return true;
}

static void put_branch(struct mr_buf *out, const struct scan *scan, const struct branch *branch)
{
	const struct table_meta *meta = scan->meta;
	mr_buf_cstr(out, "SELECT ");
	for (size_t i = 0; i < meta->column_count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		if (meta->columns[i].partition) {
			delta_partition_literal_sql(out, meta, i,
						    branch->values[partition_position(meta, i)]);
			mr_buf_cstr(out, " AS ");
			sql_quote_name(out, meta->defs[i].name);
		} else {
			put_stored(out, meta, i);
		}
	}
	mr_buf_cstr(out, " FROM ");
	put_read(out, scan, branch->files.items, branch->files.len);
	put_where(out, scan, branch->files.items, branch->files.len);
}

/* ---- many: values joined by file index ---- */

static void put_values(struct mr_buf *out, const struct scan *scan)
{
	const struct table_meta *meta = scan->meta;
	mr_buf_cstr(out, "(VALUES ");
	for (size_t i = 0; i < scan->files.len; i++) {
		mr_buf_printf(out, "%s(%zu", i ? ", " : "", i);
		for (size_t j = 0; j < meta->partition_count; j++) {
			mr_buf_cstr(out, ", ");
			delta_partition_literal_sql(out, meta, meta->partition_index[j],
						    scan->files.items[i].partition_values[j]);
		}
		mr_buf_char(out, ')');
	}
	mr_buf_char(out, ')');
}

/* With `positions`, the file's index and the row's position come last. */
static void put_join(struct mr_buf *out, const struct scan *scan, bool positions)
{
	const struct table_meta *meta = scan->meta;
	mr_buf_cstr(out, "(SELECT ");
	for (size_t i = 0; i < meta->column_count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		if (meta->columns[i].partition) {
			mr_buf_printf(out, "v.__mr_p%zu AS ", partition_position(meta, i));
			sql_quote_name(out, meta->defs[i].name);
		} else {
			put_stored(out, meta, i);
		}
	}
	if (positions)
		mr_buf_cstr(out, ", " DELTA_FILE_COLUMN ", " DELTA_ROW_COLUMN);
	mr_buf_cstr(out, " FROM (SELECT *, file_index AS " DELTA_FILE_COLUMN);
	if (positions)
		mr_buf_cstr(out, ", file_row_number AS " DELTA_ROW_COLUMN);
	mr_buf_cstr(out, " FROM ");
	put_read(out, scan, NULL, scan->files.len);
	put_where(out, scan, NULL, scan->files.len);
	mr_buf_cstr(out, ") f");
	if (meta->partition_count) {
		mr_buf_cstr(out, " JOIN ");
		put_values(out, scan);
		mr_buf_cstr(out, " v(__mr_i");
		for (size_t j = 0; j < meta->partition_count; j++)
			mr_buf_printf(out, ", __mr_p%zu", j);
		mr_buf_cstr(out, ") ON f." DELTA_FILE_COLUMN " = v.__mr_i");
	}
	mr_buf_char(out, ')');
}

static void put_scan(struct mr_buf *out, const struct scan *scan)
{
	struct branch branches[BRANCHES_MAX] = {0};
	size_t count;
	if (!scan->files.len) {
		put_empty(out, scan->meta);
		return;
	}
	bool few = sort_into_branches(scan, branches, &count);
	if (!few)
		put_join(out, scan, false);
	for (size_t i = 0; i < count; i++) {
		if (few) {
			mr_buf_cstr(out, i ? " UNION ALL " : "(");
			put_branch(out, scan, &branches[i]);
		}
		mr_vec_release(&branches[i].files);
	}
	if (few)
		mr_buf_char(out, ')');
}

void delta_scan_entries_sql(const struct delta_snapshot *snapshot, const bool *keep, struct mr_buf *out)
{
	struct scan scan = {.disk = snapshot->disk, .table_path = snapshot->path, .meta = snapshot->meta};
	struct arena arena = {0};
	struct file_cursor cursor = file_cursor(snapshot->files, snapshot->entry_count);
	for (struct file_entry *entry; (entry = delta_snapshot_next_file(snapshot, &cursor));)
		if (!keep || keep[cursor.at - 1])
			mr_vec_push(&scan.files,
				    (struct scan_file){delta_file_path(snapshot->files, entry, &arena),
						       entry->partition_values, file_entry_dv(entry),
						       rows_or_guess(entry->rows, entry->size)});
	put_scan(out, &scan);
	arena_release(&arena);
	mr_vec_release(&scan.files);
}

void delta_scan_sql(const struct delta_snapshot *snapshot, struct mr_buf *out)
{
	delta_scan_entries_sql(snapshot, NULL, out);
}

void delta_scan_rows_sql(const struct delta_snapshot *snapshot, const struct delta_data_file *files,
			 size_t count, struct mr_buf *out)
{
	struct scan scan = {.disk = snapshot->disk, .table_path = snapshot->path, .meta = snapshot->meta};
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&scan.files,
			    (struct scan_file){files[i].path, files[i].partition_values, files[i].dv,
					       rows_or_guess(files[i].rows, files[i].size)});
	put_scan(out, &scan);
	mr_vec_release(&scan.files);
}

void delta_scan_files_sql(const struct delta_snapshot *snapshot, const struct delta_data_file *files,
			  size_t count, struct mr_buf *out)
{
	struct scan scan = {.disk = snapshot->disk, .table_path = snapshot->path, .meta = snapshot->meta};
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&scan.files,
			    (struct scan_file){files[i].path, files[i].partition_values, files[i].dv,
					       rows_or_guess(files[i].rows, files[i].size)});
	if (count) {
		put_join(out, &scan, true);
	} else {
		mr_buf_cstr(out, "(SELECT *, CAST(0 AS UBIGINT) AS " DELTA_FILE_COLUMN
				 ", CAST(0 AS BIGINT) AS " DELTA_ROW_COLUMN " FROM ");
		put_empty(out, snapshot->meta);
		mr_buf_char(out, ')');
	}
	mr_vec_release(&scan.files);
}

void delta_partition_values_sql(const struct delta_snapshot *snapshot, const struct delta_data_file *files,
				size_t count, struct mr_buf *out)
{
	struct scan scan = {.disk = snapshot->disk, .table_path = snapshot->path, .meta = snapshot->meta};
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&scan.files, (struct scan_file){.path = files[i].path,
							    .partition_values = files[i].partition_values});
	mr_buf_cstr(out, "(SELECT * FROM ");
	put_values(out, &scan);
	mr_buf_cstr(out, " v(" DELTA_FILE_COLUMN);
	for (size_t j = 0; j < snapshot->meta->partition_count; j++) {
		mr_buf_cstr(out, ", ");
		sql_quote_name(out, snapshot->meta->partition_names[j]);
	}
	mr_buf_cstr(out, "))");
	mr_vec_release(&scan.files);
}
