/* lake/restore.c - RESTORE [TABLE] t TO VERSION AS OF n | TIMESTAMP AS OF x.
 *
 * The old version's files that are gone come back, those that came since go: one version more, of
 * which the old one is not changed. Fails when VACUUM has taken a file.
 */
#include "lake/change.h"
#include "lake/define.h"

/* A file with another vector is another file. */
static bool has_file(struct mr_map *map, const struct delta_data_file *file)
{
	const struct delta_data_file *known = mr_map_get(map, file->path);
	return known && delta_dv_same(known->dv, file->dv);
}

static int check_there(const struct change *c, int64_t version, mr_str name, struct mr_error *err)
{
	char *path = name.ptr[0] == '/' ? mr_strndup(name)
					: mr_asprintf("%s/%.*s", delta_path(c->table), MR_FMT(name));
	bool there = disk_exists(c->s->lake->options.env->disk, path);
	free(path);
	if (there)
		return 0;
	mr_fail(err, MR_ERR_NOT_FOUND, "version %lld needs %.*s, which is not there any more",
		(long long)version, MR_FMT(name));
	return mr_hint(err, "VACUUM removed it: choose a newer version");
}

static int check_file(const struct change *c, int64_t version, const struct delta_data_file *file,
		      struct mr_error *err)
{
	mr_str name;
	int rc = check_there(c, version, file->path, err);
	if (rc < 0 || !file->dv)
		return rc;
	rc = delta_dv_path(file->dv, &c->s->arena, &name, err);
	return rc == 0 ? check_there(c, version, name, err) : rc < 0 ? rc : 0;
}

static const struct delta_row_ids *row_ids(const struct delta_data_file *file, struct arena *arena)
{
	if (file->base_row_id < 0)
		return NULL;
	struct delta_row_ids *ids = arena_alloc(arena, sizeof *ids);
	*ids = (struct delta_row_ids){file->base_row_id, file->default_row_commit_version};
	return ids;
}

static int bring_back(struct change *c, const struct delta_snapshot *old, struct mr_error *err)
{
	struct delta_data_file *files;
	struct mr_map now = {0}, then = {0};
	size_t count = delta_files(old, &c->s->arena, &files);
	int rc = 0;
	for (size_t i = 0; i < c->file_count; i++)
		mr_map_put(&now, c->files[i].path, &c->files[i]);
	for (size_t i = 0; i < count && rc == 0; i++) {
		mr_map_put(&then, files[i].path, &files[i]);
		if (has_file(&now, &files[i]))
			continue;
		rc = check_file(c, delta_version(old), &files[i], err);
		struct delta_file file = {.path = files[i].path,
					  .partition_values = (mr_str *)(uintptr_t)files[i].partition_values,
					  .size = files[i].size,
					  .rows = files[i].rows,
					  .stats_json = files[i].stats,
					  .dv = files[i].dv,
					  .row_ids = row_ids(&files[i], &c->s->arena)};
		mr_vec_push(&c->added, file);
	}
	for (size_t i = 0; i < c->file_count; i++)
		if (!has_file(&then, &c->files[i]))
			change_remove(c, i);
	mr_map_release(&now);
	mr_map_release(&then);
	return rc;
}

static int restore(struct change *c, const struct delta_snapshot *old, struct mr_buf *report,
		   struct mr_error *err)
{
	int64_t removed = 0;
	int rc = bring_back(c, old, err);
	if (rc == 0 && !mr_str_eq(delta_metadata_json(old), delta_metadata_json(c->base)))
		c->metadata = delta_metadata_json(old);
	for (size_t i = 0; i < c->file_count; i++)
		removed += c->removed[i];
	int64_t restored = (int64_t)c->added.len;
	change_metric(c, "numRestoredFiles", restored);
	change_metric(c, "numRemovedFiles", removed);
	c->reads_table = true;
	mr_str parameters =
	    arena_printf(&c->s->arena, "{\"version\":\"%lld\"}", (long long)delta_version(old));
	if (rc == 0)
		rc = change_commit(c, "RESTORE", parameters.ptr, err);
	c->added.len = 0; /* not ours to remove, whatever came of it */
	if (rc == 0)
		mr_buf_printf(report,
			      "SELECT CAST(%lld AS BIGINT) AS restored_version, CAST(%lld AS BIGINT) AS "
			      "num_restored_files, CAST(%lld AS BIGINT) AS num_removed_files",
			      (long long)delta_version(old), (long long)restored, (long long)removed);
	return rc;
}

int lake_restore(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct table_name name;
	struct table_time time = {0};
	struct delta_table *table;
	struct delta_snapshot *old;
	struct change c;
	parser_take(p, "table");
	int rc = parser_table(p, &name);
	if (rc == 0)
		rc = parser_expect(p, "to");
	if (rc == 0)
		rc = lake_parse_time(s, p, &time);
	if (rc == 0 && time.kind == TIME_NOW)
		return parser_fail(p, "VERSION AS OF or TIMESTAMP AS OF");
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = lake_resolve(s, &name, true, &table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	if (rc == 0)
		rc = lake_snapshot(table, &time, &old, p->err);
	if (rc < 0)
		return rc;
	rc = change_open(&c, s, table, p->err);
	if (rc == 0) {
		rc = restore(&c, old, report, p->err);
		change_close(&c);
	}
	delta_snapshot_unref(old);
	return rc < 0 ? rc : 1;
}
