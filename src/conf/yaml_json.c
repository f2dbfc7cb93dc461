/* conf/yaml_json.c - YAML as JSON, plain scalars typed by YAML 1.2's core schema (§10.3.2). */
#include "conf/yaml.h"

#include "codec/json.h"

#include <errno.h>
#include <stdlib.h>

static bool is_one_of(mr_str text, const char *a, const char *b, const char *c)
{
	return mr_str_is(text, a) || mr_str_is(text, b) || mr_str_is(text, c);
}

static size_t count_digits(mr_str text, size_t from)
{
	size_t i = from;
	while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9')
		i++;
	return i - from;
}

static size_t sign_length(mr_str text, size_t from)
{
	return from < text.len && (text.ptr[from] == '-' || text.ptr[from] == '+') ? 1 : 0;
}

/* [-+]? [0-9]+ */
static bool looks_like_int(mr_str text)
{
	size_t sign = sign_length(text, 0);
	size_t digits = count_digits(text, sign);
	return digits > 0 && sign + digits == text.len;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool looks_like_float(mr_str text)
{
	size_t at = sign_length(text, 0);
	size_t whole = count_digits(text, at), fraction = 0;
	at += whole;
	if (at < text.len && text.ptr[at] == '.') {
		fraction = count_digits(text, at + 1);
		at += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
		at += 1 + sign_length(text, at + 1);
		size_t exponent = count_digits(text, at);
		if (exponent == 0)
			return false;
		at += exponent;
	}
	return at == text.len;
}

/* 0x1F, 0o17: no sign, as the core schema has it. */
static bool parse_radix(mr_str text, uint64_t *out)
{
	int base = mr_str_starts(text, MR_STR("0x")) ? 16 : mr_str_starts(text, MR_STR("0o")) ? 8 : 0;
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "01234567";
	if (!base || text.len == 2 || text.len > 24 || strspn(text.ptr + 2, digits) != text.len - 2)
		return false;
	errno = 0;
	*out = strtoull(text.ptr + 2, NULL, base);
	return errno == 0;
}

/* The node's text ends in NUL: it was copied by arena_copy. */
static int put_number(struct json_writer *w, const struct yaml_node *node)
{
	uint64_t bits;
	if (parse_radix(node->text, &bits)) {
		json_put_uint(w, bits);
		return 1;
	}
	if (looks_like_int(node->text)) {
		errno = 0;
		long long n = strtoll(node->text.ptr, NULL, 10);
		if (errno == 0) {
			json_put_int(w, n);
			return 1;
		}
	}
	if (!looks_like_float(node->text))
		return 0;
	double d = strtod(node->text.ptr, NULL);
	if (!__builtin_isfinite(d))
		return MR_ERR_INVALID;
	json_put_double(w, d);
	return 1;
}

static bool is_not_finite(mr_str text)
{
	mr_str bare = mr_str_tail(text, sign_length(text, 0));
	return is_one_of(bare, ".inf", ".Inf", ".INF") || is_one_of(text, ".nan", ".NaN", ".NAN");
}

static int put_scalar(struct json_writer *w, const struct yaml_node *node, const char *file,
		      struct mr_error *err)
{
	if (!node->plain) {
		json_put_str(w, node->text);
		return 0;
	}
	if (yaml_is_null(node)) {
		json_put_null(w);
		return 0;
	}
	bool yes = is_one_of(node->text, "true", "True", "TRUE");
	if (yes || is_one_of(node->text, "false", "False", "FALSE")) {
		json_put_bool(w, yes);
		return 0;
	}
	int number = is_not_finite(node->text) ? MR_ERR_INVALID : put_number(w, node);
	if (number < 0) {
		mr_fail(err, MR_ERR_INVALID, "%.*s has no form in JSON", MR_FMT(node->text));
		return mr_error_where(err, file, node->line, node->column);
	}
	if (number == 0)
		json_put_str(w, node->text);
	return 0;
}

static int put_node(struct json_writer *w, const struct yaml_node *node, const char *file,
		    struct mr_error *err)
{
	if (node->kind == YAML_SCALAR)
		return put_scalar(w, node, file, err);
	bool object = node->kind == YAML_MAPPING;
	if (object)
		json_begin_object(w);
	else
		json_begin_array(w);
	for (size_t i = 0; i < node->count; i++) {
		if (object)
			json_key_str(w, node->keys[i]->text);
		int rc = put_node(w, node->items[i], file, err);
		if (rc < 0)
			return rc;
	}
	if (object)
		json_end_object(w);
	else
		json_end_array(w);
	return 0;
}

int yaml_to_json(const struct yaml_node *node, const char *file, struct mr_buf *out, struct mr_error *err)
{
	struct json_writer w = json_writer(out);
	int rc = put_node(&w, node, file, err);
	if (rc == 0 && out->overflow)
		return mr_fail(err, MR_ERR_LIMIT, "%s is too large as JSON", file);
	return rc;
}
