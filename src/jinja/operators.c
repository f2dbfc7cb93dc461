/* Arithmetic and comparison with Python's results: // and % round towards minus infinity, / makes
 * floats, "%" formats when its left side is a string. */
#include "jinja/tree.h"

#include <math.h>
#include <stdio.h>

static int no_operator(const char *op, struct jinja_value a, struct jinja_value b, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INVALID, "cannot use '%s' on %s and %s", op, jinja_type_name(a),
		       jinja_type_name(b));
}

static int overflow(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_LIMIT, "the number does not fit 64 bits");
}

static int int_power(int64_t base, int64_t exponent, struct jinja_value *out, struct mr_error *err)
{
	int64_t result = 1;
	if (exponent < 0) {
		*out = jinja_float(pow((double)base, (double)exponent));
		return base == 0 ? mr_fail(err, MR_ERR_INVALID, "division by zero") : 0;
	}
	if (base == 0 || base == 1 || base == -1)
		exponent = exponent > 1 ? 2 - exponent % 2 : exponent;
	for (; exponent > 0; exponent--)
		if (__builtin_mul_overflow(result, base, &result))
			return overflow(err);
	*out = jinja_int(result);
	return 0;
}

static int int_binary(enum jinja_op op, int64_t a, int64_t b, struct jinja_value *out, struct mr_error *err)
{
	int64_t r = 0;
	bool over = false;
	if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
		return mr_fail(err, MR_ERR_INVALID, "division by zero");
	switch (op) {
	case OP_ADD:
		over = __builtin_add_overflow(a, b, &r);
		break;
	case OP_SUB:
		over = __builtin_sub_overflow(a, b, &r);
		break;
	case OP_MUL:
		over = __builtin_mul_overflow(a, b, &r);
		break;
	case OP_DIV:
		*out = jinja_float((double)a / (double)b);
		return 0;
	case OP_POW:
		return int_power(a, b, out, err);
	default:
		over = a == INT64_MIN && b == -1;
		if (over)
			break;
		r = op == OP_MOD ? a % b : a / b;
		if (op == OP_MOD && r != 0 && (r < 0) != (b < 0))
			r += b;
		else if (op == OP_FLOORDIV && a % b != 0 && (a < 0) != (b < 0))
			r--;
	}
	if (over)
		return overflow(err);
	*out = jinja_int(r);
	return 0;
}

static int float_binary(enum jinja_op op, double a, double b, struct jinja_value *out, struct mr_error *err)
{
	double r = 0;
	if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
		return mr_fail(err, MR_ERR_INVALID, "division by zero");
	switch (op) {
	case OP_ADD:
		r = a + b;
		break;
	case OP_SUB:
		r = a - b;
		break;
	case OP_MUL:
		r = a * b;
		break;
	case OP_DIV:
		r = a / b;
		break;
	case OP_POW:
		r = pow(a, b);
		break;
	default:
		r = fmod(a, b);
		if (r != 0 && (r < 0) != (b < 0))
			r += b;
		else if (r == 0)
			r = copysign(0, b);
		if (op == OP_FLOORDIV)
			r = floor((a - r) / b + 0.5);
	}
	*out = jinja_float(r);
	return 0;
}

static int concat_lists(struct jinja_state *state, struct jinja_value a, struct jinja_value b,
			struct jinja_value *out, struct mr_error *err)
{
	size_t count = a.list->count + b.list->count;
	int rc = jinja_charge(state, count, count * sizeof *a.list->items, err);
	if (rc != 0)
		return rc;
	*out = jinja_list_new(state->arena, a.type, count);
	for (size_t i = 0; i < count; i++) {
		const struct jinja_list *from = i < a.list->count ? a.list : b.list;
		jinja_list_push(state->arena, out->list,
				from->items[i < a.list->count ? i : i - a.list->count]);
	}
	return 0;
}

static int concat_text(struct jinja_state *state, struct jinja_value a, struct jinja_value b,
		       struct jinja_value *out, struct mr_error *err)
{
	struct mr_buf text = {0};
	int rc = jinja_put_str(state, &text, a, err);
	if (rc == 0)
		rc = jinja_put_str(state, &text, b, err);
	if (rc == 0)
		return jinja_take(state, &text, out, err);
	mr_buf_release(&text);
	return rc;
}

static int repeat(struct jinja_state *state, struct jinja_value v, int64_t times, struct jinja_value *out,
		  struct mr_error *err)
{
	size_t unit = v.type == JINJA_STR ? v.text.len : v.list->count * sizeof *v.list->items;
	size_t count = times > 0 && unit ? (size_t)times : 0;
	if (count > JINJA_BYTES_MAX / mr_max_size(unit, 1))
		return mr_fail(err, MR_ERR_LIMIT, "the repeated value is larger than %zu MiB",
			       JINJA_BYTES_MAX >> 20);
	int rc = jinja_charge(state, count, unit * count, err);
	if (rc != 0)
		return rc;
	if (v.type == JINJA_STR) {
		char *bytes = arena_alloc(state->arena, unit * count + 1);
		for (size_t i = 0; i < count; i++)
			memcpy(bytes + i * unit, v.text.ptr, unit);
		*out = jinja_str(mr_str_n(bytes, unit * count));
		return 0;
	}
	*out = jinja_list_new(state->arena, v.type, count * v.list->count);
	for (size_t i = 0; i < count * v.list->count; i++)
		jinja_list_push(state->arena, out->list, v.list->items[i % v.list->count]);
	return 0;
}

static int time_binary(enum jinja_op op, struct jinja_value a, struct jinja_value b, struct jinja_value *out,
		       struct mr_error *err)
{
	int64_t us = 0, factor;
	bool over = false, add = op == OP_ADD, sub = op == OP_SUB;
	if (a.type == JINJA_TIME && b.type == JINJA_TIME && sub) {
		over = __builtin_sub_overflow(a.us, b.us, &us);
		*out = jinja_delta(us);
	} else if (b.type == JINJA_DELTA && (a.type == JINJA_TIME || a.type == JINJA_DELTA) && (add || sub)) {
		over =
		    add ? __builtin_add_overflow(a.us, b.us, &us) : __builtin_sub_overflow(a.us, b.us, &us);
		*out = a.type == JINJA_TIME ? jinja_time(us) : jinja_delta(us);
	} else if (a.type == JINJA_DELTA && b.type == JINJA_TIME && add) {
		over = __builtin_add_overflow(a.us, b.us, &us);
		*out = jinja_time(us);
	} else if (op == OP_MUL && ((a.type == JINJA_DELTA && jinja_as_int(b, &factor)) ||
				    (b.type == JINJA_DELTA && jinja_as_int(a, &factor)))) {
		over = __builtin_mul_overflow(a.type == JINJA_DELTA ? a.us : b.us, factor, &us);
		*out = jinja_delta(us);
	} else {
		return no_operator(add ? "+" : sub ? "-" : "*", a, b, err);
	}
	return over ? overflow(err) : 0;
}

static int check_defined(struct jinja_value v, struct mr_error *err)
{
	if (v.type == JINJA_UNDEFINED)
		return mr_fail(err, MR_ERR_INVALID, "'%.*s' is undefined", MR_FMT(v.text));
	return 0;
}

int eval_binary(struct jinja_state *state, enum jinja_op op, struct jinja_value a, struct jinja_value b,
		struct jinja_value *out, struct mr_error *err)
{
	static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**", "~"};
	int64_t x, y;
	int rc = check_defined(a, err);
	if (rc == 0)
		rc = check_defined(b, err);
	if (rc != 0)
		return rc;
	if (op == OP_CONCAT)
		return concat_text(state, a, b, out, err);
	if (op == OP_MOD && a.type == JINJA_STR) {
		bool tuple = b.type == JINJA_TUPLE;
		return eval_format(state, a.text, tuple ? b.list->items : &b, tuple ? b.list->count : 1, out,
				   err);
	}
	if (jinja_as_int(a, &x) && jinja_as_int(b, &y))
		return int_binary(op, x, y, out, err);
	if (jinja_is_number(a) && jinja_is_number(b))
		return float_binary(op, jinja_as_double(a), jinja_as_double(b), out, err);
	if (op == OP_ADD && a.type == JINJA_STR && b.type == JINJA_STR)
		return concat_text(state, a, b, out, err);
	if (op == OP_ADD && jinja_is_list(a) && a.type == b.type)
		return concat_lists(state, a, b, out, err);
	if (op == OP_MUL && (a.type == JINJA_STR || jinja_is_list(a)) && jinja_as_int(b, &y))
		return repeat(state, a, y, out, err);
	if (op == OP_MUL && (b.type == JINJA_STR || jinja_is_list(b)) && jinja_as_int(a, &x))
		return repeat(state, b, x, out, err);
	if (a.type == JINJA_TIME || a.type == JINJA_DELTA || b.type == JINJA_DELTA)
		return time_binary(op, a, b, out, err);
	return no_operator(names[op], a, b, err);
}

static int contains(struct jinja_value item, struct jinja_value container, bool *out, struct mr_error *err)
{
	*out = false;
	if (container.type == JINJA_STR && item.type == JINJA_STR) {
		*out = item.text.len == 0 ||
		       (container.text.len &&
			memmem(container.text.ptr, container.text.len, item.text.ptr, item.text.len));
	} else if (jinja_is_list(container)) {
		for (size_t i = 0; !*out && i < container.list->count; i++)
			*out = jinja_equal(container.list->items[i], item);
	} else if (container.type == JINJA_DICT) {
		*out = jinja_dict_get(container.dict, item) != NULL;
	} else {
		return no_operator("in", item, container, err);
	}
	return 0;
}

int eval_compare(enum jinja_op op, struct jinja_value a, struct jinja_value b, bool *out,
		 struct mr_error *err)
{
	int order = 0, rc = check_defined(a, err);
	if (rc == 0)
		rc = check_defined(b, err);
	if (rc != 0)
		return rc;
	if (op == OP_EQ || op == OP_NE) {
		*out = jinja_equal(a, b) == (op == OP_EQ);
		return 0;
	}
	if (op == OP_IN || op == OP_NOT_IN) {
		rc = contains(a, b, out, err);
		*out = *out == (op == OP_IN);
		return rc;
	}
	rc = jinja_compare(a, b, &order, err);
	*out = op == OP_LT ? order < 0 : op == OP_LE ? order <= 0 : op == OP_GT ? order > 0 : order >= 0;
	return rc;
}

/* One conversion of a % format; spec is "%05.2f" without the "%", behind its mapping key. */
static int put_conversion(struct jinja_state *state, struct mr_buf *out, const char *flags, char conversion,
			  struct jinja_value v, struct mr_error *err)
{
	char spec[48];
	int64_t whole;
	if (conversion == 's' || conversion == 'r') {
		struct mr_buf text = {0};
		int rc = conversion == 's' ? jinja_put_str(state, &text, v, err)
					   : jinja_put_repr(state, &text, v, err);
		snprintf(spec, sizeof spec, "%%%ss", flags);
		if (rc == 0 && flags[0])
			mr_buf_printf(out, spec, mr_buf_view(&text).ptr);
		else if (rc == 0)
			mr_buf_str(out, mr_buf_view(&text));
		mr_buf_release(&text);
		return rc;
	}
	if (!jinja_is_number(v))
		return mr_fail(err, MR_ERR_INVALID, "%%%c format: a number is required, not %s", conversion,
			       jinja_type_name(v));
	if (strchr("diouxX", conversion)) {
		whole = v.type == JINJA_FLOAT ? (int64_t)v.number : (int64_t)jinja_as_double(v);
		jinja_as_int(v, &whole);
		snprintf(spec, sizeof spec, "%%%sll%c", flags, conversion);
		mr_buf_printf(out, spec, (long long)whole);
	} else {
		snprintf(spec, sizeof spec, "%%%s%c", flags, conversion);
		mr_buf_printf(out, spec, jinja_as_double(v));
	}
	return 0;
}

int eval_format(struct jinja_state *state, mr_str format, const struct jinja_value *values, size_t count,
		struct jinja_value *out, struct mr_error *err)
{
	struct mr_buf text = {0};
	size_t used = 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < format.len; i++) {
		char flags[24];
		size_t n = 0;
		if (format.ptr[i] != '%') {
			mr_buf_char(&text, format.ptr[i]);
			continue;
		}
		for (i++; i < format.len && strchr("-+ #0123456789.", format.ptr[i]) && n + 1 < sizeof flags;
		     i++)
			flags[n++] = format.ptr[i];
		flags[n] = 0;
		char conversion = i < format.len ? format.ptr[i] : 0;
		if (conversion == '%')
			mr_buf_char(&text, '%');
		else if (!conversion || !strchr("srdiouxXeEfFgG", conversion) || n > 6)
			rc = mr_fail(err, MR_ERR_INVALID, "bad conversion in the format '%.*s'",
				     MR_FMT(format));
		else if (used >= count)
			rc = mr_fail(err, MR_ERR_INVALID, "not enough arguments for the format '%.*s'",
				     MR_FMT(format));
		else
			rc = put_conversion(state, &text, flags, conversion, values[used++], err);
	}
	if (rc == 0 && used < count && !(count == 1 && values[0].type == JINJA_DICT))
		rc = mr_fail(err, MR_ERR_INVALID, "not all arguments are used by the format '%.*s'",
			     MR_FMT(format));
	if (rc == 0)
		return jinja_take(state, &text, out, err);
	mr_buf_release(&text);
	return rc;
}
