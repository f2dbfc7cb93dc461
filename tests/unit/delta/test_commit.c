#include "delta/delta_fixture.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

struct committer {
	const char *path;
	struct delta_table *shared; /* or NULL: a handle of its own */
	int number;
	int64_t versions[25];
};

static void *commit_25(void *arg)
{
	struct committer *c = arg;
	struct delta_table *table = c->shared;
	struct mr_error err;
	if (!table && delta_open(env_linux(), NULL, c->path, &table, &err) < 0)
		return c; /* failed */
	for (int i = 0; i < 25; i++) {
		char path[64];
		snprintf(path, sizeof path, "f-%d-%d.parquet", c->number, i);
		struct delta_file file = {.path = mr_str_from(path),
					  .size = 1,
					  .rows = 1,
					  .stats_json = MR_STR("{\"numRecords\":1}")};
		struct delta_commit commit = {.files = &file, .file_count = 1};
		if (delta_commit(table, &commit, &c->versions[i], &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			return c;
		}
	}
	if (!c->shared)
		delta_close(table);
	return NULL;
}

static void append_concurrently(struct delta_fixture *f)
{
	delta_fixture_create(f, "n long", NULL);
	pthread_t threads[8];
	struct committer committers[8];
	for (int i = 0; i < 8; i++) { /* four share a handle, four have one each */
		committers[i] =
		    (struct committer){.path = f->path, .number = i, .shared = i < 4 ? f->table : NULL};
		pthread_create(&threads[i], NULL, commit_25, &committers[i]);
	}
	/* Appends of one handle may share a version; each committer's own go up. */
	for (int i = 0; i < 8; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		CHECK(!failed);
		for (int j = 0; j < 25; j++) {
			int64_t v = committers[i].versions[j];
			CHECK(v >= 1 && v <= 200 && (j == 0 || v > committers[i].versions[j - 1]));
		}
	}
	struct delta_snapshot *s = delta_now(f);
	CHECK(delta_version(s) >= 100 + 25 && delta_version(s) <= 200);
	CHECK_INT(delta_file_count(s), 200);
	CHECK_INT(delta_row_count(s), 200);
	delta_snapshot_unref(s);
	/* and from the files alone, by another handle */
	struct delta_table *fresh;
	CHECK_OK(delta_open(env_linux(), NULL, f->path, &fresh, &f->err), f->err);
	CHECK_OK(delta_snapshot(fresh, &s, &f->err), f->err);
	CHECK_INT(delta_file_count(s), 200);
	delta_snapshot_unref(s);
	delta_close(fresh);
}

TEST(delta_concurrent_appends_lose_nothing)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	append_concurrently(&f); /* with checkpoints in between */
	delta_fixture_close(&f);
}

/* The same where a thread sanitizer sees nothing but our code. */
TEST(delta_concurrent_appends_need_no_engine)
{
	struct delta_fixture f = {.path = test_path("%s/t", test_folder())};
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &f.table, &f.err), f.err);
	append_concurrently(&f);
	delta_close(f.table);
	arena_release(&f.arena);
}

TEST(delta_expectations_fence_a_second_writer)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	struct delta_table *other;
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &other, &f.err), f.err);
	struct delta_txn none = {MR_STR("flow"), -1}, first = {MR_STR("flow"), 100},
			 second = {MR_STR("flow"), 200};
	int64_t version;
	struct delta_commit commit = {.txns = &first, .txn_count = 1, .expect = &none, .expect_count = 1};
	CHECK_OK(delta_commit(f.table, &commit, &version, &f.err), f.err);
	CHECK_INT(delta_commit(other, &commit, &version, &f.err), MR_ERR_CONFLICT);
	CHECK(strstr(f.err.message, "flow"));
	commit = (struct delta_commit){.txns = &second, .txn_count = 1, .expect = &first, .expect_count = 1};
	CHECK_OK(delta_commit(other, &commit, &version, &f.err), f.err);
	CHECK_INT(version, 2);
	CHECK_INT(delta_commit(f.table, &commit, &version, &f.err), MR_ERR_CONFLICT);
	struct delta_snapshot *s = delta_now(&f);
	CHECK_INT(delta_txn(s, MR_STR("flow")), 200);
	CHECK_INT(delta_version(s), 2);
	delta_snapshot_unref(s);
	delta_close(other);
	delta_fixture_close(&f);
}

TEST(delta_commit_conflicts_with_new_metadata)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	struct delta_snapshot *s = delta_now(&f);
	FILE *log = fopen(test_path("%s/_delta_log/%020d.json", f.path, 1), "w");
	fputs("{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
	      "\"schemaString\":"
	      "\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"n\\\",\\\"type\\\":"
	      "\\\"long\\\","
	      "\\\"nullable\\\":true,\\\"metadata\\\":{}},{\\\"name\\\":\\\"s\\\",\\\"type\\\":{\\\"type\\\":"
	      "\\\"struct\\\","
	      "\\\"fields\\\":[{\\\"name\\\":\\\"x\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,"
	      "\\\"metadata\\\":{}}]},"
	      "\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\",\"partitionColumns\":[],"
	      "\"configuration\":{\"delta.appendOnly\":\"true\"}}}\n",
	      log);
	fclose(log);
	int64_t version;
	CHECK_INT(delta_commit(f.table, &(struct delta_commit){.read = s}, &version, &f.err),
		  MR_ERR_CONFLICT);
	delta_snapshot_unref(s);
	/* an added, nested column: old files read NULL, new ones have it */
	CHECK_INT(delta_append(&f, "SELECT 1 AS n, {'x': 'deep'} AS s"), 2);
	CHECK_NOW(&f, "s.x", "deep");
	CHECK_INT(delta_commit(f.table, &(struct delta_commit){.overwrite = true}, &version, &f.err),
		  MR_ERR_UNSUPPORTED);
	CHECK(strstr(f.err.message, "append-only"));
	delta_fixture_close(&f);
}

TEST(delta_added_columns_read_null_in_old_files)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n integer, p string", "p");
	delta_append(&f, "SELECT 1 AS n, 'a' AS p");
	FILE *log = fopen(test_path("%s/_delta_log/%020d.json", f.path, 2), "w");
	fputs("{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
	      "\"schemaString\":"
	      "\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"m\\\",\\\"type\\\":"
	      "\\\"double\\\",\\\"nullable\\\":true,"
	      "\\\"metadata\\\":{}},{\\\"name\\\":\\\"p\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":"
	      "true,\\\"metadata\\\":{}},"
	      "{\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"integer\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}"
	      "}]}\","
	      "\"partitionColumns\":[\"p\"],\"configuration\":{}}}\n",
	      log);
	fclose(log);
	delta_append(&f, "SELECT 2 AS n, 'b' AS p, 0.5 AS m");
	CHECK_NOW(&f, "string_agg(n || p || coalesce(m::VARCHAR, '-'), ' ' ORDER BY n)", "1a- 2b0.5");
	delta_fixture_close(&f);
}

TEST(delta_crash_before_the_commit_leaves_orphans_only)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p string", "p");
	delta_append(&f, "SELECT 1 AS n, 'a' AS p");
	pid_t child = fork();
	if (child == 0) {
		struct delta_fixture c = {.path = f.path};
		struct delta_file *files;
		size_t count;
		struct delta_snapshot *s;
		struct sql_engine_options options = {.threads = 1};
		if (sql_engine_open(&options, &c.engine, NULL) < 0 ||
		    sql_connect(c.engine, &c.conn, NULL) < 0 ||
		    delta_open(env_linux(), c.engine, c.path, &c.table, NULL) < 0 ||
		    delta_snapshot(c.table, &s, NULL) < 0 ||
		    delta_write_files(c.table, s, c.conn, MR_STR("SELECT 2 AS n, 'b' AS p"), &c.arena, &files,
				      &count, NULL) < 0)
			_exit(1);
		_exit(count == 1 ? 42 : 2); /* as if killed here */
	}
	int status;
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(WEXITSTATUS(status), 42);
	CHECK_NOW(&f, "count(*)", "1");
	CHECK_INT(delta_append(&f, "SELECT 3 AS n, 'b' AS p"), 2);
	CHECK_NOW(&f, "sum(n)", "4");
	delta_fixture_close(&f);
}
