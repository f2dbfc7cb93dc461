/* delta/schema.c - schemaString and the rest of metaData, both ways.
 *
 * A field: {"name":..,"type":..,"nullable":..,"metadata":{}}; a type is a primitive's name or an
 * object {"type":"struct|array|map", ..} (protocol, "Schema Serialization Format"). Nested
 * columns are read as DuckDB's own nested types; in column_def they are COL_JSON.
 */
#include "delta/internal.h"

#define NESTING_MAX 64

static const char *const sql_types[] = {
    [COL_BOOLEAN] = "BOOLEAN",
    [COL_BYTE] = "TINYINT",
    [COL_SHORT] = "SMALLINT",
    [COL_INTEGER] = "INTEGER",
    [COL_LONG] = "BIGINT",
    [COL_FLOAT] = "FLOAT",
    [COL_DOUBLE] = "DOUBLE",
    [COL_DECIMAL] = "DECIMAL",
    [COL_STRING] = "VARCHAR",
    [COL_BINARY] = "BLOB",
    [COL_DATE] = "DATE",
    [COL_TIMESTAMP] = "TIMESTAMPTZ",
    [COL_TIMESTAMP_NTZ] = "TIMESTAMP",
    [COL_JSON] = "VARCHAR",
};

static int put_type(struct mr_buf *out, struct json_value type, int depth, struct column_def *def,
		    struct mr_error *err);

static int put_primitive(struct mr_buf *out, mr_str name, struct column_def *def, struct mr_error *err)
{
	if (mr_str_is(name, "void")) { /* a column of NULLs only; never stored */
		def->type = COL_INTEGER;
	} else if (mr_str_is(name, "json") || column_type_parse(name, def, NULL) < 0) {
		mr_fail(err, MR_ERR_UNSUPPORTED, "type %.*s is not known here",
			(int)mr_min_size(name.len, 64), name.ptr);
		return MR_ERR_UNSUPPORTED;
	}
	mr_buf_cstr(out, sql_types[def->type]);
	if (def->type == COL_DECIMAL)
		mr_buf_printf(out, "(%u,%u)", def->precision, def->scale);
	return 0;
}

static int put_struct(struct mr_buf *out, struct json_value fields, int depth, struct mr_error *err)
{
	mr_buf_cstr(out, "STRUCT(");
	const char *comma = "";
	for (struct json_iter it = json_iter(fields); json_next(&it); comma = ", ") {
		struct column_def inner;
		mr_buf_cstr(out, comma);
		sql_quote_name(out, json_str(json_get(it.value, "name")));
		mr_buf_char(out, ' ');
		int rc = put_type(out, json_get(it.value, "type"), depth + 1, &inner, err);
		if (rc < 0)
			return rc;
	}
	mr_buf_char(out, ')');
	return 0;
}

static int put_type(struct mr_buf *out, struct json_value type, int depth, struct column_def *def,
		    struct mr_error *err)
{
	if (json_type(type) == JSON_STRING)
		return put_primitive(out, json_str(type), def, err);
	mr_str kind = json_str(json_get(type, "type"));
	struct column_def inner;
	int rc;
	if (depth > NESTING_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "types nest deeper than %d", NESTING_MAX);
	def->type = COL_JSON;
	if (mr_str_is(kind, "struct"))
		return put_struct(out, json_get(type, "fields"), depth, err);
	if (mr_str_is(kind, "array")) {
		rc = put_type(out, json_get(type, "elementType"), depth + 1, &inner, err);
		mr_buf_cstr(out, "[]");
		return rc;
	}
	if (!mr_str_is(kind, "map"))
		return mr_fail(err, MR_ERR_CORRUPT, "schemaString has a type that is none");
	mr_buf_cstr(out, "MAP(");
	rc = put_type(out, json_get(type, "keyType"), depth + 1, &inner, err);
	mr_buf_cstr(out, ", ");
	if (rc == 0)
		rc = put_type(out, json_get(type, "valueType"), depth + 1, &inner, err);
	mr_buf_char(out, ')');
	return rc;
}

/* At any depth; a column that merely bears such a name is refused too, which is safe. */
static bool schema_mentions(const struct table_meta *meta, const char *key)
{
	return memmem(meta->schema_json.ptr, meta->schema_json.len, key, strlen(key)) != NULL;
}

static void note_column_metadata(struct table_meta *meta)
{
	meta->has_invariants = schema_mentions(meta, "\"delta.invariants\"");
	meta->has_generated = schema_mentions(meta, "\"delta.generationExpression\"");
	meta->has_identity = schema_mentions(meta, "\"delta.identity.");
	meta->has_defaults = schema_mentions(meta, "\"CURRENT_DEFAULT\"");
}

static int read_field(struct table_meta *meta, struct json_value field, size_t at, struct mr_error *err)
{
	struct column_def *def = &meta->defs[at];
	def->name = arena_copy(&meta->arena, json_str(json_get(field, "name")));
	struct json_value nullable = json_get(field, "nullable");
	def->not_null = json_type(nullable) == JSON_BOOL && !json_bool(nullable);
	if (!def->name.len)
		return mr_fail(err, MR_ERR_CORRUPT, "schemaString has a field without a name");
	for (size_t i = 0; i < at; i++)
		if (mr_str_eq(meta->defs[i].name, def->name))
			return mr_fail(err, MR_ERR_CORRUPT, "schemaString has two columns %.*s",
				       MR_FMT(def->name));
	struct mr_buf type = {0};
	int rc = put_type(&type, json_get(field, "type"), 0, def, err);
	meta->columns[at].sql_type = arena_copy(&meta->arena, mr_buf_view(&type));
	meta->columns[at].nested = json_type(json_get(field, "type")) == JSON_OBJECT;
	mr_buf_release(&type);
	if (rc < 0)
		return mr_error_wrap(err, rc, "column %.*s", MR_FMT(def->name)), rc;
	return 0;
}

static int read_fields(struct table_meta *meta, struct json_parser *parser, struct mr_error *err)
{
	struct json_value root;
	int rc = json_parse(parser, meta->schema_json, &root, err);
	if (rc < 0)
		return mr_error_wrap(err, MR_ERR_CORRUPT, "schemaString"), MR_ERR_CORRUPT;
	struct json_value fields = json_get(root, "fields");
	if (json_type(fields) != JSON_ARRAY)
		return mr_fail(err, MR_ERR_CORRUPT, "schemaString has no fields");
	note_column_metadata(meta);
	size_t count = json_count(fields);
	meta->defs = arena_calloc(&meta->arena, count + 1, sizeof *meta->defs);
	meta->columns = arena_calloc(&meta->arena, count + 1, sizeof *meta->columns);
	for (struct json_iter it = json_iter(fields); json_next(&it) && rc == 0;) {
		rc = read_field(meta, it.value, meta->column_count, err);
		meta->column_count++;
	}
	return rc;
}

static int place_partitions(struct table_meta *meta, struct mr_error *err)
{
	for (size_t i = 0; i < meta->partition_count; i++) {
		size_t at = 0;
		while (at < meta->column_count && !mr_str_eq(meta->defs[at].name, meta->partition_names[i]))
			at++;
		if (at == meta->column_count || meta->columns[at].nested)
			return mr_fail(err, MR_ERR_CORRUPT,
				       "partition column %.*s is no column of the schema",
				       MR_FMT(meta->partition_names[i]));
		meta->partition_index[i] = at;
		meta->columns[at].partition = true;
	}
	return 0;
}

/* Everything is copied out of the action's document before the schema, a document of its own,
 * is parsed by the same parser. */
static void copy_body(struct table_meta *meta, struct json_value body)
{
	struct mr_buf text = {0};
	json_write_value(&text, body);
	meta->json = arena_copy(&meta->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	meta->id = arena_copy(&meta->arena, json_str(json_get(body, "id")));
	meta->schema_json = arena_copy(&meta->arena, json_str(json_get(body, "schemaString")));
	struct json_value partitions = json_get(body, "partitionColumns");
	size_t count = json_count(partitions);
	meta->partition_names = arena_calloc(&meta->arena, count + 1, sizeof *meta->partition_names);
	meta->partition_index = arena_calloc(&meta->arena, count + 1, sizeof *meta->partition_index);
	for (struct json_iter it = json_iter(partitions); json_next(&it);)
		meta->partition_names[meta->partition_count++] = arena_copy(&meta->arena, json_str(it.value));
	struct json_value configuration = json_get(body, "configuration");
	meta->configuration =
	    arena_calloc(&meta->arena, json_count(configuration) + 1, sizeof *meta->configuration);
	for (struct json_iter it = json_iter(configuration); json_next(&it);)
		meta->configuration[meta->configuration_count++] = (struct delta_pair){
		    arena_copy(&meta->arena, it.key), arena_copy(&meta->arena, json_str(it.value))};
}

int delta_meta_parse(struct json_parser *parser, const struct action_metadata *action,
		     struct table_meta **out, struct mr_error *err)
{
	struct table_meta *meta = mr_calloc(1, sizeof *meta);
	meta->refs = 1;
	copy_body(meta, action->body);
	int rc = read_fields(meta, parser, err);
	if (rc == 0)
		rc = place_partitions(meta, err);
	if (rc < 0) {
		delta_meta_unref(meta);
		return rc;
	}
	*out = meta;
	return 0;
}

struct table_meta *delta_meta_ref(struct table_meta *meta)
{
	atomic_fetch_add(&meta->refs, 1);
	return meta;
}

void delta_meta_unref(struct table_meta *meta)
{
	if (!meta || atomic_fetch_sub(&meta->refs, 1) > 1)
		return;
	arena_release(&meta->arena);
	free(meta);
}

mr_str delta_meta_property(const struct table_meta *meta, const char *key)
{
	for (size_t i = 0; i < meta->configuration_count; i++)
		if (mr_str_is(meta->configuration[i].key, key))
			return meta->configuration[i].value;
	return MR_STR_NULL;
}

void delta_schema_write(struct mr_buf *out, const struct delta_create *create)
{
	struct arena arena = {0};
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_cstr(&w, "type", "struct");
	json_key(&w, "fields");
	json_begin_array(&w);
	for (size_t i = 0; i < create->column_count; i++) {
		json_begin_object(&w);
		json_member_str(&w, "name", create->columns[i].name);
		json_member_str(&w, "type", column_type_name(&create->columns[i], &arena));
		json_member_bool(&w, "nullable", !create->columns[i].not_null);
		json_key(&w, "metadata");
		json_begin_object(&w);
		json_end_object(&w);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	arena_release(&arena);
}

bool delta_schema_needs_ntz(const struct delta_create *create)
{
	for (size_t i = 0; i < create->column_count; i++)
		if (create->columns[i].type == COL_TIMESTAMP_NTZ)
			return true;
	return false;
}
