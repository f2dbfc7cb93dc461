#include "test.h"

#include "base/buf.h"
#include "codec/columns.h"
#include "env/rng.h"

#include <stdlib.h>
#include <time.h>

static int64_t us_of(const char *text)
{
	int64_t us = 0;
	if (!parse_timestamp_us(mr_str_from(text), &us))
		test_fail(__FILE__, __LINE__, "\"%s\" is no timestamp", text);
	return us;
}

TEST(column_types_are_read_and_printed)
{
	static const char *const names[] = {
	    "boolean", "byte",   "short",         "integer",       "long", "float",     "double",
	    "string",  "binary", "decimal(10,2)", "decimal(38,0)", "date", "timestamp", "timestamp_ntz"};
	struct arena arena = {0};
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		struct column_def def = {0};
		struct mr_error err;
		CHECK_OK(column_type_parse(mr_str_from(names[i]), &def, &err), err);
		CHECK_STR(column_type_name(&def, &arena), names[i]);
	}
	struct column_def def = {0};
	CHECK_INT(column_type_parse(MR_STR("decimal( 7 , 3 )"), &def, NULL), 0);
	CHECK_INT(def.precision, 7);
	CHECK_INT(def.scale, 3);
	CHECK_INT(column_type_parse(MR_STR("decimal"), &def, NULL), 0);
	CHECK_INT(def.precision, 10);
	CHECK_INT(column_type_parse(MR_STR("json"), &def, NULL), 0);
	CHECK_INT(def.type, COL_JSON);
	CHECK_STR(column_type_name(&def, &arena), "string");
	arena_release(&arena);
}

TEST(column_types_that_are_none_are_refused)
{
	static const char *const bad[] = {"",
					  "int",
					  "Long",
					  "long ",
					  "decimal(",
					  "decimal()",
					  "decimal(0,0)",
					  "decimal(39,0)",
					  "decimal(5,6)",
					  "decimal(10,2",
					  "decimal(10,2)x",
					  "decimal(10,)",
					  "decimals",
					  "decimal(99999999999999999999,2)"};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		struct column_def def = {.name = MR_STR("kept"), .type = COL_BYTE};
		struct mr_error err = {0};
		if (column_type_parse(mr_str_from(bad[i]), &def, &err) != MR_ERR_INVALID)
			test_fail(__FILE__, __LINE__, "\"%s\" was taken for a type", bad[i]);
		CHECK_INT(def.type, COL_BYTE);
		CHECK(err.hint[0] != 0);
	}
}

TEST(columns_hold_what_fits_their_width)
{
	struct column_def defs[] = {{.name = MR_STR("a"), .type = COL_LONG},
				    {.name = MR_STR("b"), .type = COL_DECIMAL, .precision = 38},
				    {.name = MR_STR("c"), .type = COL_STRING}};
	struct columns c;
	columns_init(&c, defs, MR_COUNT(defs));
	CHECK_INT(c.column_count, 3);
	((__int128 *)c.columns[1].values)[COLUMNS_ROWS_MAX - 1] = -1;
	for (size_t row = 0; row < COLUMNS_ROWS_MAX; row++) {
		((int64_t *)c.columns[0].values)[row] = (int64_t)row;
		((mr_str *)c.columns[2].values)[row] = arena_copy(&c.arena, MR_STR("text"));
	}
	CHECK_STR(c.columns[2].def.name, "c");
	columns_clear(&c);
	CHECK_INT(c.rows, 0);
	columns_release(&c);
	CHECK_INT(c.column_count, 0);
	columns_init(&c, NULL, 0);
	columns_release(&c);
}

/* Every day of ten thousand years, told apart by counting. */
TEST(dates_agree_with_a_counted_calendar)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int32_t expected = 0, got = 0;
	CHECK(parse_date_days(MR_STR("0000-01-01"), &expected));
	for (int year = 0; year < 10000; year++) {
		bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
		for (int month = 0; month < 12; month++) {
			int days = lengths[month] + (month == 1 && leap);
			char text[32];
			for (int day = 1; day <= days; day++, expected++) {
				snprintf(text, sizeof text, "%04d-%02d-%02d", year, month + 1, day);
				CHECK(parse_date_days(mr_str_from(text), &got));
				CHECK_INT(got, expected);
			}
			snprintf(text, sizeof text, "%04d-%02d-%02d", year, month + 1, days + 1);
			CHECK(!parse_date_days(mr_str_from(text), &got));
		}
	}
	CHECK(parse_date_days(MR_STR("1970-01-01"), &got));
	CHECK_INT(got, 0);
}

TEST(timestamps_agree_with_timegm)
{
	struct mr_rng rng;
	rng_seed(&rng, 7);
	for (int i = 0; i < test_rounds(50000); i++) {
		struct tm tm = {.tm_year = (int)rng_below(&rng, 10000) - 1900,
				.tm_mon = (int)rng_below(&rng, 12),
				.tm_mday = 1 + (int)rng_below(&rng, 28),
				.tm_hour = (int)rng_below(&rng, 24),
				.tm_min = (int)rng_below(&rng, 60),
				.tm_sec = (int)rng_below(&rng, 60)};
		int nanos = (int)rng_below(&rng, 1000000000), digits = (int)rng_below(&rng, 10);
		int zone_minutes = (int)rng_below(&rng, 2 * 1440 - 1) - 1439, shape = (int)rng_below(&rng, 4);
		char text[64], fraction[16] = "", zone[16] = "";
		if (digits) {
			snprintf(fraction, sizeof fraction, ".%09d", nanos);
			fraction[1 + digits] = 0;
		}
		int64_t us = digits ? strtoll(fraction + 1, NULL, 10) : 0;
		for (int d = digits; digits && d < 9; d++)
			us *= 10;
		us /= 1000;
		int magnitude = abs(zone_minutes);
		if (shape == 1)
			snprintf(zone, sizeof zone, "%s", i % 2 ? "Z" : "z");
		if (shape == 2)
			snprintf(zone, sizeof zone, "%c%02d:%02d", zone_minutes < 0 ? '-' : '+',
				 magnitude / 60, magnitude % 60);
		if (shape == 3)
			snprintf(zone, sizeof zone, "%c%02d%02d", zone_minutes < 0 ? '-' : '+',
				 magnitude / 60, magnitude % 60);
		snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d%s%s", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, "Tt "[i % 3], tm.tm_hour, tm.tm_min, tm.tm_sec, fraction,
			 zone);
		int64_t expected = (int64_t)timegm(&tm) * 1000000 + us;
		if (shape >= 2)
			expected -= (int64_t)zone_minutes * 60 * 1000000;
		CHECK_INT(us_of(text), expected);
	}
}

TEST(timestamps_come_in_these_shapes)
{
	CHECK_INT(us_of("1970-01-01T00:00:00Z"), 0);
	CHECK_INT(us_of("1970-01-01T00:00Z"), 0);
	CHECK_INT(us_of("1970-01-01"), 0);
	CHECK_INT(us_of("1970-01-02 00:00+02"), 86400000000 - 7200000000);
	CHECK_INT(us_of("1969-12-31T23:59:59.999999999Z"), -1);
	CHECK_INT(us_of("1970-01-01T00:00:00,5"), 500000);
	CHECK_INT(us_of("2016-12-31T23:59:60Z"), 1483228800000000); /* a leap second */
}

TEST(timestamps_that_are_none_are_refused)
{
	static const char *const bad[] = {"",
					  "2026",
					  "2026-01",
					  "2026-13-01",
					  "2026-02-29",
					  "1900-02-29",
					  "2026-01-00",
					  "2026-01-01T",
					  "2026-01-01T00",
					  "2026-01-01T24:00:00Z",
					  "2026-01-01T00:60:00Z",
					  "2026-01-01T00:00:61Z",
					  "2026-01-01T00:00:00.Z",
					  "2026-01-01T00:00:00.1234567890Z",
					  "2026-01-01T00:00:00Zz",
					  "2026-01-01T00:00:00+1",
					  "2026-01-01T00:00:00+24:00",
					  "2026-01-01T00:00:00+01:60",
					  "2026-01-01T00:00:00+01-30",
					  "2026-01-01T00:00:00 Z",
					  "2026-01-01X00:00:00Z",
					  "2026/01/01T00:00:00Z",
					  "2026-01-01T00.00:00Z",
					  " 2026-01-01T00:00:00Z",
					  "-026-01-01T00:00:00Z",
					  "2026-01-01T00:00:0",
					  "2026-01-01T00:00:",
					  "202a-01-01"};
	int64_t us = 42;
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		if (parse_timestamp_us(mr_str_from(bad[i]), &us))
			test_fail(__FILE__, __LINE__, "\"%s\" was taken for a timestamp", bad[i]);
	}
	CHECK_INT(us, 42);
	int32_t days;
	CHECK(!parse_date_days(MR_STR("2026-01-01Z"), &days));
	CHECK(!parse_date_days(MR_STR("2026-1-01"), &days));
}

/* Cut at every length, with a byte changed: no read past the end, and what is still taken for a
 * timestamp is one of the prefixes that are. */
TEST(timestamps_cut_short_stay_within_their_bytes)
{
	static const char whole[] = "2026-03-01T12:34:56.789012345+05:30";
	for (size_t len = 0; len < sizeof whole; len++) {
		char *exact = mr_alloc(len ? len : 1);
		memcpy(exact, whole, len);
		bool cut_is_fine =
		    len == 10 || len == 16 || (len >= 19 && len != 20 && len <= 29) || len == 32 || len == 35;
		int64_t us;
		CHECK_INT(parse_timestamp_us(mr_str_n(exact, len), &us), cut_is_fine);
		for (size_t at = 0; at < len; at++) {
			exact[at] |= 0x80;
			CHECK(!parse_timestamp_us(mr_str_n(exact, len), &us));
			exact[at] &= 0x7f;
		}
		free(exact);
	}
}

TEST(formatted_timestamps_parse_to_what_they_were)
{
	char text[32];
	format_timestamp_ms(0, text);
	CHECK_STR(mr_str_from(text), "1970-01-01T00:00:00.000Z");
	format_timestamp_ms(-1, text);
	CHECK_STR(mr_str_from(text), "1969-12-31T23:59:59.999Z");
	format_timestamp_ms(1767225600123, text);
	CHECK_STR(mr_str_from(text), "2026-01-01T00:00:00.123Z");
	format_timestamp_ms(INT64_MAX, text);
	CHECK_STR(mr_str_from(text), "+292278994-08-17T07:12:55.807Z");
	format_timestamp_ms(INT64_MIN, text);
	CHECK_STR(mr_str_from(text), "-292275055-05-16T16:47:04.192Z");
	struct mr_rng rng;
	rng_seed(&rng, 8);
	for (int i = 0; i < test_rounds(50000); i++) {
		int64_t ms = INT64_C(-62167219200000) + (int64_t)rng_below(&rng, 315569520000000);
		format_timestamp_ms(ms, text);
		CHECK_INT(us_of(text), ms * 1000);
	}
}
