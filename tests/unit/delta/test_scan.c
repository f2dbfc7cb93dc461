/* What a scan tells DuckDB: how many rows there are, and a large file that all threads read. */
#include "delta/delta_fixture.h"

static bool scan_says(struct delta_fixture *f, const char *what)
{
	struct delta_snapshot *s = delta_now(f);
	struct mr_buf sql = {0};
	delta_scan_sql(s, &sql);
	bool says = memmem(sql.ptr, sql.len, what, strlen(what)) != NULL;
	mr_buf_release(&sql);
	delta_snapshot_unref(s);
	return says;
}

TEST(delta_scans_say_how_many_rows_there_are)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT range AS n FROM range(700)");
	delta_append(&f, "SELECT range AS n FROM range(70)");
	CHECK(scan_says(&f, "explicit_cardinality=770,"));
	CHECK(!scan_says(&f, "file_index"));
	delta_fixture_close(&f);
}

/* The rows of a file that is named twice are there once, with their places, and what a filter leaves of them
 * too. */
TEST(delta_large_files_are_read_once)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p string", "p");
	delta_append(&f,
		     "SELECT range AS n, CASE WHEN range < 400000 THEN 'large' ELSE 'small' END AS p FROM "
		     "range(400100)");
	CHECK(scan_says(&f, "file_index < 1"));
	CHECK_NOW(&f, "count(*) || ' ' || sum(n) || ' ' || count(DISTINCT p)", "400100 80039804950 2");
	CHECK_NOW(&f, "count(*) FILTER (n >= 399990)", "110");
	struct delta_snapshot *s = delta_now(&f);
	struct delta_data_file *files;
	struct sql_result *r;
	struct mr_buf sql = {0};
	size_t count = delta_files(s, &f.arena, &files), large = files[0].rows == 400000 ? 0 : 1;
	CHECK_INT(count, 2);
	mr_buf_cstr(
	    &sql, "SELECT count(*), sum(CAST(n = __mr_row AND __mr_file = 0 AND p = 'large' AS INT)) FROM ");
	delta_scan_files_sql(s, &files[large], 1, &sql);
	CHECK(memmem(sql.ptr, sql.len, "file_index < 1", 14));
	CHECK_OK(sql_query(f.conn, mr_buf_view(&sql), &r, &f.err), f.err);
	CHECK_INT(sql_next(r, &f.err), 1);
	CHECK_INT(sql_int(r, 0), 400000);
	CHECK_STR(sql_text(r, 1), "400000");
	sql_result_free(r);
	mr_buf_release(&sql);
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}
