#include "admin/position.h"
#include "test.h"

#define NOW 1795438241665

static struct position parse(const char *text)
{
	struct position position;
	struct mr_error err;
	CHECK_OK(position_parse(mr_str_from(text), NOW, &position, &err), err);
	return position;
}

TEST(position_is_what_people_say)
{
	static const struct {
		const char *text;
		enum position_kind kind;
		int64_t value;
	} table[] = {
	    {"start", POSITION_START, 0},
	    {"earliest", POSITION_START, 0},
	    {"end", POSITION_END, 0},
	    {"latest", POSITION_END, 0},
	    {"0", POSITION_OFFSET, 0},
	    {"42", POSITION_OFFSET, 42},
	    {"-42", POSITION_BACK, 42},
	    {"end-7", POSITION_BACK, 7},
	    {"2h", POSITION_TIME, NOW - 7200000},
	    {"@2h", POSITION_TIME, NOW - 7200000},
	    {"@-2h", POSITION_TIME, NOW - 7200000},
	    {"@1795438241", POSITION_TIME, 1795438241000},
	    {"@1795438241665", POSITION_TIME, NOW},
	    {"@2026-01-01", POSITION_TIME, 1767225600000},
	    {"@2026-01-01T00:00:01Z", POSITION_TIME, 1767225601000},
	};
	for (size_t i = 0; i < MR_COUNT(table); i++) {
		struct position position = parse(table[i].text);
		CHECK_INT(position.kind, table[i].kind);
		CHECK_INT(position.value, table[i].value);
	}
}

TEST(position_that_is_none_is_refused)
{
	static const char *const bad[] = {"",       "@",  "x", "-", "end-", "4x", "99999999999999999999",
					  "@later", "--1"};
	struct position position;
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(position_parse(mr_str_from(bad[i]), NOW, &position, &err), MR_ERR_INVALID);
}

TEST(position_ranges)
{
	static const struct {
		const char *text;
		enum position_kind from, to;
		bool bounded;
	} table[] = {
	    {"5", POSITION_OFFSET, POSITION_END, false},
	    {"5:10", POSITION_OFFSET, POSITION_OFFSET, true},
	    {":end", POSITION_START, POSITION_END, true},
	    {"-10:", POSITION_BACK, POSITION_END, true},
	    {"@2h:@1h", POSITION_TIME, POSITION_TIME, true},
	    {"@2h:end", POSITION_TIME, POSITION_END, true},
	    {"@2026-01-01T00:00:00Z", POSITION_TIME, POSITION_END, false},
	    {"@2026-01-01T00:00:00Z:@2026-01-02T00:00:00Z", POSITION_TIME, POSITION_TIME, true},
	};
	for (size_t i = 0; i < MR_COUNT(table); i++) {
		struct position from, to;
		bool bounded;
		struct mr_error err;
		CHECK_OK(position_parse_range(mr_str_from(table[i].text), NOW, &from, &to, &bounded, &err),
			 err);
		CHECK_INT(from.kind, table[i].from);
		CHECK_INT(to.kind, table[i].to);
		CHECK_INT(bounded, table[i].bounded);
	}
}
