/* tests/unit/api/test_watch.c - what is seen of files that change and tables that are committed to. */
#include "test.h"

#include "api/watch.h"
#include "base/mem.h"
#include "env/env.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_STEPS 400 /* of 10 ms */

struct seen {
	_Atomic int changes, commits, first;
	_Atomic int64_t version;
	char uri[64];
};

static void changed(void *arg)
{
	((struct seen *)arg)->changes++;
}

static void committed(void *arg, mr_str uri, int64_t version, bool first)
{
	struct seen *seen = arg;
	snprintf(seen->uri, sizeof seen->uri, "%.*s", MR_FMT(uri));
	seen->version = version;
	seen->first += first;
	seen->commits++;
}

static void put(const char *path)
{
	struct mr_error err;
	CHECK_OK(disk_replace_file(env_linux()->disk, path, MR_STR("x"), &err), err);
}

static void make(const char *path)
{
	struct mr_error err;
	CHECK_OK(disk_mkdir_all(env_linux()->disk, path, &err), err);
}

static void wait_for(_Atomic int64_t *value, int64_t want)
{
	for (int i = 0; i < WAIT_STEPS && *value != want; i++)
		usleep(10000);
	CHECK_INT(*value, want);
}

TEST(watch_sees_commits_of_tables_old_and_new)
{
	const char *folder = test_folder();
	struct seen seen = {.version = -1};
	struct mr_error err;
	struct watch *watch;
	make(test_path("%s/tables/a/old/_delta_log", folder));
	put(test_path("%s/tables/a/old/_delta_log/00000000000000000003.json", folder));
	put(test_path("%s/tables/a/old/_delta_log/00000000000000000002.checkpoint.parquet", folder));
	char *dags = mr_strdup(test_path("%s/none", folder)),
	     *tables = mr_strdup(test_path("%s/tables", folder));
	struct watch_options options = {dags, tables, changed, committed, &seen};
	CHECK_OK(watch_new(&options, &watch, &err), err);
	wait_for(&seen.version, 3);
	CHECK_INT(seen.first, 1);
	CHECK_STR(mr_str_from(seen.uri), "delta://a/old");
	put(test_path("%s/tables/a/old/_delta_log/00000000000000000004.json", folder));
	wait_for(&seen.version, 4);
	make(test_path("%s/tables/b/new/_delta_log", folder));
	put(test_path("%s/tables/b/new/_delta_log/00000000000000000007.json", folder));
	wait_for(&seen.version, 7);
	CHECK_STR(mr_str_from(seen.uri), "delta://b/new");
	int before = seen.commits;
	put(test_path("%s/tables/b/new/part-0.parquet", folder));
	make(test_path("%s/tables/b/new/p=1/_delta_log", folder)); /* too deep to be a table */
	put(test_path("%s/tables/b/new/p=1/_delta_log/00000000000000000009.json", folder));
	put(test_path("%s/tables/a/old/_delta_log/00000000000000000005.json", folder));
	wait_for(&seen.version, 5);
	CHECK(seen.commits > before);
	watch_free(watch);
	free(dags);
	free(tables);
}

TEST(watch_sees_dag_files_in_new_folders)
{
	const char *folder = test_folder();
	struct seen seen = {.version = -1};
	struct mr_error err;
	struct watch *watch;
	char *dags = mr_strdup(test_path("%s/dags", folder));
	make(dags);
	struct watch_options options = {dags, NULL, changed, committed, &seen};
	CHECK_OK(watch_new(&options, &watch, &err), err);
	make(test_path("%s/team", dags));
	for (int i = 0; i < WAIT_STEPS && seen.changes < 1; i++)
		usleep(10000);
	int before = seen.changes;
	CHECK(before >= 1);
	put(test_path("%s/team/x.yml", dags));
	for (int i = 0; i < WAIT_STEPS && seen.changes == before; i++)
		usleep(10000);
	CHECK(seen.changes > before);
	watch_free(watch);
	free(dags);
}
