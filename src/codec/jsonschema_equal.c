/* codec/jsonschema_equal.c - equality of JSON values as enum, const and uniqueItems mean it:
 * numbers by value, objects whatever the order of their members. */
#include "codec/jsonschema_node.h"

#include <stdlib.h>

#define ON_STACK_MAX 32

static bool is_number(enum json_type type)
{
	return type == JSON_INT || type == JSON_UINT || type == JSON_DOUBLE;
}

static bool objects_equal(struct json_value a, struct json_value b)
{
	if (json_count(a) != json_count(b))
		return false;
	for (struct json_iter it = json_iter(a); json_next(&it);) {
		struct json_value other = json_get_str(b, it.key);
		if (!json_present(other) || !json_equal(it.value, other))
			return false;
	}
	return true;
}

static bool arrays_equal(struct json_value a, struct json_value b)
{
	struct json_iter x = json_iter(a), y = json_iter(b);
	for (;;) {
		bool more = json_next(&x);
		if (more != json_next(&y))
			return false;
		if (!more)
			return true;
		if (!json_equal(x.value, y.value))
			return false;
	}
}

bool json_equal(struct json_value a, struct json_value b)
{
	enum json_type type = json_type(a), other = json_type(b);
	if (is_number(type) && is_number(other)) {
		if (type == JSON_DOUBLE || other == JSON_DOUBLE)
			return json_double(a) == json_double(b);
		return type == other &&
		       (type == JSON_INT ? json_int(a) == json_int(b) : json_uint(a) == json_uint(b));
	}
	if (type != other)
		return false;
	switch (type) {
	case JSON_BOOL:
		return json_bool(a) == json_bool(b);
	case JSON_STRING:
		return mr_str_eq(json_str(a), json_str(b));
	case JSON_ARRAY:
		return arrays_equal(a, b);
	case JSON_OBJECT:
		return objects_equal(a, b);
	default:
		return true;
	}
}

/* Equal values have equal hashes: every number is hashed as a double. */
static uint64_t value_hash(struct json_value v)
{
	enum json_type type = json_type(v);
	uint64_t sum = is_number(type) ? JSON_DOUBLE : (uint64_t)type;
	if (is_number(type)) {
		double d = json_double(v) + 0.0; /* -0 becomes 0 */
		return mr_hash(mr_str_n(&d, sizeof d));
	}
	if (type == JSON_STRING)
		return mr_hash(json_str(v));
	if (type == JSON_BOOL)
		return json_bool(v) ? 1 : 2;
	for (struct json_iter it = json_iter(v); json_next(&it);) {
		uint64_t h = value_hash(it.value);
		if (it.is_object)
			sum += (h ^ mr_hash(it.key)) * 0x9e3779b97f4a7c15u; /* in any order */
		else
			sum = (sum ^ h) * 0x9e3779b97f4a7c15u;
	}
	return sum;
}

struct hashed {
	uint64_t hash;
	struct json_value value;
};

static int by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static bool pairwise_unique(const struct hashed *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count && items[j].hash == items[i].hash; j++) {
			if (json_equal(items[i].value, items[j].value))
				return false;
		}
	}
	return true;
}

bool json_all_unique(struct json_value array)
{
	struct hashed few[ON_STACK_MAX];
	size_t count = json_count(array), n = 0;
	struct hashed *items = count <= ON_STACK_MAX ? few : mr_alloc(count * sizeof *items);
	for (struct json_iter it = json_iter(array); json_next(&it) && n < count; n++)
		items[n] = (struct hashed){value_hash(it.value), it.value};
	qsort(items, n, sizeof *items, by_hash);
	bool unique = pairwise_unique(items, n);
	if (items != few)
		free(items);
	return unique;
}
