/* Filters and global functions. The table at the end has them all. */
#include "jinja/tree.h"

#include "codec/utf8.h"
#include "conf/nearest.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#define FILTER(name) \
	static int name(struct jinja_state *state, struct jinja_value input, const struct jinja_args *args, \
			struct jinja_value *out, struct mr_error *err)

static struct jinja_value arg_or(const struct jinja_args *args, size_t index, const char *name,
				 struct jinja_value preset)
{
	jinja_arg(args, index, name, &preset);
	return preset;
}

static int wrong(const char *filter, const char *want, struct jinja_value v, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INVALID, "%s: expected %s, not %s", filter, want, jinja_type_name(v));
}

FILTER(filter_default)
{
	bool falsy = jinja_truth(arg_or(args, 1, "boolean", jinja_bool(false)));
	bool use = input.type == JINJA_UNDEFINED || (falsy && !jinja_truth(input));
	*out = use ? arg_or(args, 0, "default_value", jinja_str(MR_STR(""))) : input;
	return 0;
}

/* upper, lower, title, capitalize, trim: a string's method of a name of its own */
static int by_method(struct jinja_state *state, struct jinja_value input, const char *method,
		     const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	mr_str text;
	int rc = jinja_text(state, input, &text, err);
	return rc == 0 ? string_method(state, text, mr_str_from(method), args, out, err) : rc;
}

FILTER(filter_upper)
{
	return by_method(state, input, "upper", args, out, err);
}

FILTER(filter_lower)
{
	return by_method(state, input, "lower", args, out, err);
}

FILTER(filter_capitalize)
{
	return by_method(state, input, "capitalize", args, out, err);
}

FILTER(filter_trim)
{
	struct jinja_value chars = arg_or(args, 0, "chars", jinja_none());
	struct jinja_args given = {&chars, chars.type != JINJA_NONE, NULL, NULL, 0};
	return by_method(state, input, "strip", &given, out, err);
}

/* Words begin behind space, - ( { [ < only, unlike str.title. */
FILTER(filter_title)
{
	mr_str text;
	int rc = jinja_text(state, input, &text, err);
	if (rc != 0)
		return rc;
	mr_str copy = arena_copy(state->arena, text);
	bool begins = true;
	for (size_t i = 0; i < copy.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		((char *)copy.ptr)[i] = (char)(begins ? toupper(c) : tolower(c));
		begins = isspace(c) || strchr("-({[<", c) != NULL;
	}
	*out = jinja_str(copy);
	return jinja_charge(state, 1, copy.len, err);
}

FILTER(filter_replace)
{
	struct jinja_value from, to, values[3];
	mr_str text;
	if (!jinja_arg(args, 0, "old", &from) || !jinja_arg(args, 1, "new", &to))
		return mr_fail(err, MR_ERR_INVALID, "replace needs two strings");
	int rc = jinja_text(state, from, &text, err);
	values[0] = jinja_str(text);
	if (rc == 0)
		rc = jinja_text(state, to, &text, err);
	values[1] = jinja_str(text);
	values[2] = arg_or(args, 2, "count", jinja_int(-1));
	struct jinja_args given = {values, 3, NULL, NULL, 0};
	return rc == 0 ? by_method(state, input, "replace", &given, out, err) : rc;
}

FILTER(filter_length)
{
	if (input.type == JINJA_STR)
		*out = jinja_int((int64_t)utf8_count(input.text));
	else if (jinja_is_list(input))
		*out = jinja_int((int64_t)input.list->count);
	else if (input.type == JINJA_DICT)
		*out = jinja_int((int64_t)input.dict->count);
	else
		return wrong("length", "something with elements", input, err);
	return jinja_charge(state, 1, 0, err);
}

FILTER(filter_first)
{
	const struct jinja_value *items;
	size_t count;
	int rc = eval_items(state, input, &items, &count, err);
	if (rc == 0)
		*out = count ? items[0] : jinja_undefined(MR_STR("the first of nothing"));
	return rc;
}

FILTER(filter_last)
{
	const struct jinja_value *items;
	size_t count;
	int rc = eval_items(state, input, &items, &count, err);
	if (rc == 0)
		*out = count ? items[count - 1] : jinja_undefined(MR_STR("the last of nothing"));
	return rc;
}

/* An element's attribute by a dotted path; the element itself without one. */
static int element_key(struct jinja_state *state, struct jinja_value v, struct jinja_value path,
		       struct jinja_value *out, struct mr_error *err)
{
	int64_t index;
	if (jinja_as_int(path, &index)) {
		int rc = eval_item(state, v, path, out, err);
		return rc == 1 ? wrong("attribute", "an element of that number", v, err) : rc;
	}
	if (path.type != JINJA_STR) {
		*out = v;
		return 0;
	}
	for (mr_str rest = path.text; rest.len;) {
		const char *dot = memchr(rest.ptr, '.', rest.len);
		mr_str name = dot ? mr_str_n(rest.ptr, (size_t)(dot - rest.ptr)) : rest;
		int rc = eval_item(state, v, jinja_str(name), &v, err);
		if (rc == 1) {
			v = jinja_undefined(name);
			rc = 0;
		}
		if (rc != 0)
			return rc;
		rest = mr_str_tail(rest, name.len + (dot ? 1 : 0));
	}
	*out = v;
	return 0;
}

FILTER(filter_join)
{
	const struct jinja_value *items;
	size_t count;
	struct mr_buf text = {0};
	mr_str separator;
	struct jinja_value path = arg_or(args, 1, "attribute", jinja_none());
	int rc = jinja_text(state, arg_or(args, 0, "d", jinja_str(MR_STR(""))), &separator, err);
	if (rc == 0)
		rc = eval_items(state, input, &items, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct jinja_value v;
		size_t before = text.len;
		if (i)
			mr_buf_str(&text, separator);
		rc = element_key(state, items[i], path, &v, err);
		if (rc == 0)
			rc = jinja_put_str(state, &text, v, err);
		if (rc == 0)
			rc = jinja_charge(state, 1, text.len - before, err);
	}
	if (rc == 0)
		return jinja_take(state, &text, out, err);
	mr_buf_release(&text);
	return rc;
}

FILTER(filter_list)
{
	const struct jinja_value *items;
	size_t count;
	int rc = eval_items(state, input, &items, &count, err);
	if (rc == 0)
		rc = jinja_charge(state, count, count * sizeof *items, err);
	if (rc != 0)
		return rc;
	*out = jinja_list_new(state->arena, JINJA_LIST, count);
	for (size_t i = 0; i < count; i++)
		jinja_list_push(state->arena, out->list, items[i]);
	return 0;
}

FILTER(filter_reverse)
{
	const struct jinja_value *items;
	size_t count;
	struct mr_buf text = {0};
	int rc = eval_items(state, input, &items, &count, err);
	if (rc == 0)
		rc = jinja_charge(state, count, count * sizeof *items, err);
	if (rc != 0)
		return rc;
	*out = jinja_list_new(state->arena, JINJA_LIST, count);
	for (size_t i = count; i-- > 0;) {
		jinja_list_push(state->arena, out->list, items[i]);
		if (input.type == JINJA_STR)
			mr_buf_str(&text, items[i].text);
	}
	return input.type == JINJA_STR ? jinja_take(state, &text, out, err) : 0;
}

/* Elements with what they are ordered by, merge-sorted: stable, and an error ends it. */
struct ranked {
	struct jinja_value key, item;
};

static int merge_sort(struct ranked *items, struct ranked *spare, size_t count, int sign,
		      struct mr_error *err)
{
	size_t half = count / 2, i = 0, k = half, n = 0;
	if (count < 2)
		return 0;
	int order, rc = merge_sort(items, spare, half, sign, err);
	if (rc == 0)
		rc = merge_sort(items + half, spare, count - half, sign, err);
	while (rc == 0 && i < half && k < count) {
		rc = jinja_compare(items[i].key, items[k].key, &order, err);
		spare[n++] = order * sign <= 0 ? items[i++] : items[k++];
	}
	while (rc == 0 && i < half)
		spare[n++] = items[i++];
	if (rc == 0)
		memcpy(items, spare, n * sizeof *items);
	return rc;
}

static mr_str lower_copy(struct arena *arena, mr_str text)
{
	mr_str copy = arena_copy(arena, text);
	for (size_t i = 0; i < copy.len; i++)
		((char *)copy.ptr)[i] = (char)tolower((unsigned char)copy.ptr[i]);
	return copy;
}

/* The elements of input with their keys; strings compare without case unless asked. */
static int rank_items(struct jinja_state *state, struct jinja_value input, struct jinja_value path, bool fold,
		      struct ranked **out, size_t *count, struct mr_error *err)
{
	const struct jinja_value *items;
	int rc = eval_items(state, input, &items, count, err);
	if (rc == 0)
		rc = jinja_charge(state, *count * 4, *count * 4 * sizeof *items, err);
	if (rc != 0)
		return rc;
	*out = arena_alloc(state->arena, (2 * *count + 1) * sizeof **out);
	for (size_t i = 0; rc == 0 && i < *count; i++) {
		struct ranked *to = &(*out)[i];
		to->item = items[i];
		rc = element_key(state, items[i], path, &to->key, err);
		if (rc == 0 && fold && to->key.type == JINJA_STR)
			to->key.text = lower_copy(state->arena, to->key.text);
	}
	return rc;
}

FILTER(filter_sort)
{
	struct ranked *ranked;
	size_t count;
	int sign = jinja_truth(arg_or(args, 0, "reverse", jinja_bool(false))) ? -1 : 1;
	bool fold = !jinja_truth(arg_or(args, 1, "case_sensitive", jinja_bool(false)));
	int rc =
	    rank_items(state, input, arg_or(args, 2, "attribute", jinja_none()), fold, &ranked, &count, err);
	if (rc == 0)
		rc = merge_sort(ranked, ranked + count, count, sign, err);
	if (rc != 0)
		return rc;
	*out = jinja_list_new(state->arena, JINJA_LIST, count);
	for (size_t i = 0; i < count; i++)
		jinja_list_push(state->arena, out->list, ranked[i].item);
	return 0;
}

FILTER(filter_unique)
{
	struct ranked *ranked;
	size_t count;
	bool fold = !jinja_truth(arg_or(args, 0, "case_sensitive", jinja_bool(false)));
	int rc =
	    rank_items(state, input, arg_or(args, 1, "attribute", jinja_none()), fold, &ranked, &count, err);
	struct jinja_value seen = jinja_list_new(state->arena, JINJA_LIST, 0);
	*out = jinja_list_new(state->arena, JINJA_LIST, 0);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		bool known = false;
		for (size_t k = 0; !known && k < seen.list->count; k++)
			known = jinja_equal(seen.list->items[k], ranked[i].key);
		rc = jinja_charge(state, 1 + seen.list->count / 16, 0, err);
		if (known)
			continue;
		jinja_list_push(state->arena, seen.list, ranked[i].key);
		jinja_list_push(state->arena, out->list, ranked[i].item);
	}
	return rc;
}

static int extreme(struct jinja_state *state, struct jinja_value input, const struct jinja_args *args,
		   int sign, struct jinja_value *out, struct mr_error *err)
{
	struct ranked *ranked;
	size_t count, best = 0;
	int order, rc;
	bool fold = !jinja_truth(arg_or(args, 0, "case_sensitive", jinja_bool(false)));
	rc = rank_items(state, input, arg_or(args, 1, "attribute", jinja_none()), fold, &ranked, &count, err);
	for (size_t i = 1; rc == 0 && i < count; i++) {
		rc = jinja_compare(ranked[i].key, ranked[best].key, &order, err);
		if (order * sign > 0)
			best = i;
	}
	if (rc == 0)
		*out = count ? ranked[best].item : jinja_undefined(MR_STR("the extreme of nothing"));
	return rc;
}

FILTER(filter_max)
{
	return extreme(state, input, args, 1, out, err);
}

FILTER(filter_min)
{
	return extreme(state, input, args, -1, out, err);
}

FILTER(filter_sum)
{
	const struct jinja_value *items;
	size_t count;
	struct jinja_value path = arg_or(args, 0, "attribute", jinja_none()), v;
	int rc = eval_items(state, input, &items, &count, err);
	*out = arg_or(args, 1, "start", jinja_int(0));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = element_key(state, items[i], path, &v, err);
		if (rc == 0)
			rc = eval_binary(state, OP_ADD, *out, v, out, err);
	}
	return rc;
}

/* Numbers out of text, or the default. */
FILTER(filter_int)
{
	struct jinja_value base = arg_or(args, 1, "base", jinja_int(10));
	*out = arg_or(args, 0, "default", jinja_int(0));
	if (input.type == JINJA_FLOAT && fabs(input.number) < 9e18) {
		*out = jinja_int((int64_t)input.number);
	} else if (input.type == JINJA_INT || input.type == JINJA_BOOL) {
		*out = jinja_int((int64_t)jinja_as_double(input));
		jinja_as_int(input, &out->integer);
	} else if (input.type == JINJA_STR && input.text.len && input.text.len < 64) {
		char digits[64], *end;
		struct jinja_value trimmed;
		struct jinja_args none = {0};
		int rc = string_method(state, input.text, MR_STR("strip"), &none, &trimmed, err);
		if (rc != 0)
			return rc;
		snprintf(digits, sizeof digits, "%.*s", MR_FMT(trimmed.text));
		int64_t radix = 10;
		jinja_as_int(base, &radix);
		long long n = strtoll(digits, &end, (int)(radix >= 2 && radix <= 36 ? radix : 10));
		double d = *end && radix == 10 ? strtod(digits, &end) : 0;
		if (digits[0] && !*end && isfinite(d))
			*out = jinja_int(d != 0 ? (int64_t)d : n);
	}
	return 0;
}

FILTER(filter_float)
{
	*out = arg_or(args, 0, "default", jinja_float(0));
	if (jinja_is_number(input)) {
		*out = jinja_float(jinja_as_double(input));
	} else if (input.type == JINJA_STR && input.text.len && input.text.len < 64) {
		char digits[64], *end;
		snprintf(digits, sizeof digits, "%.*s", MR_FMT(input.text));
		double d = strtod(digits, &end);
		if (!*end)
			*out = jinja_float(d);
	}
	return 0;
}

FILTER(filter_string)
{
	mr_str text;
	int rc = jinja_text(state, input, &text, err);
	*out = jinja_str(text);
	return rc;
}

FILTER(filter_abs)
{
	if (!jinja_is_number(input))
		return wrong("abs", "a number", input, err);
	if (jinja_as_double(input) < 0)
		return eval_binary(state, OP_SUB, jinja_int(0), input, out, err);
	*out = input;
	return 0;
}

FILTER(filter_round)
{
	struct jinja_value digits = arg_or(args, 0, "precision", jinja_int(0));
	struct jinja_value method = arg_or(args, 1, "method", jinja_str(MR_STR("common")));
	int64_t precision = 0;
	if (!jinja_is_number(input) || !jinja_as_int(digits, &precision) || llabs(precision) > 300)
		return wrong("round", "a number and a precision", input, err);
	double v = jinja_as_double(input), scale = pow(10, (double)precision);
	bool whole =
	    input.type != JINJA_FLOAT && method.type == JINJA_STR && mr_str_is(method.text, "common");
	char text[400];
	if (method.type == JINJA_STR && mr_str_is(method.text, "ceil")) {
		v = ceil(v * scale) / scale;
	} else if (method.type == JINJA_STR && mr_str_is(method.text, "floor")) {
		v = floor(v * scale) / scale;
	} else if (precision >= 0 && fabs(v) < 1e22) { /* exact decimal, half to even: as Python's round */
		snprintf(text, sizeof text, "%.*f", (int)precision, v);
		v = strtod(text, NULL);
	} else {
		v = nearbyint(v * scale) / scale;
	}
	*out = whole ? jinja_int((int64_t)v) : jinja_float(v);
	return whole && fabs(v) > 9e15 ? wrong("round", "a smaller number", input, err) : 0;
}

FILTER(filter_tojson)
{
	struct mr_buf json = {0}, safe = {0};
	int rc = jinja_put_json(&json, input, true, err);
	mr_str text = mr_buf_view(&json);
	for (size_t i = 0; rc == 0 && i < text.len; i++) {
		if (strchr("<>&'", text.ptr[i]))
			mr_buf_printf(&safe, "\\u%04x", (unsigned char)text.ptr[i]);
		else
			mr_buf_char(&safe, text.ptr[i]);
	}
	mr_buf_release(&json);
	if (rc == 0)
		return jinja_take(state, &safe, out, err);
	mr_buf_release(&safe);
	return rc;
}

FILTER(filter_items)
{
	struct jinja_args none = {0};
	if (input.type != JINJA_DICT)
		return wrong("items", "a mapping", input, err);
	return eval_method(state, input, MR_STR("items"), &none, out, err);
}

FILTER(filter_dictsort)
{
	struct jinja_value pairs, by = arg_or(args, 1, "by", jinja_str(MR_STR("key"))), values[3];
	struct jinja_args none = {0};
	if (input.type != JINJA_DICT)
		return wrong("dictsort", "a mapping", input, err);
	int rc = eval_method(state, input, MR_STR("items"), &none, &pairs, err);
	values[0] = arg_or(args, 2, "reverse", jinja_bool(false));
	values[1] = arg_or(args, 0, "case_sensitive", jinja_bool(false));
	values[2] = jinja_int(by.type == JINJA_STR && mr_str_is(by.text, "value"));
	return rc == 0 ? filter_sort(state, pairs, &(struct jinja_args){values, 3, NULL, NULL, 0}, out, err)
		       : rc;
}

FILTER(filter_urlencode)
{
	mr_str text;
	struct mr_buf encoded = {0};
	int rc = jinja_text(state, input, &text, err);
	for (size_t i = 0; rc == 0 && i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (isalnum(c) || strchr("-._~/", c))
			mr_buf_char(&encoded, (char)c);
		else
			mr_buf_printf(&encoded, "%%%02X", c);
	}
	return rc == 0 ? jinja_take(state, &encoded, out, err) : rc;
}

FILTER(filter_indent)
{
	struct jinja_value width = arg_or(args, 0, "width", jinja_int(4));
	bool first = jinja_truth(arg_or(args, 1, "first", jinja_bool(false)));
	bool blank = jinja_truth(arg_or(args, 2, "blank", jinja_bool(false)));
	struct mr_buf pad = {0}, out_text = {0};
	int64_t spaces = 0;
	mr_str text;
	int rc = jinja_text(state, input, &text, err);
	if (rc != 0)
		return rc;
	if (width.type == JINJA_STR)
		mr_buf_str(&pad, width.text);
	else if (jinja_as_int(width, &spaces) && spaces <= 1000)
		mr_buf_printf(&pad, "%*s", (int)spaces, "");
	for (size_t i = 0; i < text.len; i++) {
		bool begins = i == 0 ? first : text.ptr[i - 1] == '\n';
		if (begins && (blank || i == 0 || text.ptr[i] != '\n'))
			mr_buf_str(&out_text, mr_buf_view(&pad));
		mr_buf_char(&out_text, text.ptr[i]);
	}
	mr_buf_release(&pad);
	return jinja_take(state, &out_text, out, err);
}

FILTER(filter_truncate)
{
	struct jinja_value length = arg_or(args, 0, "length", jinja_int(255));
	bool kill = jinja_truth(arg_or(args, 1, "killwords", jinja_bool(false)));
	struct jinja_value end = arg_or(args, 2, "end", jinja_str(MR_STR("...")));
	struct jinja_value leeway = arg_or(args, 3, "leeway", jinja_int(5));
	int64_t most, slack;
	mr_str text;
	int rc = jinja_text(state, input, &text, err);
	if (rc != 0)
		return rc;
	if (!jinja_as_int(length, &most) || !jinja_as_int(leeway, &slack) || end.type != JINJA_STR ||
	    most < (int64_t)end.text.len)
		return mr_fail(err, MR_ERR_INVALID, "truncate: the length must not be below that of the end");
	*out = jinja_str(text);
	if ((int64_t)text.len <= most + slack)
		return 0;
	mr_str kept = utf8_cut(text, (size_t)most - end.text.len);
	const char *space = kill || !kept.len ? NULL : memrchr(kept.ptr, ' ', kept.len);
	if (space)
		kept.len = (size_t)(space - kept.ptr);
	return eval_binary(state, OP_ADD, jinja_str(kept), end, out, err);
}

FILTER(filter_format)
{
	if (input.type != JINJA_STR)
		return wrong("format", "a string", input, err);
	return eval_format(state, input.text, args->items, args->count, out, err);
}

FILTER(filter_wordcount)
{
	struct jinja_value words;
	struct jinja_args none = {0};
	int rc = by_method(state, input, "split", &none, &words, err);
	if (rc == 0)
		*out = jinja_int((int64_t)words.list->count);
	return rc;
}

FILTER(filter_escape)
{
	static const char from[] = "&<>'\"";
	static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
	struct mr_buf safe = {0};
	mr_str text;
	int rc = jinja_text(state, input, &text, err);
	for (size_t i = 0; rc == 0 && i < text.len; i++) {
		const char *at = text.ptr[i] ? strchr(from, text.ptr[i]) : NULL;
		if (at)
			mr_buf_cstr(&safe, to[at - from]);
		else
			mr_buf_char(&safe, text.ptr[i]);
	}
	return rc == 0 ? jinja_take(state, &safe, out, err) : rc;
}

/* map('upper'), map(attribute='x', default=…): the first argument names a filter. */
FILTER(filter_map)
{
	const struct jinja_value *items;
	size_t count;
	struct jinja_value path = jinja_none(), preset = jinja_undefined(MR_STR("attribute"));
	const struct jinja_function *function = NULL;
	jinja_arg(args, SIZE_MAX, "default", &preset);
	if (!jinja_arg(args, SIZE_MAX, "attribute", &path)) {
		function = args->count && args->items[0].type == JINJA_STR
			       ? jinja_find_filter(args->items[0].text)
			       : NULL;
		if (!function)
			return mr_fail(err, MR_ERR_INVALID, "map needs a filter's name or attribute=");
	}
	struct jinja_args rest = {args->items + 1, function ? args->count - 1 : 0, args->names, args->named,
				  function ? args->named_count : 0};
	int rc = eval_items(state, input, &items, &count, err);
	*out = jinja_list_new(state->arena, JINJA_LIST, rc == 0 ? count : 0);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct jinja_value v;
		rc = jinja_charge(state, 1, sizeof v, err);
		if (rc == 0)
			rc = function ? jinja_run(state, function, items[i], &rest, &v, err)
				      : element_key(state, items[i], path, &v, err);
		if (rc == 0 && !function && v.type == JINJA_UNDEFINED && preset.type != JINJA_UNDEFINED)
			v = preset;
		if (rc == 0)
			jinja_list_push(state->arena, out->list, v);
	}
	return rc;
}

/* select, reject, selectattr, rejectattr: (attribute,) test, the test's arguments. */
static int choose(struct jinja_state *state, struct jinja_value input, const struct jinja_args *args,
		  bool by_attribute, bool keep, struct jinja_value *out, struct mr_error *err)
{
	const struct jinja_value *items;
	size_t count, used = by_attribute;
	struct jinja_value path = jinja_none(), v;
	const struct jinja_function *test = NULL;
	if (by_attribute && !jinja_arg(args, 0, NULL, &path))
		return mr_fail(err, MR_ERR_INVALID, "selectattr needs an attribute's name");
	if (args->count > used) {
		test = args->items[used].type == JINJA_STR ? jinja_find_test(args->items[used].text) : NULL;
		if (!test)
			return mr_fail(err, MR_ERR_INVALID, "select: no such test");
		used++;
	}
	struct jinja_args rest = {args->items + used, args->count - used, NULL, NULL, 0};
	int rc = eval_items(state, input, &items, &count, err);
	*out = jinja_list_new(state->arena, JINJA_LIST, 0);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = jinja_charge(state, 1, sizeof v, err);
		if (rc == 0)
			rc = element_key(state, items[i], path, &v, err);
		if (rc == 0 && test)
			rc = jinja_run(state, test, v, &rest, &v, err);
		if (rc == 0 && jinja_truth(v) == keep)
			jinja_list_push(state->arena, out->list, items[i]);
	}
	return rc;
}

FILTER(filter_select)
{
	return choose(state, input, args, false, true, out, err);
}

FILTER(filter_reject)
{
	return choose(state, input, args, false, false, out, err);
}

FILTER(filter_selectattr)
{
	return choose(state, input, args, true, true, out, err);
}

FILTER(filter_rejectattr)
{
	return choose(state, input, args, true, false, out, err);
}

/* Airflow's own, of times. */
static int time_filter(struct jinja_state *state, struct jinja_value input, const char *format,
		       struct jinja_value *out, struct mr_error *err)
{
	struct mr_buf text = {0};
	if (input.type == JINJA_NONE) {
		*out = input;
		return 0;
	}
	if (input.type != JINJA_TIME)
		return wrong("the filter", "a time", input, err);
	if (format)
		return time_format(state, input.us, mr_str_from(format), out, err);
	time_put(&text, input, 'T');
	return jinja_take(state, &text, out, err);
}

FILTER(filter_ds)
{
	return time_filter(state, input, "%Y-%m-%d", out, err);
}

FILTER(filter_ds_nodash)
{
	return time_filter(state, input, "%Y%m%d", out, err);
}

FILTER(filter_ts)
{
	return time_filter(state, input, NULL, out, err);
}

FILTER(filter_ts_nodash)
{
	return time_filter(state, input, "%Y%m%dT%H%M%S", out, err);
}

FILTER(filter_ts_nodash_with_tz)
{
	return time_filter(state, input, "%Y%m%dT%H%M%S%z", out, err);
}

FILTER(global_range)
{
	int64_t from = 0, to = 0, step = 1;
	bool ok = args->count >= 1 && args->count <= 3 && jinja_as_int(args->items[0], &to);
	if (ok && args->count > 1) {
		from = to;
		ok = jinja_as_int(args->items[1], &to) &&
		     (args->count < 3 || jinja_as_int(args->items[2], &step));
	}
	if (!ok || step == 0)
		return mr_fail(err, MR_ERR_INVALID, "range takes one to three whole numbers, the step not 0");
	__int128 span = step > 0 ? (__int128)to - from : (__int128)from - to;
	__int128 count = span > 0 ? (span - 1) / (step > 0 ? step : -(__int128)step) + 1 : 0;
	if (count > JINJA_STEPS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "the range has more than %d numbers", JINJA_STEPS_MAX);
	int rc = jinja_charge(state, (size_t)count / 8, (size_t)count * sizeof *out, err);
	if (rc != 0)
		return rc;
	*out = jinja_list_new(state->arena, JINJA_LIST, (size_t)count);
	for (__int128 i = 0; i < count; i++)
		jinja_list_push(state->arena, out->list, jinja_int((int64_t)(from + i * step)));
	return 0;
}

FILTER(global_dict)
{
	*out = jinja_dict_new(state->arena, args->named_count);
	for (size_t i = 0; i < args->named_count; i++)
		jinja_dict_put(state->arena, out->dict, jinja_str(args->names[i]), args->named[i]);
	return args->count ? mr_fail(err, MR_ERR_INVALID, "dict takes named values: dict(a=1)") : 0;
}

enum { ANY_ARGUMENTS = -1 };

static const struct jinja_function filters[] = {
    {"abs", filter_abs, {0}},
    {"capitalize", filter_capitalize, {0}},
    {"count", filter_length, {0}},
    {"d", filter_default, {"default_value", "boolean"}, .sees_undefined = true},
    {"default", filter_default, {"default_value", "boolean"}, .sees_undefined = true},
    {"dictsort", filter_dictsort, {"case_sensitive", "by", "reverse"}},
    {"ds", filter_ds, {0}},
    {"ds_nodash", filter_ds_nodash, {0}},
    {"e", filter_escape, {0}},
    {"escape", filter_escape, {0}},
    {"first", filter_first, {0}},
    {"float", filter_float, {"default"}},
    {"format", filter_format, {0}, ANY_ARGUMENTS},
    {"indent", filter_indent, {"width", "first", "blank"}},
    {"int", filter_int, {"default", "base"}},
    {"items", filter_items, {0}},
    {"join", filter_join, {"d", "attribute"}},
    {"last", filter_last, {0}},
    {"length", filter_length, {0}},
    {"list", filter_list, {0}},
    {"lower", filter_lower, {0}},
    {"map", filter_map, {0}, ANY_ARGUMENTS},
    {"max", filter_max, {"case_sensitive", "attribute"}},
    {"min", filter_min, {"case_sensitive", "attribute"}},
    {"reject", filter_reject, {0}, ANY_ARGUMENTS},
    {"rejectattr", filter_rejectattr, {0}, ANY_ARGUMENTS},
    {"replace", filter_replace, {"old", "new", "count"}},
    {"reverse", filter_reverse, {0}},
    {"round", filter_round, {"precision", "method"}},
    {"select", filter_select, {0}, ANY_ARGUMENTS},
    {"selectattr", filter_selectattr, {0}, ANY_ARGUMENTS},
    {"sort", filter_sort, {"reverse", "case_sensitive", "attribute"}},
    {"string", filter_string, {0}},
    {"sum", filter_sum, {"attribute", "start"}},
    {"title", filter_title, {0}},
    {"tojson", filter_tojson, {0}},
    {"trim", filter_trim, {"chars"}},
    {"truncate", filter_truncate, {"length", "killwords", "end", "leeway"}},
    {"ts", filter_ts, {0}},
    {"ts_nodash", filter_ts_nodash, {0}},
    {"ts_nodash_with_tz", filter_ts_nodash_with_tz, {0}},
    {"unique", filter_unique, {"case_sensitive", "attribute"}},
    {"upper", filter_upper, {0}},
    {"urlencode", filter_urlencode, {0}},
    {"wordcount", filter_wordcount, {0}},
};

static const struct jinja_function globals[] = {
    {"range", global_range, {0}, ANY_ARGUMENTS},
    {"dict", global_dict, {0}, ANY_ARGUMENTS},
};

static const struct jinja_function *find(const struct jinja_function *table, size_t count, mr_str name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(name, table[i].name))
			return &table[i];
	return NULL;
}

const struct jinja_function *jinja_find_filter(mr_str name)
{
	return find(filters, MR_COUNT(filters), name);
}

const struct jinja_function *jinja_find_global(mr_str name)
{
	return find(globals, MR_COUNT(globals), name);
}

const char *jinja_nearest_filter(mr_str name)
{
	const char *names[MR_COUNT(filters)];
	for (size_t i = 0; i < MR_COUNT(filters); i++)
		names[i] = filters[i].name;
	return conf_nearest(name, names, MR_COUNT(names));
}
