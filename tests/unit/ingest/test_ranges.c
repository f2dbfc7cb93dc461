#include "ingest/ranges.h"
#include "ingest/text.h"
#include "test.h"

TEST(ranges_are_read_as_written)
{
	struct arena arena = {0};
	struct mr_error err;
	struct topic_range *ranges;
	size_t count;
	const char *text = "0:100-200,1:5-9,9999:0-9223372036854775807";
	CHECK_OK(ranges_parse(mr_str_from(text), &arena, &ranges, &count, &err), err);
	CHECK_INT(count, 3);
	CHECK_INT(ranges[2].partition, 9999);
	CHECK_INT(ranges[2].to, INT64_MAX);
	struct mr_buf again = {0};
	for (size_t i = 0; i < count; i++)
		ranges_put(&again, ranges[i]);
	CHECK_STR(mr_buf_view(&again), text);
	mr_buf_release(&again);
	CHECK_OK(ranges_parse(MR_STR(""), &arena, &ranges, &count, &err), err);
	CHECK_INT(count, 0);
	arena_release(&arena);
}

TEST(ranges_that_are_none_are_refused)
{
	static const char *const bad[] = {"x",      "0",
					  "0:",     "0:1",
					  "0:1-",   "0:2-1",
					  "0:1-2;", "0:1-2,x",
					  "-1:0-1", "10000:0-1",
					  "0:-1-5", "0:1-9223372036854775808",
					  " 0:1-2", "0:1-2,,1:1-2",
					  "0:1-2 "};
	struct arena arena = {0};
	struct topic_range *ranges;
	size_t count;
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		struct mr_error err = {0};
		if (ranges_parse(mr_str_from(bad[i]), &arena, &ranges, &count, &err) != MR_ERR_INVALID)
			test_fail(__FILE__, __LINE__, "\"%s\" was taken for ranges", bad[i]);
		CHECK(err.hint[0]);
	}
	struct mr_buf many = {0};
	for (int i = 0; i < 10001; i++)
		mr_buf_cstr(&many, i ? ",0:1-2" : "0:1-2");
	CHECK_INT(ranges_parse(mr_buf_view(&many), &arena, &ranges, &count, NULL), MR_ERR_LIMIT);
	mr_buf_release(&many);
	arena_release(&arena);
}

TEST(text_knows_utf8)
{
	static const struct {
		const char *bytes, *shown;
	} cases[] = {
	    {"plain text of some length", NULL},
	    {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", NULL},
	    {"\xf4\x8f\xbf\xbf", NULL},
	    {"", NULL},
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                   /* overlong */
	    {"\xed\xa0\x80!", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!"}, /* a surrogate */
	    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"12345678\xff", "12345678\xef\xbf\xbd"},
	    {"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"}, /* cut */
	};
	struct arena arena = {0};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		mr_str bytes = mr_str_from(cases[i].bytes);
		CHECK_INT(utf8_valid(bytes), !cases[i].shown);
		CHECK_STR(utf8_text(bytes, &arena), cases[i].shown ? cases[i].shown : cases[i].bytes);
	}
	CHECK(utf8_text(MR_STR_NULL, &arena).ptr == NULL);
	arena_release(&arena);
}
