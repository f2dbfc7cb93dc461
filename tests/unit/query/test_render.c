#include "test.h"

#include "base/buf.h"
#include "query/render.h"

static int append(void *arg, mr_str bytes)
{
	mr_buf_str(arg, bytes);
	return 0;
}

static void check(const char *sql, const char *format, int width, const char *want)
{
	struct mr_error err;
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct sql_result *result;
	struct render_options options = {.width = width};
	struct mr_buf out = {0};
	CHECK_OK(render_format_parse(mr_str_from(format), &options.format, &err), err);
	CHECK_OK(sql_engine_open(NULL, &engine, &err), err);
	CHECK_OK(sql_connect(engine, &conn, &err), err);
	CHECK_OK(sql_query(conn, mr_str_from(sql), &result, &err), err);
	CHECK_OK(render(result, &options, append, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), want);
	sql_result_free(result);
	sql_disconnect(conn);
	sql_engine_close(engine);
	mr_buf_release(&out);
}

TEST(render_machine_formats)
{
	const char *sql =
	    "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c UNION ALL SELECT 2, E'l\\nm\\t|', NULL ORDER BY 1";
	check(sql, "csv", 0, "a,b,c\n1,\"x,\"\"y\",\n2,\"l\nm\t|\",\n");
	check(sql, "tsv", 0, "a\tb\tc\n1\tx,\"y\t\n2\tl\\nm\\t|\t\n");
	check(sql, "json", 0,
	      "[{\"a\":1,\"b\":\"x,\\\"y\",\"c\":null},\n{\"a\":2,\"b\":\"l\\nm\\t|\",\"c\":null}]\n");
	check(sql, "jsonl", 0,
	      "{\"a\":1,\"b\":\"x,\\\"y\",\"c\":null}\n{\"a\":2,\"b\":\"l\\nm\\t|\",\"c\":null}\n");
	check(sql, "markdown", 0, "| a | b | c |\n|--:|---|--:|\n| 1 | x,\"y |  |\n| 2 | l m\t\\| |  |\n");
	check("SELECT 1 WHERE false", "json", 0, "[]\n");
	struct mr_error err;
	enum render_format format;
	CHECK_INT(render_format_parse(MR_STR("xml"), &format, &err), MR_ERR_INVALID);
}

TEST(render_box_aligns_cuts_and_counts)
{
	check("SELECT 7::INTEGER AS n, 'né' AS \"名前\"", "box", 0,
	      "┌─────────┬─────────┐\n"
	      "│ n       │ 名前    │\n"
	      "│ INTEGER │ VARCHAR │\n"
	      "├─────────┼─────────┤\n"
	      "│       7 │ né      │\n"
	      "└─────────┴─────────┘\n"
	      "1 row\n");
	check("SELECT repeat('x', 100) AS long", "box", 20,
	      "┌──────────────────┐\n"
	      "│ long             │\n"
	      "│ VARCHAR          │\n"
	      "├──────────────────┤\n"
	      "│ xxxxxxxxxxxxxxx… │\n"
	      "└──────────────────┘\n"
	      "1 row\n");
	CHECK_INT(text_columns(MR_STR("e\xcc\x81\xe5\x90\x8d")), 3);
}
