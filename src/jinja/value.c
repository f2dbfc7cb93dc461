#include "jinja/value.h"

#include "codec/utf8.h"
#include "conf/nearest.h"
#include "jinja/tree.h"

#include <math.h>
#include <stdio.h>

struct arena *jinja_arena(struct jinja_state *state)
{
	return state->arena;
}

int jinja_charge(struct jinja_state *state, size_t steps, size_t bytes, struct mr_error *err)
{
	state->steps += steps;
	state->bytes += bytes;
	if (state->steps > JINJA_STEPS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "the template takes more than %d steps", JINJA_STEPS_MAX);
	if (state->bytes > JINJA_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "the template's values take more than %zu MiB",
			       JINJA_BYTES_MAX >> 20);
	return 0;
}

struct jinja_value jinja_list_new(struct arena *arena, enum jinja_type type, size_t cap)
{
	struct jinja_list *list = arena_calloc(arena, 1, sizeof *list);
	list->cap = cap;
	list->items = cap ? arena_alloc(arena, cap * sizeof *list->items) : NULL;
	return (struct jinja_value){.type = type, .list = list};
}

void jinja_list_push(struct arena *arena, struct jinja_list *list, struct jinja_value item)
{
	if (list->count == list->cap) {
		size_t cap = mr_max_size(8, list->cap * 2);
		struct jinja_value *items = arena_alloc(arena, cap * sizeof *items);
		if (list->count)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = item;
}

struct jinja_value jinja_dict_new(struct arena *arena, size_t cap)
{
	struct jinja_dict *dict = arena_calloc(arena, 1, sizeof *dict);
	dict->cap = cap;
	dict->pairs = cap ? arena_alloc(arena, cap * sizeof *dict->pairs) : NULL;
	return (struct jinja_value){.type = JINJA_DICT, .dict = dict};
}

static void dict_append(struct arena *arena, struct jinja_dict *dict, struct jinja_value key,
			struct jinja_value value)
{
	if (dict->count == dict->cap) {
		size_t cap = mr_max_size(8, dict->cap * 2);
		struct jinja_pair *pairs = arena_alloc(arena, cap * sizeof *pairs);
		if (dict->count)
			memcpy(pairs, dict->pairs, dict->count * sizeof *pairs);
		dict->pairs = pairs;
		dict->cap = cap;
	}
	dict->pairs[dict->count++] = (struct jinja_pair){key, value};
}

void jinja_dict_put(struct arena *arena, struct jinja_dict *dict, struct jinja_value key,
		    struct jinja_value value)
{
	struct jinja_value *old = (struct jinja_value *)jinja_dict_get(dict, key);
	if (old)
		*old = value;
	else
		dict_append(arena, dict, key, value);
}

const struct jinja_value *jinja_dict_get(const struct jinja_dict *dict, struct jinja_value key)
{
	for (size_t i = 0; i < dict->count; i++)
		if (jinja_equal(dict->pairs[i].key, key))
			return &dict->pairs[i].value;
	return NULL;
}

double jinja_as_double(struct jinja_value v)
{
	return v.type == JINJA_FLOAT ? v.number : v.type == JINJA_BOOL ? v.boolean : (double)v.integer;
}

bool jinja_as_int(struct jinja_value v, int64_t *out)
{
	if (v.type != JINJA_INT && v.type != JINJA_BOOL)
		return false;
	*out = v.type == JINJA_INT ? v.integer : v.boolean;
	return true;
}

const char *jinja_type_name(struct jinja_value v)
{
	static const char *const names[] = {"undefined", "NoneType", "bool",      "int",
					    "float",     "str",      "list",      "tuple",
					    "dict",      "datetime", "timedelta", "object"};
	return names[v.type];
}

bool jinja_truth(struct jinja_value v)
{
	switch (v.type) {
	case JINJA_UNDEFINED:
	case JINJA_NONE:
		return false;
	case JINJA_BOOL:
		return v.boolean;
	case JINJA_INT:
		return v.integer != 0;
	case JINJA_FLOAT:
		return v.number != 0;
	case JINJA_STR:
		return v.text.len > 0;
	case JINJA_LIST:
	case JINJA_TUPLE:
		return v.list->count > 0;
	case JINJA_DICT:
		return v.dict->count > 0;
	case JINJA_DELTA:
		return v.us != 0;
	case JINJA_TIME:
	case JINJA_OBJECT:
		break;
	}
	return true;
}

static bool dict_equal(const struct jinja_dict *a, const struct jinja_dict *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct jinja_value *other = jinja_dict_get(b, a->pairs[i].key);
		if (!other || !jinja_equal(a->pairs[i].value, *other))
			return false;
	}
	return true;
}

bool jinja_equal(struct jinja_value a, struct jinja_value b)
{
	if (jinja_is_number(a) && jinja_is_number(b)) {
		int64_t x, y;
		if (jinja_as_int(a, &x) && jinja_as_int(b, &y))
			return x == y;
		return jinja_as_double(a) == jinja_as_double(b);
	}
	if (a.type != b.type)
		return false;
	switch (a.type) {
	case JINJA_STR:
		return mr_str_eq(a.text, b.text);
	case JINJA_LIST:
	case JINJA_TUPLE:
		if (a.list->count != b.list->count)
			return false;
		for (size_t i = 0; i < a.list->count; i++)
			if (!jinja_equal(a.list->items[i], b.list->items[i]))
				return false;
		return true;
	case JINJA_DICT:
		return dict_equal(a.dict, b.dict);
	case JINJA_TIME:
	case JINJA_DELTA:
		return a.us == b.us;
	case JINJA_OBJECT:
		return a.object == b.object;
	default:
		return true;
	}
}

static int order_int(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int order_text(mr_str a, mr_str b)
{
	size_t len = mr_min_size(a.len, b.len);
	int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
	return order ? (order > 0) - (order < 0) : order_int((int64_t)a.len, (int64_t)b.len);
}

int jinja_compare(struct jinja_value a, struct jinja_value b, int *out, struct mr_error *err)
{
	int64_t x, y;
	int rc = 0;
	if (jinja_as_int(a, &x) && jinja_as_int(b, &y)) {
		*out = order_int(x, y);
	} else if (jinja_is_number(a) && jinja_is_number(b)) {
		double p = jinja_as_double(a), q = jinja_as_double(b);
		*out = (p > q) - (p < q);
	} else if (a.type == JINJA_STR && b.type == JINJA_STR) {
		*out = order_text(a.text, b.text);
	} else if ((a.type == JINJA_TIME || a.type == JINJA_DELTA) && a.type == b.type) {
		*out = order_int(a.us, b.us);
	} else if (jinja_is_list(a) && a.type == b.type) {
		*out = order_int((int64_t)a.list->count, (int64_t)b.list->count);
		for (size_t i = 0; rc == 0 && i < mr_min_size(a.list->count, b.list->count); i++) {
			if (jinja_equal(a.list->items[i], b.list->items[i]))
				continue;
			return jinja_compare(a.list->items[i], b.list->items[i], out, err);
		}
	} else {
		rc = mr_fail(err, MR_ERR_INVALID, "cannot compare %s with %s", jinja_type_name(a),
			     jinja_type_name(b));
	}
	return rc;
}

void jinja_put_float(struct mr_buf *out, double v)
{
	char digits[40];
	if (isnan(v) || isinf(v)) {
		mr_buf_cstr(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return;
	}
	for (int precision = 0; precision < 17; precision++) {
		snprintf(digits, sizeof digits, "%.*e", precision, v);
		if (strtod(digits, NULL) == v)
			break;
	}
	char *e = strchr(digits, 'e');
	int exponent = (int)strtol(e + 1, NULL, 10);
	if (exponent < -4 || exponent >= 16) {
		mr_buf_append(out, digits, (size_t)(e - digits));
		mr_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
		return;
	}
	int significant =
	    (int)(e - digits) - (digits[0] == '-') - 1; /* digits behind the first, "." counted */
	int decimals = (significant > 0 ? significant - 1 : 0) - exponent;
	mr_buf_printf(out, "%.*f", decimals > 1 ? decimals : 1, v);
}

/* Python chooses quotes so that it escapes least. */
static void put_repr_text(struct mr_buf *out, mr_str s)
{
	char quote = s.len && memchr(s.ptr, '\'', s.len) && !memchr(s.ptr, '"', s.len) ? '"' : '\'';
	mr_buf_char(out, quote);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == (unsigned char)quote || c == '\\')
			mr_buf_printf(out, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			mr_buf_cstr(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
		else if (c < 0x20 || c == 0x7f)
			mr_buf_printf(out, "\\x%02x", c);
		else
			mr_buf_char(out, (char)c);
	}
	mr_buf_char(out, quote);
}

static int put_list(struct jinja_state *state, struct mr_buf *out, struct jinja_value v, struct mr_error *err)
{
	bool tuple = v.type == JINJA_TUPLE;
	int rc = 0;
	mr_buf_char(out, tuple ? '(' : '[');
	for (size_t i = 0; rc == 0 && i < v.list->count; i++) {
		if (i)
			mr_buf_cstr(out, ", ");
		rc = jinja_put_repr(state, out, v.list->items[i], err);
	}
	mr_buf_cstr(out, tuple ? v.list->count == 1 ? ",)" : ")" : "]");
	return rc;
}

static int put_dict(struct jinja_state *state, struct mr_buf *out, const struct jinja_dict *dict,
		    struct mr_error *err)
{
	int rc = 0;
	mr_buf_char(out, '{');
	for (size_t i = 0; rc == 0 && i < dict->count; i++) {
		if (i)
			mr_buf_cstr(out, ", ");
		rc = jinja_put_repr(state, out, dict->pairs[i].key, err);
		mr_buf_cstr(out, ": ");
		if (rc == 0)
			rc = jinja_put_repr(state, out, dict->pairs[i].value, err);
	}
	mr_buf_char(out, '}');
	return rc;
}

static int put_object(struct jinja_state *state, struct mr_buf *out, const struct jinja_object *object,
		      struct mr_error *err)
{
	struct jinja_value text;
	if (!object->ops->text) {
		mr_buf_printf(out, "<%s>", object->name);
		return 0;
	}
	int rc = object->ops->text(object, state, &text, err);
	return rc == 0 ? jinja_put_str(state, out, text, err) : rc;
}

int jinja_put_str(struct jinja_state *state, struct mr_buf *out, struct jinja_value v, struct mr_error *err)
{
	switch (v.type) {
	case JINJA_UNDEFINED:
		return mr_fail(err, MR_ERR_INVALID, "'%.*s' is undefined", MR_FMT(v.text));
	case JINJA_NONE:
		mr_buf_cstr(out, "None");
		return 0;
	case JINJA_BOOL:
		mr_buf_cstr(out, v.boolean ? "True" : "False");
		return 0;
	case JINJA_INT:
		mr_buf_printf(out, "%lld", (long long)v.integer);
		return 0;
	case JINJA_FLOAT:
		jinja_put_float(out, v.number);
		return 0;
	case JINJA_STR:
		mr_buf_str(out, v.text);
		return 0;
	case JINJA_TIME:
	case JINJA_DELTA:
		time_put(out, v, ' ');
		return 0;
	default:
		break;
	}
	if (++state->depth > JINJA_DEPTH_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a value nested deeper than %d levels", JINJA_DEPTH_MAX);
	int rc = v.type == JINJA_DICT     ? put_dict(state, out, v.dict, err)
		 : v.type == JINJA_OBJECT ? put_object(state, out, v.object, err)
					  : put_list(state, out, v, err);
	state->depth--;
	if (rc == 0 && out->len > JINJA_BYTES_MAX)
		rc = mr_fail(err, MR_ERR_LIMIT, "the text of a value is larger than %zu MiB",
			     JINJA_BYTES_MAX >> 20);
	return rc;
}

int jinja_put_repr(struct jinja_state *state, struct mr_buf *out, struct jinja_value v, struct mr_error *err)
{
	if (v.type != JINJA_STR)
		return jinja_put_str(state, out, v, err);
	put_repr_text(out, v.text);
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct jinja_pair *x = a, *y = b;
	int order = 0;
	if (jinja_compare(x->key, y->key, &order, NULL) != 0)
		order = (int)x->key.type - (int)y->key.type;
	return order;
}

/* As json.dumps with ensure_ascii: UTF-16 escapes for what is not ASCII. */
static void put_json_text(struct mr_buf *out, mr_str s)
{
	mr_buf_char(out, '"');
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.ptr[i];
		size_t n = utf8_sequence((const unsigned char *)s.ptr + i, s.len - i);
		uint32_t code = n <= 1 ? c : n == 2 ? c & 0x1f : n == 3 ? c & 0x0f : c & 0x07;
		for (size_t k = 1; k < n; k++)
			code = code << 6 | ((unsigned char)s.ptr[i + k] & 0x3f);
		const char *known = c < 0x80 && c ? strchr("\"\"\\\\\nn\rr\tt\bb\ff", c) : NULL;
		if (c == '"' || c == '\\')
			mr_buf_printf(out, "\\%c", c);
		else if (known && c < 0x20)
			mr_buf_printf(out, "\\%c", known[1]);
		else if (code >= 0x10000)
			mr_buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
				      0xdc00 + ((code - 0x10000) & 0x3ff));
		else if (n == 0 || code < 0x20 || code >= 0x7f)
			mr_buf_printf(out, "\\u%04x", n == 0 ? 0xfffdu : code);
		else
			mr_buf_char(out, (char)c);
		i += n ? n : 1;
	}
	mr_buf_char(out, '"');
}

static int put_json(struct mr_buf *out, struct jinja_value v, bool sorted, int depth, struct mr_error *err);

static int put_json_dict(struct mr_buf *out, const struct jinja_dict *dict, bool sorted, int depth,
			 struct mr_error *err)
{
	struct jinja_pair *pairs = mr_calloc(dict->count + 1, sizeof *pairs);
	int rc = 0;
	if (dict->count)
		memcpy(pairs, dict->pairs, dict->count * sizeof *pairs);
	if (sorted)
		qsort(pairs, dict->count, sizeof *pairs, compare_keys);
	mr_buf_char(out, '{');
	for (size_t i = 0; rc == 0 && i < dict->count; i++) {
		if (i)
			mr_buf_cstr(out, ", ");
		bool text = pairs[i].key.type == JINJA_STR;
		if (!text)
			mr_buf_char(out, '"');
		rc = put_json(out, pairs[i].key, sorted, depth + 1, err);
		mr_buf_cstr(out, text ? ": " : "\": ");
		if (rc == 0)
			rc = put_json(out, pairs[i].value, sorted, depth + 1, err);
	}
	mr_buf_char(out, '}');
	free(pairs);
	return rc;
}

static int put_json(struct mr_buf *out, struct jinja_value v, bool sorted, int depth, struct mr_error *err)
{
	struct mr_buf text = {0};
	int rc = 0;
	if (depth > JINJA_DEPTH_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a value nested deeper than %d levels", JINJA_DEPTH_MAX);
	switch (v.type) {
	case JINJA_NONE:
		mr_buf_cstr(out, "null");
		break;
	case JINJA_BOOL:
		mr_buf_cstr(out, v.boolean ? "true" : "false");
		break;
	case JINJA_INT:
		mr_buf_printf(out, "%lld", (long long)v.integer);
		break;
	case JINJA_FLOAT:
		jinja_put_float(out, v.number);
		break;
	case JINJA_STR:
		put_json_text(out, v.text);
		break;
	case JINJA_TIME:
		time_put(&text, v, 'T');
		put_json_text(out, mr_buf_view(&text));
		mr_buf_release(&text);
		break;
	case JINJA_LIST:
	case JINJA_TUPLE:
		mr_buf_char(out, '[');
		for (size_t i = 0; rc == 0 && i < v.list->count; i++) {
			if (i)
				mr_buf_cstr(out, ", ");
			rc = put_json(out, v.list->items[i], sorted, depth + 1, err);
		}
		mr_buf_char(out, ']');
		break;
	case JINJA_DICT:
		rc = put_json_dict(out, v.dict, sorted, depth, err);
		break;
	default:
		rc = mr_fail(err, MR_ERR_INVALID, "a value of type %s has no JSON form", jinja_type_name(v));
	}
	return rc;
}

int jinja_put_json(struct mr_buf *out, struct jinja_value v, bool sorted, struct mr_error *err)
{
	return put_json(out, v, sorted, 0, err);
}

struct jinja_value jinja_from_json(struct arena *arena, struct json_value v)
{
	struct jinja_value out;
	switch (json_type(v)) {
	case JSON_BOOL:
		return jinja_bool(json_bool(v));
	case JSON_INT:
		return jinja_int(json_int(v));
	case JSON_UINT:
	case JSON_DOUBLE:
		return jinja_float(json_double(v));
	case JSON_STRING:
		return jinja_str(arena_copy(arena, json_str(v)));
	case JSON_ARRAY:
		out = jinja_list_new(arena, JINJA_LIST, json_count(v));
		for (struct json_iter it = json_iter(v); json_next(&it);)
			jinja_list_push(arena, out.list, jinja_from_json(arena, it.value));
		return out;
	case JSON_OBJECT:
		out = jinja_dict_new(arena, json_count(v));
		for (struct json_iter it = json_iter(v); json_next(&it);)
			dict_append(arena, out.dict, jinja_str(arena_copy(arena, it.key)),
				    jinja_from_json(arena, it.value));
		return out;
	case JSON_NULL:
		break;
	}
	return jinja_none();
}

int jinja_parse_json(struct arena *arena, mr_str json, struct jinja_value *out, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = json_parse(parser, json, &v, err);
	if (rc == 0)
		*out = jinja_from_json(arena, v);
	json_parser_free(parser);
	return rc;
}

int jinja_take(struct jinja_state *state, struct mr_buf *buf, struct jinja_value *out, struct mr_error *err)
{
	int rc = jinja_charge(state, 1, buf->len, err);
	if (rc == 0)
		*out = jinja_str(arena_copy(state->arena, mr_buf_view(buf)));
	mr_buf_release(buf);
	return rc;
}

int jinja_text(struct jinja_state *state, struct jinja_value v, mr_str *out, struct mr_error *err)
{
	struct mr_buf text = {0};
	struct jinja_value taken;
	if (v.type == JINJA_STR) {
		*out = v.text;
		return 0;
	}
	int rc = jinja_put_str(state, &text, v, err);
	if (rc != 0) {
		mr_buf_release(&text);
		return rc;
	}
	rc = jinja_take(state, &text, &taken, err);
	if (rc == 0)
		*out = taken.text;
	return rc;
}

bool jinja_arg(const struct jinja_args *args, size_t index, const char *name, struct jinja_value *out)
{
	if (index < args->count) {
		*out = args->items[index];
		return true;
	}
	for (size_t i = 0; name && i < args->named_count; i++) {
		if (mr_str_is(args->names[i], name)) {
			*out = args->named[i];
			return true;
		}
	}
	return false;
}

int jinja_check_args(const struct jinja_args *args, const char *what, const char *const *names,
		     size_t count_max, struct mr_error *err)
{
	if (args->count > count_max)
		return mr_fail(err, MR_ERR_INVALID, "%s takes at most %zu arguments", what, count_max);
	for (size_t i = 0; i < args->named_count; i++) {
		size_t k = 0;
		while (k < count_max && !mr_str_is(args->names[i], names[k]))
			k++;
		if (k < count_max && k >= args->count)
			continue;
		mr_fail(err, MR_ERR_INVALID, "%s has no argument '%.*s'", what, MR_FMT(args->names[i]));
		const char *near = conf_nearest(args->names[i], names, count_max);
		return near ? mr_hint(err, "did you mean '%s'?", near) : MR_ERR_INVALID;
	}
	return 0;
}
