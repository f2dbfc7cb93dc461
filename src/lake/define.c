#include "lake/define.h"

#include "base/buf.h"

#include <stdlib.h>
#include <strings.h>

void definition_init(struct definition *def, struct arena *arena)
{
	*def = (struct definition){.arena = arena};
}

void definition_release(struct definition *def)
{
	mr_vec_release(&def->fields);
	mr_vec_release(&def->partition_by);
	mr_vec_release(&def->properties);
}

static mr_str json_text(struct arena *arena, struct json_value value, const char *absent)
{
	struct mr_buf text = {0};
	if (json_present(value))
		json_write_value(&text, value);
	else
		mr_buf_cstr(&text, absent);
	mr_str copy = arena_copy(arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static int read_fields(struct definition *def, struct json_parser *parser, mr_str schema,
		       struct mr_error *err)
{
	struct json_value root;
	int rc = json_parse(parser, schema, &root, err);
	if (rc < 0)
		return rc;
	for (struct json_iter it = json_iter(json_get(root, "fields")); json_next(&it);) {
		struct json_value nullable = json_get(it.value, "nullable");
		struct field field = {.name = arena_copy(def->arena, json_str(json_get(it.value, "name"))),
				      .type = json_text(def->arena, json_get(it.value, "type"), "\"void\""),
				      .metadata = json_text(def->arena, json_get(it.value, "metadata"), "{}"),
				      .not_null = json_type(nullable) == JSON_BOOL && !json_bool(nullable)};
		mr_vec_push(&def->fields, field);
	}
	return 0;
}

int definition_read(struct definition *def, mr_str metadata_json, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value body;
	int rc = json_parse(parser, metadata_json, &body, err);
	if (rc == 0) {
		def->id = arena_copy(def->arena, json_str(json_get(body, "id")));
		def->name = arena_copy(def->arena, json_str(json_get(body, "name")));
		def->description = arena_copy(def->arena, json_str(json_get(body, "description")));
		def->created_ms = json_int(json_get(body, "createdTime"));
		for (struct json_iter it = json_iter(json_get(body, "partitionColumns")); json_next(&it);)
			mr_vec_push(&def->partition_by, arena_copy(def->arena, json_str(it.value)));
		for (struct json_iter it = json_iter(json_get(body, "configuration")); json_next(&it);)
			mr_vec_push(&def->properties,
				    (struct property){arena_copy(def->arena, it.key),
						      arena_copy(def->arena, json_str(it.value))});
		mr_str schema = arena_copy(def->arena, json_str(json_get(body, "schemaString")));
		rc = read_fields(def, parser, schema, err);
	}
	json_parser_free(parser);
	return rc;
}

static void write_schema(const struct definition *def, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_cstr(&w, "type", "struct");
	json_key(&w, "fields");
	json_begin_array(&w);
	for (size_t i = 0; i < def->fields.len; i++) {
		const struct field *field = &def->fields.items[i];
		json_begin_object(&w);
		json_member_str(&w, "name", field->name);
		json_key(&w, "type");
		json_put_raw(&w, field->type);
		json_member_bool(&w, "nullable", !field->not_null);
		json_key(&w, "metadata");
		json_put_raw(&w, field->metadata);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
}

static void write_format(struct json_writer *w)
{
	json_key(w, "format");
	json_begin_object(w);
	json_member_cstr(w, "provider", "parquet");
	json_key(w, "options");
	json_begin_object(w);
	json_end_object(w);
	json_end_object(w);
}

void definition_write(const struct definition *def, struct mr_buf *out)
{
	struct mr_buf schema = {0};
	struct json_writer w = json_writer(out);
	write_schema(def, &schema);
	json_begin_object(&w);
	json_member_str(&w, "id", def->id);
	if (def->name.len)
		json_member_str(&w, "name", def->name);
	if (def->description.len)
		json_member_str(&w, "description", def->description);
	write_format(&w);
	json_member_str(&w, "schemaString", mr_buf_view(&schema));
	json_key(&w, "partitionColumns");
	json_begin_array(&w);
	for (size_t i = 0; i < def->partition_by.len; i++)
		json_put_str(&w, def->partition_by.items[i]);
	json_end_array(&w);
	json_key(&w, "configuration");
	json_begin_object(&w);
	for (size_t i = 0; i < def->properties.len; i++) {
		json_key_str(&w, def->properties.items[i].key);
		json_put_str(&w, def->properties.items[i].value);
	}
	json_end_object(&w);
	json_member_int(&w, "createdTime", def->created_ms);
	json_end_object(&w);
	mr_buf_release(&schema);
}

static bool same(mr_str a, mr_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

struct field *definition_find(const struct definition *def, mr_str name)
{
	for (size_t i = 0; i < def->fields.len; i++)
		if (same(def->fields.items[i].name, name))
			return &def->fields.items[i];
	return NULL;
}

static int check_field(const struct definition *def, size_t at, struct mr_error *err)
{
	mr_str name = def->fields.items[at].name;
	if (!name.len)
		return mr_fail(err, MR_ERR_INVALID, "a column has no name");
	for (size_t i = 0; i < name.len; i++) {
		if (definition_is_mapped(def) || (name.ptr[i] && !strchr(" ,;{}()\n\t=", name.ptr[i])))
			continue;
		mr_fail(err, MR_ERR_INVALID,
			"column name \"%.*s\": Delta allows none of \" ,;{}()=\", tab, newline",
			MR_FMT(name));
		return mr_hint(err, "give it another name with AS");
	}
	for (size_t i = 0; i < at; i++)
		if (same(def->fields.items[i].name, name))
			return mr_fail(err, MR_ERR_INVALID,
				       "there are two columns %.*s (case does not count)", MR_FMT(name));
	return 0;
}

int definition_check(const struct definition *def, struct mr_error *err)
{
	for (size_t i = 0; i < def->fields.len; i++) {
		int rc = check_field(def, i, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < def->partition_by.len; i++) {
		const struct field *field = definition_find(def, def->partition_by.items[i]);
		if (!field)
			return mr_fail(err, MR_ERR_INVALID, "partition column %.*s is no column of the table",
				       MR_FMT(def->partition_by.items[i]));
		if (field->type.ptr[0] == '{')
			return mr_fail(err, MR_ERR_INVALID, "a nested column cannot be a partition: %.*s",
				       MR_FMT(field->name));
		def->partition_by.items[i] = field->name;
	}
	if (def->fields.len <= def->partition_by.len)
		return mr_fail(err, MR_ERR_INVALID, "a table needs a column besides its partition columns");
	return 0;
}

/* ---- features ---- */

static bool mentions(const struct definition *def, const char *text)
{
	for (size_t i = 0; i < def->fields.len; i++) {
		const struct field *field = &def->fields.items[i];
		if (memmem(field->metadata.ptr, field->metadata.len, text, strlen(text)) ||
		    memmem(field->type.ptr, field->type.len, text, strlen(text)))
			return true;
	}
	return false;
}

static bool has_constraint(const struct definition *def)
{
	for (size_t i = 0; i < def->properties.len; i++)
		if (mr_str_starts(def->properties.items[i].key, MR_STR("delta.constraints.")))
			return true;
	return false;
}

/* delta.feature.NAME = supported asks for a feature by name. */
static size_t named_features(const struct definition *def, const char **out, size_t count)
{
	mr_str prefix = MR_STR("delta.feature.");
	for (size_t i = 0; i < def->properties.len && count < DEFINITION_FEATURES_MAX; i++)
		if (mr_str_starts(def->properties.items[i].key, prefix))
			out[count++] =
			    arena_copy(def->arena, mr_str_tail(def->properties.items[i].key, prefix.len)).ptr;
	return count;
}

size_t definition_features(const struct definition *def, const char *out[DEFINITION_FEATURES_MAX])
{
	static const struct {
		const char *property, *feature;
	} switches[] = {{"delta.enableChangeDataFeed", "changeDataFeed"},
			{"delta.enableDeletionVectors", "deletionVectors"},
			{"delta.enableRowTracking", "rowTracking"},
			{"delta.enableTypeWidening", "typeWidening"},
			{"delta.enableInCommitTimestamps", "inCommitTimestamp"}};
	static const struct {
		const char *text, *feature;
	} marks[] = {{"\"timestamp_ntz\"", "timestampNtz"},
		     {"\"variant\"", "variantType"},
		     {"\"delta.generationExpression\"", "generatedColumns"},
		     {"\"delta.identity.", "identityColumns"},
		     {"\"CURRENT_DEFAULT\"", "allowColumnDefaults"}};
	size_t count = 0;
	for (size_t i = 0; i < MR_COUNT(switches); i++)
		if (mr_str_is(definition_property(def, switches[i].property), "true"))
			out[count++] = switches[i].feature;
	for (size_t i = 0; i < MR_COUNT(marks); i++)
		if (mentions(def, marks[i].text))
			out[count++] = marks[i].feature;
	mr_str mode = definition_property(def, "delta.columnMapping.mode");
	if (mode.len && !mr_str_is(mode, "none"))
		out[count++] = "columnMapping";
	if (mr_str_is(definition_property(def, "delta.checkpointPolicy"), "v2"))
		out[count++] = "v2Checkpoint";
	if (has_constraint(def))
		out[count++] = "checkConstraints";
	return named_features(def, out, count);
}

/* ---- properties and field metadata ---- */

mr_str definition_property(const struct definition *def, const char *key)
{
	for (size_t i = 0; i < def->properties.len; i++)
		if (mr_str_is(def->properties.items[i].key, key))
			return def->properties.items[i].value;
	return MR_STR_NULL;
}

void definition_set(struct definition *def, mr_str key, mr_str value)
{
	definition_unset(def, key);
	mr_vec_push(&def->properties, (struct property){key, value});
}

bool definition_unset(struct definition *def, mr_str key)
{
	for (size_t i = 0; i < def->properties.len; i++) {
		if (!mr_str_eq(def->properties.items[i].key, key))
			continue;
		mr_vec_remove(&def->properties, i);
		return true;
	}
	return false;
}

void field_set(struct field *field, const char *key, mr_str value, struct arena *arena)
{
	struct json_parser *parser = json_parser_new();
	struct json_value root;
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	if (json_parse(parser, field->metadata, &root, NULL) == 0)
		for (struct json_iter it = json_iter(root); json_next(&it);)
			if (!mr_str_is(it.key, key)) {
				json_key_str(&w, it.key);
				json_put_value(&w, it.value);
			}
	if (value.len) {
		json_key(&w, key);
		json_put_raw(&w, value);
	}
	json_end_object(&w);
	field->metadata = arena_copy(arena, mr_buf_view(&text));
	mr_buf_release(&text);
	json_parser_free(parser);
}

mr_str field_get(const struct field *field, const char *key, struct arena *arena)
{
	struct json_parser *parser = json_parser_new();
	struct json_value root, value = {0};
	mr_str out = MR_STR_NULL;
	if (json_parse(parser, field->metadata, &root, NULL) == 0)
		value = json_get(root, key);
	if (json_present(value))
		out = arena_copy(arena, json_str(value));
	json_parser_free(parser);
	return out;
}

/* ---- out of a query ---- */

int definition_of_query(struct definition *def, struct sql_conn *conn, mr_str query, struct mr_error *err)
{
	struct mr_buf text = {0};
	struct sql_result *result = NULL;
	mr_buf_printf(&text, "DESCRIBE (%.*s\n)", MR_FMT(query));
	int rc = sql_query(conn, mr_buf_view(&text), &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1) {
		struct field field = {.name = arena_copy(def->arena, sql_str(result, 0)),
				      .metadata = MR_STR("{}")};
		mr_str type = arena_copy(def->arena, sql_str(result, 1));
		rc = parse_type_text(type, def->arena, &field.type, err);
		if (rc == 0)
			mr_vec_push(&def->fields, field);
	}
	sql_result_free(result);
	mr_buf_release(&text);
	return rc;
}
