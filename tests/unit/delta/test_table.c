#include "delta/delta_fixture.h"

#include <sys/stat.h>
#include <utime.h>

TEST(delta_appends_and_reads_every_type)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	struct delta_snapshot *s;
	CHECK_INT(delta_snapshot(f.table, &s, &f.err), MR_ERR_NOT_FOUND);
	delta_fixture_create(
	    &f,
	    "a boolean, b byte, c short, d integer, e long, f float, g double, h decimal(12,3), "
	    "i string, j binary, k date, l timestamp, m timestamp_ntz, n decimal(38,0)",
	    NULL);
	CHECK_INT(delta_fixture_try_create(&f, "a long", NULL), MR_ERR_EXISTS);
	/* an empty table has its columns */
	CHECK_NOW(&f, "count(*)", "0");
	CHECK_NOW(&f, "count(l)", "0");
	static const char row[] =
	    "SELECT true AS a, -5 AS b, 300 AS c, 70000 AS d, 5000000000 AS e, 1.5 AS f, 0.1::DOUBLE AS g, "
	    "-1234.567 AS h, 'it''s ü' AS i, '\\x00\\xFF'::BLOB AS j, DATE '2024-02-29' AS k, "
	    "TIMESTAMPTZ '2024-02-29 12:00:00.123456+02' AS l, TIMESTAMP '1969-12-31 23:59:59.5' AS m, "
	    "sum(170141183460469231731::HUGEINT) AS n";
	CHECK_INT(delta_append(&f, row), 1);
	CHECK_INT(delta_append(
		      &f,
		      "SELECT NULL AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS e, NULL AS f, NULL AS g, "
		      "NULL AS h, NULL AS i, NULL AS j, NULL AS k, NULL AS l, NULL AS m, NULL AS n"),
		  2);
	CHECK_NOW(
	    &f, "max((a, b, c, d, e, f, g, h, i, j, k, l, m, n)::VARCHAR) FILTER (WHERE a)",
	    "(true, -5, 300, 70000, 5000000000, 1.5, 0.1, -1234.567, 'it\\'s ü', \\x00\\xFF, 2024-02-29, "
	    "'2024-02-29 10:00:00.123456+00', '1969-12-31 23:59:59.5', 170141183460469231731)");
	CHECK_NOW(&f,
		  "count(*) FILTER (WHERE (a, b, c, d, e, f, g)::VARCHAR = "
		  "'(NULL, NULL, NULL, NULL, NULL, NULL, NULL)' AND n IS NULL)",
		  "1");
	CHECK_NOW(&f, "any_value(typeof(h) || typeof(l) || typeof(m) || typeof(n))",
		  "DECIMAL(12,3)TIMESTAMP WITH TIME ZONETIMESTAMPDECIMAL(38,0)");
	delta_fixture_close(&f);
}

TEST(delta_partitions_keep_odd_values)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p string, d date, t timestamp", "p,d,t");
	delta_append(
	    &f,
	    "SELECT range AS n, ['plain', 'NULL', 'a/b', 'x=y', '100%', 'ü é', 'it''s', '[a]*?', '..', NULL]"
	    "[range + 1] AS p, CASE WHEN range % 2 = 0 THEN DATE '2024-01-01' END AS d, "
	    "TIMESTAMPTZ '2024-01-01 10:00:00.000001+00' AS t FROM range(10)");
	CHECK_NOW(&f, "count(*)", "10");
	CHECK_NOW(&f, "string_agg(coalesce(p, '<null>'), ' ' ORDER BY n)",
		  "plain NULL a/b x=y 100% ü é it's [a]*? .. <null>");
	CHECK_NOW(&f, "count(d) || ' ' || min(d) || ' ' || min(t)",
		  "5 2024-01-01 2024-01-01 10:00:00.000001+00");
	CHECK_NOW(&f, "count(*) FILTER (WHERE p = 'NULL') || ' ' || count(*) FILTER (WHERE p IS NULL)",
		  "1 1");
	struct delta_snapshot *s = delta_now(&f);
	CHECK_INT(delta_file_count(s), 10);
	CHECK_INT(delta_row_count(s), 10);
	delta_snapshot_unref(s);
	/* '' and null are the same in Delta */
	delta_append(&f, "SELECT 99 AS n, '' AS p, NULL AS d, NULL AS t");
	CHECK_NOW(&f, "count(*) FILTER (WHERE p IS NULL)", "2");
	delta_fixture_close(&f);
}

TEST(delta_many_partitions_join_by_file)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p integer, q string", "p");
	delta_append(&f, "SELECT range AS n, nullif(range % 90, 7) AS p, 'q' AS q FROM range(900)");
	struct delta_snapshot *s = delta_now(&f);
	CHECK(delta_file_count(s) >= 90);
	CHECK_ROWS(&f, s, "count(*) || ' ' || sum(n)", "900 404550");
	CHECK_ROWS(&f, s, "count(*) FILTER (WHERE p IS NOT DISTINCT FROM nullif(n % 90, 7))", "900");
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}

TEST(delta_nested_queries_become_json_text)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "w string, j string, u string", NULL);
	delta_append(&f, "SELECT {'start': 1, 'l': [1, 2]} AS w, '{\"a\": 1}'::JSON AS j, "
			 "'00112233-4455-6677-8899-aabbccddeeff'::UUID AS u -- a comment");
	CHECK_NOW(&f, "w || j || u",
		  "{\"start\":1,\"l\":[1,2]}{\"a\":1}00112233-4455-6677-8899-aabbccddeeff");
	delta_fixture_close(&f);
}

TEST(delta_write_says_what_does_not_fit)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n byte, s string!", NULL);
	struct delta_snapshot *s = delta_now(&f);
	struct delta_file *files;
	size_t count;
	static const struct {
		const char *query, *message;
	} bad[] = {
	    {"SELECT 1 AS n", "the query gives no column s, which the table has"},
	    {"SELECT 1 AS n, 's' AS s, 2 AS t", "the query gives a column t, which the table lacks"},
	    {"SELECT 1 AS n, NULL AS s", "column s is NOT NULL, and some rows have no value"},
	};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		CHECK_INT(delta_write_files(f.table, s, f.conn, mr_str_from(bad[i].query), &f.arena, &files,
					    &count, &f.err),
			  MR_ERR_INVALID);
		CHECK_STR(mr_str_from(f.err.message), bad[i].message);
	}
	CHECK_INT(delta_write_files(f.table, s, f.conn, MR_STR("SELECT range AS n, 's' AS s FROM range(300)"),
				    &f.arena, &files, &count, &f.err),
		  MR_ERR_INVALID);
	CHECK_INT(delta_write_files(f.table, s, f.conn, MR_STR("SELECT 1 AS n,\n nosuch AS s"), &f.arena,
				    &files, &count, &f.err),
		  MR_ERR_INVALID);
	CHECK_STR(mr_str_from(f.err.where), "2:2");
	/* zero rows: zero files, and the column's name in another case is the column */
	CHECK_OK(delta_write_files(f.table, s, f.conn, MR_STR("SELECT 1 AS N, 's' AS S WHERE false"),
				   &f.arena, &files, &count, &f.err),
		 f.err);
	CHECK_INT(count, 0);
	delta_snapshot_unref(s);
	/* what failed left nothing behind */
	struct sql_result *r;
	CHECK_OK(sql_query(f.conn,
			   mr_str_from(test_path("SELECT count(*) FROM glob('%s/*.parquet')", f.path)), &r,
			   &f.err),
		 f.err);
	CHECK_INT(sql_next(r, &f.err), 1);
	CHECK_INT(sql_int(r, 0), 0);
	sql_result_free(r);
	delta_fixture_close(&f);
}

TEST(delta_time_travels_by_version_and_time)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	for (int i = 1; i <= 25; i++)
		delta_append(&f, test_path("SELECT %d AS n", i));
	struct delta_snapshot *s;
	static const int versions[] = {0, 1, 9, 10, 11, 20, 24, 25};
	for (size_t i = 0; i < MR_COUNT(versions); i++) {
		int v = versions[i];
		CHECK_OK(delta_snapshot_at(f.table, v, &s, &f.err), f.err);
		CHECK_INT(delta_version(s), v);
		CHECK_ROWS(&f, s, "coalesce(sum(n), 0)::BIGINT", test_path("%d", v * (v + 1) / 2));
		delta_snapshot_unref(s);
	}
	CHECK_INT(delta_snapshot_at(f.table, 26, &s, &f.err), MR_ERR_NOT_FOUND);
	CHECK_INT(delta_snapshot_at(f.table, -1, &s, &f.err), MR_ERR_NOT_FOUND);
	/* version v at second 1000 + 10 v, but 7 has gone back in time: it counts as 6's + 1 ms */
	for (int v = 0; v <= 25; v++) {
		time_t at = v == 7 ? 500 : 1000 + 10 * v;
		CHECK_INT(utime(test_path("%s/_delta_log/%020d.json", f.path, v), &(struct utimbuf){at, at}),
			  0);
	}
	static const struct {
		int64_t ms;
		int version;
	} times[] = {{1000000, 0}, {1009999, 0}, {1010000, 1}, {1060000, 6},
		     {1060001, 7}, {1080000, 8}, {9999999, 25}};
	for (size_t i = 0; i < MR_COUNT(times); i++) {
		CHECK_OK(delta_snapshot_at_time(f.table, times[i].ms, &s, &f.err), f.err);
		CHECK_INT(delta_version(s), times[i].version);
		delta_snapshot_unref(s);
	}
	CHECK_INT(delta_snapshot_at_time(f.table, 999999, &s, &f.err), MR_ERR_NOT_FOUND);
	delta_fixture_close(&f);
}

TEST(delta_overwrites_and_old_snapshots_stay)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT 1 AS n");
	delta_append(&f, "SELECT 2 AS n");
	struct delta_snapshot *before = delta_now(&f);
	delta_put(&f, "SELECT 10 AS n", (struct delta_commit){.overwrite = true, .operation = "WRITE"});
	CHECK_NOW(&f, "sum(n) || ' ' || count(*)", "10 1");
	CHECK_ROWS(&f, before, "sum(n) || ' ' || count(*)", "3 2");
	CHECK_INT(delta_file_count(before), 2);
	delta_put(&f, "SELECT 1 AS n WHERE false", (struct delta_commit){.overwrite = true});
	CHECK_NOW(&f, "count(*)", "0");
	delta_snapshot_unref(before);
	delta_fixture_close(&f);
}

TEST(delta_history_tells_newest_first)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_put(&f, "SELECT * FROM range(5) t(n)",
		  (struct delta_commit){.operation = "STREAMING UPDATE",
					.operation_parameters = MR_STR("{\"epochId\":\"7\"}")});
	struct delta_history_entry *h;
	size_t count;
	CHECK_OK(delta_history(f.table, 0, &f.arena, &h, &count, &f.err), f.err);
	CHECK_INT(count, 2);
	CHECK_INT(h[0].version, 1);
	CHECK_STR(h[0].operation, "STREAMING UPDATE");
	CHECK_STR(h[0].operation_parameters, "{\"epochId\":\"7\"}");
	CHECK(h[0].timestamp_ms >= h[1].timestamp_ms && h[1].timestamp_ms > 1600000000000);
	CHECK_STR(h[1].operation, "CREATE TABLE");
	CHECK(mr_str_starts(h[0].operation_metrics, MR_STR("{\"numFiles\":\"1\",\"numOutputRows\":\"5\"")));
	CHECK_OK(delta_history(f.table, 1, &f.arena, &h, &count, &f.err), f.err);
	CHECK_INT(count, 1);
	delta_fixture_close(&f);
}

TEST(delta_create_refuses_bad_shapes)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	CHECK_INT(delta_fixture_try_create(&f, "a long, A string", NULL), MR_ERR_INVALID);
	CHECK_INT(delta_fixture_try_create(&f, "a;b long", NULL), MR_ERR_INVALID);
	CHECK_INT(delta_fixture_try_create(&f, "a long", "b"), MR_ERR_INVALID);
	CHECK_INT(delta_fixture_try_create(&f, "a long", "a"), MR_ERR_INVALID);
	delta_fixture_close(&f);
}

/* Turns the classic checkpoint of `version` into a V2 one whose files are in a sidecar, and removes
 * the commits up to it. */
static void make_v2(struct delta_fixture *f, int version, const char *sidecar)
{
	const char *log = test_path("%s/_delta_log", f->path);
	CHECK_OK(disk_mkdir_all(env_linux()->disk, test_path("%s/_sidecars", log), &f->err), f->err);
	CHECK_OK(sql_execf(f->conn, &f->err,
			   "COPY (SELECT add FROM '%s/%020d.checkpoint.parquet' WHERE add IS NOT NULL) TO "
			   "'%s/_sidecars/s.parquet' (FORMAT parquet)",
			   log, version, log),
		 f->err);
	CHECK_OK(
	    sql_execf(
		f->conn, &f->err,
		"COPY (SELECT line FROM (SELECT to_json({protocol: protocol})::VARCHAR AS line FROM "
		"'%s/%020d.checkpoint.parquet' WHERE protocol IS NOT NULL UNION ALL SELECT "
		"to_json({metaData: metaData})::VARCHAR FROM '%s/%020d.checkpoint.parquet' WHERE metaData "
		"IS NOT NULL UNION ALL SELECT '{\"checkpointMetadata\":{\"version\":%d}}' UNION ALL SELECT "
		"'{\"sidecar\":{\"path\":\"%s\",\"sizeInBytes\":1,\"modificationTime\":1}}')) TO "
		"'%s/%020d.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json' (FORMAT csv, HEADER false, "
		"QUOTE '', DELIM '\x01')",
		log, version, log, version, version, sidecar, log, version),
	    f->err);
	CHECK_OK(
	    disk_unlink(env_linux()->disk, test_path("%s/%020d.checkpoint.parquet", log, version), &f->err),
	    f->err);
	for (int i = 0; i <= version; i++)
		CHECK_OK(disk_unlink(env_linux()->disk, test_path("%s/%020d.json", log, i), &f->err), f->err);
}

static int read_v2(struct delta_fixture *f, const char *sidecar)
{
	delta_fixture_open(f);
	delta_fixture_create(f, "n long, p string", "p");
	delta_append(f, "SELECT range AS n, 'p' || range % 3 AS p FROM range(100)");
	delta_append(f, "SELECT range + 100 AS n, 'q' AS p FROM range(10)");
	CHECK_OK(delta_checkpoint(f->table, &f->err), f->err);
	make_v2(f, 2, sidecar);
	delta_close(f->table);
	CHECK_OK(delta_open(env_linux(), f->engine, f->path, &f->table, &f->err), f->err);
	struct delta_snapshot *s;
	int rc = delta_snapshot(f->table, &s, &f->err);
	if (rc == 0)
		delta_snapshot_unref(s);
	return rc;
}

TEST(delta_v2_checkpoints_with_sidecars_are_read)
{
	struct delta_fixture f;
	CHECK_OK(read_v2(&f, "s.parquet"), f.err);
	CHECK_NOW(&f, "count(*) || ' ' || sum(n)", "110 5995");
	CHECK_INT(delta_append(&f, "SELECT 1 AS n, 'r' AS p"), 3); /* and it goes on from there */
	CHECK_NOW(&f, "count(*)", "111");
	delta_fixture_close(&f);
	CHECK_INT(read_v2(&f, "../s.parquet"), MR_ERR_CORRUPT);
	CHECK(strstr(f.err.hint, "sidecar"));
	delta_fixture_close(&f);
	CHECK_INT(read_v2(&f, "lost.parquet"), MR_ERR_CORRUPT);
	CHECK(strstr(f.err.hint, "lost.parquet"));
	delta_fixture_close(&f);
}
