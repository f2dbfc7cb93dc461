#include "sql/sql_fixture.h"

/* Every type, edges included. The oracle is DuckDB itself: CAST(x AS VARCHAR) in the same row. */
static const char *const values[] = {
    "true",
    "(-128)::TINYINT",
    "32767::SMALLINT",
    "(-2147483648)::INTEGER",
    "(-9223372036854775808)::BIGINT",
    "255::UTINYINT",
    "65535::USMALLINT",
    "4294967295::UINTEGER",
    "18446744073709551615::UBIGINT",
    "(-170141183460469231731687303715884105728)::HUGEINT",
    "340282366920938463463374607431768211455::UHUGEINT",
    "0.1::FLOAT",
    "1e20::DOUBLE",
    "'nan'::DOUBLE",
    "'-inf'::FLOAT",
    "1.0::DOUBLE",
    "-1.5::DECIMAL(4, 2)",
    "123456.789::DECIMAL(9, 3)",
    "-0.000000001::DECIMAL(18, 9)",
    "12345678901234567890.123::DECIMAL(38, 3)",
    "'ünïcode, long enough not to be inlined'",
    "''",
    "'\\x00\\xFFab'::BLOB",
    "DATE '0044-03-15 (BC)'",
    "DATE 'infinity'",
    "TIME '23:59:59.999999'",
    "TIMETZ '10:00:00+05:30'",
    "TIMESTAMP '2020-02-29 12:34:56.789'",
    "TIMESTAMP_S '1969-12-31 23:59:59'",
    "TIMESTAMP_MS '2020-02-29 12:34:56.789'",
    "TIMESTAMP_NS '2020-02-29 12:34:56.789123456'",
    "TIMESTAMPTZ '2020-02-29 12:34:56.000001+00'",
    "TIMESTAMPTZ '-infinity'",
    "INTERVAL '1 year 2 days 3.5 seconds'",
    "'00112233-4455-6677-8899-aabbccddeeff'::UUID",
    "'10101'::BIT",
    "'b'::ENUM('a', 'b', 'it''s')",
    "'123456789012345678901234567890123456789012345'::BIGNUM",
    "(-3)::BIGNUM",
    "[1, NULL, 3]",
    "[]::INTEGER[]",
    "[['a, b'], [], NULL]",
    "[1.5, 2.5]::DOUBLE[2]",
    "{'a': 1, 'b c': 'x''y', 'n': NULL::INTEGER, 'd': {'e': [DATE '2020-01-01']}}",
    "MAP {'k': [1, 2], 'l': NULL}",
    "MAP {1: {'a': true}}",
    "union_value(num := 2)",
    "'{\"a\": [1, 2]}'::JSON",
};

TEST(sql_text_is_what_duckdb_prints)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	for (size_t i = 0; i < MR_COUNT(values); i++) {
		/* rows before and after shift the value within its vector */
		char *sql = test_path(
		    "SELECT x, CAST(x AS VARCHAR) FROM range(3) r LEFT JOIN (SELECT %s AS x) ON r.range <> 1",
		    values[i]);
		struct sql_result *r;
		CHECK_OK(sql_query(f.conn, mr_str_from(sql), &r, &f.err), f.err);
		for (int row = 0; row < 3; row++) {
			CHECK_INT(sql_next(r, &f.err), 1);
			CHECK_INT(sql_is_null(r, 0), sql_is_null(r, 1));
			char *got = mr_strndup(sql_text(r, 0));
			if (!mr_str_eq(mr_str_from(got), sql_text(r, 1)))
				test_fail(__FILE__, __LINE__, "%s reads %s, DuckDB prints %.*s", values[i],
					  got, MR_FMT(sql_text(r, 1)));
			free(got);
		}
		CHECK_INT(sql_next(r, &f.err), 0);
		sql_result_free(r);
	}
	sql_fixture_close(&f);
}

TEST(sql_type_names_are_what_duckdb_says)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	for (size_t i = 0; i < MR_COUNT(values); i++) {
		char *sql = test_path("SELECT typeof(x), x FROM (SELECT %s AS x)", values[i]);
		struct sql_result *r;
		CHECK_OK(sql_query(f.conn, mr_str_from(sql), &r, &f.err), f.err);
		CHECK_INT(sql_next(r, &f.err), 1);
		char *want = mr_strndup(sql_text(r, 0));
		CHECK_STR(sql_column_type(r, 1), want);
		free(want);
		sql_result_free(r);
	}
	sql_fixture_close(&f);
}

static void check_json(struct sql_fixture *f, const char *expression, const char *want)
{
	struct sql_result *r;
	char *sql = test_path("SELECT %s AS x", expression);
	CHECK_OK(sql_query(f->conn, mr_str_from(sql), &r, &f->err), f->err);
	CHECK_INT(sql_next(r, &f->err), 1);
	struct mr_buf out = {0};
	sql_put_json(r, 0, &out);
	CHECK_STR(mr_buf_view(&out), want);
	mr_buf_release(&out);
	sql_result_free(r);
}

TEST(sql_json_keeps_digits_and_shape)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	check_json(&f, "[1, NULL, 3]", "[1,null,3]");
	check_json(&f, "{'a': 1, 'b': 'q\"', 'c': {'d': true}}",
		   "{\"a\":1,\"b\":\"q\\\"\",\"c\":{\"d\":true}}");
	check_json(&f, "MAP {2: 'x', 1: NULL}", "{\"2\":\"x\",\"1\":null}");
	check_json(&f, "18446744073709551615::UBIGINT", "18446744073709551615");
	check_json(&f, "170141183460469231731687303715884105727::HUGEINT",
		   "170141183460469231731687303715884105727");
	check_json(&f, "12345678901234567890.10::DECIMAL(38, 2)", "12345678901234567890.10");
	check_json(&f, "'nan'::DOUBLE", "null");
	check_json(&f, "'inf'::FLOAT", "null");
	check_json(&f, "0.1::FLOAT", "0.1");
	check_json(&f, "'{\"a\":[1]}'::JSON", "{\"a\":[1]}");
	check_json(&f, "TIMESTAMPTZ '2020-01-01 00:00:00+00'", "\"2020-01-01 00:00:00+00\"");
	check_json(&f, "'\\x00\\x01\\x02\\x03'::BLOB", "\"AAECAw==\"");
	check_json(&f, "union_value(s := 'x')", "\"x\"");
	check_json(&f, "[1, 2]::INTEGER[2]", "[1,2]");
	check_json(&f, "NULL::INTEGER", "null");
	sql_fixture_close(&f);
}

TEST(sql_results_stream_and_count)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	struct sql_result *r;
	CHECK_OK(
	    sql_query(f.conn, MR_STR("SELECT range AS n, range / 2 AS h FROM range(300000);"), &r, &f.err),
	    f.err);
	CHECK(sql_result_is_query(r));
	CHECK_STR(sql_column_name(r, 1), "h");
	CHECK(sql_column_is_number(r, 0));
	int64_t rows = 0, sum = 0;
	int rc;
	while ((rc = sql_next(r, &f.err)) == 1)
		rows++, sum += sql_int(r, 0);
	CHECK_OK(rc, f.err);
	CHECK_INT(rows, 300000);
	CHECK_INT(sum, 300000LL * 299999 / 2);
	CHECK_INT(sql_next(r, &f.err), 0);
	sql_result_free(r);

	CHECK_OK(sql_query(f.conn, MR_STR("CREATE TABLE t AS SELECT * FROM range(7)"), &r, &f.err), f.err);
	sql_result_free(r);
	CHECK_OK(sql_query(f.conn, MR_STR("DELETE FROM t WHERE range < 3"), &r, &f.err), f.err);
	CHECK(!sql_result_is_query(r));
	CHECK_INT(sql_rows_changed(r), 3);
	sql_result_free(r);
	CHECK_INT(sql_query(f.conn, MR_STR("SELECT 1; SELECT 2"), &r, &f.err), MR_ERR_INVALID);
	sql_fixture_close(&f);
}
