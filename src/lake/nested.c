/* lake/nested.c - columns inside of columns: a.b.c renamed, dropped, widened. A path goes through structs by
 * name, through arrays and maps by `element`, `key` and `value`, as in Spark.
 *
 * A type is JSON, and only the way to the field is written anew: what else it says stays as it is.
 */
#include "lake/define.h"

#include <strings.h>

enum edit_kind { EDIT_RENAME, EDIT_DROP, EDIT_TYPE };

struct edit {
	struct definition *def;
	const mr_str *path; /* without the top column's name */
	size_t count;
	enum edit_kind kind;
	mr_str value; /* the new name, or type */
	bool found;
	struct mr_error *err;
};

static bool same(mr_str a, mr_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static int write_type(struct edit *e, struct json_writer *w, struct json_value type, size_t depth);

static mr_str text_of(struct arena *arena, struct json_value value, const char *absent)
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

static void write_field(struct json_writer *w, const struct field *field)
{
	json_begin_object(w);
	json_member_str(w, "name", field->name);
	json_key(w, "type");
	json_put_raw(w, field->type);
	json_member_bool(w, "nullable", !field->not_null);
	json_key(w, "metadata");
	json_put_raw(w, field->metadata);
	json_end_object(w);
}

static int check_siblings(struct edit *e, struct json_value fields, const struct field *field)
{
	if (e->kind == EDIT_DROP && json_count(fields) == 1)
		return mr_fail(e->err, MR_ERR_UNSUPPORTED, "%.*s is the only field there: drop its column",
			       MR_FMT(field->name));
	for (struct json_iter it = json_iter(fields); e->kind == EDIT_RENAME && json_next(&it);) {
		mr_str name = json_str(json_get(it.value, "name"));
		if (same(name, e->value) && !same(name, field->name))
			return mr_fail(e->err, MR_ERR_EXISTS, "there is a field %.*s already", MR_FMT(name));
	}
	return 0;
}

/* The field that the path ends with. */
static int write_edited(struct edit *e, struct json_writer *w, struct json_value fields,
			struct json_value found)
{
	struct json_value nullable = json_get(found, "nullable");
	struct arena *arena = e->def->arena;
	struct field field = {.name = arena_copy(arena, json_str(json_get(found, "name"))),
			      .type = text_of(arena, json_get(found, "type"), "\"void\""),
			      .metadata = text_of(arena, json_get(found, "metadata"), "{}"),
			      .not_null = json_type(nullable) == JSON_BOOL && !json_bool(nullable)};
	int rc = check_siblings(e, fields, &field);
	if (rc == 0 && e->kind == EDIT_TYPE)
		rc = definition_widen(e->def, &field, e->value, e->err);
	if (rc == 0 && e->kind == EDIT_RENAME)
		field.name = e->value;
	if (rc == 0 && e->kind != EDIT_DROP)
		write_field(w, &field);
	e->found = true;
	return rc;
}

static int write_fields(struct edit *e, struct json_writer *w, struct json_value fields, size_t depth)
{
	int rc = 0;
	json_begin_array(w);
	for (struct json_iter it = json_iter(fields); rc == 0 && json_next(&it);) {
		bool on_path = depth < e->count && same(json_str(json_get(it.value, "name")), e->path[depth]);
		if (!on_path) {
			json_put_value(w, it.value);
			continue;
		}
		if (depth + 1 == e->count) {
			rc = write_edited(e, w, fields, it.value);
			continue;
		}
		json_begin_object(w);
		for (struct json_iter member = json_iter(it.value); rc == 0 && json_next(&member);) {
			json_key_str(w, member.key);
			if (mr_str_is(member.key, "type"))
				rc = write_type(e, w, member.value, depth + 1);
			else
				json_put_value(w, member.value);
		}
		json_end_object(w);
	}
	json_end_array(w);
	return rc;
}

/* elementType, keyType, valueType: is the path's next word that one? */
static bool steps_into(const struct edit *e, mr_str key, size_t depth)
{
	static const char *const words[][2] = {
	    {"elementType", "element"}, {"keyType", "key"}, {"valueType", "value"}};
	for (size_t i = 0; i < MR_COUNT(words) && depth < e->count; i++)
		if (mr_str_is(key, words[i][0]))
			return same(e->path[depth], mr_str_from(words[i][1]));
	return false;
}

static int write_type(struct edit *e, struct json_writer *w, struct json_value type, size_t depth)
{
	int rc = 0;
	if (json_type(type) != JSON_OBJECT) {
		json_put_value(w, type);
		return 0;
	}
	json_begin_object(w);
	for (struct json_iter it = json_iter(type); rc == 0 && json_next(&it);) {
		json_key_str(w, it.key);
		if (mr_str_is(it.key, "fields"))
			rc = write_fields(e, w, it.value, depth);
		else if (steps_into(e, it.key, depth))
			rc = write_type(e, w, it.value, depth + 1);
		else
			json_put_value(w, it.value);
	}
	json_end_object(w);
	return rc;
}

static int edit(struct edit *e, struct field *top)
{
	struct json_parser *parser = json_parser_new();
	struct json_value type;
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	int rc = json_parse(parser, top->type, &type, e->err);
	if (rc == 0)
		rc = write_type(e, &w, type, 0);
	if (rc == 0 && !e->found)
		rc = mr_fail(e->err, MR_ERR_NOT_FOUND, "column %.*s has no field %.*s", MR_FMT(top->name),
			     MR_FMT(e->path[e->count - 1]));
	if (rc == 0)
		top->type = arena_copy(e->def->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	json_parser_free(parser);
	return rc;
}

int nested_rename(struct definition *def, struct field *top, const mr_str *path, size_t count, mr_str to,
		  struct mr_error *err)
{
	struct edit e = {def, path, count, EDIT_RENAME, to, false, err};
	return edit(&e, top);
}

int nested_drop(struct definition *def, struct field *top, const mr_str *path, size_t count,
		struct mr_error *err)
{
	struct edit e = {def, path, count, EDIT_DROP, MR_STR(""), false, err};
	return edit(&e, top);
}

int nested_widen(struct definition *def, struct field *top, const mr_str *path, size_t count, mr_str type,
		 struct mr_error *err)
{
	struct edit e = {def, path, count, EDIT_TYPE, type, false, err};
	return edit(&e, top);
}
