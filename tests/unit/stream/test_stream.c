#include "test.h"

#include "base/buf.h"
#include "sql/engine.h"
#include "stream/lex.h"
#include "stream/pipeline.h"
#include "stream/spark_macros.h"
#include "stream/statement.h"
#include "stream/translate.h"

#include <stdlib.h>

static mr_str spark(struct arena *arena, const char *sql)
{
	struct token *tokens;
	size_t count, at;
	struct mr_error err;
	CHECK_OK(sql_lex(mr_str_from(sql), DIALECT_SPARK, arena, &tokens, &count, &at, &err), err);
	struct translation t = {.text = mr_str_from(sql), .dialect = DIALECT_SPARK};
	struct mr_buf out = {0};
	translate_tokens(&t, tokens, count, arena, &out);
	mr_str copy = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

TEST(statements_are_told_apart)
{
	mr_str text = MR_STR(" -- c; c\n SELECT ';' ; ; /* ; */ SELECT \"a;b\" -- end");
	CHECK_STR(statement_next(&text), "-- c; c\n SELECT ';'");
	CHECK_STR(statement_next(&text), "/* ; */ SELECT \"a;b\" -- end");
	CHECK_STR(statement_next(&text), "");
}

TEST(translation_table)
{
	static const struct {
		const char *spark, *duckdb;
	} cases[] = {
	    {"SELECT `a b`, 'it\\'s' FROM t", "SELECT \"a b\", 'it''s' FROM t"},
	    {"SELECT * EXCEPT (a) FROM t", "SELECT * EXCLUDE (a) FROM t"},
	    {"a <=> b AND c == \"x\"", "a IS NOT DISTINCT FROM b AND c = 'x'"},
	    {"path RLIKE '^/a'", "path SIMILAR TO '(?s).*(?:^/a).*'"},
	    {"CAST(x AS TIMESTAMP), CAST(y AS STRING)", "CAST(x AS TIMESTAMPTZ), CAST(y AS VARCHAR)"},
	    {"window(ts, '1 minute').start", "spark_window(ts, '1 minute').start"},
	    {"date_format(ts, 'yyyy-MM-dd HH:mm')", "spark_date_format(ts, '%Y-%m-%d %H:%M')"},
	    {"to_timestamp(s, 'dd/MMM/yyyy')", "spark_to_timestamp(s, '%d/%b/%Y')"},
	    {"named_struct('k', 1, 'v', f('x', 2))", "struct_pack(\"k\" := 1, \"v\" := f('x', 2))"},
	    {"current_timestamp() > current_date()", "current_timestamp > current_date"},
	    {"SELECT x -- note\n FROM STREAM(a.b) JOIN STREAM c", "SELECT x -- note\n FROM a.b JOIN c"},
	    {"t.window, window", "t.window, window"},
	    {"SELECT x FROM STREAM a.b WITH (maxFilesPerTrigger = 1,\n startingVersion 2) AS t",
	     "SELECT x FROM a.b \n AS t"},
	    {"SELECT x FROM STREAM(a.b) WITH ('readChangeFeed' = 'true') t JOIN c",
	     "SELECT x FROM a.b  t JOIN c"},
	};
	struct arena arena = {0};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		CHECK_STR(spark(&arena, cases[i].spark), cases[i].duckdb);
	arena_release(&arena);
}

/* Ad-hoc text keeps DuckDB's meaning. */
TEST(duckdb_text_is_left_alone)
{
	static const char *const texts[] = {
	    "SELECT \"window\", split('a-b', '-'), regexp_extract(s, 'x'), to_timestamp(0) FROM \"my topic\"",
	    "SELECT * EXCLUDE (a) FROM t WHERE s SIMILAR TO 'x' AND 'a\\' = 'a\\'",
	    "SELECT array_agg(x ORDER BY y), [1,2][1], {'a': 1}, x::VARCHAR FROM read_parquet('f')",
	    "FROM t SELECT x QUALIFY row_number() OVER (PARTITION BY y) = 1",
	    "SELECT extract(year FROM ts), trim(both FROM s), a IS DISTINCT FROM b",
	};
	struct arena arena = {0};
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(texts); i++) {
		mr_str out;
		CHECK_OK(spark_translate(mr_str_from(texts[i]), &arena, &out, &err), err);
		CHECK_STR(out, texts[i]);
	}
	mr_str out;
	CHECK_OK(spark_translate(MR_STR("SELECT system.x FROM system.topics t"), &arena, &out, &err), err);
	CHECK_STR(out, "SELECT system.x FROM sys.topics t");
	CHECK_INT(spark_translate(MR_STR("SELECT\n 'abc"), &arena, &out, &err), MR_ERR_INVALID);
	CHECK_STR(mr_str_from(err.where), "query:2:2");
	arena_release(&arena);
}

TEST(spark_expressions_give_sparks_answers)
{
	static const struct {
		const char *spark, *answer;
	} cases[] = {
	    {"window(TIMESTAMP '2026-01-01 10:07:30', '5 minutes').start", "2026-01-01 10:05:00+00"},
	    {"window(TIMESTAMP '2026-01-01 10:07:30', '7 days').end", "2026-01-08 00:00:00+00"},
	    {"date_format(TIMESTAMP '2026-03-04 05:06:07', 'yyyy/MM/dd HH:mm:ss')", "2026/03/04 05:06:07"},
	    {"to_timestamp('2026-01-02T03:04:05Z')", "2026-01-02 03:04:05+00"},
	    {"to_timestamp('nonsense')", NULL},
	    {"to_date('10/Oct/2000', 'dd/MMM/yyyy')", "2000-10-10"},
	    {"regexp_extract('id=42', '(\\\\w+)=(\\\\d+)')", "id"},
	    {"regexp_extract('id=42', '(\\\\w+)=(\\\\d+)', 2)", "42"},
	    {"'id=42' RLIKE '[0-9]+'", "true"},
	    {"NULL <=> NULL", "true"},
	    {"nvl(NULL, 'x')", "x"},
	    {"if(1 > 2, 'a', 'b')", "b"},
	    {"size(array(1, 2, 3))", "3"},
	    {"get_json_object('{\"a\":{\"b\":7}}', '$.a.b')", "7"},
	    {"named_struct('a', 1).a", "1"},
	    {"split('a1b22c', '[0-9]+')[3]", "c"},
	    {"date_add(DATE '2026-01-31', 1)", "2026-02-01"},
	    {"datediff(DATE '2026-02-01', DATE '2026-01-30')", "2"},
	};
	struct arena arena = {0};
	struct mr_error err;
	struct sql_engine *engine;
	struct sql_conn *conn;
	CHECK_OK(sql_engine_open(NULL, &engine, &err), err);
	CHECK_OK(sql_engine_install(engine, spark_macros(), &err), err);
	CHECK_OK(sql_connect(engine, &conn, &err), err);
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		mr_str text = arena_printf(&arena, "SELECT %s", cases[i].spark);
		struct sql_result *result;
		CHECK_OK(sql_query(conn, spark(&arena, text.ptr), &result, &err), err);
		CHECK_INT(sql_next(result, &err), 1);
		CHECK(sql_is_null(result, 0) == !cases[i].answer);
		if (cases[i].answer)
			CHECK_STR(sql_text(result, 0), cases[i].answer);
		sql_result_free(result);
	}
	sql_disconnect(conn);
	sql_engine_close(engine);
	arena_release(&arena);
}

static struct pipeline *load(const char *text)
{
	static const mr_str known[] = {{"bronze.events", 13}, {"logs-access", 11}};
	struct pipeline_file file = {"transformations/x.sql", mr_str_from(text)};
	struct pipeline *pipeline;
	struct mr_error err;
	CHECK_OK(pipeline_load(&file, 1, known, 2, &pipeline, &err), err);
	return pipeline;
}

TEST(pipeline_orders_flows_and_quotes_their_sources)
{
	struct pipeline *p =
	    load("CREATE MATERIALIZED VIEW gold.sums COMMENT 'c' AS SELECT k, count(*) FROM Silver.Big GROUP "
		 "BY k;\n"
		 "CREATE OR REFRESH STREAMING TABLE silver.big USING delta PARTITIONED BY (date, `k`)\n"
		 "AS WITH x AS (SELECT 1) SELECT e.* FROM STREAM bronze.events e JOIN x ON true;");
	const struct mr_error *errors;
	CHECK_INT(pipeline_errors(p, &errors), 0);
	const struct flow *const *flows;
	CHECK_INT(pipeline_flows(p, &flows), 2);
	CHECK_STR(flows[0]->name, "silver.big");
	CHECK_INT(flows[0]->kind, FLOW_STREAMING_TABLE);
	CHECK_INT(flows[0]->partition_count, 2);
	CHECK_STR(flows[0]->partition_by[1], "k");
	CHECK_INT(flows[0]->source_count, 1);
	CHECK(flows[0]->sources[0].stream);
	CHECK_STR(flows[0]->query,
		  "WITH x AS (SELECT 1) SELECT e.* FROM \"bronze\".\"events\" e JOIN x ON true");
	CHECK_INT(flows[0]->query_line, 3);
	CHECK_STR(flows[1]->name, "gold.sums");
	CHECK_STR(flows[1]->query, "SELECT k, count(*) FROM \"silver\".\"big\" GROUP BY k");
	pipeline_free(p);
}

TEST(pipeline_leaves_out_what_fails_and_says_where)
{
	static const struct {
		const char *sql, *where, *message;
	} cases[] = {
	    {"CREATE STREAMING TABLE a.b AS\nSELECT id FROM STREAM bronze.evnts",
	     "transformations/x.sql:2:23", "table bronze.evnts does not exist; did you mean bronze.events?"},
	    {"CREATE STREAMING TABL a.b AS SELECT 1", "transformations/x.sql:1:18",
	     "expected TABLE, found 'TABL'"},
	    {"CREATE FLOW f AS SELECT 1", "transformations/x.sql:1:8",
	     "CREATE FLOW is not supported; write the query as CREATE STREAMING TABLE … AS"},
	    {"CREATE STREAMING TABLE a.b AS SELECT count(*) FROM STREAM bronze.events",
	     "transformations/x.sql:1:38",
	     "count over a STREAM needs state, which is not supported; use a MATERIALIZED VIEW"},
	    {"CREATE STREAMING TABLE a.b AS SELECT 1 FROM bronze.events", "transformations/x.sql:1:24",
	     "a streaming table reads exactly one STREAM, this one reads 0"},
	    {"CREATE MATERIALIZED VIEW a.b AS SELECT 'x FROM y", "transformations/x.sql:1:40",
	     "a quote has no end"},
	    {"CREATE MATERIALIZED VIEW a.b CLUSTER BY (x) AS SELECT 1", "transformations/x.sql:1:30",
	     "CLUSTER BY is not supported; use PARTITIONED BY"},
	    {"CREATE STREAMING TABLE a.b AS SELECT * FROM STREAM bronze.events WITH (startVersion = 1)",
	     "transformations/x.sql:1:72",
	     "a STREAM has no option startVersion; did you mean startingVersion?"},
	    {"CREATE STREAMING TABLE a.b AS SELECT * FROM STREAM bronze.events WITH (maxFilesPerTrigger = 0)",
	     "transformations/x.sql:1:93", "maxFilesPerTrigger: expected a whole number, at least 1"},
	    {"CREATE STREAMING TABLE a.b AS SELECT * FROM STREAM bronze.events WITH (startingVersion = 1, "
	     "startingTimestamp = '2026-01-01')",
	     "transformations/x.sql:1:113",
	     "startingTimestamp: a stream has one start: startingVersion or startingTimestamp"},
	    {"CREATE TABLE t AS SELECT 1", "transformations/x.sql:1:8",
	     "expected STREAMING TABLE, MATERIALIZED VIEW or TEMPORARY VIEW"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct mr_buf text = {0};
		mr_buf_printf(&text,
			      "%s;\nCREATE STREAMING TABLE ok.ok AS SELECT id FROM STREAM bronze.events",
			      cases[i].sql);
		/* An unterminated quote swallows what follows it: then there is nothing else. */
		bool alone = i == 5;
		struct pipeline *p = load(alone ? cases[i].sql : text.ptr);
		const struct mr_error *errors;
		const struct flow *const *flows;
		CHECK_INT(pipeline_errors(p, &errors), 1);
		CHECK_STR(mr_str_from(errors[0].message), cases[i].message);
		CHECK_STR(mr_str_from(errors[0].where), cases[i].where);
		CHECK(strchr(errors[0].hint, '^'));
		CHECK_INT(pipeline_flows(p, &flows), alone ? 0 : 1);
		pipeline_free(p);
		mr_buf_release(&text);
	}
}

TEST(pipeline_reads_the_options_of_streams)
{
	struct pipeline *p = load(
	    "CREATE STREAMING TABLE a.b AS SELECT id FROM STREAM bronze.events WITH (startingVersion = "
	    "latest, "
	    "`maxBytesPerTrigger` = '10m', IGNOREDELETES true, skipChangeCommits = TRUE);"
	    "CREATE STREAMING TABLE a.c AS SELECT id FROM STREAM bronze.events WITH (startingTimestamp = "
	    "'1970-01-02', readChangeFeed = true);"
	    "CREATE STREAMING TABLE a.d AS SELECT id FROM STREAM bronze.events");
	const struct flow *const *flows;
	CHECK_INT(pipeline_flows(p, &flows), 3);
	struct stream_options b = flows[0]->sources[0].options, c = flows[1]->sources[0].options,
			      d = flows[2]->sources[0].options;
	CHECK(b.start == STREAM_START_LATEST && b.ignore_deletes && b.skip_change_commits &&
	      !b.ignore_changes);
	CHECK_INT(b.max_bytes, 10 << 20);
	CHECK_INT(b.max_files, INT64_MAX);
	CHECK(c.start == STREAM_START_TIMESTAMP && c.read_change_feed);
	CHECK_INT(c.start_at, 86400000);
	CHECK(d.start == STREAM_START_SNAPSHOT);
	CHECK_INT(d.max_files, STREAM_FILES_PER_TRIGGER);
	pipeline_free(p);
}

TEST(pipeline_finds_circles_and_drops_dependents)
{
	struct pipeline *p = load("CREATE MATERIALIZED VIEW a.a AS SELECT 1 FROM b.b;"
				  "CREATE MATERIALIZED VIEW b.b AS SELECT 1 FROM a.a;"
				  "CREATE MATERIALIZED VIEW c.c AS SELECT 1 FROM b.b;"
				  "CREATE MATERIALIZED VIEW d.d AS SELECT 1 FROM bronze.events;"
				  "CREATE MATERIALIZED VIEW d.d AS SELECT 2 FROM bronze.events");
	const struct mr_error *errors;
	const struct flow *const *flows;
	CHECK_INT(pipeline_flows(p, &flows), 1);
	CHECK_STR(flows[0]->name, "d.d");
	CHECK_INT(pipeline_errors(p, &errors), 4);
	pipeline_free(p);
}

/* Any cut of a valid text is parsed or refused, never read past. */
TEST(pipeline_takes_any_prefix)
{
	static const char text[] =
	    "CREATE STREAMING TABLE s.t PARTITIONED BY (d) COMMENT 'x' AS SELECT \"q\", `n`, "
	    "named_struct('a', 1) /* c */ FROM STREAM(bronze.events) WHERE a RLIKE 'x' -- e";
	for (size_t n = 0; n < sizeof text; n++) {
		char *copy = mr_strndup(mr_str_n(text, n));
		pipeline_free(load(copy));
		free(copy);
	}
}
