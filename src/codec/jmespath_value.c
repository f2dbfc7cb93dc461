#include "codec/jmespath_tree.h"

enum { ITEMS_MAX = 100000, TEXT_BYTES_MAX = 1 << 20 };

struct jmespath_value jp_null(void)
{
	return (struct jmespath_value){.type = JSON_NULL};
}

struct jmespath_value jp_bool(bool v)
{
	return (struct jmespath_value){.type = JSON_BOOL, .boolean = v};
}

struct jmespath_value jp_number(double v)
{
	return (struct jmespath_value){.type = JSON_DOUBLE, .number = v};
}

struct jmespath_value jp_string(mr_str v)
{
	return (struct jmespath_value){.type = JSON_STRING, .string = v};
}

struct jmespath_value jp_from_json(struct json_value v)
{
	struct jmespath_value out = {.type = json_type(v), .node = v};
	if (out.type == JSON_STRING)
		out.string = json_str(v);
	else if (out.type == JSON_BOOL)
		out.boolean = json_bool(v);
	else if (jp_is_number(&out))
		out.number = json_double(v);
	return out;
}

bool jp_is_number(const struct jmespath_value *v)
{
	return v->type == JSON_INT || v->type == JSON_UINT || v->type == JSON_DOUBLE;
}

size_t jp_count(const struct jmespath_value *v)
{
	if (v->type != JSON_ARRAY && v->type != JSON_OBJECT)
		return 0;
	return json_present(v->node) ? json_count(v->node) : v->count;
}

struct jmespath_value jp_field(const struct jmespath_value *v, mr_str name)
{
	if (v->type != JSON_OBJECT)
		return jp_null();
	if (json_present(v->node))
		return jp_from_json(json_get_str(v->node, name));
	for (size_t i = 0; i < v->count; i++) {
		if (mr_str_eq(v->names[i], name))
			return v->items[i];
	}
	return jp_null();
}

struct jp_iter jp_iter(const struct jmespath_value *v)
{
	struct jp_iter it = {.of = v};
	if (json_present(v->node))
		it.json = json_iter(v->node);
	return it;
}

bool jp_next(struct jp_iter *it)
{
	if (json_present(it->of->node)) {
		if (!json_next(&it->json))
			return false;
		it->name = it->json.key;
		it->value = jp_from_json(it->json.value);
		return true;
	}
	if (it->at >= it->of->count)
		return false;
	it->name = it->of->names ? it->of->names[it->at] : MR_STR("");
	it->value = it->of->items[it->at++];
	return true;
}

static bool equal_arrays(const struct jmespath_value *a, const struct jmespath_value *b)
{
	struct jp_iter x = jp_iter(a), y = jp_iter(b);
	while (jp_next(&x)) {
		if (!jp_next(&y) || !jp_equal(&x.value, &y.value))
			return false;
	}
	return true;
}

static bool equal_objects(const struct jmespath_value *a, const struct jmespath_value *b)
{
	for (struct jp_iter it = jp_iter(a); jp_next(&it);) {
		bool found = false;
		for (struct jp_iter other = jp_iter(b); !found && jp_next(&other);)
			found = mr_str_eq(other.name, it.name) && jp_equal(&it.value, &other.value);
		if (!found)
			return false;
	}
	return true;
}

bool jp_equal(const struct jmespath_value *a, const struct jmespath_value *b)
{
	if (jp_is_number(a) && jp_is_number(b)) {
		if (a->type == JSON_INT && b->type == JSON_INT)
			return json_int(a->node) == json_int(b->node);
		return a->number == b->number;
	}
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return a->boolean == b->boolean;
	case JSON_STRING:
		return mr_str_eq(a->string, b->string);
	case JSON_ARRAY:
		return jp_count(a) == jp_count(b) && equal_arrays(a, b);
	default:
		return jp_count(a) == jp_count(b) && equal_objects(a, b);
	}
}

bool jmespath_truthy(const struct jmespath_value *v)
{
	switch (v->type) {
	case JSON_NULL:
		return false;
	case JSON_BOOL:
		return v->boolean;
	case JSON_STRING:
		return v->string.len > 0;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return jp_count(v) > 0;
	default:
		return true;
	}
}

static void write_value(struct json_writer *w, const struct jmespath_value *v)
{
	if (json_present(v->node)) {
		json_put_value(w, v->node);
		return;
	}
	bool whole = v->number == (double)(int64_t)v->number;
	switch (v->type) {
	case JSON_NULL:
		json_put_null(w);
		break;
	case JSON_BOOL:
		json_put_bool(w, v->boolean);
		break;
	case JSON_STRING:
		json_put_str(w, v->string);
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (size_t i = 0; i < v->count; i++)
			write_value(w, &v->items[i]);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w);
		for (size_t i = 0; i < v->count; i++) {
			json_key_str(w, v->names[i]);
			write_value(w, &v->items[i]);
		}
		json_end_object(w);
		break;
	default: /* a computed number: counts and sums of integers read as integers */
		whole ? json_put_int(w, (int64_t)v->number) : json_put_double(w, v->number);
	}
}

void jmespath_text(const struct jmespath_value *v, struct mr_buf *out)
{
	if (v->type == JSON_STRING) {
		mr_buf_str(out, v->string);
		return;
	}
	struct json_writer w = json_writer(out);
	write_value(&w, v);
}

int jp_make_array(struct jp_run *run, size_t count, struct jmespath_value *out)
{
	struct jmespath_evaluator *e = run->evaluator;
	if (count > ITEMS_MAX - e->items_made)
		return mr_fail(run->err, MR_ERR_LIMIT, "the expression makes more than %d list elements",
			       ITEMS_MAX);
	e->items_made += count;
	*out = (struct jmespath_value){.type = JSON_ARRAY};
	if (count)
		out->items = arena_alloc(&e->arena, count * sizeof *out->items);
	return 0;
}

int jp_make_text(struct jp_run *run, mr_str text, mr_str *out)
{
	struct jmespath_evaluator *e = run->evaluator;
	if (text.len > TEXT_BYTES_MAX - e->bytes_made)
		return mr_fail(run->err, MR_ERR_LIMIT, "the expression makes more than %d bytes of text",
			       TEXT_BYTES_MAX);
	e->bytes_made += text.len;
	*out = arena_copy(&e->arena, text);
	return 0;
}
