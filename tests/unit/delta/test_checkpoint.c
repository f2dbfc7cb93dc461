/* Checkpoints of both kinds, checksums, and the log's old files that go. */
#include "delta/delta_fixture.h"
#include "delta/evolve.h"
#include "delta/internal.h"

#include <glob.h>
#include <unistd.h>

static size_t count_names(const struct delta_fixture *f, const char *pattern)
{
	glob_t found;
	char *path = test_path("%s/_delta_log/%s", f->path, pattern);
	size_t count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}

static void reopen(struct delta_fixture *f)
{
	delta_close(f->table);
	CHECK_OK(delta_open(env_linux(), f->engine, f->path, &f->table, &f->err), f->err);
}

static void drop_commits(const struct delta_fixture *f, int64_t last)
{
	for (int64_t v = 0; v <= last; v++)
		CHECK_INT(unlink(delta_log_path(f, v)), 0);
}

static char *ask(struct delta_fixture *f, const char *sql)
{
	struct sql_result *result;
	CHECK_OK(sql_query(f->conn, mr_str_from(sql), &result, &f->err), f->err);
	CHECK_INT(sql_next(result, &f->err), 1);
	char *text = arena_strdup(&f->arena, arena_copy(&f->arena, sql_text(result, 0)).ptr);
	sql_result_free(result);
	return text;
}

TEST(delta_checkpoints_come_by_the_size_of_the_state)
{
	static const struct {
		const char *property;
		size_t files;
		int64_t version;
		int64_t interval;
	} cases[] = {{"", 0, 9, 10},       {"", 0, 19, 10},     {"", 0, 20, 20},    {"", 0, 49, 20},
		     {"", 0, 50, 50},      {"", 99, 99, 50},    {"", 99, 100, 100}, {"", 0, 5000, 100},
		     {"", 1999, 5, 10},    {"", 2000, 5, 20},   {"", 9999, 5, 90},  {"", 1000000, 5, 100},
		     {"7", 1000000, 0, 7}, {"500", 1, 50, 500}, {"0", 5000, 0, 50}, {"-3", 0, 0, 10},
		     {"many", 0, 0, 10}};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		CHECK_INT(delta_checkpoint_interval(mr_str_from(cases[i].property), cases[i].files,
						    cases[i].version),
			  cases[i].interval);
}

/* Who did not write the last checkpoint writes none of his own right after it. */
TEST(delta_checkpoints_of_other_processes_count)
{
	struct delta_fixture f;
	struct delta_table *other;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &other, &f.err), f.err);
	struct delta_table *own = f.table;
	for (int i = 1; i <= 25; i++) {
		f.table = i % 10 == 0 ? other : own; /* the other one writes the versions 10 and 20 */
		delta_append(&f, "SELECT 1 AS n");
	}
	f.table = own;
	CHECK_INT(count_names(&f, "*.checkpoint.parquet"), 2);
	CHECK_INT(count_names(&f, "*010.checkpoint.parquet"), 1);
	CHECK_INT(count_names(&f, "*020.checkpoint.parquet"), 1);
	delta_close(other);
	delta_fixture_close(&f);
}

TEST(delta_checkpoints_of_version_2_say_all)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p string", "p");
	delta_set_property(&f, "delta.checkpointPolicy", "v2");
	struct delta_txn txn = {MR_STR("flow"), 41};
	for (int i = 2; i <= 9; i++)
		delta_append(&f, test_path("SELECT %d AS n, 'p%d' AS p", i, i % 3));
	delta_put(&f, "SELECT 10 AS n, 'p' AS p", (struct delta_commit){.txns = &txn, .txn_count = 1});
	CHECK_INT(count_names(&f, "*.checkpoint.parquet"), 0);
	CHECK_INT(count_names(&f, "*010.checkpoint.*-*.parquet"), 1);
	CHECK_INT(count_names(&f, "_sidecars/*.parquet"), 1);
	drop_commits(&f, 10);
	reopen(&f);
	CHECK_NOW(&f, "sum(n) || ' ' || count(DISTINCT p)", "54 4");
	struct delta_snapshot *s = delta_now(&f);
	CHECK_INT(delta_version(s), 10);
	CHECK_INT(delta_txn(s, txn.app_id), 41);
	CHECK_INT(delta_row_count(s), 9);
	delta_snapshot_unref(s);
	CHECK_INT(delta_append(&f, "SELECT 11 AS n, 'p' AS p"), 11);
	/* the next one, too, out of a state that came from this one */
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	reopen(&f);
	CHECK_NOW(&f, "sum(n)", "65");
	delta_fixture_close(&f);
}

TEST(delta_checkpoints_hold_statistics_as_structs)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, t timestamp, d decimal(20,2), s string, b binary, k date", NULL);
	delta_set_property(&f, "delta.checkpoint.writeStatsAsStruct", "true");
	delta_append(&f,
		     "SELECT range AS n, TIMESTAMPTZ '2024-01-02 03:04:05.25Z' AS t, 1.50 AS d, 'x' AS s, "
		     "''::BLOB AS b, DATE '2024-05-06' AS k FROM range(3)");
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	CHECK_STR(
	    mr_str_from(ask(&f, test_path("SELECT CAST(add.stats_parsed AS VARCHAR) FROM "
					  "'%s/_delta_log/%020d.checkpoint.parquet' WHERE add IS NOT NULL",
					  f.path, 2))),
	    "{'numRecords': 3, 'tightBounds': NULL, 'minValues': {'n': 0, 't': '2024-01-02 03:04:05.25+00', "
	    "'d': 1.50, 's': x, 'k': 2024-05-06}, 'maxValues': {'n': 2, 't': '2024-01-02 03:04:05.25+00', "
	    "'d': 1.50, 's': x, 'k': 2024-05-06}, 'nullCount': {'n': 0, 't': 0, 'd': 0, 's': 0, 'b': 0, "
	    "'k': 0}}");
	delta_fixture_close(&f);
}

TEST(delta_checksums_agree_with_the_log)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT 1 AS n");
	delta_append(&f, "SELECT 2 AS n");
	char *crc = test_path("%s/_delta_log/%020d.crc", f.path, 2);
	struct delta_snapshot *s = delta_now(&f);
	CHECK_STR(
	    mr_str_from(ask(&f, test_path("SELECT numFiles || ' ' || tableSizeBytes || ' ' || metadata.id || "
					  "' ' || protocol.minWriterVersion FROM read_json('%s')",
					  crc))),
	    test_path("2 %lld %s 2", (long long)delta_size_bytes(s),
		      arena_copy(&f.arena, delta_table_id(s)).ptr));
	delta_snapshot_unref(s);
	reopen(&f);
	CHECK_NOW(&f, "sum(n)", "3");
	/* a commit that lost a line since */
	struct mr_buf bytes = {0};
	char *path = delta_log_path(&f, 1);
	CHECK_OK(disk_read_file(env_linux()->disk, path, 1 << 20, &bytes, &f.err), f.err);
	mr_str text = mr_buf_view(&bytes);
	mr_str first = mr_str_n(text.ptr, (size_t)((char *)memchr(text.ptr, '\n', text.len) - text.ptr) + 1);
	CHECK_OK(disk_replace_file(env_linux()->disk, path, first, &f.err), f.err);
	mr_buf_release(&bytes);
	reopen(&f);
	CHECK_INT(delta_snapshot(f.table, &s, &f.err), MR_ERR_CORRUPT);
	CHECK(strstr(f.err.message, "numFiles 2") && strstr(f.err.message, ".crc"));
	/* nothing depends on the file */
	CHECK_INT(unlink(crc), 0);
	CHECK_NOW(&f, "sum(n)", "2");
	FILE *torn = fopen(crc, "w");
	fputs("{\"numFiles\":", torn);
	fclose(torn);
	reopen(&f);
	CHECK_NOW(&f, "sum(n)", "2");
	delta_fixture_close(&f);
}

TEST(delta_log_files_expire_up_to_a_checkpoint)
{
	struct delta_fixture f;
	struct delta_snapshot *s;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	for (int v = 1; v <= 25; v++)
		delta_append(&f, test_path("SELECT %d AS n", v));
	CHECK_INT(count_names(&f, "*.json"), 26); /* nothing is old */
	int64_t now_ms = clock_wall_ms(env_linux()->clock), day = (int64_t)24 * 3600 * 1000;
	for (int v = 0; v <= 25; v++) /* 0 .. 16: 40 days and more ago */
		delta_set_file_time(delta_log_path(&f, v), now_ms - (v <= 16 ? 56 - v : 27 - v) * day);
	reopen(&f);
	for (int v = 26; v <= 40; v++)
		delta_append(&f, test_path("SELECT %d AS n", v));
	/* the checkpoint of version 10 is the newest that is old enough: it stays, and its commit */
	CHECK_INT(count_names(&f, "*.json"), 31);
	CHECK_INT(count_names(&f, "*.crc"), 31);
	CHECK_INT(count_names(&f, "*.checkpoint.parquet"), 3);
	for (int v = 10; v <= 40; v++) {
		CHECK_OK(delta_snapshot_at(f.table, v, &s, &f.err), f.err);
		CHECK_ROWS(&f, s, "sum(n)", test_path("%d", v * (v + 1) / 2));
		delta_snapshot_unref(s);
	}
	CHECK_INT(delta_snapshot_at(f.table, 9, &s, &f.err), MR_ERR_NOT_FOUND);
	CHECK_NOW(&f, "sum(n)", "820");
	delta_set_property(&f, "delta.enableExpiredLogCleanup", "false");
	for (int v = 10; v <= 39; v++)
		delta_set_file_time(delta_log_path(&f, v), now_ms - (110 - v) * day);
	for (int v = 42; v <= 50; v++)
		delta_append(&f, "SELECT 0 AS n");
	CHECK_INT(count_names(&f, "*.json"), 41);
	delta_set_property(&f, "delta.enableExpiredLogCleanup", "true");
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	CHECK_NOW(&f, "sum(n)", "820");
	delta_fixture_close(&f);
}

/* A handle without an engine reads no checkpoints: commits, or what is made of them. */
TEST(delta_compacted_commits_stand_for_them)
{
	struct delta_fixture f;
	struct delta_table *bare;
	struct delta_snapshot *s, *old;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p string", "p");
	struct delta_txn txn = {MR_STR("flow"), 41};
	delta_append(&f, "SELECT 1 AS n, 'a' AS p");
	delta_put(&f, "SELECT 2 AS n, 'b' AS p", (struct delta_commit){.txns = &txn, .txn_count = 1});
	delta_put(&f, "SELECT 3 AS n, 'c' AS p", (struct delta_commit){.overwrite = true});
	delta_set_property(&f, "note", "x");
	delta_append(&f, "SELECT 4 AS n, 'a' AS p");
	delta_append(&f, "SELECT 5 AS n, 'a' AS p");
	CHECK_INT(delta_compact_log(f.table, 3, 9, &f.err), MR_ERR_INVALID);
	CHECK_OK(delta_compact_log(f.table, 1, 2, &f.err), f.err);
	CHECK_OK(delta_compact_log(f.table, 1, 5, &f.err), f.err);
	CHECK_INT(delta_compact_log(f.table, 1, 5, &f.err), MR_ERR_EXISTS);
	/* what a commit inside says is not asked any more: this one says nothing that could be read */
	FILE *spoilt = fopen(delta_log_path(&f, 3), "w");
	fputs("nonsense\n", spoilt);
	fclose(spoilt);
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &bare, &f.err), f.err);
	CHECK_OK(delta_snapshot(bare, &s, &f.err), f.err);
	CHECK_INT(delta_version(s), 6);
	CHECK_ROWS(&f, s, "string_agg(n || p, ' ' ORDER BY n)", "3c 4a 5a");
	CHECK_INT(delta_txn(s, txn.app_id), 41);
	CHECK_STR(delta_property(s, "note"), "x");
	/* a version inside needs its commits, and of the files the one that ends before it */
	CHECK_OK(delta_snapshot_at(bare, 2, &old, &f.err), f.err);
	CHECK_ROWS(&f, old, "sum(n)", "3");
	delta_snapshot_unref(old);
	CHECK_INT(delta_snapshot_at(bare, 4, &old, &f.err), MR_ERR_CORRUPT);
	delta_snapshot_unref(s);
	delta_close(bare);
	/* a compacted file that is damaged is passed over */
	FILE *torn = fopen(test_path("%s/_delta_log/%020d.%020d.compacted.json", f.path, 1, 2), "a");
	fputs("{\"add\":", torn);
	fclose(torn);
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &bare, &f.err), f.err);
	CHECK_OK(delta_snapshot_at(bare, 2, &old, &f.err), f.err);
	CHECK_INT(delta_file_count(old), 2);
	CHECK_ROWS(&f, old, "sum(n)", "3");
	delta_snapshot_unref(old);
	delta_close(bare);
	delta_fixture_close(&f);
}
