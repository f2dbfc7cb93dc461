/* lake/convert.c - CONVERT TO DELTA parquet.`/path` [NO STATISTICS] [PARTITIONED BY (a INT, ...)]: a folder
 * of Parquet files becomes a Delta table where it is. No file is written or moved but the log.
 *
 * Partition values come from the folders' names, a=1/b=x, as Hive and Spark write them; their types from
 * PARTITIONED BY. Names that start with '_' or '.' are passed over.
 */
#include "lake/define.h"
#include "lake/internal.h"

#include <ctype.h>
#include <stdlib.h>

#define DEPTH_MAX 32
#define NULL_PARTITION "__HIVE_DEFAULT_PARTITION__"

struct conversion {
	struct lake_session *s;
	struct delta_table *table;
	struct definition def;
	mr_str path;
	bool no_statistics;
	size_t partition_count;
	mr_str *partition_types; /* as written */
	MR_VEC(struct delta_file) files;
	const char *folder;
	int depth;
	struct mr_error *err;
};

/* ---- what there is ---- */

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* %3A -> ':' */
static mr_str unescape(mr_str text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		bool escaped = text.ptr[i] == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 &&
			       hex(text.ptr[i + 2]) >= 0;
		out[n++] = escaped ? (char)(hex(text.ptr[i + 1]) << 4 | hex(text.ptr[i + 2])) : text.ptr[i];
		i += escaped ? 2 : 0;
	}
	out[n] = 0;
	return mr_str_n(out, n);
}

static int bad_folder(const struct conversion *c, mr_str path, const char *what)
{
	mr_fail(c->err, MR_ERR_INVALID, "%.*s: %s", MR_FMT(path), what);
	return mr_hint(c->err,
		       "CONVERT TO DELTA parquet.`path` PARTITIONED BY (column TYPE, ...) names the folders' "
		       "columns, in their order");
}

/* "a=1/b=x/part.parquet": the values of a and b. */
static int read_values(struct conversion *c, struct delta_file *file)
{
	struct arena *arena = &c->s->arena;
	size_t at = 0, found = 0;
	file->partition_values = arena_calloc(arena, c->partition_count + 1, sizeof *file->partition_values);
	for (;;) {
		mr_str rest = mr_str_tail(file->path, at);
		const char *slash = memchr(rest.ptr, '/', rest.len);
		size_t len = slash ? (size_t)(slash - rest.ptr) : 0;
		const char *equals = len ? memchr(rest.ptr, '=', len) : NULL;
		if (!slash)
			break;
		at += len + 1;
		if (!equals)
			continue;
		mr_str name = unescape(mr_str_n(rest.ptr, (size_t)(equals - rest.ptr)), arena);
		mr_str value = unescape(mr_str_n(equals + 1, len - name.len - 1), arena);
		if (found == c->partition_count)
			return bad_folder(c, file->path,
					  "a folder names a column that PARTITIONED BY does not");
		const struct field *field = definition_find(&c->def, name);
		mr_str want = c->def.partition_by.items[found];
		if (!field || !mr_str_eq(field->name, want))
			return bad_folder(c, file->path,
					  "its folders name other columns than PARTITIONED BY");
		file->partition_values[found++] = mr_str_is(value, NULL_PARTITION) ? MR_STR_NULL : value;
	}
	return found == c->partition_count
		   ? 0
		   : bad_folder(c, file->path, "it is in no folder of a partition column");
}

static int visit_folder(struct conversion *c, const char *relative);

static int visit(void *arg, const char *name, const struct file_info *info)
{
	struct conversion *c = arg;
	if ((name[0] == '_' || name[0] == '.') && !strchr(name, '='))
		return 0;
	char *path = *c->folder ? mr_asprintf("%s/%s", c->folder, name) : mr_strdup(name);
	int rc;
	if (info->is_dir) {
		rc = visit_folder(c, path);
	} else {
		struct delta_file file = {.path = arena_copy(&c->s->arena, mr_str_from(path))};
		rc = read_values(c, &file);
		mr_vec_push(&c->files, file);
	}
	free(path);
	return rc;
}

static int visit_folder(struct conversion *c, const char *relative)
{
	if (c->depth == DEPTH_MAX)
		return mr_fail(c->err, MR_ERR_LIMIT, "folders nest deeper than %d", DEPTH_MAX);
	const char *before = c->folder;
	char *path = mr_asprintf("%s/%s", delta_path(c->table), relative);
	c->folder = relative;
	c->depth++;
	int rc = disk_list(c->s->lake->options.env->disk, path, visit, c, c->err);
	c->depth--;
	c->folder = before;
	free(path);
	return rc;
}

/* ---- what they hold ---- */

/* The files' own columns, in front of those of the folders. */
static int read_columns(struct conversion *c)
{
	struct mr_buf query = {0};
	struct definition own;
	int local = lake_check_local(c->table, "CONVERT TO DELTA", c->err);
	if (local < 0)
		return local;
	definition_init(&own, &c->s->arena);
	mr_buf_cstr(&query, "SELECT * FROM read_parquet([");
	for (size_t i = 0; i < c->files.len; i++) {
		char *path = mr_asprintf("%s/%.*s", delta_path(c->table), MR_FMT(c->files.items[i].path));
		mr_buf_cstr(&query, i ? ", " : "");
		delta_scan_put_path(&query, mr_str_from(path));
		free(path);
	}
	mr_buf_cstr(&query, "], union_by_name = true, hive_partitioning = false)");
	int rc = definition_of_query(&own, c->s->conn, mr_buf_view(&query), c->err);
	for (size_t i = 0; i < c->def.fields.len && rc == 0; i++) {
		if (definition_find(&own, c->def.fields.items[i].name))
			rc = mr_fail(c->err, MR_ERR_INVALID,
				     "column %.*s is in the files and in the folders' names",
				     MR_FMT(c->def.fields.items[i].name));
		else
			mr_vec_push(&own.fields, c->def.fields.items[i]);
	}
	if (rc == 0) {
		c->def.fields.len = 0;
		for (size_t i = 0; i < own.fields.len; i++)
			mr_vec_push(&c->def.fields, own.fields.items[i]);
	}
	definition_release(&own);
	mr_buf_release(&query);
	return rc;
}

/* A value that is none of its column's type would make the table unreadable. */
static int check_values(struct conversion *c, size_t partition)
{
	struct mr_buf query = {0};
	struct sql_result *result = NULL;
	mr_buf_cstr(&query, "SELECT v FROM (VALUES ");
	for (size_t i = 0; i < c->files.len; i++) {
		mr_str value = c->files.items[i].partition_values[partition];
		mr_buf_cstr(&query, i ? ", (" : "(");
		if (value.ptr)
			sql_quote_literal(&query, value);
		else
			mr_buf_cstr(&query, "NULL");
		mr_buf_char(&query, ')');
	}
	mr_buf_printf(&query, ") AS t(v) WHERE v IS NOT NULL AND TRY_CAST(v AS %.*s) IS NULL LIMIT 1",
		      MR_FMT(c->partition_types[partition]));
	int rc = sql_query(c->s->conn, mr_buf_view(&query), &result, c->err);
	if (rc == 0)
		rc = sql_next(result, c->err);
	if (rc == 1) {
		mr_str bad = arena_copy(&c->s->arena, sql_text(result, 0));
		rc = mr_fail(c->err, MR_ERR_INVALID, "partition %.*s=%.*s is no %.*s",
			     MR_FMT(c->def.partition_by.items[partition]), MR_FMT(bad),
			     MR_FMT(c->partition_types[partition]));
	}
	sql_result_free(result);
	mr_buf_release(&query);
	return rc;
}

static int commit(struct conversion *c)
{
	const char *features[DEFINITION_FEATURES_MAX];
	struct mr_buf metadata = {0};
	char id[37];
	int64_t version;
	rng_uuid(c->s->lake->options.env->rng, id);
	c->def.id = arena_copy(&c->s->arena, mr_str_from(id));
	c->def.created_ms = clock_wall_ms(c->s->lake->options.env->clock);
	definition_write(&c->def, &metadata);
	struct delta_commit commit = {.operation = "CONVERT",
				      .operation_parameters = MR_STR("{\"sourceFormat\":\"parquet\"}"),
				      .metadata = mr_buf_view(&metadata),
				      .features = features,
				      .feature_count = definition_features(&c->def, features),
				      .creates = true,
				      .files = c->files.items,
				      .file_count = c->files.len,
				      .enforced = true};
	int rc = delta_adopt_files(c->table, mr_buf_view(&metadata), c->s->conn, c->files.items, c->files.len,
				   &c->s->arena, c->err);
	for (size_t i = 0; i < c->files.len && rc == 0 && c->no_statistics; i++)
		c->files.items[i].stats_json =
		    arena_printf(&c->s->arena, "{\"numRecords\":%lld}", (long long)c->files.items[i].rows);
	if (rc == 0)
		rc = delta_commit(c->table, &commit, &version, c->err);
	mr_buf_release(&metadata);
	return rc;
}

static int convert(struct conversion *c)
{
	int rc = visit_folder(c, "");
	if (rc == 0 && !c->files.len)
		rc = mr_fail(c->err, MR_ERR_NOT_FOUND, "there are no Parquet files in %s",
			     delta_path(c->table));
	if (rc == 0)
		rc = read_columns(c);
	if (rc == 0)
		rc = definition_check(&c->def, c->err);
	for (size_t i = 0; i < c->partition_count && rc == 0; i++)
		rc = check_values(c, i);
	return rc == 0 ? commit(c) : rc;
}

/* ---- the statement ---- */

static int parse_partitions(struct conversion *c, struct parser *p)
{
	MR_VEC(mr_str) types = {0};
	int rc = parser_expect(p, "(");
	while (rc == 0) {
		struct field field = {.metadata = MR_STR("{}")};
		rc = parser_word(p, "a column's name", &field.name);
		size_t from = parser_peek(p)->at;
		if (rc == 0)
			rc = parse_type(p, &field.type);
		if (rc < 0)
			break;
		const struct token *last = &p->tokens[p->at - 1];
		mr_vec_push(&types, mr_str_n(p->text.ptr + from, last->at + last->text.len - from));
		mr_vec_push(&c->def.fields, field);
		mr_vec_push(&c->def.partition_by, field.name);
		if (!parser_take(p, ",")) {
			rc = parser_expect(p, ")");
			break;
		}
	}
	c->partition_count = types.len;
	c->partition_types = arena_alloc(&c->s->arena, (types.len + 1) * sizeof *c->partition_types);
	for (size_t i = 0; i < types.len; i++)
		c->partition_types[i] = types.items[i];
	mr_vec_release(&types);
	return rc;
}

static int parse(struct conversion *c, struct parser *p)
{
	int rc = parser_expect(p, "parquet");
	if (rc == 0)
		rc = parser_expect(p, ".");
	if (rc == 0)
		rc = parser_word(p, "the folder's path in backquotes", &c->path);
	if (rc == 0)
		c->no_statistics = parser_take(p, "no statistics");
	if (rc == 0 && parser_take(p, "partitioned by"))
		rc = parse_partitions(c, p);
	return rc == 0 ? parser_end(p) : rc;
}

int lake_convert(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct conversion c = {.s = s, .err = p->err, .folder = ""};
	struct delta_snapshot *before = NULL;
	definition_init(&c.def, &s->arena);
	int rc = parse(&c, p);
	if (rc == 0)
		rc = lake_at_path(s->lake, c.path, &c.table, p->err);
	if (rc == 0)
		rc = delta_snapshot(c.table, &before, p->err);
	bool there = rc == 0;
	if (rc == MR_ERR_NOT_FOUND)
		rc = convert(&c);
	delta_snapshot_unref(before);
	definition_release(&c.def);
	if (rc == 0)
		mr_buf_printf(report, "SELECT %s AS converted, CAST(%zu AS BIGINT) AS files",
			      there ? "false" : "true", c.files.len);
	mr_vec_release(&c.files);
	return rc < 0 ? rc : 1;
}
