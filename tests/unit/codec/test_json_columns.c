#include "test.h"

#include "base/buf.h"
#include "codec/columns.h"
#include "codec/json.h"
#include "env/rng.h"

#include <math.h>
#include <stdlib.h>

#define DEF(text, col_type) \
	{ \
		.name = {text, sizeof(text) - 1}, .type = (col_type) \
	}

/* One column, one document: the row's batch, for a look at it. */
struct one {
	struct json_columns *decoder;
	struct columns columns;
	struct mr_error err;
};

static void one_open(struct one *one, const struct column_def *defs, size_t count)
{
	*one = (struct one){.decoder = json_columns_new(defs, count)};
	columns_init(&one->columns, defs, count);
}

static void one_close(struct one *one)
{
	json_columns_free(one->decoder);
	columns_release(&one->columns);
}

/* From memory of exactly its size, so that a read past it is seen. */
static int one_decode(struct one *one, const char *text)
{
	size_t len = strlen(text);
	char *exact = mr_alloc(len ? len : 1);
	memcpy(exact, text, len);
	one->err = (struct mr_error){0};
	int rc = json_columns_decode(one->decoder, mr_str_n(exact, len), &one->columns, 0, &one->err);
	/* Views into it die with it: keep it where the batch's strings are. */
	for (size_t i = 0; rc == 0 && i < one->columns.column_count; i++) {
		struct column *c = &one->columns.columns[i];
		bool text_column =
		    c->def.type == COL_STRING || c->def.type == COL_BINARY || c->def.type == COL_JSON;
		if (text_column && c->valid[0])
			((mr_str *)c->values)[0] = arena_copy(&one->columns.arena, ((mr_str *)c->values)[0]);
	}
	free(exact);
	return rc;
}

#define VALUE(one, column, type) (((type *)(one).columns.columns[column].values)[0])
#define VALID(one, column) ((one).columns.columns[column].valid[0])

TEST(json_columns_fill_every_type)
{
	struct column_def defs[] = {DEF("b", COL_BOOLEAN),
				    DEF("i8", COL_BYTE),
				    DEF("i16", COL_SHORT),
				    DEF("i32", COL_INTEGER),
				    DEF("i64", COL_LONG),
				    DEF("f", COL_FLOAT),
				    DEF("d", COL_DOUBLE),
				    DEF("money", COL_DECIMAL),
				    DEF("s", COL_STRING),
				    DEF("bin", COL_BINARY),
				    DEF("day", COL_DATE),
				    DEF("ts", COL_TIMESTAMP),
				    DEF("local", COL_TIMESTAMP_NTZ),
				    DEF("any", COL_JSON)};
	defs[7].precision = 10;
	defs[7].scale = 2;
	struct one one;
	one_open(&one, defs, MR_COUNT(defs));
	CHECK_OK(one_decode(&one, " { \"b\" : true , \"i8\":-128,\"i16\":32767,\"i32\":-2147483648,"
				  "\"i64\":-9223372036854775808,\"f\":0.5,\"d\":1e-3,\"money\":12.30,"
				  "\"s\":\"h\\u00e9 \\ud83d\\ude00\",\"bin\":\"AP8=\",\"day\":\"1970-01-03\","
				  "\"ts\":\"1970-01-01T00:00:01.5Z\",\"local\":\"1970-01-01 00:00:02\","
				  "\"any\":{ \"k\": [1, null] } }\n"),
		 one.err);
	for (size_t i = 0; i < MR_COUNT(defs); i++)
		CHECK_INT(VALID(one, i), 1);
	CHECK_INT(VALUE(one, 0, uint8_t), 1);
	CHECK_INT(VALUE(one, 1, int8_t), -128);
	CHECK_INT(VALUE(one, 2, int16_t), 32767);
	CHECK_INT(VALUE(one, 3, int32_t), INT32_MIN);
	CHECK_INT(VALUE(one, 4, int64_t), INT64_MIN);
	CHECK(VALUE(one, 5, float) == 0.5f);
	CHECK(VALUE(one, 6, double) == 1e-3);
	CHECK_INT(VALUE(one, 7, __int128), 1230);
	CHECK_STR(VALUE(one, 8, mr_str), "h\xc3\xa9 \xf0\x9f\x98\x80");
	CHECK(mr_str_eq(VALUE(one, 9, mr_str), MR_STR("\0\xff")));
	CHECK_INT(VALUE(one, 10, int32_t), 2);
	CHECK_INT(VALUE(one, 11, int64_t), 1500000);
	CHECK_INT(VALUE(one, 12, int64_t), 2000000);
	CHECK_STR(VALUE(one, 13, mr_str), "{ \"k\": [1, null] }");
	one_close(&one);
}

TEST(json_columns_leave_null_what_is_absent_or_null)
{
	struct column_def defs[] = {DEF("a", COL_LONG), DEF("b", COL_STRING), DEF("c", COL_JSON)};
	struct one one;
	one_open(&one, defs, MR_COUNT(defs));
	CHECK_OK(one_decode(&one, "{\"a\":1,\"b\":\"x\",\"c\":[]}"), one.err);
	CHECK_OK(one_decode(&one, "{\"b\":null,\"c\":null,\"other\":{\"a\":5}}"), one.err);
	CHECK_INT(VALID(one, 0) + VALID(one, 1) + VALID(one, 2), 0);
	CHECK_OK(one_decode(&one, "{}"), one.err);
	CHECK_INT(VALID(one, 0) + VALID(one, 1) + VALID(one, 2), 0);
	one_close(&one);
}

TEST(json_columns_keep_the_last_of_duplicates)
{
	struct column_def defs[] = {DEF("a", COL_LONG), DEF("b", COL_LONG)};
	struct one one;
	one_open(&one, defs, MR_COUNT(defs));
	CHECK_OK(one_decode(&one, "{\"a\":1,\"b\":2,\"a\":3,\"\\u0061\":4,\"b\":null}"), one.err);
	CHECK_INT(VALUE(one, 0, int64_t), 4);
	CHECK_INT(VALID(one, 1), 0);
	one_close(&one);
}

/* A key that only looks like a name, or the other way round. */
TEST(json_columns_tell_keys_apart)
{
	struct column_def defs[] = {DEF("a", COL_LONG), DEF("a\":1,\"b", COL_LONG), DEF("q\"t", COL_LONG),
				    DEF("", COL_LONG), DEF("back\\slash", COL_LONG)};
	struct one one;
	one_open(&one, defs, MR_COUNT(defs));
	for (int again = 0; again < 2; again++) {
		CHECK_OK(one_decode(&one, "{\"a\":1,\"b\":2,\"q\\\"t\":3,\"\":4,\"back\\\\slash\":5}"),
			 one.err);
		CHECK_INT(VALUE(one, 0, int64_t), 1);
		CHECK_INT(VALID(one, 1), 0);
		CHECK_INT(VALUE(one, 2, int64_t), 3);
		CHECK_INT(VALUE(one, 3, int64_t), 4);
		CHECK_INT(VALUE(one, 4, int64_t), 5);
	}
	one_close(&one);
}

TEST(json_columns_say_what_does_not_fit)
{
	static const struct {
		enum column_type type;
		const char *value, *reason;
	} cases[] = {
	    {COL_LONG, "\"abc\"", "\"v\" is \"abc\", expected long"},
	    {COL_LONG, "1.5", "\"v\" is 1.5, expected long"},
	    {COL_LONG, "9223372036854775808", "\"v\" is 9223372036854775808, expected long"},
	    {COL_LONG, "true", "\"v\" is true, expected long"},
	    {COL_BYTE, "128", "\"v\" is 128, expected byte"},
	    {COL_SHORT, "-32769", "\"v\" is -32769, expected short"},
	    {COL_INTEGER, "2147483648", "\"v\" is 2147483648, expected integer"},
	    {COL_BOOLEAN, "1", "\"v\" is 1, expected boolean"},
	    {COL_BOOLEAN, "\"true\"", "\"v\" is \"true\", expected boolean"},
	    {COL_DOUBLE, "\"1\"", "\"v\" is \"1\", expected double"},
	    {COL_DOUBLE, "1e999", "\"v\" is 1e999, expected double"},
	    {COL_FLOAT, "1e39", "\"v\" is 1e39, expected float"},
	    {COL_STRING, "12", "\"v\" is 12, expected string"},
	    {COL_STRING, "[ 1,2 ]", "\"v\" is [ 1,2 ], expected string"},
	    {COL_BINARY, "\"!\"", "\"v\" is \"!\", expected binary"},
	    {COL_DATE, "\"2026-02-30\"", "\"v\" is \"2026-02-30\", expected date"},
	    {COL_DATE, "5", "\"v\" is 5, expected date"},
	    {COL_TIMESTAMP, "\"noon\"", "\"v\" is \"noon\", expected timestamp"},
	    {COL_TIMESTAMP, "true", "\"v\" is true, expected timestamp"},
	    {COL_TIMESTAMP, "9223372036854775807", "\"v\" is 9223372036854775807, expected timestamp"},
	    {COL_DECIMAL, "123.456", "\"v\" is 123.456, expected decimal(5,2)"},
	    {COL_DECIMAL, "1000", "\"v\" is 1000, expected decimal(5,2)"},
	    {COL_DECIMAL, "\"1,5\"", "\"v\" is \"1,5\", expected decimal(5,2)"},
	    {COL_STRING, "{\"a\":\"0123456789012345678901234567890123456789012345678901234567890\"}",
	     "\"v\" is {\"a\":\"0123456789012345678901234567890123456789012345678901234567..., expected "
	     "string"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct column_def def = DEF("v", cases[i].type);
		def.precision = 5;
		def.scale = 2;
		struct one one;
		one_open(&one, &def, 1);
		char *text = mr_asprintf("{\"v\":%s}", cases[i].value);
		CHECK_INT(one_decode(&one, text), 1);
		CHECK_STR(mr_str_from(one.err.message), cases[i].reason);
		free(text);
		one_close(&one);
	}
}

TEST(json_columns_refuse_null_where_it_may_not_be)
{
	struct column_def defs[] = {DEF("a", COL_LONG), DEF("b", COL_LONG)};
	defs[1].not_null = true;
	struct one one;
	one_open(&one, defs, MR_COUNT(defs));
	CHECK_OK(one_decode(&one, "{\"b\":2}"), one.err);
	CHECK_INT(one_decode(&one, "{\"a\":2}"), 1);
	CHECK_STR(mr_str_from(one.err.message), "\"b\" is missing, expected long");
	CHECK_INT(one_decode(&one, "{\"b\":null}"), 1);
	one_close(&one);
}

TEST(json_columns_take_numbers_in_all_their_spellings)
{
	static const struct {
		const char *value;
		int64_t expected;
	} longs[] = {{"0", 0},      {"-0", 0},       {"1.0", 1},
		     {"1e3", 1000}, {"-2.5e1", -25}, {"9223372036854775807", INT64_MAX}};
	static const struct {
		const char *value;
		int64_t expected;
	} cents[] = {{"0", 0},         {"-0.01", -1},         {"1e2", 10000}, {"\"12.5\"", 1250},
		     {"12.500", 1250}, {"99999.99", 9999999}, {"0.0e9", 0},   {"123e-2", 123}};
	static const struct {
		const char *value;
		int64_t expected;
	} times[] = {{"0", 0},
		     {"1767225600", 1767225600000000},
		     {"1767225600123", 1767225600123000},
		     {"1767225600.123456", 1767225600123456},
		     {"-1", -1000000},
		     {"99999999999", 99999999999000000},
		     {"100000000000", 100000000000000},
		     {"1.7672256e9", 1767225600000000}};
	struct column_def defs[] = {DEF("n", COL_LONG), DEF("c", COL_DECIMAL), DEF("t", COL_TIMESTAMP)};
	defs[1].precision = 7;
	defs[1].scale = 2;
	struct one one;
	one_open(&one, defs, MR_COUNT(defs));
	char text[128];
	for (size_t i = 0; i < MR_COUNT(longs); i++) {
		snprintf(text, sizeof text, "{\"n\":%s}", longs[i].value);
		CHECK_OK(one_decode(&one, text), one.err);
		CHECK_INT(VALUE(one, 0, int64_t), longs[i].expected);
	}
	for (size_t i = 0; i < MR_COUNT(cents); i++) {
		snprintf(text, sizeof text, "{\"c\":%s}", cents[i].value);
		CHECK_OK(one_decode(&one, text), one.err);
		CHECK_INT(VALUE(one, 1, __int128), cents[i].expected);
	}
	for (size_t i = 0; i < MR_COUNT(times); i++) {
		snprintf(text, sizeof text, "{\"t\":%s}", times[i].value);
		CHECK_OK(one_decode(&one, text), one.err);
		CHECK_INT(VALUE(one, 2, int64_t), times[i].expected);
	}
	one_close(&one);
}

TEST(json_columns_hold_decimals_of_38_digits)
{
	struct column_def def = DEF("c", COL_DECIMAL);
	def.precision = 38;
	struct one one;
	one_open(&one, &def, 1);
	CHECK_OK(one_decode(&one, "{\"c\":-99999999999999999999999999999999999999}"), one.err);
	__int128 expected = 0;
	for (int i = 0; i < 38; i++)
		expected = expected * 10 - 9;
	CHECK(VALUE(one, 0, __int128) == expected);
	CHECK_INT(one_decode(&one, "{\"c\":100000000000000000000000000000000000000}"), 1);
	CHECK_INT(one_decode(&one, "{\"c\":1e38}"), 1);
	CHECK_INT(one_decode(&one, "{\"c\":1e999}"), 1);
	one_close(&one);
}

/* ---- against the DOM ---- */

static const struct column_def all[] = {DEF("a", COL_LONG),    DEF("b", COL_STRING), DEF("c", COL_DOUBLE),
					DEF("d", COL_BOOLEAN), DEF("e", COL_JSON),   DEF("f", COL_STRING)};

static void put_random(struct json_writer *w, struct mr_rng *rng, int depth)
{
	static const char *const strings[] = {"",           "plain",    "quote\"",          "back\\slash",
					      "line\nfeed", "\xc3\xa9", "\xf0\x9f\x98\x80", "{\"a\":1}",
					      "tab\t\x01",  "null"};
	switch (rng_below(rng, depth > 3 ? 7 : 9)) {
	case 0:
		json_put_null(w);
		break;
	case 1:
		json_put_bool(w, rng_below(rng, 2));
		break;
	case 2:
		json_put_int(w, (int64_t)rng_next(rng) >> rng_below(rng, 64));
		break;
	case 3:
		json_put_double(w, (double)(int64_t)rng_next(rng) / (double)(1 + rng_below(rng, 1u << 30)));
		break;
	case 7:
		json_begin_array(w);
		for (uint64_t n = rng_below(rng, 4); n > 0; n--)
			put_random(w, rng, depth + 1);
		json_end_array(w);
		break;
	case 8:
		json_begin_object(w);
		for (uint64_t n = rng_below(rng, 4); n > 0; n--) {
			json_key(w, strings[rng_below(rng, MR_COUNT(strings))]);
			put_random(w, rng, depth + 1);
		}
		json_end_object(w);
		break;
	default:
		json_put_cstr(w, strings[rng_below(rng, MR_COUNT(strings))]);
	}
}

static void random_document(struct mr_buf *out, struct mr_rng *rng)
{
	mr_buf_clear(out);
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	for (uint64_t n = rng_below(rng, 9); n > 0; n--) {
		char name[2] = {(char)('a' + rng_below(rng, 8)), 0};
		json_key(&w, name);
		put_random(&w, rng, 0);
	}
	json_end_object(&w);
}

static struct json_value last_member(struct json_value object, mr_str name)
{
	struct json_value found = {0};
	for (struct json_iter it = json_iter(object); json_next(&it);) {
		if (mr_str_eq(it.key, name))
			found = it.value;
	}
	return found;
}

static bool fits(struct json_value v, enum column_type type)
{
	switch (json_type(v)) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return type == COL_BOOLEAN || type == COL_JSON;
	case JSON_INT:
		return type == COL_LONG || type == COL_DOUBLE || type == COL_JSON;
	case JSON_DOUBLE: {
		double d = json_double(v);
		return type == COL_DOUBLE || type == COL_JSON ||
		       (type == COL_LONG && d == trunc(d) && fabs(d) < 0x1p63);
	}
	case JSON_UINT:
		return type == COL_DOUBLE || type == COL_JSON;
	case JSON_STRING:
		return type == COL_STRING || type == COL_JSON;
	default:
		return type == COL_JSON;
	}
}

static void check_same(struct one *one, size_t column, struct json_value v, struct json_parser *inner)
{
	CHECK_INT(VALID(*one, column), json_type(v) != JSON_NULL);
	if (!VALID(*one, column))
		return;
	switch (all[column].type) {
	case COL_LONG:
		CHECK_INT(VALUE(*one, column, int64_t), json_int(v));
		break;
	case COL_DOUBLE:
		CHECK(VALUE(*one, column, double) == json_double(v));
		break;
	case COL_BOOLEAN:
		CHECK_INT(VALUE(*one, column, uint8_t), json_bool(v));
		break;
	case COL_STRING:
		CHECK(mr_str_eq(VALUE(*one, column, mr_str), json_str(v)));
		break;
	default: {
		struct json_value again;
		struct mr_error err;
		CHECK_OK(json_parse(inner, VALUE(*one, column, mr_str), &again, &err), err);
		struct mr_buf left = {0}, right = {0};
		json_write_value(&left, again);
		json_write_value(&right, v);
		CHECK(mr_str_eq(mr_buf_view(&left), mr_buf_view(&right)));
		mr_buf_release(&left);
		mr_buf_release(&right);
	}
	}
}

/* Duplicates before the last must fit too: the decoder stores as it goes. */
static bool all_fit(struct json_value root)
{
	for (struct json_iter it = json_iter(root); json_next(&it);) {
		for (size_t i = 0; i < MR_COUNT(all); i++) {
			if (mr_str_eq(it.key, all[i].name) && !fits(it.value, all[i].type))
				return false;
		}
	}
	return true;
}

TEST(json_columns_agree_with_the_dom)
{
	struct json_parser *parser = json_parser_new(), *inner = json_parser_new();
	struct mr_buf text = {0};
	struct mr_rng rng;
	rng_seed(&rng, 21);
	struct one one;
	one_open(&one, all, MR_COUNT(all));
	int fitted = 0, refused = 0;
	for (int round = 0; round < test_rounds(20000); round++) {
		random_document(&text, &rng);
		struct json_value root;
		struct mr_error err;
		CHECK_OK(json_parse(parser, mr_buf_view(&text), &root, &err), err);
		columns_clear(&one.columns);
		int rc = one_decode(&one, text.ptr);
		CHECK_INT(rc, all_fit(root) ? 0 : 1);
		for (size_t i = 0; rc == 0 && i < MR_COUNT(all); i++)
			check_same(&one, i, last_member(root, all[i].name), inner);
		rc == 0 ? fitted++ : refused++;
	}
	CHECK(fitted > 1000 * test_rounds(1) && refused > 1000);
	one_close(&one);
	mr_buf_release(&text);
	json_parser_free(parser);
	json_parser_free(inner);
}

/* Bytes changed, dropped, doubled: the decoder calls the same documents JSON as the DOM does,
 * but for numbers beyond 64 bits or a double, which are JSON and which the DOM cannot hold. */
TEST(json_columns_call_json_what_the_dom_calls_json)
{
	static const char alphabet[] = "{}[]:,\"\\ \n0123456789-+.eEtrufalsn\x80\xc3\xa9\x01x";
	struct column_def any[] = {DEF("a", COL_JSON), DEF("b", COL_JSON), DEF("c", COL_JSON)};
	struct json_parser *parser = json_parser_new();
	struct mr_buf text = {0};
	struct mr_rng rng;
	rng_seed(&rng, 22);
	struct one one;
	one_open(&one, any, MR_COUNT(any));
	int good = 0, bad = 0;
	for (int round = 0; round < test_rounds(60000); round++) {
		random_document(&text, &rng);
		for (uint64_t n = rng_below(&rng, 4); n > 0 && text.len; n--) {
			size_t at = rng_below(&rng, text.len);
			switch (rng_below(&rng, 3)) {
			case 0:
				text.ptr[at] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
				break;
			case 1:
				memmove(text.ptr + at, text.ptr + at + 1, text.len - at);
				text.len--;
				break;
			default:
				mr_buf_char(&text, 0);
				memmove(text.ptr + at + 1, text.ptr + at, text.len - 1 - at);
			}
		}
		struct json_value root;
		struct mr_error err = {0};
		int dom = json_parse(parser, mr_buf_view(&text), &root, &err);
		bool object = dom == 0 && json_type(root) == JSON_OBJECT;
		columns_clear(&one.columns);
		int rc = one_decode(&one, text.ptr);
		bool too_large =
		    dom != 0 && (strstr(err.message, "number") || strstr(err.message, "NUMBER") ||
				 strstr(err.message, "parsing a number"));
		if (rc != (object ? 0 : 1) && !(too_large && rc == 0))
			test_fail(__FILE__, __LINE__, "%s: decoder says %d (%s), DOM %d (%s)", text.ptr, rc,
				  one.err.message, dom, err.message);
		rc == 0 ? good++ : bad++;
	}
	CHECK(good > 1000 * test_rounds(1) && bad > 1000);
	one_close(&one);
	mr_buf_release(&text);
	json_parser_free(parser);
}

TEST(json_columns_refuse_what_is_no_object)
{
	static const char *const bad[] = {"",
					  " ",
					  "null",
					  "[]",
					  "\"a\"",
					  "1",
					  "{",
					  "}",
					  "{\"a\"",
					  "{\"a\":",
					  "{\"a\":1",
					  "{\"a\":1,",
					  "{\"a\":1,}",
					  "{,}",
					  "{\"a\" 1}",
					  "{\"a\":1 \"b\":2}",
					  "{\"a\":1}}",
					  "{\"a\":1}{",
					  "{\"a\":1} x",
					  "{a:1}",
					  "{'a':1}",
					  "{\"a\":01}",
					  "{\"a\":+1}",
					  "{\"a\":1.}",
					  "{\"a\":.5}",
					  "{\"a\":1e}",
					  "{\"a\":-}",
					  "{\"a\":NaN}",
					  "{\"a\":nul}",
					  "{\"a\":truer}",
					  "{\"a\":\"x}",
					  "{\"a\":\"\\x\"}",
					  "{\"a\":\"\\u12g4\"}",
					  "{\"a\":\"\\ud800\"}",
					  "{\"a\":\"\\udc00\\ud800\"}",
					  "{\"a\":\"\\ud800\\u0041\"}",
					  "{\"\\x\":1}",
					  "{\"z\":\"\\x\"}",
					  "{\"z\":[1,]}",
					  "{\"z\":[1}",
					  "{\"z\":{1:2}}",
					  "{\"z\":{\"k\"}}",
					  "{\"z\":[1 2]}",
					  "{\"z\":{\"k\":1,}}",
					  "{\"z\":[nul]}",
					  "{\"a\":\"\x01\"}",
					  "{\"a\":\"\xff\"}",
					  "{\"a\":1\"b\":2}",
					  "{\"a\":\"x\"y}",
					  "{\"a\":\"x\"\"y\"}",
					  "// c\n{}"};
	struct column_def def = DEF("a", COL_JSON);
	struct one one;
	one_open(&one, &def, 1);
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		if (one_decode(&one, bad[i]) != 1)
			test_fail(__FILE__, __LINE__, "%s was taken for an object", bad[i]);
		CHECK(mr_str_starts(mr_str_from(one.err.message), MR_STR("not valid JSON: ")));
	}
	CHECK_INT(one_decode(&one, "{\"a\":1 \"b\":2}"), 1);
	CHECK_STR(mr_str_from(one.err.message), "not valid JSON: expected ',' or '}' at byte 7");
	CHECK_INT(one_decode(&one, "{\"a\":[1"), 1);
	CHECK_STR(mr_str_from(one.err.message), "not valid JSON: it ends where ',' or ']' is expected");
	one_close(&one);
}

TEST(json_columns_bound_what_is_deep_and_what_is_long)
{
	struct column_def def = DEF("a", COL_JSON);
	struct one one;
	one_open(&one, &def, 1);
	struct mr_buf text = {0};
	for (int levels = 512; levels <= 513; levels++) {
		mr_buf_clear(&text);
		mr_buf_cstr(&text, "{\"a\":");
		for (int i = 0; i < levels; i++)
			mr_buf_cstr(&text, i % 3 ? "[" : "{\"k\":");
		mr_buf_cstr(&text, "1");
		for (int i = levels - 1; i >= 0; i--)
			mr_buf_char(&text, i % 3 ? ']' : '}');
		mr_buf_cstr(&text, "}");
		CHECK_INT(one_decode(&one, text.ptr), levels == 512 ? 0 : 1);
	}
	CHECK(strstr(one.err.message, "less than 512 levels") != NULL);
	mr_buf_clear(&text);
	for (int i = 0; i < 1 << 20; i++)
		mr_buf_cstr(&text, i ? "[" : "{\"a\":");
	CHECK_INT(one_decode(&one, text.ptr), 1);
	mr_buf_clear(&text);
	mr_buf_cstr(&text, "{\"a\":\"");
	mr_buf_reserve(&text, 17u << 20);
	memset(text.ptr + text.len, 'x', 16u << 20);
	text.len += 16u << 20;
	mr_buf_cstr(&text, "\"}");
	CHECK_INT(one_decode(&one, text.ptr), 1);
	CHECK(strstr(one.err.message, "larger than") != NULL);
	mr_buf_release(&text);
	one_close(&one);
}
