/* codec/json_read.cpp - simdjson's DOM behind the C face of codec/json.h.
 *
 * A json_value is simdjson's tape_ref: the document and an index on its tape. The tape
 * format is simdjson's own (doc/tape.md there); only its accessors are used.
 */
extern "C" {
#include "codec/json.h"
}

#include <climits>
#include <cmath>
#include <simdjson.h>

using simdjson::dom::document;
using simdjson::internal::tape_ref;
using simdjson::internal::tape_type;

static constexpr size_t DOCUMENT_BYTES_MAX = 16u << 20;
static constexpr size_t DEPTH_MAX = 512;

struct json_parser {
	simdjson::dom::parser parser{DOCUMENT_BYTES_MAX};
	bool allocated = false;
};

static tape_ref ref(json_value v)
{
	return tape_ref(static_cast<const document *>(v.doc), v.index);
}

extern "C" {

struct json_parser *json_parser_new(void)
{
	return new json_parser;
}

void json_parser_free(struct json_parser *parser)
{
	delete parser;
}

int json_parse(struct json_parser *parser, mr_str text, struct json_value *out, struct mr_error *err)
{
	if (text.len > DOCUMENT_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "JSON document of %zu bytes is larger than %zu", text.len,
			       DOCUMENT_BYTES_MAX);
	/* Grown to need, not to the limit: most documents are small. */
	if (text.len > parser->parser.capacity() || !parser->allocated) {
		size_t capacity = text.len < 4096 ? 4096 : text.len * 2;
		if (capacity > DOCUMENT_BYTES_MAX)
			capacity = DOCUMENT_BYTES_MAX;
		if (parser->parser.allocate(capacity, DEPTH_MAX))
			return mr_fail(err, MR_ERR_LIMIT, "no memory for a JSON document of %zu bytes",
				       text.len);
		parser->allocated = true;
	}
	simdjson::dom::element root;
	auto code = parser->parser.parse(text.ptr ? text.ptr : "", text.len, true).get(root);
	if (code)
		return mr_fail(err, MR_ERR_INVALID, "not valid JSON: %s", simdjson::error_message(code));
	*out = json_value{&parser->parser.doc, 1};
	return 0;
}

enum json_type json_type(struct json_value v)
{
	if (!v.doc)
		return JSON_NULL;
	switch (ref(v).tape_ref_type()) {
	case tape_type::TRUE_VALUE:
	case tape_type::FALSE_VALUE:
		return JSON_BOOL;
	case tape_type::INT64:
		return JSON_INT;
	case tape_type::UINT64:
		return JSON_UINT;
	case tape_type::DOUBLE:
		return JSON_DOUBLE;
	case tape_type::STRING:
		return JSON_STRING;
	case tape_type::START_ARRAY:
		return JSON_ARRAY;
	case tape_type::START_OBJECT:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

bool json_bool(struct json_value v)
{
	return v.doc && ref(v).tape_ref_type() == tape_type::TRUE_VALUE;
}

int64_t json_int(struct json_value v)
{
	switch (json_type(v)) {
	case JSON_INT:
		return ref(v).next_tape_value<int64_t>();
	case JSON_UINT:
		return INT64_MAX;
	case JSON_DOUBLE: {
		double d = ref(v).next_tape_value<double>();
		if (d >= 9223372036854775808.0)
			return INT64_MAX;
		return d <= -9223372036854775808.0 ? INT64_MIN : static_cast<int64_t>(d);
	}
	default:
		return 0;
	}
}

double json_double(struct json_value v)
{
	switch (json_type(v)) {
	case JSON_INT:
		return static_cast<double>(ref(v).next_tape_value<int64_t>());
	case JSON_UINT:
		return static_cast<double>(ref(v).next_tape_value<uint64_t>());
	case JSON_DOUBLE:
		return ref(v).next_tape_value<double>();
	default:
		return 0;
	}
}

static mr_str string_at(const tape_ref &at)
{
	return mr_str{at.get_c_str(), at.get_string_length()};
}

mr_str json_str(struct json_value v)
{
	if (json_type(v) != JSON_STRING)
		return mr_str{"", 0};
	return string_at(ref(v));
}

struct json_iter json_iter(struct json_value v)
{
	struct json_iter it = {};
	enum json_type type = json_type(v);
	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return it;
	it.container = v;
	it.is_object = type == JSON_OBJECT;
	it.next_index = v.index + 1;
	it.end_index = ref(v).matching_brace_index() - 1; /* the closing brace's own place */
	return it;
}

bool json_next(struct json_iter *it)
{
	if (it->next_index >= it->end_index)
		return false;
	auto doc = static_cast<const document *>(it->container.doc);
	size_t at = it->next_index;
	if (it->is_object)
		it->key = string_at(tape_ref(doc, at++));
	it->value = json_value{doc, at};
	it->next_index = tape_ref(doc, at).after_element();
	return true;
}

size_t json_count(struct json_value v)
{
	enum json_type type = json_type(v);
	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return 0;
	uint32_t count = ref(v).scope_count(); /* saturates at 2^24 - 1 */
	if (count < 0xffffff)
		return count;
	size_t exact = 0;
	for (struct json_iter it = json_iter(v); json_next(&it);)
		exact++;
	return exact;
}

struct json_value json_get_str(struct json_value v, mr_str name)
{
	if (json_type(v) != JSON_OBJECT)
		return json_value{};
	for (struct json_iter it = json_iter(v); json_next(&it);) {
		if (mr_str_eq(it.key, name))
			return it.value;
	}
	return json_value{};
}

struct json_value json_get(struct json_value v, const char *name)
{
	return json_get_str(v, mr_str_from(name));
}

struct json_value json_at(struct json_value v, size_t i)
{
	if (json_type(v) != JSON_ARRAY)
		return json_value{};
	for (struct json_iter it = json_iter(v); json_next(&it); i--) {
		if (i == 0)
			return it.value;
	}
	return json_value{};
}

uint64_t json_uint(struct json_value v)
{
	switch (json_type(v)) {
	case JSON_UINT:
		return ref(v).next_tape_value<uint64_t>();
	case JSON_INT: {
		int64_t i = ref(v).next_tape_value<int64_t>();
		return i < 0 ? 0 : static_cast<uint64_t>(i);
	}
	default:
		return 0;
	}
}
}
