#include "stream/spark_macros.h"

const char *spark_macros(void)
{
	/* Spark's windows count from 1970-01-01 00:00 UTC; DuckDB's default origin is 2000-01-03. */
	return "CREATE OR REPLACE MACRO spark_window(ts, width) AS struct_pack("
	       "\"start\" := time_bucket(CAST(width AS INTERVAL), CAST(ts AS TIMESTAMPTZ), TIMESTAMPTZ "
	       "'1970-01-01 00:00:00+00'), "
	       "\"end\" := time_bucket(CAST(width AS INTERVAL), CAST(ts AS TIMESTAMPTZ), TIMESTAMPTZ "
	       "'1970-01-01 00:00:00+00') "
	       "+ CAST(width AS INTERVAL));"
	       "CREATE OR REPLACE MACRO spark_date_format(ts, pattern) AS strftime(CAST(ts AS TIMESTAMPTZ), "
	       "pattern);"
	       "CREATE OR REPLACE MACRO spark_to_timestamp(s) AS TRY_CAST(s AS TIMESTAMPTZ), "
	       "(s, pattern) AS CAST(try_strptime(s, pattern) AS TIMESTAMPTZ);"
	       "CREATE OR REPLACE MACRO spark_to_date(s) AS TRY_CAST(s AS DATE), "
	       "(s, pattern) AS CAST(try_strptime(s, pattern) AS DATE);"
	       "CREATE OR REPLACE MACRO spark_regexp_extract(s, p) AS regexp_extract(s, p, 1), "
	       "(s, p, i) AS regexp_extract(s, p, i);"
	       "CREATE OR REPLACE MACRO spark_from_unixtime(n) AS strftime(to_timestamp(n), '%Y-%m-%d "
	       "%H:%M:%S'), "
	       "(n, pattern) AS strftime(to_timestamp(n), pattern);"
	       "CREATE OR REPLACE MACRO spark_unix_timestamp(ts) AS CAST(epoch(CAST(ts AS TIMESTAMPTZ)) AS "
	       "BIGINT), "
	       "(s, pattern) AS CAST(epoch(try_strptime(s, pattern)) AS BIGINT);"
	       "CREATE OR REPLACE MACRO spark_date_add(d, n) AS CAST(d AS DATE) + CAST(n AS INTEGER);"
	       "CREATE OR REPLACE MACRO spark_date_sub(d, n) AS CAST(d AS DATE) - CAST(n AS INTEGER);"
	       "CREATE OR REPLACE MACRO spark_datediff(a, b) AS date_diff('day', CAST(b AS DATE), CAST(a AS "
	       "DATE));";
}
