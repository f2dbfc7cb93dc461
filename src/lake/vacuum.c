/* lake/vacuum.c - VACUUM t [RETAIN n HOURS] [DRY RUN]: files that no version within the retention
 * time needs.
 *
 * Kept: files and deletion vectors of the newest version, those that left it less than the retention time
 * ago, files younger than that (a writer may be about to commit them), and whatever is below a folder or has
 * a name that starts with '_' or '.', but for _change_data.
 */
#include "lake/internal.h"

#include <unistd.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define RETAIN_HOURS_DEFAULT 168
#define DEPTH_MAX 32

struct vacuum {
	struct lake_session *s;
	struct delta_table *table;
	struct mr_map keep;
	int64_t removed_ms; /* what left the table at that time or later is kept */
	int64_t cutoff_ms, bytes;
	MR_VEC(char *) doomed; /* relative paths */
	const char *folder;
	int depth;
	struct mr_error *err;
};

static int visit_folder(struct vacuum *v, const char *relative);

static bool is_hidden(const char *name)
{
	return (name[0] == '_' || name[0] == '.') && strcmp(name, "_change_data") != 0 && !strchr(name, '=');
}

static int visit(void *arg, const char *name, const struct file_info *info)
{
	struct vacuum *v = arg;
	if (is_hidden(name))
		return 0;
	char *path = *v->folder ? mr_asprintf("%s/%s", v->folder, name) : mr_strdup(name);
	int rc = 0;
	if (info->is_dir) {
		rc = visit_folder(v, path);
	} else if (!mr_map_get(&v->keep, mr_str_from(path)) && info->mtime_ms < v->cutoff_ms) {
		v->bytes += info->size;
		mr_vec_push(&v->doomed, path);
		return 0;
	}
	free(path);
	return rc;
}

static int visit_folder(struct vacuum *v, const char *relative)
{
	if (v->depth == DEPTH_MAX)
		return mr_fail(v->err, MR_ERR_LIMIT, "folders nest deeper than %d", DEPTH_MAX);
	const char *before = v->folder;
	char *path = mr_asprintf("%s/%s", delta_path(v->table), relative);
	v->folder = relative;
	v->depth++;
	int rc = disk_list(v->s->lake->options.env->disk, path, visit, v, v->err);
	v->depth--;
	v->folder = before;
	free(path);
	return rc;
}

/* A vector that lies elsewhere, or in the log itself, is not of the files that are looked at. */
static int keep_vector(struct vacuum *v, const struct delta_dv *dv)
{
	mr_str path;
	int rc = delta_dv_path(dv, &v->s->arena, &path, v->err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	mr_str root = mr_str_from(delta_path(v->table));
	if (mr_str_starts(path, root) && path.len > root.len && path.ptr[root.len] == '/')
		path = mr_str_tail(path, root.len + 1);
	mr_map_put(&v->keep, path, v);
	return 0;
}

static int note_kept(struct vacuum *v, const struct delta_snapshot *snapshot)
{
	struct delta_removed *removed;
	int rc = 0;
	struct delta_data_file *files;
	size_t count = delta_files(snapshot, &v->s->arena, &files);
	for (size_t i = 0; i < count && rc == 0; i++) {
		mr_map_put(&v->keep, files[i].path, v);
		rc = files[i].dv ? keep_vector(v, files[i].dv) : 0;
	}
	count = delta_removed_since(snapshot, v->removed_ms, &v->s->arena, &removed);
	for (size_t i = 0; i < count && rc == 0; i++) {
		mr_map_put(&v->keep, removed[i].path, v);
		rc = removed[i].dv ? keep_vector(v, removed[i].dv) : 0;
	}
	return rc;
}

static int remove_doomed(struct vacuum *v)
{
	int rc = 0;
	for (size_t i = 0; i < v->doomed.len && rc == 0; i++) {
		char *path = mr_asprintf("%s/%s", delta_path(v->table), v->doomed.items[i]);
		rc = disk_unlink(v->s->lake->options.env->disk, path, v->err);
		if (rc == MR_ERR_NOT_FOUND) /* another VACUUM was there */
			rc = 0;
		free(path);
	}
	return rc;
}

static int64_t retention_hours(const struct delta_snapshot *snapshot)
{
	return delta_property_ms(snapshot, "delta.deletedFileRetentionDuration",
				 RETAIN_HOURS_DEFAULT * HOUR_MS) /
	       HOUR_MS;
}

static int check_age(const struct delta_snapshot *snapshot, int64_t hours, struct mr_error *err)
{
	int64_t least = retention_hours(snapshot);
	if (hours >= least)
		return 0;
	mr_fail(err, MR_ERR_INVALID,
		"RETAIN %lld HOURS is less than the table's %lld: readers of older versions and writers that "
		"have "
		"not committed would lose files",
		(long long)hours, (long long)least);
	return mr_hint(err,
		       "if none runs: ALTER TABLE ... SET TBLPROPERTIES "
		       "('delta.deletedFileRetentionDuration' = 'interval %lld hours')",
		       (long long)hours);
}

static void put_report(const struct vacuum *v, bool dry_run, struct mr_buf *report)
{
	if (!dry_run) {
		mr_buf_printf(
		    report,
		    "SELECT CAST(%zu AS BIGINT) AS files_deleted, CAST(%lld AS BIGINT) AS bytes_deleted",
		    v->doomed.len, (long long)v->bytes);
		return;
	}
	mr_buf_cstr(report, "SELECT unnest(CAST([");
	for (size_t i = 0; i < v->doomed.len; i++) {
		mr_buf_cstr(report, i ? ", " : "");
		sql_quote_literal(report, mr_str_from(v->doomed.items[i]));
	}
	mr_buf_cstr(report, "] AS VARCHAR[])) AS path");
}

static int vacuum(struct vacuum *v, int64_t hours, bool dry_run)
{
	struct delta_snapshot *snapshot;
	int rc = delta_snapshot(v->table, &snapshot, v->err);
	if (rc < 0)
		return rc;
	if (hours < 0)
		hours = retention_hours(snapshot);
	v->cutoff_ms = clock_wall_ms(v->s->lake->options.env->clock) - hours * HOUR_MS;
	v->removed_ms = v->cutoff_ms;
	rc = check_age(snapshot, hours, v->err);
	/* Who cannot write the table cannot know which of its files matter. */
	if (rc == 0)
		rc = delta_check_writable(v->table, v->err);
	if (rc == 0)
		rc = note_kept(v, snapshot);
	if (rc == 0)
		rc = visit_folder(v, "");
	if (rc == 0 && !dry_run)
		rc = remove_doomed(v);
	delta_snapshot_unref(snapshot);
	return rc;
}

static void release(struct vacuum *v)
{
	for (size_t i = 0; i < v->doomed.len; i++)
		free(v->doomed.items[i]);
	mr_vec_release(&v->doomed);
	mr_map_release(&v->keep);
}

int lake_unnamed_files(struct lake_session *s, struct delta_table *table,
		       const struct delta_snapshot *snapshot, mr_str **out, size_t *count,
		       struct mr_error *err)
{
	struct vacuum v = {
	    .s = s, .table = table, .err = err, .folder = "", .removed_ms = 0, .cutoff_ms = INT64_MAX};
	int rc = note_kept(&v, snapshot);
	if (rc == 0)
		rc = visit_folder(&v, "");
	mr_str *paths = arena_alloc(&s->arena, (v.doomed.len + 1) * sizeof *paths);
	/* Change data is named by commits alone, which are not read here. */
	*count = 0;
	for (size_t i = 0; i < v.doomed.len && rc == 0; i++)
		if (strncmp(v.doomed.items[i], "_change_data/", 13) != 0)
			paths[(*count)++] = arena_copy(&s->arena, mr_str_from(v.doomed.items[i]));
	*out = paths;
	release(&v);
	return rc;
}

int lake_sweep(struct lake_session *session, struct delta_table *table, int64_t *files, int64_t *bytes,
	       struct mr_error *err)
{
	struct vacuum v = {.s = session, .table = table, .err = err, .folder = ""};
	int rc = vacuum(&v, -1, false);
	if (rc == 0) {
		*files = (int64_t)v.doomed.len;
		*bytes = v.bytes;
		rc = v.doomed.len == 0;
	}
	release(&v);
	return rc;
}

int lake_vacuum(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct table_name name;
	struct vacuum v = {.s = s, .err = p->err, .folder = ""};
	int64_t hours = -1;
	bool dry_run = false;
	int rc = parser_table(p, &name);
	if (rc == 0 && parser_take(p, "retain")) {
		rc = parser_integer(p, "a number of hours", &hours);
		if (rc == 0)
			rc = parser_expect(p, "hours");
		if (rc == 0 && hours > 1000000)
			return mr_fail(p->err, MR_ERR_INVALID, "RETAIN %lld HOURS is too long",
				       (long long)hours);
	}
	if (rc == 0)
		dry_run = parser_take(p, "dry run");
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = lake_resolve(s, &name, false, &v.table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	if (rc == 0)
		rc = vacuum(&v, hours, dry_run);
	if (rc == 0)
		put_report(&v, dry_run, report);
	release(&v);
	return rc < 0 ? rc : 1;
}
