#include "conf/files.h"
#include "conf/nearest.h"
#include "conf/units.h"
#include "test.h"

TEST(units_sizes)
{
	static const struct {
		const char *text;
		int64_t bytes; /* -1: refused */
	} cases[] = {
	    {"0", 0},
	    {"4096", 4096},
	    {"1B", 1},
	    {"64KiB", 65536},
	    {"128MiB", 128 << 20},
	    {"2 GiB", 2LL << 30},
	    {"10MB", 10000000},
	    {"1TiB", 1LL << 40},
	    {"", -1},
	    {"MiB", -1},
	    {"1XB", -1},
	    {"-1", -1},
	    {"1.5GiB", -1},
	    {"1MiB2", -1},
	    {"1MiB 2", -1},
	    {"99999999999TiB", -1},
	    {"9223372036854775807", INT64_MAX},
	    {"9223372036854775808", -1},
	    {"1mib", -1},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		int64_t bytes = -1;
		int rc = conf_parse_size(mr_str_from(cases[i].text), &bytes, NULL);
		CHECK_INT(bytes, cases[i].bytes);
		CHECK((rc == 0) == (cases[i].bytes >= 0));
	}
}

TEST(units_durations)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
	    {"250ms", 250},
	    {"5s", 5000},
	    {"7d", 604800000},
	    {"1h30m", 5400000},
	    {"2w", 1209600000},
	    {"0s", 0},
	    {"5", -1},
	    {"", -1},
	    {"s", -1},
	    {"5 s", 5000},
	    {"5s5", -1},
	    {"5y", -1},
	    {"9999999999999999w", -1},
	    {"-5s", -1},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		int64_t ms = -1;
		int rc = conf_parse_duration(mr_str_from(cases[i].text), &ms, NULL);
		CHECK_INT(ms, cases[i].ms);
		CHECK((rc == 0) == (cases[i].ms >= 0));
	}
}

TEST(nearest_word)
{
	static const char *const words[] = {"partitions", "schema", "on_invalid", "retention", "name"};
	size_t n = MR_COUNT(words);
	CHECK_STR(mr_str_from(conf_nearest(MR_STR("partitons"), words, n)), "partitions");
	CHECK_STR(mr_str_from(conf_nearest(MR_STR("PARTITIONS"), words, n)), "partitions");
	CHECK_STR(mr_str_from(conf_nearest(MR_STR("shcema"), words, n)), "schema");
	CHECK_STR(mr_str_from(conf_nearest(MR_STR("nmae"), words, n)), "name");
	CHECK(!conf_nearest(MR_STR("zookeeper"), words, n));
	CHECK(!conf_nearest(MR_STR(""), words, n));
	CHECK(!conf_nearest(MR_STR("schema"), words, 0));
}

TEST(glob_patterns)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
	    {"transformations/**", "transformations/a.sql", true},
	    {"transformations/**", "transformations/x/y/a.sql", true},
	    {"transformations/**", "other/a.sql", false},
	    {"a/*.sql", "a/b.sql", true},
	    {"a/*.sql", "a/b/c.sql", false},
	    {"a/**/c.sql", "a/c.sql", true},
	    {"a/**/c.sql", "a/b/b/c.sql", true},
	    {"a/**/c.sql", "a/b/xc.sql", false},
	    {"**/*.sql", "c.sql", true},
	    {"?.sql", "c.sql", true},
	    {"?.sql", "/.sql", false},
	    {"*", "a/b", false},
	    {"*.sql", "a.sqlx", false},
	    {"", "a", false},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		if (conf_glob_match(cases[i].pattern, cases[i].path) != cases[i].match)
			test_fail(__FILE__, __LINE__, "%s against %s", cases[i].pattern, cases[i].path);
}
