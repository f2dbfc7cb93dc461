/* lake/clone.c - CREATE TABLE t SHALLOW CLONE source [VERSION | TIMESTAMP AS OF x]: a table of its own, with
 * its own log and its own changes, whose first version names the files of another.
 *
 * Files and deletion vectors are named by absolute paths. VACUUM of the clone never touches them; VACUUM of
 * the source may remove what only the clone still names, as in Spark.
 */
#include "lake/clone.h"

static mr_str absolute(const struct delta_table *table, mr_str path, struct arena *arena)
{
	if (path.ptr[0] == '/')
		return path;
	return arena_printf(arena, "%s/%.*s", delta_path(table), MR_FMT(path));
}

static int clone_vector(const struct delta_table *table, const struct delta_dv *from, struct arena *arena,
			const struct delta_dv **out, struct mr_error *err)
{
	mr_str path;
	int rc = delta_dv_path(from, arena, &path, err);
	*out = from;
	if (rc != 0)
		return rc < 0 ? rc : 0; /* inline */
	struct delta_dv *dv = arena_alloc(arena, sizeof *dv);
	*dv = *from;
	dv->storage = 'p';
	dv->data = absolute(table, path, arena);
	*out = dv;
	return 0;
}

static int clone_files(const struct delta_table *table, const struct delta_snapshot *snapshot,
		       struct clone *out, struct arena *arena, struct mr_error *err)
{
	struct delta_data_file *files;
	size_t count = delta_files(snapshot, arena, &files);
	struct delta_file *copies = arena_calloc(arena, count + 1, sizeof *copies);
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		copies[i] = (struct delta_file){
		    .path = absolute(table, files[i].path, arena),
		    .partition_values = (mr_str *)(uintptr_t)files[i].partition_values,
		    .size = files[i].size,
		    .rows = files[i].rows,
		    .stats_json = files[i].stats,
		    .clustered = files[i].clustered,
		};
		out->has_vectors |= files[i].dv != NULL;
		if (files[i].dv)
			rc = clone_vector(table, files[i].dv, arena, &copies[i].dv, err);
	}
	out->files = copies;
	out->file_count = count;
	return rc;
}

/* What the statement says itself stands before what the source says. */
static int clone_definition(const struct delta_snapshot *snapshot, struct definition *def,
			    struct mr_error *err)
{
	struct definition from;
	definition_init(&from, def->arena);
	int rc = definition_read(&from, delta_metadata_json(snapshot), err);
	for (size_t i = 0; i < from.fields.len && rc == 0; i++)
		mr_vec_push(&def->fields, from.fields.items[i]);
	for (size_t i = 0; i < from.partition_by.len && rc == 0; i++)
		mr_vec_push(&def->partition_by, from.partition_by.items[i]);
	for (size_t i = 0; i < from.properties.len && rc == 0; i++)
		if (!definition_property(def, from.properties.items[i].key.ptr).ptr)
			mr_vec_push(&def->properties, from.properties.items[i]);
	if (!def->description.len)
		def->description = from.description;
	definition_release(&from);
	return rc;
}

int clone_parse(struct lake_session *s, struct parser *p, struct clone *out)
{
	out->given = true;
	int rc = parser_table(p, &out->name);
	if (rc == 0 && out->name.path.len)
		lake_cut_time(&out->name.path, &out->time);
	return rc == 0 ? lake_parse_time(s, p, &out->time) : rc;
}

int clone_read(struct lake_session *s, struct clone *c, struct definition *def, struct mr_error *err)
{
	int rc = lake_resolve(s, &c->name, false, &c->table, err);
	if (rc == 1)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(c->name.text));
	/* It would name files by where their copies lie. */
	if (rc == 0)
		rc = lake_check_local(c->table, "SHALLOW CLONE", err);
	if (rc == 0)
		rc = lake_snapshot(c->table, &c->time, &c->snapshot, err);
	if (rc == 0)
		rc = clone_definition(c->snapshot, def, err);
	if (rc == 0)
		rc = clone_files(c->table, c->snapshot, c, &s->arena, err);
	if (rc < 0)
		return rc;
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	json_member_str(&w, "source", c->name.text);
	mr_str version = arena_printf(&s->arena, "%lld", (long long)delta_version(c->snapshot));
	json_member_str(&w, "sourceVersion", version);
	json_member_cstr(&w, "isShallow", "true");
	json_end_object(&w);
	c->parameters = arena_copy(&s->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return 0;
}

void clone_release(struct clone *c)
{
	delta_snapshot_unref(c->snapshot);
	c->snapshot = NULL;
}
