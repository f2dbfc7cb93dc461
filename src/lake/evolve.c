/* lake/evolve.c - columns that get another name, go, or get a wider type. No file is touched.
 *
 * Renaming and dropping need column mapping: then files know a column by a name that stays. Which
 * types may become which is the protocol's table ("Type Widening").
 */
#include "lake/define.h"

#include <ctype.h>
#include <strings.h>

/* Whether a condition names the column. Strings in it that read like it count too, which is safe. */
static bool mentions(mr_str text, mr_str name)
{
	for (size_t i = 0; i + name.len <= text.len; i++) {
		bool starts = i == 0 || !(isalnum((unsigned char)text.ptr[i - 1]) || text.ptr[i - 1] == '_');
		size_t end = i + name.len;
		bool ends =
		    end == text.len || !(isalnum((unsigned char)text.ptr[end]) || text.ptr[end] == '_');
		if (starts && ends && strncasecmp(text.ptr + i, name.ptr, name.len) == 0)
			return true;
	}
	return false;
}

static int find_dependent(const struct definition *def, const struct field *column, const char *verb,
			  struct mr_error *err)
{
	for (size_t i = 0; i < def->properties.len; i++) {
		const struct property *property = &def->properties.items[i];
		if (mr_str_starts(property->key, MR_STR("delta.constraints.")) &&
		    mentions(property->value, column->name))
			return mr_fail(err, MR_ERR_INVALID,
				       "column %.*s cannot be %s: the constraint %.*s (%.*s) names it",
				       MR_FMT(column->name), verb,
				       MR_FMT(mr_str_tail(property->key, strlen("delta.constraints."))),
				       MR_FMT(property->value));
	}
	for (size_t i = 0; i < def->fields.len; i++) {
		const struct field *other = &def->fields.items[i];
		mr_str generation = field_get(other, "delta.generationExpression", def->arena);
		if (generation.len && other != column && mentions(generation, column->name))
			return mr_fail(err, MR_ERR_INVALID,
				       "column %.*s cannot be %s: the generated column %.*s is made of it",
				       MR_FMT(column->name), verb, MR_FMT(other->name));
	}
	return 0;
}

static int check_mapped(const struct definition *def, const char *verb, struct mr_error *err)
{
	if (definition_is_mapped(def))
		return 0;
	mr_fail(err, MR_ERR_UNSUPPORTED, "a column cannot be %s in a table without column mapping", verb);
	return mr_hint(err, "first ALTER TABLE ... SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')");
}

int definition_check_free(const struct definition *def, const struct field *field, const char *verb,
			  struct mr_error *err)
{
	int rc = check_mapped(def, verb, err);
	return rc == 0 ? find_dependent(def, field, verb, err) : rc;
}

static bool same(mr_str a, mr_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static int find(const struct definition *def, mr_str name, struct field **out, struct mr_error *err)
{
	*out = definition_find(def, name);
	return *out ? 0 : mr_fail(err, MR_ERR_NOT_FOUND, "the table has no column %.*s", MR_FMT(name));
}

int definition_rename(struct definition *def, mr_str from, mr_str to, struct mr_error *err)
{
	struct field *field;
	int rc = check_mapped(def, "renamed", err);
	if (rc == 0)
		rc = find(def, from, &field, err);
	if (rc == 0)
		rc = find_dependent(def, field, "renamed", err);
	if (rc < 0)
		return rc;
	const struct field *other = definition_find(def, to);
	if (other && other != field)
		return mr_fail(err, MR_ERR_EXISTS, "the table has a column %.*s already",
			       MR_FMT(other->name));
	for (size_t i = 0; i < def->partition_by.len; i++)
		if (same(def->partition_by.items[i], field->name))
			def->partition_by.items[i] = to;
	field->name = to;
	return 0;
}

int definition_drop(struct definition *def, mr_str name, struct mr_error *err)
{
	struct field *field;
	int rc = check_mapped(def, "dropped", err);
	if (rc == 0)
		rc = find(def, name, &field, err);
	if (rc == 0)
		rc = find_dependent(def, field, "dropped", err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < def->partition_by.len; i++)
		if (same(def->partition_by.items[i], field->name))
			return mr_fail(err, MR_ERR_INVALID, "column %.*s partitions the table",
				       MR_FMT(field->name));
	mr_vec_remove(&def->fields, (size_t)(field - def->fields.items));
	return 0;
}

/* ---- types ---- */

/* The digits before the point that a whole number may have. */
static int whole_digits(enum column_type type)
{
	return type == COL_LONG ? 20 : 10;
}

static bool is_whole(enum column_type type)
{
	return type == COL_BYTE || type == COL_SHORT || type == COL_INTEGER || type == COL_LONG;
}

static bool widens(const struct column_def *from, const struct column_def *to)
{
	if (is_whole(from->type) && is_whole(to->type))
		return to->type > from->type;
	if (is_whole(from->type) && to->type == COL_DECIMAL)
		return to->precision - to->scale >= whole_digits(from->type);
	if (from->type == COL_DECIMAL && to->type == COL_DECIMAL)
		return to->scale >= from->scale &&
		       to->precision - to->scale >= from->precision - from->scale &&
		       to->precision > from->precision;
	if (to->type == COL_DOUBLE)
		return from->type == COL_FLOAT || (is_whole(from->type) && from->type != COL_LONG);
	return from->type == COL_DATE && to->type == COL_TIMESTAMP_NTZ;
}

static bool plain_type(mr_str json, struct column_def *out, mr_str *name)
{
	if (json.len < 2 || json.ptr[0] != '"')
		return false;
	*name = mr_str_n(json.ptr + 1, json.len - 2);
	return column_type_parse(*name, out, NULL) == 0;
}

/* delta.typeChanges: what the column was, in order, for whoever reads old files. */
static void note_change(struct field *field, mr_str from, mr_str to, struct arena *arena)
{
	struct json_parser *parser = json_parser_new();
	struct json_value root;
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_array(&w);
	if (json_parse(parser, field->metadata, &root, NULL) == 0)
		for (struct json_iter it = json_iter(json_get(root, "delta.typeChanges")); json_next(&it);)
			json_put_value(&w, it.value);
	json_begin_object(&w);
	json_member_str(&w, "fromType", from);
	json_member_str(&w, "toType", to);
	json_end_object(&w);
	json_end_array(&w);
	json_parser_free(parser);
	field_set(field, "delta.typeChanges", mr_buf_view(&text), arena);
	mr_buf_release(&text);
}

int definition_widen(struct definition *def, struct field *field, mr_str type, struct mr_error *err)
{
	struct column_def from, to;
	mr_str from_name, to_name;
	if (mr_str_eq(field->type, type))
		return 0;
	if (!plain_type(field->type, &from, &from_name) || !plain_type(type, &to, &to_name) ||
	    !widens(&from, &to))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "column %.*s cannot change from %.*s to %.*s",
			       MR_FMT(field->name), MR_FMT(field->type), MR_FMT(type));
	if (!mr_str_is(definition_property(def, "delta.enableTypeWidening"), "true")) {
		mr_fail(err, MR_ERR_UNSUPPORTED,
			"the type of column %.*s cannot change: the table has no type widening",
			MR_FMT(field->name));
		return mr_hint(
		    err, "first ALTER TABLE ... SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')");
	}
	note_change(field, from_name, to_name, def->arena);
	field->type = type;
	return 0;
}
