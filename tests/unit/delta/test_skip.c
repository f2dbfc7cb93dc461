/* Skipping files never changes an answer: random conditions over random data, with it and without. */
#include "delta/skip.h"

#include "delta/delta_fixture.h"
#include "delta/internal.h"

#include <stdio.h>

#define COLUMNS \
	"i integer, l long, f float, d double, m decimal(12,3), s string, dt date, ts timestamp, nt " \
	"timestamp_ntz, b boolean, p integer, q string"

/* Few rows a file, near each other, so that bounds are narrow. */
static void fill(struct delta_fixture *f, struct mr_rng *rng, int files)
{
	for (int k = 0; k < files; k++) {
		int first = (int)rng_below(rng, 200) - 100, last = first + 1 + (int)rng_below(rng, 12);
		mr_str sql = arena_printf(
		    &f->arena,
		    "SELECT CAST(x AS INT) AS i, CAST(x AS BIGINT) * 1000000007 AS l, CAST(x / 7.0 AS FLOAT) "
		    "AS f, "
		    "CASE WHEN x %% 31 = 0 THEN 'nan'::DOUBLE WHEN x %% 29 = 0 THEN -0.0::DOUBLE ELSE x / "
		    "3.0 END AS d, "
		    "CAST(x / 8.0 AS DECIMAL(12,3)) AS m, CASE WHEN x %% 5 = 0 THEN repeat('\xc3\xbc', 40) "
		    "|| x "
		    "WHEN x %% 7 = 0 THEN NULL ELSE 'k' || x END AS s, DATE '2024-01-01' + CAST(x AS INT) AS "
		    "dt, "
		    "TIMESTAMPTZ '2024-01-01 00:00:00.000999+00' + to_hours(CAST(x AS INT)) AS ts, "
		    "TIMESTAMP '1969-12-31 23:59:59.999500' + to_seconds(CAST(x AS INT)) AS nt, x %% 2 = 0 "
		    "AS b, "
		    "CAST(nullif(%d, 2) AS INT) AS p, 'p ' || %d AS q FROM (SELECT unnest(range(%d, %d)) AS "
		    "x)",
		    k % 3, k % 4, first, last);
		delta_append(f, sql.ptr);
	}
}

/* A condition of a column and a constant; prefix: "t." or nothing. */
static mr_str atom(struct arena *arena, struct mr_rng *rng, const char *prefix)
{
	static const char *const comparisons[] = {"=", "<>", "<", "<=", ">", ">="};
	static const char *const others[] = {
	    "%ss IS NULL",     "%ss IS NOT NULL",        "%sp IS NULL",        "NOT %sp IS NULL",
	    "%ss LIKE 'k1%%'", "%ss LIKE '\xc3\xbc%%'",  "%ss NOT LIKE 'k%%'", "%sb",
	    "%si %% 3 = 1",    "starts_with(%ss, 'k-')", "%sq LIKE 'p 1%%'",   "coalesce(%si, 5) = 5",
	    "%ss LIKE 'k_'"};
	const char *column[] = {"i", "l", "f", "d", "m", "s", "dt", "ts", "nt", "p", "q"};
	size_t which = rng_below(rng, MR_COUNT(column) + 3);
	int x = (int)rng_below(rng, 220) - 110;
	if (which >= MR_COUNT(column)) {
		char text[64];
		const char *at = others[rng_below(rng, MR_COUNT(others))];
		const char *hole = strstr(at, "%s");
		size_t before = (size_t)(hole - at), n = 0;
		for (size_t i = 0; i < before; i++)
			text[n++] = at[i];
		n += (size_t)snprintf(text + n, sizeof text - n, "%s", prefix);
		for (const char *rest = hole + 2; *rest; rest++) {
			text[n++] = *rest;
			rest += rest[0] == '%' && rest[1] == '%';
		}
		return arena_copy(arena, mr_str_n(text, n));
	}
	mr_str constants[] = {
	    arena_printf(arena, rng_below(rng, 4) ? "%d" : "%d.5", x),
	    arena_printf(arena, "%lld", x * 1000000007LL),
	    arena_printf(arena, "%.9f", x / 7.0),
	    rng_below(rng, 3) ? arena_printf(arena, "%.6f", x / 3.0) : MR_STR("0.0"),
	    arena_printf(arena, "%.3f", x / 8.0),
	    arena_printf(arena, "'k%d'", x),
	    arena_printf(arena, "DATE '2024-%02d-%02d'", 1 + abs(x) % 4, 1 + abs(x) % 28),
	    arena_printf(arena, "TIMESTAMPTZ '2024-01-%02d %02d:00:00.000999+00'", 1 + abs(x) % 8,
			 abs(x) % 24),
	    arena_printf(arena, "TIMESTAMP '1970-01-01 00:0%d:%02d.9995'", abs(x) % 3, abs(x) % 60),
	    arena_printf(arena, "%d", abs(x) % 4),
	    arena_printf(arena, "'p %d'", abs(x) % 5)};
	if (rng_below(rng, 6) == 0)
		return arena_printf(arena, "%s%s BETWEEN %.*s AND %.*s", prefix, column[which],
				    MR_FMT(constants[which]), MR_FMT(constants[which]));
	if (rng_below(rng, 6) == 0)
		return arena_printf(arena, "%s%s %sIN (%.*s, NULL)", prefix, column[which],
				    rng_below(rng, 2) ? "NOT " : "", MR_FMT(constants[which]));
	const char *comparison = comparisons[rng_below(rng, MR_COUNT(comparisons))];
	if (rng_below(rng, 4) == 0)
		return arena_printf(arena, "%.*s %s %s%s", MR_FMT(constants[which]), comparison, prefix,
				    column[which]);
	return arena_printf(arena, "%s%s %s %.*s", prefix, column[which], comparison,
			    MR_FMT(constants[which]));
}

static mr_str condition(struct arena *arena, struct mr_rng *rng, const char *prefix, int depth)
{
	uint64_t kind = depth ? rng_below(rng, 6) : 5;
	if (kind > 3)
		return atom(arena, rng, prefix);
	mr_str left = condition(arena, rng, prefix, depth - 1);
	if (kind == 0)
		return arena_printf(arena, "NOT (%.*s)", MR_FMT(left));
	mr_str right = condition(arena, rng, prefix, depth - 1);
	return arena_printf(arena, "(%.*s %s %.*s)", MR_FMT(left), kind == 1 ? "OR" : "AND", MR_FMT(right));
}

static mr_str answer(struct delta_fixture *f, mr_str sql)
{
	struct sql_result *result;
	int rc = sql_query(f->conn, sql, &result, &f->err);
	if (rc == 0)
		rc = sql_next(result, &f->err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "%.*s: %s", MR_FMT(sql), f->err.message);
	mr_str count = arena_copy(&f->arena, sql_text(result, 0));
	mr_str sum = sql_text(result, 1);
	mr_str text = arena_printf(&f->arena, "%.*s rows, %.*s", MR_FMT(count), MR_FMT(sum));
	sql_result_free(result);
	return text;
}

static void view(struct delta_fixture *f, const char *name, const struct delta_snapshot *s,
		 const struct sql_predicate *predicate)
{
	struct mr_buf sql = {0};
	mr_buf_printf(&sql, "CREATE OR REPLACE VIEW %s AS SELECT * FROM ", name);
	delta_scan_where_sql(s, predicate, &sql);
	CHECK_OK(sql_exec(f->conn, mr_buf_view(&sql), &f->err), f->err);
	mr_buf_release(&sql);
}

TEST(skip_keeps_every_row_that_a_condition_asks_for)
{
	struct delta_fixture f;
	struct mr_rng rng;
	size_t skipped = 0, files = 24;
	rng_seed(&rng, 20);
	delta_fixture_open(&f);
	delta_fixture_create(&f, COLUMNS, "p,q");
	fill(&f, &rng, (int)files);
	struct delta_snapshot *s = delta_now(&f);
	view(&f, "whole", s, NULL);
	bool keep[64];
	for (int round = test_rounds(50); round > 0; round--) {
		struct sql_predicate *predicate;
		bool named = rng_below(&rng, 2);
		mr_str asked = condition(&f.arena, &rng, named ? "t." : "", 3);
		CHECK_OK(sql_condition_predicate(f.conn, asked, MR_STR("t"), &f.arena, &predicate, &f.err),
			 f.err);
		if (predicate)
			skipped += files - delta_skip(s, predicate, keep);
		view(&f, "part", s, predicate);
		const char *query = "SELECT count(*), sum(hash(t)) FROM %s AS t WHERE %.*s";
		mr_str want = answer(&f, arena_printf(&f.arena, query, "whole", MR_FMT(asked)));
		mr_str got = answer(&f, arena_printf(&f.arena, query, "part", MR_FMT(asked)));
		if (!mr_str_eq(want, got))
			test_fail(__FILE__, __LINE__, "%.*s: %.*s, with skipping %.*s", MR_FMT(asked),
				  MR_FMT(want), MR_FMT(got));
	}
	CHECK(skipped > files * (size_t)test_rounds(50) / 8); /* or the test shows nothing */
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}

/* Where a condition stands matters as much: $1 and $2 are conditions on t, u's are not. */
static const char *const queries[] = {
    "SELECT count(*), sum(hash(t)) FROM a t WHERE $1",
    "SELECT count(*), sum(hash(t)) FROM a t JOIN b u ON t.i = u.i WHERE $1",
    "SELECT count(*), sum(hash(t)) FROM a t JOIN b u ON t.i = u.i AND $1 WHERE $2",
    "SELECT count(*), sum(hash(t)) FROM a t LEFT JOIN b u ON t.i = u.i AND $1 WHERE $2",
    "SELECT count(*), sum(hash(t)) FROM b u LEFT JOIN a t ON t.i = u.i WHERE $1",
    "SELECT count(*), sum(hash(t)) FROM b u LEFT JOIN a t ON t.i = u.i AND $1",
    "SELECT count(*), sum(hash(t)) FROM a t RIGHT JOIN b u ON t.i = u.i WHERE $1",
    "SELECT count(*), sum(hash(t)) FROM a t FULL JOIN b u ON t.i = u.i WHERE $1",
    "SELECT count(*), sum(hash(u)) FROM b u ANTI JOIN a t ON t.i = u.i AND $1",
    "SELECT count(*), sum(hash(t)) FROM b t ANTI JOIN a u ON t.i = u.i WHERE $1",
    "SELECT count(*), sum(hash(t)) FROM a t, a u WHERE $1 AND t.i = u.i",
    "SELECT count(*), sum(hash(t)) FROM a t, b u WHERE $1 AND t.i < u.i",
    "SELECT count(*), sum(hash(t)) FROM (SELECT * FROM a WHERE i > 0) t WHERE $1",
    "WITH a AS (SELECT * FROM a WHERE i > 5) SELECT count(*), sum(hash(t)) FROM a t WHERE $1",
    "SELECT count(*), sum(hash(t)) FROM (SELECT * FROM a t WHERE $1 UNION ALL SELECT * FROM a t WHERE $2) t",
    "SELECT count(*), sum(hash(t)) FROM b t WHERE $1 AND NOT EXISTS (SELECT 1 FROM a u WHERE u.i = t.i)",
    "SELECT count(*), sum(hash(t)) FROM b t WHERE i IN (SELECT t.i FROM a t WHERE $1)",
    "SELECT count(*), sum(hash(t)) FROM b t WHERE i NOT IN (SELECT i FROM a t WHERE $1)",
    "SELECT count(*), max((SELECT max(i) FROM a t WHERE $1)) FROM b",
    "SELECT count(*), sum(n) FROM (SELECT -i AS i, row_number() OVER (ORDER BY i, hash(t)) AS n FROM a t "
    "WHERE $1)",
    "SELECT count(*), sum(hash(t)) FROM a t WHERE $1 AND (SELECT count(*) FROM a) > 100",
};

static mr_str filled(struct arena *arena, const char *query, mr_str one, mr_str two)
{
	struct mr_buf out = {0};
	for (const char *p = query; *p; p++) {
		if (p[0] == '$')
			mr_buf_str(&out, *++p == '1' ? one : two);
		else
			mr_buf_char(&out, *p);
	}
	mr_str text = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return text;
}

TEST(skip_keeps_every_row_that_a_query_asks_for)
{
	struct delta_fixture f;
	struct mr_rng rng;
	rng_seed(&rng, 21);
	delta_fixture_open(&f);
	delta_fixture_create(&f, COLUMNS, "p,q");
	fill(&f, &rng, 12);
	struct delta_snapshot *s = delta_now(&f);
	size_t used = 0;
	for (int round = test_rounds(60); round > 0; round--) {
		struct sql_table_predicate *found;
		size_t count;
		const char *query = queries[rng_below(&rng, MR_COUNT(queries))];
		mr_str one = condition(&f.arena, &rng, "t.", 2), two = condition(&f.arena, &rng, "t.", 1);
		mr_str sql = filled(&f.arena, query, one, two);
		CHECK_OK(sql_predicates(f.conn, sql, &f.arena, &found, &count, &f.err), f.err);
		view(&f, "a", s, NULL);
		view(&f, "b", s, NULL);
		mr_str want = answer(&f, sql);
		for (size_t i = 0; i < count; i++, used++)
			view(&f, found[i].table.ptr, s, found[i].predicate);
		mr_str got = answer(&f, sql);
		if (!mr_str_eq(want, got))
			test_fail(__FILE__, __LINE__, "%.*s: %.*s, with skipping %.*s", MR_FMT(sql),
				  MR_FMT(want), MR_FMT(got));
	}
	CHECK(used > (size_t)test_rounds(60) / 3);
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}

TEST(skip_knows_what_statistics_say)
{
	static const struct {
		const char *condition;
		size_t kept; /* of four: i 0-9 in p 0, 10-19 in p 1, 20-29 in p 0, all null in p 1 */
	} cases[] = {{"i = 15", 1},
		     {"i > 15", 2},
		     {"i BETWEEN 5 AND 12", 2},
		     {"i IS NULL", 1},
		     {"i IS NOT NULL", 3},
		     {"i >= 29", 1},
		     {"i > 29", 0},
		     {"i = 5 OR i = 25", 2},
		     {"p = 1", 2},
		     {"p = 1 AND i > 12", 1},
		     {"p <> 1", 2},
		     {"NOT p = 1", 2},
		     {"s = 'k 15'", 1},
		     {"s LIKE 'k 2%'", 1},
		     {"i IN (3, 4)", 1},
		     {"i % 2 = 0", 4},
		     {"i = 15 OR i % 2 = 0", 4},
		     {"i = '15'", 1},
		     {"i = 15 AND i % 2 = 0", 1},
		     {"j = 1", 4}};
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "i long, s string, p integer", "p");
	delta_append(&f, "SELECT range AS i, 'j ' || range AS s, 0 AS p FROM range(10)");
	delta_append(&f, "SELECT range AS i, 'k ' || range AS s, 1 AS p FROM range(10, 20)");
	delta_append(&f, "SELECT range AS i, 'k ' || range AS s, 0 AS p FROM range(20, 30)");
	delta_append(&f, "SELECT NULL::BIGINT AS i, 'z' AS s, 1 AS p FROM range(10)");
	struct delta_snapshot *s = delta_now(&f);
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct sql_predicate *predicate;
		bool keep[4];
		CHECK_OK(sql_condition_predicate(f.conn, mr_str_from(cases[i].condition), MR_STR("t"),
						 &f.arena, &predicate, &f.err),
			 f.err);
		size_t kept = predicate ? delta_skip(s, predicate, keep) : 4;
		if (kept != cases[i].kept)
			test_fail(__FILE__, __LINE__, "%s keeps %zu files, not %zu", cases[i].condition, kept,
				  cases[i].kept);
	}
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}
