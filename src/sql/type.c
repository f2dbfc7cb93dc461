/* sql/type.c - DuckDB's logical types read once into a tree, and their names. */
#include "sql/internal.h"

#include <ctype.h>

static const struct {
	duckdb_type id;
	const char *name;
} names[] = {
    {DUCKDB_TYPE_BOOLEAN, "BOOLEAN"},
    {DUCKDB_TYPE_TINYINT, "TINYINT"},
    {DUCKDB_TYPE_SMALLINT, "SMALLINT"},
    {DUCKDB_TYPE_INTEGER, "INTEGER"},
    {DUCKDB_TYPE_BIGINT, "BIGINT"},
    {DUCKDB_TYPE_UTINYINT, "UTINYINT"},
    {DUCKDB_TYPE_USMALLINT, "USMALLINT"},
    {DUCKDB_TYPE_UINTEGER, "UINTEGER"},
    {DUCKDB_TYPE_UBIGINT, "UBIGINT"},
    {DUCKDB_TYPE_HUGEINT, "HUGEINT"},
    {DUCKDB_TYPE_UHUGEINT, "UHUGEINT"},
    {DUCKDB_TYPE_FLOAT, "FLOAT"},
    {DUCKDB_TYPE_DOUBLE, "DOUBLE"},
    {DUCKDB_TYPE_VARCHAR, "VARCHAR"},
    {DUCKDB_TYPE_BLOB, "BLOB"},
    {DUCKDB_TYPE_DATE, "DATE"},
    {DUCKDB_TYPE_TIME, "TIME"},
    {DUCKDB_TYPE_TIME_TZ, "TIME WITH TIME ZONE"},
    {DUCKDB_TYPE_TIME_NS, "TIME_NS"},
    {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP"},
    {DUCKDB_TYPE_TIMESTAMP_S, "TIMESTAMP_S"},
    {DUCKDB_TYPE_TIMESTAMP_MS, "TIMESTAMP_MS"},
    {DUCKDB_TYPE_TIMESTAMP_NS, "TIMESTAMP_NS"},
    {DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"},
    {DUCKDB_TYPE_INTERVAL, "INTERVAL"},
    {DUCKDB_TYPE_UUID, "UUID"},
    {DUCKDB_TYPE_BIT, "BIT"},
    {DUCKDB_TYPE_BIGNUM, "BIGNUM"},
    {DUCKDB_TYPE_SQLNULL, "\"NULL\""},
};

static void put_member_name(struct mr_buf *out, mr_str name)
{
	bool plain = name.len && !isdigit((unsigned char)name.ptr[0]);
	for (size_t i = 0; i < name.len && plain; i++)
		plain = isalnum((unsigned char)name.ptr[i]) || name.ptr[i] == '_';
	if (plain)
		mr_buf_str(out, name);
	else
		sql_quote_name(out, name);
}

static void put_members(struct mr_buf *out, const char *word, const struct sql_type *type)
{
	mr_buf_cstr(out, word);
	for (size_t i = 0; i < type->child_count; i++) {
		mr_buf_cstr(out, i ? ", " : "(");
		put_member_name(out, type->child_names[i]);
		mr_buf_char(out, ' ');
		mr_buf_str(out, type->children[i].name);
	}
	mr_buf_char(out, ')');
}

static void put_enum(struct mr_buf *out, const struct sql_type *type)
{
	uint32_t count = duckdb_enum_dictionary_size(type->logical);
	mr_buf_cstr(out, "ENUM");
	for (uint32_t i = 0; i < count; i++) {
		char *value = duckdb_enum_dictionary_value(type->logical, i);
		mr_buf_cstr(out, i ? ", " : "(");
		sql_quote_literal(out, mr_str_from(value));
		duckdb_free(value);
	}
	mr_buf_char(out, ')');
}

static void put_name(struct mr_buf *out, const struct sql_type *type)
{
	if (type->is_json) {
		mr_buf_cstr(out, "JSON");
		return;
	}
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		if (names[i].id != type->id)
			continue;
		mr_buf_cstr(out, names[i].name);
		return;
	}
	if (type->id == DUCKDB_TYPE_DECIMAL)
		mr_buf_printf(out, "DECIMAL(%u,%u)", type->width, type->scale);
	else if (type->id == DUCKDB_TYPE_LIST)
		mr_buf_printf(out, "%.*s[]", MR_FMT(type->children[0].name));
	else if (type->id == DUCKDB_TYPE_ARRAY)
		mr_buf_printf(out, "%.*s[%zu]", MR_FMT(type->children[0].name), type->array_size);
	else if (type->id == DUCKDB_TYPE_MAP)
		mr_buf_printf(out, "MAP(%.*s, %.*s)", MR_FMT(type->children[0].name),
			      MR_FMT(type->children[1].name));
	else if (type->id == DUCKDB_TYPE_STRUCT)
		put_members(out, "STRUCT", type);
	else if (type->id == DUCKDB_TYPE_UNION)
		put_members(out, "UNION", type);
	else if (type->id == DUCKDB_TYPE_ENUM)
		put_enum(out, type);
	else
		mr_buf_cstr(out, "UNKNOWN");
}

static void add_children(struct sql_type *type, size_t count, struct arena *arena)
{
	type->child_count = count;
	type->children = arena_calloc(arena, count ? count : 1, sizeof *type->children);
	type->child_names = arena_calloc(arena, count ? count : 1, sizeof *type->child_names);
}

static mr_str take_name(char *name, struct arena *arena)
{
	mr_str copy = arena_copy(arena, mr_str_from(name));
	duckdb_free(name);
	return copy;
}

static void read_children(struct sql_type *type, struct arena *arena)
{
	duckdb_logical_type logical = type->logical;
	switch (type->id) {
	case DUCKDB_TYPE_LIST:
		add_children(type, 1, arena);
		sql_type_init(&type->children[0], duckdb_list_type_child_type(logical), arena);
		break;
	case DUCKDB_TYPE_ARRAY:
		add_children(type, 1, arena);
		type->array_size = duckdb_array_type_array_size(logical);
		sql_type_init(&type->children[0], duckdb_array_type_child_type(logical), arena);
		break;
	case DUCKDB_TYPE_MAP:
		add_children(type, 2, arena);
		sql_type_init(&type->children[0], duckdb_map_type_key_type(logical), arena);
		sql_type_init(&type->children[1], duckdb_map_type_value_type(logical), arena);
		break;
	case DUCKDB_TYPE_STRUCT:
		add_children(type, duckdb_struct_type_child_count(logical), arena);
		for (size_t i = 0; i < type->child_count; i++) {
			type->child_names[i] = take_name(duckdb_struct_type_child_name(logical, i), arena);
			sql_type_init(&type->children[i], duckdb_struct_type_child_type(logical, i), arena);
		}
		break;
	case DUCKDB_TYPE_UNION:
		add_children(type, duckdb_union_type_member_count(logical), arena);
		for (size_t i = 0; i < type->child_count; i++) {
			type->child_names[i] = take_name(duckdb_union_type_member_name(logical, i), arena);
			sql_type_init(&type->children[i], duckdb_union_type_member_type(logical, i), arena);
		}
		break;
	default:
		break;
	}
}

void sql_type_init(struct sql_type *type, duckdb_logical_type logical, struct arena *arena)
{
	*type = (struct sql_type){.id = duckdb_get_type_id(logical), .logical = logical};
	if (type->id == DUCKDB_TYPE_DECIMAL) {
		type->storage = duckdb_decimal_internal_type(logical);
		type->width = duckdb_decimal_width(logical);
		type->scale = duckdb_decimal_scale(logical);
	} else if (type->id == DUCKDB_TYPE_ENUM) {
		type->storage = duckdb_enum_internal_type(logical);
	} else if (type->id == DUCKDB_TYPE_VARCHAR) {
		char *alias = duckdb_logical_type_get_alias(logical);
		type->is_json = alias && strcmp(alias, "JSON") == 0;
		duckdb_free(alias);
	}
	read_children(type, arena);
	struct mr_buf name = {0};
	put_name(&name, type);
	type->name = arena_copy(arena, mr_buf_view(&name));
	mr_buf_release(&name);
}

void sql_type_release(struct sql_type *type)
{
	for (size_t i = 0; i < type->child_count; i++)
		sql_type_release(&type->children[i]);
	duckdb_destroy_logical_type(&type->logical);
}

bool sql_type_is_known(const struct sql_type *type)
{
	for (size_t i = 0; i < type->child_count; i++)
		if (!sql_type_is_known(&type->children[i]))
			return false;
	return type->id > DUCKDB_TYPE_INVALID && type->id <= DUCKDB_TYPE_TIME_NS;
}
