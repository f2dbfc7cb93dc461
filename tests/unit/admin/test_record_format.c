#include "admin/record_format.h"
#include "test.h"

static void check(const char *text, const char *want)
{
	static const char headers[] = "\x04"
				      "h1"
				      "\x02"
				      "a"
				      "\x04"
				      "h2"
				      "\x01"; /* its value is null */
	struct record record = {.offset = 7,
				.timestamp = 1767225600000,
				.key = MR_STR_NULL,
				.value = MR_STR("va\"l"),
				.headers = mr_str_n(headers, sizeof headers - 1),
				.header_count = 2};
	struct record_format *format;
	struct mr_buf out = {0};
	struct mr_error err;
	CHECK_OK(record_format_parse(mr_str_from(text), &format, &err), err);
	CHECK_OK(record_format_put(format, MR_STR("t"), 3, &record, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), want);
	record_format_free(format);
	mr_buf_release(&out);
}

TEST(record_format_letters)
{
	check("%t %p %o %k|%v\\n", "t 3 7 |va\"l\n");
	check("%s%%\\t%T %K %V %S", "va\"l%\t1767225600000 0 4 4");
	check("%h", "h1=a,h2=");
	check("\\x41\\x62\\\\", "Ab\\");
	check("plain", "plain");
	check("json", "{\"topic\":\"t\",\"partition\":3,\"offset\":7,\"timestamp\":\"2026-01-01T00:00:00."
		      "000Z\",\"key\":null,"
		      "\"value\":\"va\\\"l\",\"headers\":[{\"key\":\"h1\",\"value\":\"a\"},{\"key\":\"h2\","
		      "\"value\":null}]}\n");
}

TEST(record_format_names_what_it_does_not_know)
{
	static const char *const bad[] = {"%q", "%", "a\\", "\\q", "\\x4"};
	struct record_format *format;
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(record_format_parse(mr_str_from(bad[i]), &format, &err), MR_ERR_INVALID);
	CHECK(strstr(err.message, "\"\\x\"") != NULL);
}
