/* lake/fsck.c - FSCK [TABLE] t [NO STATISTICS]: what the log says of the table's files, held against the
 * disk. It changes nothing.
 *
 *   missing    a data file or deletion vector of the newest version is not there
 *   size       a data file has another size than the log says
 *   footer     a data file cannot be read as Parquet
 *   statistics numRecords is not the number of rows in the file; or (fsck_stats.c) a row lies outside of
 *              the bounds, or there are more or fewer NULLs
 *   checkpoint one says another thing than the commits before it
 *   vector     a deletion vector is damaged, or deletes another number of rows than the log says
 *   orphan     no version that the log knows of names the file: VACUUM takes it once it is old enough
 */
#include "lake/fsck.h"

void fsck_found(struct fsck *f, const char *problem, mr_str file, mr_str detail)
{
	mr_buf_printf(&f->rows, "%s('%s', ", f->count++ ? ", " : "", problem);
	sql_quote_literal(&f->rows, file);
	mr_buf_cstr(&f->rows, ", ");
	sql_quote_literal(&f->rows, detail);
	mr_buf_char(&f->rows, ')');
}

static void check_rows(struct fsck *f, const struct delta_data_file *file, const char *path)
{
	struct mr_buf sql = {0};
	struct sql_result *result = NULL;
	struct mr_error err = {0};
	int64_t said = file->rows < 0 ? -1 : file->rows + (file->dv ? file->dv->cardinality : 0);
	mr_buf_cstr(&sql, "SELECT num_rows FROM parquet_file_metadata(");
	sql_quote_literal(&sql, mr_str_from(path));
	mr_buf_char(&sql, ')');
	int rc = sql_query(f->s->conn, mr_buf_view(&sql), &result, &err);
	if (rc == 0)
		rc = sql_next(result, &err);
	if (rc < 0)
		fsck_found(f, "footer", file->path, mr_str_from(err.message));
	else if (said >= 0 && (rc != 1 || sql_int(result, 0) != said))
		fsck_found(f, "statistics", file->path,
			   arena_printf(&f->s->arena, "numRecords is %lld, the file has %lld rows",
					(long long)said, (long long)(rc == 1 ? sql_int(result, 0) : 0)));
	sql_result_free(result);
	mr_buf_release(&sql);
}

static void check_data(struct fsck *f, const struct delta_data_file *file)
{
	struct file_info info;
	struct mr_error err = {0};
	char *path = file->path.ptr[0] == '/'
			 ? mr_strndup(file->path)
			 : mr_asprintf("%s/%.*s", delta_path(f->table), MR_FMT(file->path));
	int rc = disk_stat(f->s->lake->options.env->disk, path, &info, &err);
	if (rc < 0)
		fsck_found(f, "missing", file->path, mr_str_from(err.message));
	else if (info.size != file->size)
		fsck_found(f, "size", file->path,
			   arena_printf(&f->s->arena, "the log says %lld bytes, the file has %lld",
					(long long)file->size, (long long)info.size));
	if (rc == 0)
		check_rows(f, file, path);
	if (rc == 0 && f->reads_rows)
		fsck_statistics(f, file);
	free(path);
}

static void note_checkpoint(void *arg, int64_t version, mr_str what)
{
	struct fsck *f = arg;
	fsck_found(f, "checkpoint", arena_printf(&f->s->arena, "version %lld", (long long)version), what);
}

static void check_vector(struct fsck *f, const struct delta_data_file *file)
{
	struct delta_bitmap *bitmap = NULL;
	struct mr_error err = {0};
	if (!file->dv)
		return;
	int rc = delta_dv_read(f->s->lake->options.env, delta_path(f->table), file->dv, &bitmap, &err);
	if (rc < 0)
		fsck_found(f, rc == MR_ERR_NOT_FOUND ? "missing" : "vector", file->path,
			   mr_str_from(err.message));
	delta_bitmap_free(bitmap);
}

static int check(struct fsck *f, struct mr_error *err)
{
	struct delta_snapshot *snapshot;
	struct delta_data_file *files;
	mr_str *orphans;
	size_t orphan_count;
	int rc = delta_snapshot(f->table, &snapshot, err);
	if (rc < 0)
		return rc;
	f->snapshot = snapshot;
	size_t count = delta_files(snapshot, &f->s->arena, &files);
	for (size_t i = 0; i < count; i++) {
		check_data(f, &files[i]);
		check_vector(f, &files[i]);
	}
	rc = lake_unnamed_files(f->s, f->table, snapshot, &orphans, &orphan_count, err);
	for (size_t i = 0; i < orphan_count && rc == 0; i++)
		fsck_found(f, "orphan", orphans[i], MR_STR("no version that the log knows of names it"));
	if (rc == 0)
		rc = delta_audit_checkpoints(f->table, note_checkpoint, f, err);
	delta_snapshot_unref(snapshot);
	return rc;
}

int lake_fsck(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct table_name name;
	struct fsck f = {.s = s};
	parser_take(p, "table");
	int rc = parser_table(p, &name);
	f.reads_rows = rc == 0 && !parser_take(p, "no statistics");
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = lake_resolve(s, &name, false, &f.table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	if (rc == 0)
		rc = check(&f, p->err);
	if (rc == 0)
		mr_buf_printf(report,
			      "SELECT problem, file, detail FROM (VALUES %s) AS f(problem, file, detail) "
			      "WHERE problem <> '' ORDER BY ALL",
			      f.count ? f.rows.ptr : "('', '', '')");
	mr_buf_release(&f.rows);
	return rc < 0 ? rc : 1;
}
