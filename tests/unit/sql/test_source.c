#include "sql/sql_fixture.h"

#include <stdlib.h>

/* Rows 0 .. n-1 of every type, in batches of odd sizes whose strings live in the batch. Each
 * batch's memory is overwritten when the next is asked for, so a reader that kept a pointer
 * reads wrong bytes. */
struct numbers {
	int64_t total;
	int opened, closed;
	size_t projected_last;
};

struct scan {
	struct numbers *numbers;
	int64_t total, at;
	bool want[16];
};

static const struct column_def number_columns[] = {
    {.name = {"n", 1}, .type = COL_LONG},
    {.name = {"s", 1}, .type = COL_STRING},
    {.name = {"b", 1}, .type = COL_BOOLEAN},
    {.name = {"d", 1}, .type = COL_DECIMAL, .precision = 20, .scale = 2},
    {.name = {"e", 1}, .type = COL_DECIMAL, .precision = 6, .scale = 1},
    {.name = {"t", 1}, .type = COL_TIMESTAMP},
    {.name = {"y", 1}, .type = COL_DATE},
    {.name = {"f", 1}, .type = COL_DOUBLE},
    {.name = {"x", 1}, .type = COL_BINARY},
    {.name = {"j", 1}, .type = COL_JSON},
};

static int numbers_bind(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
			size_t *count, void **bound, struct mr_error *err)
{
	struct numbers *numbers = arg;
	numbers->total = strtoll(params[0].ptr, NULL, 10);
	if (numbers->total < 0) {
		mr_fail(err, MR_ERR_INVALID, "%.*s rows are too few", MR_FMT(params[0]));
		return mr_hint(err, "ask for more");
	}
	*defs = arena_alloc(arena, sizeof number_columns);
	memcpy(*defs, number_columns, sizeof number_columns);
	*count = MR_COUNT(number_columns);
	struct scan *b = mr_calloc(1, sizeof *b);
	*b = (struct scan){.numbers = numbers, .total = numbers->total};
	*bound = b;
	return 0;
}

static int numbers_open(void *bound, const size_t *projected, size_t count, void **out, struct mr_error *err)
{
	struct scan *s = mr_alloc(sizeof *s);
	*s = *(struct scan *)bound;
	s->numbers->opened++;
	s->numbers->projected_last = count;
	for (size_t i = 0; i < count; i++)
		s->want[projected[i]] = true;
	*out = s;
	return 0;
}

static void numbers_row(struct scan *s, struct columns *batch, size_t row)
{
	int64_t n = s->at;
	for (size_t c = 0; c < MR_COUNT(number_columns); c++)
		batch->columns[c].valid[row] = s->want[c] && n % 7 != 6;
	if (n % 7 == 6)
		batch->columns[0].valid[row] = 1;
	((int64_t *)batch->columns[0].values)[row] = n;
	/* lengths 0 .. 40 cross the border between inlined and pointed-to strings */
	char *text = arena_alloc(&batch->arena, 64);
	memset(text, 'a' + (int)(n % 26), 64);
	((mr_str *)batch->columns[1].values)[row] = mr_str_n(text, (size_t)(n % 41));
	((uint8_t *)batch->columns[2].values)[row] = n % 2 == 0;
	((__int128 *)batch->columns[3].values)[row] = -(__int128)n * 100 - 1;
	((__int128 *)batch->columns[4].values)[row] = n % 1000;
	((int64_t *)batch->columns[5].values)[row] = n * 1000000;
	((int32_t *)batch->columns[6].values)[row] = (int32_t)(n % 20000);
	((double *)batch->columns[7].values)[row] = (double)n / 4;
	((mr_str *)batch->columns[8].values)[row] = mr_str_n("\0\xff", 2);
	((mr_str *)batch->columns[9].values)[row] = MR_STR("{\"k\":[1,2,3,4,5]}");
	s->at++;
}

static int numbers_next(void *scan, struct columns *batch, struct mr_error *err)
{
	struct scan *s = scan;
	if (s->total == 666 && s->at > 300)
		return mr_fail(err, MR_ERR_IO, "the tape tore");
	size_t want = 1 + (size_t)(s->at * 31 % COLUMNS_ROWS_MAX);
	while (batch->rows < want && s->at < s->total)
		numbers_row(s, batch, batch->rows++);
	return batch->rows > 0;
}

static void numbers_close(void *scan)
{
	((struct scan *)scan)->numbers->closed++;
	free(scan);
}

static struct sql_source numbers_source(struct numbers *numbers)
{
	return (struct sql_source){.name = "numbers",
				   .param_count = 1,
				   .arg = numbers,
				   .bind = numbers_bind,
				   .unbind = free,
				   .open = numbers_open,
				   .next = numbers_next,
				   .close = numbers_close};
}

TEST(sql_source_yields_every_type)
{
	struct numbers numbers = {0};
	struct sql_source source = numbers_source(&numbers);
	struct sql_fixture f;
	sql_fixture_open(&f);
	CHECK_OK(sql_register_source(f.engine, &source, &f.err), f.err);
	CHECK_INT(sql_register_source(f.engine, &source, &f.err), MR_ERR_EXISTS);
	CHECK_SQL(&f, "SELECT (n, s, b, d, e, t, y, f, x, j)::VARCHAR FROM numbers('30') WHERE n = 28",
		  "(28, cccccccccccccccccccccccccccc, true, -28.01, 2.8, '1970-01-01 00:00:28+00', "
		  "1970-01-29, 7.0, "
		  "\\x00\\xFF, '{\"k\":[1,2,3,4,5]}')");
	CHECK_SQL(&f, "SELECT (count(*), count(s), count(d), sum(n))::VARCHAR FROM numbers('100000')",
		  "(100000, 85715, 85715, 4999950000)");
	CHECK_SQL(&f, "SELECT typeof(j) || typeof(t) || typeof(d) FROM numbers('1')",
		  "JSONTIMESTAMP WITH TIME ZONEDECIMAL(20,2)");
	CHECK_SQL(&f, "SELECT count(*) FROM numbers('5000')", "5000");
	CHECK(numbers.projected_last <= 1); /* count(*) may read one column, not all */
	CHECK_SQL(&f, "SELECT sum(f) FROM numbers('7')", "3.75");
	CHECK_INT(numbers.projected_last, 1);
	CHECK_SQL(&f, "SELECT count(*) FROM numbers('0')", "0");
	CHECK_INT(numbers.opened, numbers.closed);
	sql_fixture_close(&f);
}

/* What DuckDB does with the rows (sort, hash, window, unnest, spool into a result or a file)
 * must never see a string after its batch is gone. md5 over the strings against their formula. */
TEST(sql_source_strings_outlive_their_use)
{
	struct numbers numbers = {0};
	struct sql_source source = numbers_source(&numbers);
	struct sql_fixture f;
	sql_fixture_open(&f);
	CHECK_OK(sql_register_source(f.engine, &source, &f.err), f.err);
	static const char *const plans[] = {
	    "SELECT n, s FROM numbers('20000')",
	    "SELECT n, s FROM numbers('20000') ORDER BY s, n",
	    "SELECT n, s FROM (SELECT n, s, row_number() OVER (PARTITION BY s ORDER BY n) FROM "
	    "numbers('20000'))",
	    "SELECT n, any_value(s) AS s FROM numbers('20000') GROUP BY n",
	    "SELECT n, max(s) AS s FROM numbers('20000') GROUP BY n",
	    "SELECT a.n, b.s FROM numbers('20000') a JOIN numbers('20000') b USING (n)",
	    "SELECT n, unnest([s]) AS s FROM numbers('20000')",
	    "WITH m AS MATERIALIZED (SELECT n, s FROM numbers('20000')) FROM m",
	    "SELECT n, s FROM numbers('20000') WHERE n % 97 < 90 UNION ALL SELECT n, s FROM numbers('20000') "
	    "WHERE n % 97 >= 90",
	    "SELECT n, s FROM numbers('20000') LIMIT 20000",
	    "SELECT n, lag(s, 0) OVER () AS s FROM numbers('20000')",
	};
	for (size_t i = 0; i < MR_COUNT(plans); i++) {
		char *sql = test_path(
		    "SELECT count(*) FROM (%s) WHERE s IS NOT DISTINCT FROM "
		    "CASE WHEN n %% 7 <> 6 THEN repeat(chr((97 + n %% 26)::INTEGER), (n %% 41)::INTEGER) END",
		    plans[i]);
		CHECK_SQL(&f, sql, "20000");
	}
	/* and through a streaming result, read slowly */
	struct sql_result *r;
	CHECK_OK(sql_query(f.conn, MR_STR("SELECT n, s FROM numbers('20000') WHERE n % 7 <> 6"), &r, &f.err),
		 f.err);
	int64_t rows = 0;
	while (sql_next(r, &f.err) == 1) {
		mr_str s = sql_str(r, 1);
		int64_t n = sql_int(r, 0);
		CHECK_INT(s.len, n % 41);
		CHECK(s.len == 0 || s.ptr[s.len - 1] == 'a' + (int)(n % 26));
		rows++;
	}
	CHECK_INT(rows, 20000 - 20000 / 7);
	sql_result_free(r);
	sql_fixture_close(&f);
}

TEST(sql_source_errors_become_the_querys)
{
	struct numbers numbers = {0};
	struct sql_source source = numbers_source(&numbers);
	struct sql_fixture f;
	sql_fixture_open(&f);
	CHECK_OK(sql_register_source(f.engine, &source, &f.err), f.err);
	CHECK(sql_exec(f.conn, MR_STR("SELECT * FROM numbers('-5')"), &f.err) < 0);
	CHECK_STR(mr_str_from(f.err.message), "-5 rows are too few");
	CHECK_STR(mr_str_from(f.err.hint), "ask for more");
	CHECK(sql_exec(f.conn, MR_STR("SELECT sum(n) FROM numbers('666')"), &f.err) < 0);
	CHECK_STR(mr_str_from(f.err.message), "the tape tore");
	CHECK_INT(numbers.opened, numbers.closed);
	sql_fixture_close(&f);
}
