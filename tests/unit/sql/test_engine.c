#include "sql/sql_fixture.h"

TEST(sql_engine_is_utc_and_offline)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	CHECK_SQL(&f, "SELECT current_setting('TimeZone')", "UTC");
	CHECK_SQL(&f, "SELECT current_setting('autoinstall_known_extensions')", "false");
	CHECK_SQL(&f, "SELECT current_setting('autoload_known_extensions')", "false");
	CHECK_SQL(&f, "SELECT TIMESTAMPTZ '2020-01-01 00:00:00+02'", "2019-12-31 22:00:00+00");
	CHECK_SQL(&f,
		  "SELECT count(*) FROM duckdb_extensions() WHERE loaded AND extension_name IN "
		  "('json', 'parquet', 'icu', 'core_functions')",
		  "4");
	sql_fixture_close(&f);
}

TEST(sql_connections_do_not_see_each_others_views)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	struct sql_conn *other;
	CHECK_OK(sql_connect(f.engine, &other, &f.err), f.err);
	CHECK_OK(sql_exec(f.conn,
			  MR_STR("CREATE VIEW v AS SELECT 1 AS a; CREATE SCHEMA s; CREATE VIEW s.v AS "
				 "SELECT 2 AS a"),
			  &f.err),
		 f.err);
	CHECK_OK(sql_exec(other, MR_STR("CREATE VIEW v AS SELECT 3 AS a"), &f.err), f.err);
	CHECK_SQL(&f, "SELECT a FROM v", "1");
	CHECK_SQL(&f, "SELECT a FROM s.v", "2");
	CHECK_INT(sql_exec(other, MR_STR("SELECT * FROM s.v"), &f.err), MR_ERR_NOT_FOUND);
	sql_disconnect(other);
	CHECK_SQL(&f, "SELECT count(*) FROM duckdb_databases() WHERE database_name LIKE 'mr!_%' ESCAPE '!'",
		  "1");
	sql_fixture_close(&f);
}

TEST(sql_macros_bear_sparks_names)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	CHECK_SQL(&f, "SELECT nvl(NULL, 3)", "3");
	CHECK_SQL(&f, "SELECT collect_list(x) FROM (VALUES (1), (NULL), (2)) t(x)", "[1, 2]");
	CHECK_SQL(&f, "SELECT get_json_object('{\"a\":{\"b\":7}}', '$.a.b')", "7");
	CHECK_SQL(&f, "SELECT get_json_object('no json', '$.a') IS NULL", "true");
	CHECK_SQL(&f, "SELECT size([1, 2, 3])", "3");
	sql_fixture_close(&f);
}

TEST(sql_errors_name_the_place)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	struct sql_result *r;
	CHECK_INT(sql_query(f.conn, MR_STR("SELECT 'é',\n  nosuch FROM (SELECT 1 AS a)"), &r, &f.err),
		  MR_ERR_INVALID);
	CHECK_STR(mr_str_from(f.err.where), "2:3");
	CHECK_STR(mr_str_from(f.err.message), "Referenced column \"nosuch\" not found in FROM clause!");
	CHECK_STR(mr_str_from(f.err.hint), "Candidate bindings: \"a\"");
	CHECK_INT(sql_exec(f.conn, MR_STR("SELECT * FORM x"), &f.err), MR_ERR_INVALID);
	CHECK_STR(mr_str_from(f.err.message), "syntax error at or near \"x\"");
	CHECK_STR(mr_str_from(f.err.where), "1:15");
	CHECK_INT(sql_exec(f.conn, MR_STR("SELECT * FROM nosuch"), &f.err), MR_ERR_NOT_FOUND);
	CHECK_INT(sql_exec(f.conn, MR_STR("SELECT error('{broken')"), &f.err), MR_ERR_INVALID);
	CHECK_STR(mr_str_from(f.err.message), "{broken");
	CHECK_INT(sql_exec(f.conn, mr_str_n("SELECT 1\0", 9), &f.err), MR_ERR_INVALID);
	/* the error of a row that comes late in the stream */
	CHECK_OK(
	    sql_query(
		f.conn,
		MR_STR(
		    "SELECT CASE WHEN range = 2900000 THEN error('late') ELSE range END FROM range(3000000)"),
		&r, &f.err),
	    f.err);
	int rc;
	while ((rc = sql_next(r, &f.err)) == 1)
		;
	CHECK_INT(rc, MR_ERR_INVALID);
	CHECK_STR(mr_str_from(f.err.message), "late");
	sql_result_free(r);
	sql_fixture_close(&f);
}

static void check_names(struct sql_fixture *f, const char *sql, const char *want)
{
	struct arena arena = {0};
	mr_str *names;
	size_t count;
	CHECK_OK(sql_table_names(f->conn, mr_str_from(sql), &arena, &names, &count, &f->err), f->err);
	struct mr_buf all = {0};
	for (size_t i = 0; i < count; i++)
		mr_buf_printf(&all, "%s%.*s", i ? " " : "", MR_FMT(names[i]));
	CHECK_STR(mr_buf_view(&all), want);
	mr_buf_release(&all);
	arena_release(&arena);
}

TEST(sql_table_names_follow_scopes)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	check_names(&f, "SELECT * FROM a, bronze.b JOIN c.d.e USING (i), \"x y\" JOIN a a2 ON true",
		    "a bronze.b c.d.e x y");
	check_names(&f, "WITH q AS (SELECT * FROM inner1), r AS (FROM q) SELECT * FROM q, r, stream(foo)",
		    "inner1");
	check_names(&f, "WITH a AS (SELECT * FROM a) SELECT * FROM a", "a");
	check_names(&f, "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) FROM t",
		    "");
	check_names(&f, "SELECT (WITH z AS (FROM one) SELECT 1 FROM z), (SELECT 2 FROM z)", "one z");
	check_names(&f, "SELECT (SELECT max(i) FROM s1) FROM t WHERE EXISTS (FROM s2) UNION ALL FROM u",
		    "s1 t s2 u");
	check_names(&f, "DESCRIBE bronze.x", "bronze.x");
	check_names(&f, "CREATE VIEW v AS SELECT 1", "");
	struct arena arena = {0};
	mr_str *names;
	size_t count;
	CHECK_INT(sql_table_names(f.conn, MR_STR("SELECT * FORM x"), &arena, &names, &count, &f.err),
		  MR_ERR_INVALID);
	CHECK_STR(mr_str_from(f.err.where), "1:15");
	arena_release(&arena);
	sql_fixture_close(&f);
}

TEST(sql_describe_gives_delta_types)
{
	struct sql_fixture f;
	sql_fixture_open(&f);
	static const char query[] =
	    "SELECT true AS a, 1::TINYINT AS b, 1::USMALLINT AS c, sum(1::BIGINT) AS d, 1.5::DECIMAL(7, 2) "
	    "AS e, "
	    "now() AS f, TIMESTAMP_S '2020-01-01 00:00:00' AS g, uuid() AS h, [1] AS i, '{}'::JSON AS j, "
	    "DATE '2020-01-01' AS k, 'x'::BLOB AS l, 1::UBIGINT AS m, 'x' AS n, INTERVAL 1 DAY AS o";
	static const char *const want[] = {"boolean",       "byte",      "integer",       "decimal(38,0)",
					   "decimal(7,2)",  "timestamp", "timestamp_ntz", "string",
					   "string",        "string",    "date",          "binary",
					   "decimal(20,0)", "string",    "string"};
	struct arena arena = {0};
	struct column_def *defs;
	size_t count;
	CHECK_OK(sql_describe(f.conn, MR_STR(query), &arena, &defs, &count, &f.err), f.err);
	CHECK_INT(count, MR_COUNT(want));
	for (size_t i = 0; i < count; i++) {
		CHECK_STR(column_type_name(&defs[i], &arena), want[i]);
		CHECK_INT(defs[i].name.ptr[0], 'a' + (int)i);
	}
	CHECK_INT(defs[8].type, COL_JSON);
	CHECK_INT(defs[9].type, COL_JSON);
	arena_release(&arena);
	sql_fixture_close(&f);
}

TEST(sql_quotes_names_and_literals)
{
	struct mr_buf out = {0};
	sql_quote_literal(&out, MR_STR("it's"));
	sql_quote_name(&out, MR_STR("a\"b"));
	sql_quote_path(&out, MR_STR("a.b c."));
	CHECK_STR(mr_buf_view(&out), "'it''s'\"a\"\"b\"\"a\".\"b c\".\"\"");
	mr_buf_release(&out);
}
