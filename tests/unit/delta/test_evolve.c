/* In-commit timestamps and row tracking: switched on under way, kept by every kind of commit. */
#include "delta/delta_fixture.h"
#include "delta/evolve.h"

static int64_t time_of(struct delta_fixture *f, int64_t version)
{
	struct delta_history_entry *entries;
	size_t count;
	CHECK_OK(delta_history(f->table, 0, &f->arena, &entries, &count, &f->err), f->err);
	for (size_t i = 0; i < count; i++)
		if (entries[i].version == version)
			return entries[i].timestamp_ms;
	return -1;
}

static int64_t version_at(struct delta_fixture *f, int64_t ms)
{
	struct delta_snapshot *s;
	if (delta_snapshot_at_time(f->table, ms, &s, &f->err) < 0)
		return -1;
	int64_t version = delta_version(s);
	delta_snapshot_unref(s);
	return version;
}

TEST(delta_commit_timestamps_go_up_and_outlive_copies)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT 1 AS n");
	delta_set_file_time(delta_log_path(&f, 0), 1000000);
	delta_set_file_time(delta_log_path(&f, 1), 2000000);
	CHECK_INT(delta_set_property(&f, "delta.enableInCommitTimestamps", "true"), 2);
	for (int v = 3; v <= 12; v++) /* past a checkpoint */
		delta_append(&f, "SELECT 2 AS n");
	struct delta_snapshot *s = delta_now(&f);
	CHECK_STR(delta_property(s, "delta.inCommitTimestampEnablementVersion"), "2");
	CHECK_STR(delta_property(s, "delta.inCommitTimestampEnablementTimestamp"),
		  test_path("%lld", (long long)time_of(&f, 2)));
	delta_snapshot_unref(s);
	for (int v = 3; v <= 12; v++)
		CHECK(time_of(&f, v) > time_of(&f, v - 1));
	/* a copy of the folder: all files are from today, the timestamps are not */
	for (int v = 2; v <= 12; v++)
		delta_set_file_time(delta_log_path(&f, v), 5000000);
	for (int v = 2; v <= 12; v++)
		CHECK_INT(version_at(&f, time_of(&f, v)), v);
	CHECK_INT(version_at(&f, time_of(&f, 7) - 1), 6);
	CHECK_INT(version_at(&f, time_of(&f, 2) - 1), 1);
	CHECK_INT(version_at(&f, 2000000), 1);
	CHECK_INT(version_at(&f, 1999999), 0);
	CHECK_INT(version_at(&f, 999999), -1);
	/* a handle that starts at a checkpoint goes on above it */
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	delta_close(f.table);
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &f.table, &f.err), f.err);
	delta_append(&f, "SELECT 3 AS n");
	CHECK(time_of(&f, 13) > time_of(&f, 12));
	/* another writer's clock is ahead of ours */
	FILE *ahead = fopen(delta_log_path(&f, 14), "w");
	fputs("{\"commitInfo\":{\"inCommitTimestamp\":4102444800000,\"operation\":\"WRITE\"}}\n", ahead);
	fclose(ahead);
	CHECK_INT(delta_append(&f, "SELECT 4 AS n"), 15);
	CHECK_INT(time_of(&f, 15), 4102444800001);
	CHECK_INT(version_at(&f, 4102444800000), 14);
	/* and off again: what was noted goes too */
	delta_set_property(&f, "delta.enableInCommitTimestamps", "false");
	s = delta_now(&f);
	CHECK(!delta_property(s, "delta.inCommitTimestampEnablementVersion").ptr);
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}

static int compare_bases(const void *a, const void *b)
{
	int64_t left = ((const struct delta_data_file *)a)->base_row_id;
	int64_t right = ((const struct delta_data_file *)b)->base_row_id;
	return (left > right) - (left < right);
}

/* "base+rows@version ..." of the files, in order of their ids. */
static char *row_ids(struct delta_fixture *f)
{
	struct delta_snapshot *s = delta_now(f);
	struct delta_data_file *files;
	size_t count = delta_files(s, &f->arena, &files);
	struct mr_buf out = {0};
	qsort(files, count, sizeof *files, compare_bases);
	for (size_t i = 0; i < count; i++)
		mr_buf_printf(&out, "%lld+%lld@%lld ", (long long)files[i].base_row_id,
			      (long long)files[i].rows, (long long)files[i].default_row_commit_version);
	char *text = test_path("%s", mr_buf_view(&out).ptr);
	mr_buf_release(&out);
	delta_snapshot_unref(s);
	return text;
}

TEST(delta_row_ids_are_given_once)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT range AS n FROM range(5)");
	CHECK_INT(delta_set_property(&f, "delta.enableRowTracking", "true"), 2);
	CHECK_STR(mr_str_from(row_ids(&f)), "0+5@2 "); /* those that were there got theirs */
	struct delta_snapshot *s = delta_now(&f);
	CHECK(delta_property(s, "delta.rowTracking.materializedRowIdColumnName").len);
	delta_snapshot_unref(s);
	delta_append(&f, "SELECT range AS n FROM range(3)");
	delta_append(&f, "SELECT 7 AS n");
	CHECK_STR(mr_str_from(row_ids(&f)), "0+5@2 5+3@3 8+1@4 ");
	/* another handle gives the next ones; a commit that was prepared before gets those behind */
	struct delta_fixture other = f;
	other.arena = (struct arena){0};
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &other.table, &f.err), f.err);
	struct delta_file *files;
	struct delta_commit commit = {.operation = "WRITE"};
	int64_t version;
	s = delta_now(&f);
	CHECK_OK(delta_write_files(f.table, s, f.conn, MR_STR("SELECT 8 AS n FROM range(2)"), &f.arena,
				   &files, &commit.file_count, &f.err),
		 f.err);
	commit.files = files;
	delta_append(&other, "SELECT 9 AS n FROM range(4)");
	CHECK_OK(delta_commit(f.table, &commit, &version, &f.err), f.err);
	delta_snapshot_unref(s);
	CHECK_STR(mr_str_from(row_ids(&f)), "0+5@2 5+3@3 8+1@4 9+4@5 13+2@6 ");
	delta_close(other.table);
	arena_release(&other.arena);
	/* ids of files that are gone are not given again, past a checkpoint too */
	delta_put(&f, "SELECT 1 AS n", (struct delta_commit){.overwrite = true});
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	delta_close(f.table);
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &f.table, &f.err), f.err);
	delta_append(&f, "SELECT 2 AS n");
	CHECK_STR(mr_str_from(row_ids(&f)), "15+1@7 16+1@8 ");
	delta_fixture_close(&f);
}
