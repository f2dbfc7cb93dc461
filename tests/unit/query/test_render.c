#include "query/render.h"
#include "base/buf.h"
#include "query/text_width.h"
#include "sql/engine.h"
#include "test.h"

#include <stdlib.h>

struct fixture {
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct mr_buf out;
	size_t puts, puts_max;
};

static void setup(struct fixture *f)
{
	struct sql_engine_options options = {.threads = 1};
	struct mr_error err = {0};
	*f = (struct fixture){.puts_max = SIZE_MAX};
	CHECK_OK(sql_engine_open(&options, &f->engine, &err), err);
	CHECK_OK(sql_connect(f->engine, &f->conn, &err), err);
}

static void teardown(struct fixture *f)
{
	sql_disconnect(f->conn);
	sql_engine_close(f->engine);
	mr_buf_release(&f->out);
}

static int put(void *arg, mr_str text)
{
	struct fixture *f = arg;
	mr_buf_str(&f->out, text);
	return ++f->puts >= f->puts_max;
}

static int run(struct fixture *f, const char *sql, struct render_options options, struct mr_error *err)
{
	struct sql_result *result;
	mr_buf_clear(&f->out);
	f->puts = 0;
	int rc = sql_query(f->conn, mr_str_from(sql), &result, err);
	if (rc < 0)
		return rc;
	rc = render(result, &options, put, f, err);
	sql_result_free(result);
	return rc;
}

struct golden {
	const char *sql;
	struct render_options options;
	const char *text;
};

static void check_golden(struct fixture *f, const struct golden *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct mr_error err = {0};
		CHECK_OK(run(f, cases[i].sql, cases[i].options, &err), err);
		CHECK_STR(mr_buf_view(&f->out), cases[i].text);
	}
}

#define MIXED \
	"SELECT * FROM (VALUES (1, 'a,b', [1, NULL], true), (NULL, 'q\"|' || chr(10), NULL, false), (-3, " \
	"'', [], NULL)) " \
	"t(n, s, l, b)"

TEST(render_formats)
{
	static const struct golden cases[] = {
	    {MIXED,
	     {RENDER_CSV},
	     "n,s,l,b\n1,\"a,b\",\"[1, NULL]\",true\n,\"q\"\"|\n\",,false\n-3,\"\",[],\n"},
	    {MIXED, {RENDER_TSV}, "n\ts\tl\tb\n1\ta,b\t[1, NULL]\ttrue\n\tq\"|\\n\t\tfalse\n-3\t\t[]\t\n"},
	    {MIXED,
	     {RENDER_JSON},
	     "[{\"n\":1,\"s\":\"a,b\",\"l\":[1,null],\"b\":true},\n"
	     "{\"n\":null,\"s\":\"q\\\"|\\n\",\"l\":null,\"b\":false},\n"
	     "{\"n\":-3,\"s\":\"\",\"l\":[],\"b\":null}]\n"},
	    {MIXED,
	     {RENDER_JSONL},
	     "{\"n\":1,\"s\":\"a,b\",\"l\":[1,null],\"b\":true}\n{\"n\":null,\"s\":\"q\\\"|\\n\",\"l\":null,"
	     "\"b\":false}\n"
	     "{\"n\":-3,\"s\":\"\",\"l\":[],\"b\":null}\n"},
	    {MIXED,
	     {RENDER_MARKDOWN},
	     "| n | s | l | b |\n|--:|---|---|---|\n| 1 | a,b | [1, NULL] | true |\n|  | q\"\\|\\n "
	     "|  | false |\n"
	     "| -3 |  | [] |  |\n"},
	    {"SELECT 1 AS n WHERE false", {RENDER_JSON}, "[]\n"},
	    {"SELECT 1 AS n WHERE false", {RENDER_JSONL}, ""},
	    {"SELECT 1 AS n WHERE false", {RENDER_CSV}, "n\n"},
	};
	struct fixture f;
	setup(&f);
	check_golden(&f, cases, MR_COUNT(cases));
	teardown(&f);
}

TEST(render_box)
{
	static const struct golden cases[] = {
	    {MIXED,
	     {RENDER_BOX},
	     "┌─────────┬─────────┬───────────┬─────────┐\n"
	     "│       n │ s       │ l         │ b       │\n"
	     "│ INTEGER │ VARCHAR │ INTEGER[] │ BOOLEAN │\n"
	     "├─────────┼─────────┼───────────┼─────────┤\n"
	     "│       1 │ a,b     │ [1, NULL] │ true    │\n"
	     "│    NULL │ q\"|\\n   │ NULL      │ false   │\n"
	     "│      -3 │         │ []        │ NULL    │\n"
	     "└─────────┴─────────┴───────────┴─────────┘\n"
	     "3 rows\n"},
	    {"SELECT '日本' AS j, 'e' || chr(769) AS e, '🙂' AS m, chr(27) || '[31m' AS esc",
	     {RENDER_BOX},
	     "┌─────────┬─────────┬─────────┬──────────┐\n"
	     "│ j       │ e       │ m       │ esc      │\n"
	     "│ VARCHAR │ VARCHAR │ VARCHAR │ VARCHAR  │\n"
	     "├─────────┼─────────┼─────────┼──────────┤\n"
	     "│ 日本    │ e\xCC\x81       │ 🙂      │ \\x1B[31m │\n"
	     "└─────────┴─────────┴─────────┴──────────┘\n"
	     "1 row\n"},
	    {"SELECT range AS r FROM range(5)",
	     {.format = RENDER_BOX, .rows_max = 2},
	     "┌────────┐\n│      r │\n│ BIGINT │\n├────────┤\n│      0 │\n│      1 │\n└────────┘\n"
	     "… 3 more rows\n5 rows\n"},
	    {"SELECT 1 AS n WHERE false",
	     {RENDER_BOX},
	     "┌─────────┐\n│       n │\n│ INTEGER │\n├─────────┤\n└─────────┘\n0 rows\n"},
	    {"SELECT 1 AS n, repeat('x', 100) AS wide",
	     {.format = RENDER_BOX, .width = 30},
	     "┌─────────┬──────────────────┐\n"
	     "│       n │ wide             │\n"
	     "│ INTEGER │ VARCHAR          │\n"
	     "├─────────┼──────────────────┤\n"
	     "│       1 │ xxxxxxxxxxxxxxx… │\n"
	     "└─────────┴──────────────────┘\n"
	     "1 row\n"},
	    {"SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5 AS e",
	     {.format = RENDER_BOX, .width = 36},
	     "┌─────────┬─────────┬───┬─────────┐\n"
	     "│       a │       b │ … │       e │\n"
	     "│ INTEGER │ INTEGER │ … │ INTEGER │\n"
	     "├─────────┼─────────┼───┼─────────┤\n"
	     "│       1 │       2 │ … │       5 │\n"
	     "└─────────┴─────────┴───┴─────────┘\n"
	     "1 row, 3 of 5 columns\n"},
	};
	struct fixture f;
	setup(&f);
	check_golden(&f, cases, MR_COUNT(cases));
	teardown(&f);
}

/* Whatever the data and the width, the lines of a box are equally wide and fit. */
TEST(render_box_lines_are_even)
{
	static const char sql[] =
	    "SELECT repeat('日🙂x', i % 13) AS a, i * 7919 % 100003 AS b, "
	    "chr((i * 977 % 3000 + 1)::INT) || 'é' AS c, [i, i * i] AS d FROM range(40) t(i)";
	struct fixture f;
	setup(&f);
	for (int width = 30; width < 120; width += 3) {
		struct mr_error err = {0};
		CHECK_OK(run(&f, sql, (struct render_options){RENDER_BOX, width, 0}, &err), err);
		mr_str rest = mr_buf_view(&f.out);
		size_t first = 0;
		while (rest.len && rest.ptr[0] != '4') {
			const char *end = memchr(rest.ptr, '\n', rest.len);
			mr_str line = mr_str_n(rest.ptr, (size_t)(end - rest.ptr));
			first = first ? first : text_width(line);
			CHECK_INT(text_width(line), first);
			CHECK(first <= (size_t)width);
			rest = mr_str_tail(rest, line.len + 1);
		}
	}
	teardown(&f);
}

TEST(render_streams_and_stops)
{
	struct fixture f;
	struct mr_error err = {0};
	setup(&f);
	CHECK_OK(run(&f, "SELECT range AS r FROM range(100000)", (struct render_options){RENDER_CSV}, &err),
		 err);
	CHECK(f.puts > 5);
	CHECK_INT(f.out.len, 2 + 588890); /* header, and the digits and ends of 0 to 99999 */
	f.puts_max = 2;
	CHECK_INT(run(&f, "SELECT range AS r FROM range(100000)", (struct render_options){RENDER_JSON}, &err),
		  MR_ERR_CANCELLED);
	CHECK_INT(f.puts, 2);
	f.puts_max = SIZE_MAX;
	CHECK(run(&f, "SELECT (CASE WHEN i > 50000 THEN 'x' ELSE '1' END)::INT FROM range(100000) t(i)",
		  (struct render_options){RENDER_BOX}, &err) < 0);
	CHECK(strstr(err.message, "Could not convert"));
	teardown(&f);
}

TEST(render_format_names)
{
	enum render_format format;
	struct mr_error err = {0};
	CHECK_OK(render_format_parse(MR_STR("jsonl"), &format, &err), err);
	CHECK_INT(format, RENDER_JSONL);
	CHECK_INT(render_format_parse(MR_STR("markdwon"), &format, &err), MR_ERR_INVALID);
	CHECK_STR(mr_str_from(err.message),
		  "no output format 'markdwon': box, csv, tsv, json, jsonl or markdown");
	CHECK_STR(mr_str_from(err.hint), "did you mean 'markdown'?");
}

TEST(text_widths)
{
	static const struct {
		const char *text;
		size_t width;
	} cases[] = {{"", 0},          {"abc", 3},      {"é", 1},
		     {"e\xCC\x81", 1}, {"日本語", 6},   {"한", 2},
		     {"🙂", 2},      {"ﾊﾝ", 2},       {"Ａ", 2},
		     {"\xff\xfe", 2},  {"\xe6\x97", 2}, {"a\xE2\x80\x8D", 1},
		     {"\xC0\x80", 2},  {"─│", 2},       {"\xF4\x90\x80\x80", 4}};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		CHECK_INT(text_width(mr_str_from(cases[i].text)), cases[i].width);
	CHECK_INT(text_fit(MR_STR("日本語"), 5), 6);
	CHECK_INT(text_fit(MR_STR("ae\xCC\x81z"), 2), 4);
	CHECK_INT(text_fit(MR_STR("日"), 1), 0);
}
