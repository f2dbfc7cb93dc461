/* lake/mapping.c - columns that have ids and physical names (delta.columnMapping.mode).
 *
 * Every field, at any depth, has an id that no other one of the table ever had, and a name in files
 * that never changes. So columns are renamed and dropped without touching a file. A table that is
 * mapped later keeps its columns' names in files; new columns get new ones.
 */
#include "lake/define.h"

#define ID "delta.columnMapping.id"
#define PHYSICAL "delta.columnMapping.physicalName"
#define MODE "delta.columnMapping.mode"
#define MAX_ID "delta.columnMapping.maxColumnId"

struct mapping {
	struct mr_rng *rng;
	bool keeps_names;
	int64_t max;
};

static void map_type(struct mapping *m, struct json_writer *w, struct json_value type);

static void map_metadata(struct mapping *m, struct json_writer *w, struct json_value metadata, mr_str name)
{
	json_begin_object(w);
	for (struct json_iter it = json_iter(metadata); json_next(&it);) {
		json_key_str(w, it.key);
		json_put_value(w, it.value);
	}
	if (!json_present(json_get(metadata, ID)))
		json_member_int(w, ID, ++m->max);
	if (!json_present(json_get(metadata, PHYSICAL))) {
		char uuid[37], fresh[48] = "col-";
		rng_uuid(m->rng, uuid);
		memcpy(fresh + 4, uuid, sizeof uuid);
		json_member_str(w, PHYSICAL, m->keeps_names ? name : mr_str_from(fresh));
	}
	json_end_object(w);
}

static void map_field(struct mapping *m, struct json_writer *w, struct json_value field)
{
	json_begin_object(w);
	for (struct json_iter it = json_iter(field); json_next(&it);) {
		if (mr_str_is(it.key, "metadata"))
			continue;
		json_key_str(w, it.key);
		if (mr_str_is(it.key, "type"))
			map_type(m, w, it.value);
		else
			json_put_value(w, it.value);
	}
	json_key(w, "metadata");
	map_metadata(m, w, json_get(field, "metadata"), json_str(json_get(field, "name")));
	json_end_object(w);
}

static void map_type(struct mapping *m, struct json_writer *w, struct json_value type)
{
	if (json_type(type) != JSON_OBJECT) {
		json_put_value(w, type);
		return;
	}
	json_begin_object(w);
	for (struct json_iter it = json_iter(type); json_next(&it);) {
		json_key_str(w, it.key);
		if (mr_str_is(it.key, "fields")) {
			json_begin_array(w);
			for (struct json_iter field = json_iter(it.value); json_next(&field);)
				map_field(m, w, field.value);
			json_end_array(w);
		} else {
			map_type(m, w, it.value); /* elementType, keyType, valueType; others are copied */
		}
	}
	json_end_object(w);
}

/* The largest id that a text of JSON mentions. */
static int64_t largest_id(mr_str text, int64_t max)
{
	static const char key[] = "\"" ID "\":";
	for (;;) {
		const char *at = text.len ? memmem(text.ptr, text.len, key, sizeof key - 1) : NULL;
		if (!at)
			return max;
		text = mr_str_tail(text, (size_t)(at - text.ptr) + sizeof key - 1);
		max = mr_max_i64(max, strtoll(text.ptr, NULL, 10));
	}
}

static int map_top(struct mapping *m, struct definition *def, struct field *field, struct json_parser *parser,
		   struct mr_error *err)
{
	struct json_value value;
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	int rc = json_parse(parser, field->metadata, &value, err);
	if (rc == 0) {
		map_metadata(m, &w, value, field->name);
		field->metadata = arena_copy(def->arena, mr_buf_view(&text));
		rc = field->type.ptr[0] == '{' ? json_parse(parser, field->type, &value, err) : 1;
	}
	if (rc == 0) {
		mr_buf_clear(&text);
		w = json_writer(&text);
		map_type(m, &w, value);
		field->type = arena_copy(def->arena, mr_buf_view(&text));
	}
	mr_buf_release(&text);
	return rc < 0 ? rc : 0;
}

bool definition_is_mapped(const struct definition *def)
{
	mr_str mode = definition_property(def, MODE);
	return mode.len && !mr_str_is(mode, "none");
}

int definition_map(struct definition *def, mr_str mode_before, bool has_files, struct mr_rng *rng,
		   struct mr_error *err)
{
	mr_str mode = definition_property(def, MODE), before = mode_before.len ? mode_before : MR_STR("none");
	mr_str now = mode.len ? mode : MR_STR("none");
	if (has_files && !mr_str_eq(before, now) && !(mr_str_is(before, "none") && mr_str_is(now, "name"))) {
		mr_fail(err, MR_ERR_UNSUPPORTED,
			"the column mapping mode of a table goes from none to name, not from %.*s to %.*s",
			MR_FMT(before), MR_FMT(now));
		return mr_hint(err, "its files would have to be written again: CREATE TABLE ... AS SELECT");
	}
	if (!definition_is_mapped(def))
		return 0;
	if (!mr_str_is(now, "name") && !mr_str_is(now, "id"))
		return mr_fail(err, MR_ERR_INVALID, "delta.columnMapping.mode is none, name or id, not %.*s",
			       MR_FMT(now));
	mr_str max = definition_property(def, MAX_ID);
	struct mapping m = {.rng = rng, .max = max.len ? strtoll(max.ptr, NULL, 10) : 0};
	m.keeps_names = has_files && mr_str_is(before, "none");
	for (size_t i = 0; i < def->fields.len; i++)
		m.max =
		    largest_id(def->fields.items[i].type, largest_id(def->fields.items[i].metadata, m.max));
	struct json_parser *parser = json_parser_new();
	int rc = 0;
	for (size_t i = 0; i < def->fields.len && rc == 0; i++)
		rc = map_top(&m, def, &def->fields.items[i], parser, err);
	json_parser_free(parser);
	if (rc == 0)
		definition_set(def, MR_STR(MAX_ID), arena_printf(def->arena, "%lld", (long long)m.max));
	return rc;
}
