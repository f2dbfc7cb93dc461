/* delta/type.c - see type.h. */
#include "delta/type.h"

#include "sql/engine.h"

#include <stdio.h>

#define NESTING_MAX 64

/* Variants are read as the two binaries they are stored as. */
static const char variant_sql[] = "STRUCT(metadata BLOB, \"value\" BLOB)";

static int parse_type(struct json_value type, struct arena *arena, int depth, struct type_node **out,
		      struct mr_error *err);

static int parse_primitive(mr_str name, struct type_node *node, struct mr_error *err)
{
	node->kind = TYPE_PRIMITIVE;
	if (mr_str_is(name, "void")) { /* a column of NULLs only; never stored */
		node->is_void = true;
		node->def.type = COL_INTEGER;
	} else if (mr_str_is(name, "variant")) {
		node->is_variant = true;
		node->def.type = COL_JSON;
	} else if (mr_str_is(name, "json") || column_type_parse(name, &node->def, NULL) < 0) {
		return mr_fail(err, MR_ERR_UNSUPPORTED, "type %.*s is not known here",
			       (int)mr_min_size(name.len, 64), name.ptr);
	}
	return 0;
}

static int parse_field(struct json_value field, struct arena *arena, int depth, struct type_part *out,
		       struct mr_error *err)
{
	struct json_value metadata = json_get(field, "metadata");
	mr_str physical = json_str(json_get(metadata, "delta.columnMapping.physicalName"));
	out->name = arena_copy(arena, json_str(json_get(field, "name")));
	out->physical = physical.len ? arena_copy(arena, physical) : out->name;
	out->field_id = json_int(json_get(metadata, "delta.columnMapping.id"));
	if (!out->name.len)
		return mr_fail(err, MR_ERR_CORRUPT, "schemaString has a field without a name");
	return parse_type(json_get(field, "type"), arena, depth, &out->type, err);
}

static int parse_struct(struct json_value fields, struct arena *arena, int depth, struct type_node *node,
			struct mr_error *err)
{
	node->kind = TYPE_STRUCT;
	node->parts = arena_calloc(arena, json_count(fields) + 1, sizeof *node->parts);
	for (struct json_iter it = json_iter(fields); json_next(&it);) {
		int rc = parse_field(it.value, arena, depth, &node->parts[node->part_count], err);
		if (rc < 0)
			return rc;
		node->part_count++;
	}
	if (!node->part_count)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "a struct without fields is not known here");
	return 0;
}

/* Arrays and maps: parts by the names that Parquet gives them. */
static int parse_parts(struct json_value type, const char *const keys[], const char *const names[],
		       size_t count, struct arena *arena, int depth, struct type_node *node,
		       struct mr_error *err)
{
	node->parts = arena_calloc(arena, count, sizeof *node->parts);
	node->part_count = count;
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		node->parts[i].name = node->parts[i].physical = mr_str_from(names[i]);
		rc = parse_type(json_get(type, keys[i]), arena, depth, &node->parts[i].type, err);
	}
	return rc;
}

static int parse_type(struct json_value type, struct arena *arena, int depth, struct type_node **out,
		      struct mr_error *err)
{
	static const char *const array_keys[] = {"elementType"}, *const array_names[] = {"element"};
	static const char *const map_keys[] = {"keyType", "valueType"}, *const map_names[] = {"key", "value"};
	if (depth > NESTING_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "types nest deeper than %d", NESTING_MAX);
	struct type_node *node = *out = arena_calloc(arena, 1, sizeof *node);
	if (json_type(type) == JSON_STRING)
		return parse_primitive(json_str(type), node, err);
	mr_str kind = json_str(json_get(type, "type"));
	node->def.type = COL_JSON;
	if (mr_str_is(kind, "struct"))
		return parse_struct(json_get(type, "fields"), arena, depth + 1, node, err);
	if (mr_str_is(kind, "array")) {
		node->kind = TYPE_ARRAY;
		return parse_parts(type, array_keys, array_names, 1, arena, depth + 1, node, err);
	}
	if (!mr_str_is(kind, "map"))
		return mr_fail(err, MR_ERR_CORRUPT, "schemaString has a type that is none");
	node->kind = TYPE_MAP;
	return parse_parts(type, map_keys, map_names, 2, arena, depth + 1, node, err);
}

int delta_type_parse(struct json_value type, struct arena *arena, struct type_node **out,
		     struct mr_error *err)
{
	return parse_type(type, arena, 0, out, err);
}

int delta_field_parse(struct json_value field, struct arena *arena, struct type_part *out,
		      struct mr_error *err)
{
	return parse_field(field, arena, 0, out, err);
}

/* ---- as SQL ---- */

static mr_str part_name(const struct type_part *part, bool physical)
{
	return physical ? part->physical : part->name;
}

static void put_struct(struct mr_buf *out, const struct type_node *type, bool physical)
{
	mr_buf_cstr(out, "STRUCT(");
	for (size_t i = 0; i < type->part_count; i++) {
		mr_buf_cstr(out, i ? ", " : "");
		sql_quote_name(out, part_name(&type->parts[i], physical));
		mr_buf_char(out, ' ');
		delta_type_sql(out, type->parts[i].type, physical);
	}
	mr_buf_char(out, ')');
}

void delta_type_sql(struct mr_buf *out, const struct type_node *type, bool physical)
{
	switch (type->kind) {
	case TYPE_PRIMITIVE:
		if (type->is_variant)
			mr_buf_cstr(out, variant_sql);
		else
			sql_put_type(out, &type->def);
		break;
	case TYPE_STRUCT:
		put_struct(out, type, physical);
		break;
	case TYPE_ARRAY:
		delta_type_sql(out, type->parts[0].type, physical);
		mr_buf_cstr(out, "[]");
		break;
	case TYPE_MAP:
		mr_buf_cstr(out, "MAP(");
		delta_type_sql(out, type->parts[0].type, physical);
		mr_buf_cstr(out, ", ");
		delta_type_sql(out, type->parts[1].type, physical);
		mr_buf_char(out, ')');
	}
}

bool delta_type_is_renamed(const struct type_node *type)
{
	for (size_t i = 0; i < type->part_count; i++)
		if (!mr_str_eq(type->parts[i].name, type->parts[i].physical) ||
		    delta_type_is_renamed(type->parts[i].type))
			return true;
	return false;
}

static void put_rename(struct mr_buf *out, const struct type_node *type, mr_str expression, bool to_physical,
		       int depth);

/* Rebuilt member by member; a NULL struct stays NULL instead of becoming one of NULLs. */
static void rename_struct(struct mr_buf *out, const struct type_node *type, mr_str expression,
			  bool to_physical, int depth)
{
	struct mr_buf member = {0};
	mr_buf_printf(out, "CASE WHEN %.*s IS NULL THEN NULL ELSE struct_pack(", MR_FMT(expression));
	for (size_t i = 0; i < type->part_count; i++) {
		mr_buf_clear(&member);
		mr_buf_printf(&member, "struct_extract(%.*s, ", MR_FMT(expression));
		sql_quote_literal(&member, part_name(&type->parts[i], !to_physical));
		mr_buf_char(&member, ')');
		mr_buf_cstr(out, i ? ", " : "");
		sql_quote_name(out, part_name(&type->parts[i], to_physical));
		mr_buf_cstr(out, " := ");
		put_rename(out, type->parts[i].type, mr_buf_view(&member), to_physical, depth);
	}
	mr_buf_cstr(out, ") END");
	mr_buf_release(&member);
}

static void rename_map(struct mr_buf *out, const struct type_node *type, mr_str expression, bool to_physical,
		       int depth)
{
	char key[32], value[32];
	mr_str key_name = mr_str_n(key, (size_t)snprintf(key, sizeof key, "e%d.key", depth));
	mr_str value_name = mr_str_n(value, (size_t)snprintf(value, sizeof value, "e%d.value", depth));
	mr_buf_printf(out, "map_from_entries(list_transform(map_entries(%.*s), lambda e%d: struct_pack(k := ",
		      MR_FMT(expression), depth);
	put_rename(out, type->parts[0].type, key_name, to_physical, depth + 1);
	mr_buf_cstr(out, ", v := ");
	put_rename(out, type->parts[1].type, value_name, to_physical, depth + 1);
	mr_buf_cstr(out, ")))");
}

static void put_rename(struct mr_buf *out, const struct type_node *type, mr_str expression, bool to_physical,
		       int depth)
{
	char name[16];
	mr_str element;
	if (!delta_type_is_renamed(type)) {
		mr_buf_str(out, expression);
		return;
	}
	switch (type->kind) {
	case TYPE_STRUCT:
		rename_struct(out, type, expression, to_physical, depth);
		break;
	case TYPE_ARRAY:
		element = mr_str_n(name, (size_t)snprintf(name, sizeof name, "e%d", depth));
		mr_buf_printf(out, "list_transform(%.*s, lambda e%d: ", MR_FMT(expression), depth);
		put_rename(out, type->parts[0].type, element, to_physical, depth + 1);
		mr_buf_char(out, ')');
		break;
	default:
		rename_map(out, type, expression, to_physical, depth);
	}
}

void delta_type_rename_sql(struct mr_buf *out, const struct type_node *type, mr_str expression,
			   bool to_physical)
{
	put_rename(out, type, expression, to_physical, 0);
}

static void put_field_ids(struct mr_buf *out, const struct type_part *part)
{
	const struct type_node *type = part->type;
	sql_quote_name(out, part->physical);
	mr_buf_cstr(out, ": ");
	if (!type->part_count) {
		mr_buf_printf(out, "%lld", (long long)part->field_id);
		return;
	}
	const char *comma = "";
	mr_buf_char(out, '{');
	if (part->field_id) {
		mr_buf_printf(out, "__duckdb_field_id: %lld", (long long)part->field_id);
		comma = ", ";
	}
	for (size_t i = 0; i < type->part_count; i++) {
		if (!type->parts[i].field_id && !type->parts[i].type->part_count)
			continue; /* a list's element or a map's key of plain type bears no id */
		mr_buf_cstr(out, comma);
		put_field_ids(out, &type->parts[i]);
		comma = ", ";
	}
	mr_buf_char(out, '}');
}

void delta_type_field_ids_sql(struct mr_buf *out, const struct type_part *part)
{
	put_field_ids(out, part);
}
