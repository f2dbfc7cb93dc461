/* Tests: what stands behind "is". */
#include "jinja/tree.h"

#include "conf/nearest.h"

#include <ctype.h>
#include <math.h>

#define KIND(name, condition) \
	static int name(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args, \
			struct jinja_value *out, struct mr_error *err) \
	{ \
		*out = jinja_bool(condition); \
		return 0; \
	}

KIND(is_defined, v.type != JINJA_UNDEFINED)
KIND(is_undefined, v.type == JINJA_UNDEFINED)
KIND(is_none, v.type == JINJA_NONE)
KIND(is_boolean, v.type == JINJA_BOOL)
KIND(is_true, v.type == JINJA_BOOL && v.boolean)
KIND(is_false, v.type == JINJA_BOOL && !v.boolean)
KIND(is_integer, v.type == JINJA_INT)
KIND(is_float, v.type == JINJA_FLOAT)
KIND(is_number, jinja_is_number(v))
KIND(is_string, v.type == JINJA_STR)
KIND(is_mapping, v.type == JINJA_DICT)
KIND(is_sequence, jinja_is_list(v) || v.type == JINJA_DICT || v.type == JINJA_STR)

static int remainder_is(struct jinja_value v, int64_t divisor, double want, struct jinja_value *out,
			struct mr_error *err)
{
	if (!jinja_is_number(v) || divisor == 0)
		return mr_fail(err, MR_ERR_INVALID, "the test needs numbers, not %s", jinja_type_name(v));
	double rest = fmod(jinja_as_double(v), (double)divisor);
	*out = jinja_bool((rest < 0 ? rest + fabs((double)divisor) : rest) == want);
	return 0;
}

static int is_odd(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args,
		  struct jinja_value *out, struct mr_error *err)
{
	return remainder_is(v, 2, 1, out, err);
}

static int is_even(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args,
		   struct jinja_value *out, struct mr_error *err)
{
	return remainder_is(v, 2, 0, out, err);
}

static int is_divisible(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args,
			struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value divisor = jinja_none();
	int64_t n = 0;
	jinja_arg(args, 0, "num", &divisor);
	jinja_as_int(divisor, &n);
	return remainder_is(v, n, 0, out, err);
}

static int cased(struct jinja_value v, int (*wrong)(int), int (*right)(int), struct jinja_value *out)
{
	bool any = false, all = v.type == JINJA_STR;
	for (size_t i = 0; all && i < v.text.len; i++) {
		any = any || right((unsigned char)v.text.ptr[i]);
		all = !wrong((unsigned char)v.text.ptr[i]);
	}
	*out = jinja_bool(all && any);
	return 0;
}

static int is_lower(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args,
		    struct jinja_value *out, struct mr_error *err)
{
	return cased(v, isupper, islower, out);
}

static int is_upper(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args,
		    struct jinja_value *out, struct mr_error *err)
{
	return cased(v, islower, isupper, out);
}

#define COMPARISON(name, op) \
	static int name(struct jinja_state *state, struct jinja_value v, const struct jinja_args *args, \
			struct jinja_value *out, struct mr_error *err) \
	{ \
		struct jinja_value other; \
		bool holds; \
		if (!jinja_arg(args, 0, "other", &other)) \
			return mr_fail(err, MR_ERR_INVALID, "the test needs something to compare with"); \
		int rc = eval_compare(op, v, other, &holds, err); \
		if (rc == 0) \
			*out = jinja_bool(holds); \
		return rc; \
	}

COMPARISON(is_eq, OP_EQ)
COMPARISON(is_ne, OP_NE)
COMPARISON(is_lt, OP_LT)
COMPARISON(is_le, OP_LE)
COMPARISON(is_gt, OP_GT)
COMPARISON(is_ge, OP_GE)
COMPARISON(is_in, OP_IN)

static const struct jinja_function tests[] = {
    {"boolean", is_boolean, {0}},
    {"defined", is_defined, {0}, .sees_undefined = true},
    {"divisibleby", is_divisible, {"num"}},
    {"eq", is_eq, {"other"}},
    {"equalto", is_eq, {"other"}},
    {"even", is_even, {0}},
    {"false", is_false, {0}},
    {"float", is_float, {0}},
    {"ge", is_ge, {"other"}},
    {"greaterthan", is_gt, {"other"}},
    {"gt", is_gt, {"other"}},
    {"in", is_in, {"other"}},
    {"integer", is_integer, {0}},
    {"iterable", is_sequence, {0}},
    {"le", is_le, {"other"}},
    {"lessthan", is_lt, {"other"}},
    {"lower", is_lower, {0}},
    {"lt", is_lt, {"other"}},
    {"mapping", is_mapping, {0}},
    {"ne", is_ne, {"other"}},
    {"none", is_none, {0}},
    {"number", is_number, {0}},
    {"odd", is_odd, {0}},
    {"sequence", is_sequence, {0}},
    {"string", is_string, {0}},
    {"true", is_true, {0}},
    {"undefined", is_undefined, {0}, .sees_undefined = true},
    {"upper", is_upper, {0}},
};

const struct jinja_function *jinja_find_test(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(tests); i++)
		if (mr_str_is(name, tests[i].name))
			return &tests[i];
	return NULL;
}

const char *jinja_nearest_test(mr_str name)
{
	const char *names[MR_COUNT(tests)];
	for (size_t i = 0; i < MR_COUNT(tests); i++)
		names[i] = tests[i].name;
	return conf_nearest(name, names, MR_COUNT(names));
}
