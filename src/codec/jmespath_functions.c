/* codec/jmespath_functions.c - the built-in functions, as a table. An argument of a wrong type is
 * an error that names the function, as the specification asks. */
#include "codec/jmespath_tree.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const char *type_name(const struct jmespath_value *v)
{
	static const char *const names[] = {
	    [JSON_NULL] = "null",   [JSON_BOOL] = "boolean",  [JSON_INT] = "number",
	    [JSON_UINT] = "number", [JSON_DOUBLE] = "number", [JSON_STRING] = "string",
	    [JSON_ARRAY] = "array", [JSON_OBJECT] = "object",
	};
	return names[v->type];
}

static int wrong_type(struct jp_run *run, const char *function, const struct jmespath_value *v)
{
	return mr_fail(run->err, MR_ERR_INVALID, "%s() cannot take a value of type %s", function,
		       type_name(v));
}

#define ARGS struct jp_run *run, const struct jmespath_value *args, size_t count, struct jmespath_value *out

static int call_contains(ARGS)
{
	(void)count;
	if (args[0].type == JSON_STRING) {
		mr_str in = args[0].string, what = args[1].string;
		*out = jp_bool(args[1].type == JSON_STRING &&
			       (!what.len || (in.len && memmem(in.ptr, in.len, what.ptr, what.len))));
		return 0;
	}
	if (args[0].type != JSON_ARRAY)
		return wrong_type(run, "contains", &args[0]);
	bool found = false;
	for (struct jp_iter it = jp_iter(&args[0]); !found && jp_next(&it);)
		found = jp_equal(&it.value, &args[1]);
	*out = jp_bool(found);
	return 0;
}

static int check_strings(struct jp_run *run, const char *name, const struct jmespath_value *args,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (args[i].type != JSON_STRING)
			return wrong_type(run, name, &args[i]);
	}
	return 0;
}

static int call_starts_with(ARGS)
{
	int rc = check_strings(run, "starts_with", args, count);
	if (rc == 0)
		*out = jp_bool(mr_str_starts(args[0].string, args[1].string));
	return rc;
}

static int call_ends_with(ARGS)
{
	int rc = check_strings(run, "ends_with", args, count);
	if (rc == 0)
		*out = jp_bool(mr_str_ends(args[0].string, args[1].string));
	return rc;
}

static int call_length(ARGS)
{
	(void)count;
	const struct jmespath_value *v = &args[0];
	if (v->type != JSON_STRING && v->type != JSON_ARRAY && v->type != JSON_OBJECT)
		return wrong_type(run, "length", v);
	size_t n = jp_count(v);
	for (size_t i = 0; i < v->string.len; i++) /* code points: all but continuation bytes */
		n += ((unsigned char)v->string.ptr[i] & 0xc0) != 0x80;
	*out = jp_number((double)n);
	return 0;
}

static int members(struct jp_run *run, const char *name, const struct jmespath_value *v, bool keys,
		   struct jmespath_value *out)
{
	if (v->type != JSON_OBJECT)
		return wrong_type(run, name, v);
	struct jmespath_value list;
	int rc = jp_make_array(run, jp_count(v), &list);
	if (rc < 0)
		return rc;
	for (struct jp_iter it = jp_iter(v); jp_next(&it);)
		list.items[list.count++] = keys ? jp_string(it.name) : it.value;
	*out = list;
	return 0;
}

static int call_keys(ARGS)
{
	(void)count;
	return members(run, "keys", &args[0], true, out);
}

static int call_values(ARGS)
{
	(void)count;
	return members(run, "values", &args[0], false, out);
}

static int call_join(ARGS)
{
	(void)count;
	if (args[0].type != JSON_STRING)
		return wrong_type(run, "join", &args[0]);
	if (args[1].type != JSON_ARRAY)
		return wrong_type(run, "join", &args[1]);
	struct mr_buf text;
	mr_buf_init(&text, (1 << 20) + 1);
	int rc = 0;
	bool first = true;
	for (struct jp_iter it = jp_iter(&args[1]); rc == 0 && jp_next(&it); first = false) {
		if (it.value.type != JSON_STRING) {
			rc = wrong_type(run, "join", &it.value);
			break;
		}
		if (!first)
			mr_buf_str(&text, args[0].string);
		mr_buf_str(&text, it.value.string);
	}
	mr_str joined;
	if (rc == 0 && text.overflow)
		rc = mr_fail(run->err, MR_ERR_LIMIT, "join() makes more than 1 MiB of text");
	if (rc == 0)
		rc = jp_make_text(run, mr_buf_view(&text), &joined);
	mr_buf_release(&text);
	if (rc == 0)
		*out = jp_string(joined);
	return rc;
}

static int call_type(ARGS)
{
	(void)run;
	(void)count;
	*out = jp_string(mr_str_from(type_name(&args[0])));
	return 0;
}

static int call_to_string(ARGS)
{
	(void)count;
	if (args[0].type == JSON_STRING) {
		*out = args[0];
		return 0;
	}
	struct mr_buf text;
	mr_buf_init(&text, (1 << 20) + 1);
	jmespath_text(&args[0], &text);
	mr_str copy;
	int rc = text.overflow ? mr_fail(run->err, MR_ERR_LIMIT, "to_string() makes more than 1 MiB of text")
			       : jp_make_text(run, mr_buf_view(&text), &copy);
	mr_buf_release(&text);
	if (rc == 0)
		*out = jp_string(copy);
	return rc;
}

static int call_to_number(ARGS)
{
	(void)run;
	(void)count;
	char copy[64], *end;
	mr_str s = args[0].string;
	*out = jp_is_number(&args[0]) ? args[0] : jp_null();
	if (args[0].type != JSON_STRING || s.len == 0 || s.len >= sizeof copy ||
	    memchr("-0123456789", s.ptr[0], 11) == NULL)
		return 0;
	memcpy(copy, s.ptr, s.len);
	copy[s.len] = 0;
	double v = strtod(copy, &end);
	if (!*end && isfinite(v) && !strpbrk(copy, "xXnN"))
		*out = jp_number(v);
	return 0;
}

static int call_to_array(ARGS)
{
	(void)count;
	if (args[0].type == JSON_ARRAY) {
		*out = args[0];
		return 0;
	}
	struct jmespath_value list;
	int rc = jp_make_array(run, 1, &list);
	if (rc == 0) {
		list.items[list.count++] = args[0];
		*out = list;
	}
	return rc;
}

static int call_not_null(ARGS)
{
	(void)run;
	*out = jp_null();
	for (size_t i = 0; i < count && out->type == JSON_NULL; i++)
		*out = args[i];
	return 0;
}

/* ---- numbers ---- */

static int round_with(struct jp_run *run, const char *name, double (*fn)(double),
		      const struct jmespath_value *v, struct jmespath_value *out)
{
	if (!jp_is_number(v))
		return wrong_type(run, name, v);
	*out = jp_number(fn(v->number));
	return 0;
}

static int call_abs(ARGS)
{
	(void)count;
	return round_with(run, "abs", fabs, &args[0], out);
}

static int call_ceil(ARGS)
{
	(void)count;
	return round_with(run, "ceil", ceil, &args[0], out);
}

static int call_floor(ARGS)
{
	(void)count;
	return round_with(run, "floor", floor, &args[0], out);
}

static int add_up(struct jp_run *run, const char *name, const struct jmespath_value *v, double *sum)
{
	if (v->type != JSON_ARRAY)
		return wrong_type(run, name, v);
	*sum = 0;
	for (struct jp_iter it = jp_iter(v); jp_next(&it);) {
		if (!jp_is_number(&it.value))
			return wrong_type(run, name, &it.value);
		*sum += it.value.number;
	}
	return 0;
}

static int call_sum(ARGS)
{
	(void)count;
	double sum;
	int rc = add_up(run, "sum", &args[0], &sum);
	if (rc == 0)
		*out = jp_number(sum);
	return rc;
}

static int call_avg(ARGS)
{
	(void)count;
	double sum;
	int rc = add_up(run, "avg", &args[0], &sum);
	size_t n = jp_count(&args[0]);
	if (rc == 0)
		*out = n ? jp_number(sum / (double)n) : jp_null();
	return rc;
}

/* ---- order ---- */

static int compare_strings(mr_str a, mr_str b)
{
	size_t n = mr_min_size(a.len, b.len);
	int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *left, const void *right)
{
	const struct jmespath_value *a = left, *b = right;
	if (a->type == JSON_STRING)
		return compare_strings(a->string, b->string);
	return (a->number > b->number) - (a->number < b->number);
}

/* The elements, all numbers or all strings, in order. */
static int sorted(struct jp_run *run, const char *name, const struct jmespath_value *v,
		  struct jmespath_value *out)
{
	if (v->type != JSON_ARRAY)
		return wrong_type(run, name, v);
	struct jmespath_value list;
	int rc = jp_make_array(run, jp_count(v), &list);
	if (rc < 0)
		return rc;
	for (struct jp_iter it = jp_iter(v); jp_next(&it);) {
		bool number = jp_is_number(&it.value);
		bool fits = list.count == 0 || jp_is_number(&list.items[0]) == number;
		if ((!number && it.value.type != JSON_STRING) || !fits)
			return wrong_type(run, name, &it.value);
		list.items[list.count++] = it.value;
	}
	if (list.count)
		qsort(list.items, list.count, sizeof *list.items, compare);
	*out = list;
	return 0;
}

static int call_sort(ARGS)
{
	(void)count;
	return sorted(run, "sort", &args[0], out);
}

static int call_max(ARGS)
{
	(void)count;
	struct jmespath_value list;
	int rc = sorted(run, "max", &args[0], &list);
	if (rc == 0)
		*out = list.count ? list.items[list.count - 1] : jp_null();
	return rc;
}

static int call_min(ARGS)
{
	(void)count;
	struct jmespath_value list;
	int rc = sorted(run, "min", &args[0], &list);
	if (rc == 0)
		*out = list.count ? list.items[0] : jp_null();
	return rc;
}

static int call_reverse(ARGS)
{
	(void)count;
	if (args[0].type != JSON_ARRAY)
		return wrong_type(run, "reverse", &args[0]);
	size_t n = jp_count(&args[0]);
	struct jmespath_value list;
	int rc = jp_make_array(run, n, &list);
	if (rc < 0)
		return rc;
	for (struct jp_iter it = jp_iter(&args[0]); jp_next(&it);)
		list.items[n - ++list.count] = it.value;
	*out = list;
	return 0;
}

static const struct jp_function functions[] = {
    {"abs", 1, 1, call_abs},
    {"avg", 1, 1, call_avg},
    {"ceil", 1, 1, call_ceil},
    {"contains", 2, 2, call_contains},
    {"ends_with", 2, 2, call_ends_with},
    {"floor", 1, 1, call_floor},
    {"join", 2, 2, call_join},
    {"keys", 1, 1, call_keys},
    {"length", 1, 1, call_length},
    {"max", 1, 1, call_max},
    {"min", 1, 1, call_min},
    {"not_null", 1, -1, call_not_null},
    {"reverse", 1, 1, call_reverse},
    {"sort", 1, 1, call_sort},
    {"starts_with", 2, 2, call_starts_with},
    {"sum", 1, 1, call_sum},
    {"to_array", 1, 1, call_to_array},
    {"to_number", 1, 1, call_to_number},
    {"to_string", 1, 1, call_to_string},
    {"type", 1, 1, call_type},
    {"values", 1, 1, call_values},
};

const struct jp_function *jp_function_find(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(functions); i++) {
		if (mr_str_is(name, functions[i].name))
			return &functions[i];
	}
	return NULL;
}

const char *jp_function_names(void)
{
	return "abs avg ceil contains ends_with floor join keys length max min not_null reverse sort "
	       "starts_with sum to_array to_number to_string type values";
}
