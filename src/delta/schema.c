/* delta/schema.c - schemaString and the rest of metaData, both ways.
 *
 * A field: {"name":..,"type":..,"nullable":..,"metadata":{}}; a type is a primitive's name or an
 * object {"type":"struct|array|map", ..} (protocol, "Schema Serialization Format"; type.c). Nested
 * columns are read as DuckDB's own nested types; in column_def they are COL_JSON.
 */
#include "delta/internal.h"

#include <stdio.h>
#include <strings.h>

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
	meta->has_ntz = schema_mentions(meta, "\"timestamp_ntz\"");
	meta->has_variant = schema_mentions(meta, "\"variant\"");
}

static int read_field(struct table_meta *meta, struct json_value field, size_t at, struct mr_error *err)
{
	struct column_def *def = &meta->defs[at];
	struct table_column *column = &meta->columns[at];
	struct type_part part = {0};
	int rc = delta_field_parse(field, &meta->arena, &part, err);
	if (rc < 0)
		return part.name.len ? (mr_error_wrap(err, rc, "column %.*s", MR_FMT(part.name)), rc) : rc;
	struct json_value nullable = json_get(field, "nullable");
	*def = part.type->def;
	def->name = part.name;
	def->not_null = json_type(nullable) == JSON_BOOL && !json_bool(nullable);
	for (size_t i = 0; i < at; i++)
		if (mr_str_eq(meta->defs[i].name, def->name))
			return mr_fail(err, MR_ERR_CORRUPT, "schemaString has two columns %.*s",
				       MR_FMT(def->name));
	bool mapped = meta->mapping != MAPPING_NONE;
	column->type = part.type;
	column->physical = mapped ? part.physical : part.name;
	column->field_id = mapped ? part.field_id : 0;
	column->nested = part.type->kind != TYPE_PRIMITIVE || part.type->is_variant;
	column->renamed = mapped && delta_type_is_renamed(part.type);
	column->is_void = part.type->is_void;
	if (meta->mapping == MAPPING_ID && !column->field_id)
		return mr_fail(err, MR_ERR_CORRUPT, "column %.*s has no field id", MR_FMT(def->name));
	struct mr_buf type = {0};
	delta_type_sql(&type, part.type, false);
	column->sql_type = arena_copy(&meta->arena, mr_buf_view(&type));
	mr_buf_clear(&type);
	delta_type_sql(&type, part.type, mapped);
	column->read_type = arena_copy(&meta->arena, mr_buf_view(&type));
	mr_buf_release(&type);
	return 0;
}

static int read_mapping(struct table_meta *meta, struct mr_error *err)
{
	mr_str mode = delta_meta_property(meta, "delta.columnMapping.mode");
	if (!mode.len || mr_str_is(mode, "none"))
		meta->mapping = MAPPING_NONE;
	else if (mr_str_is(mode, "name"))
		meta->mapping = MAPPING_NAME;
	else if (mr_str_is(mode, "id"))
		meta->mapping = MAPPING_ID;
	else
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "delta.columnMapping.mode is %.*s, which is not known here",
			       (int)mr_min_size(mode.len, 64), mode.ptr);
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
	int rc = read_mapping(meta, err);
	if (rc == 0)
		rc = read_fields(meta, parser, err);
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

int64_t delta_interval_ms(mr_str text, int64_t absent)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"week", 604800000}, {"day", 86400000}, {"hour", 3600000},
		     {"minute", 60000},   {"second", 1000},  {"millisecond", 1}};
	char word[16] = "", plural;
	long long count;
	char *copy = mr_strndup(text);
	const char *at = copy + strspn(copy, " ");
	if (strncasecmp(at, "interval", 8) == 0)
		at += 8;
	int fields = sscanf(at, " %lld %15[a-zA-Z] %c", &count, word, &plural);
	free(copy);
	size_t len = strlen(word);
	if (fields != 2 || count < 0 || count > 1000000000)
		return absent;
	if (len && (word[len - 1] == 's' || word[len - 1] == 'S'))
		len--;
	for (size_t i = 0; i < MR_COUNT(units); i++)
		if (strlen(units[i].name) == len && strncasecmp(units[i].name, word, len) == 0)
			return count * units[i].ms;
	return absent;
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
