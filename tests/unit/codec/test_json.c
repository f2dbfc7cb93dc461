#include "test.h"

#include "codec/json.h"

static struct json_value parse(struct json_parser *parser, const char *text)
{
	struct json_value v;
	struct mr_error err;
	CHECK_OK(json_parse(parser, mr_str_from(text), &v, &err), err);
	return v;
}

TEST(json_reads_every_type_and_writes_it_back)
{
	struct json_parser *p = json_parser_new();
	const char *text =
	    "{\"a\":[1,-2,18446744073709551615,1.5,true,false,null],\"s\":\"q\\\"\\u00e9\\n\",\"o\":{}}";
	struct json_value v = parse(p, text);
	CHECK_INT(json_count(v), 3);
	struct json_value a = json_get(v, "a");
	CHECK_INT(json_count(a), 7);
	CHECK_INT(json_int(json_at(a, 1)), -2);
	CHECK_INT(json_type(json_at(a, 2)), JSON_UINT);
	CHECK(json_double(json_at(a, 3)) == 1.5);
	CHECK(json_bool(json_at(a, 4)));
	CHECK(json_present(json_at(a, 6)) && json_type(json_at(a, 6)) == JSON_NULL);
	CHECK(!json_present(json_at(a, 7)));
	CHECK(!json_present(json_get(v, "absent")));
	struct mr_buf out = {0};
	json_write_value(&out, v);
	CHECK_STR(mr_buf_view(&out),
		  "{\"a\":[1,-2,18446744073709551615,1.5,true,false,null],\"s\":\"q\\\"é\\n\",\"o\":{}}");
	mr_buf_release(&out);
	json_parser_free(p);
}

TEST(json_refuses_bad_text_and_deep_nesting)
{
	struct json_parser *p = json_parser_new();
	struct json_value v;
	struct mr_error err;
	static const char *const bad[] = {"", "{", "{} {}", "[1,]", "nul", "\"\xff\"", "{\"a\":}"};
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(json_parse(p, mr_str_from(bad[i]), &v, &err), MR_ERR_INVALID);
	struct mr_buf deep = {0};
	for (int i = 0; i < 1000000; i++)
		mr_buf_char(&deep, '[');
	CHECK(json_parse(p, mr_buf_view(&deep), &v, &err) < 0);
	CHECK_OK(json_parse(p, MR_STR("17"), &v, &err), err); /* the parser goes on */
	CHECK_INT(json_int(v), 17);
	mr_buf_release(&deep);
	json_parser_free(p);
}

TEST(json_quote_replaces_invalid_utf8)
{
	struct mr_buf out = {0};
	json_quote(&out, MR_STR("a\xff\x01\tb\xc3\xa9\xed\xa0\x80"));
	CHECK_STR(mr_buf_view(&out), "\"a\xef\xbf\xbd\\u0001\\tbé\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	mr_buf_release(&out);
}
