/* tests/unit/dag/test_store.c - the scheduler's store: the same on SQLite and on a real PostgreSQL. */
#include "test.h"

#include "base/buf.h"
#include "dag/store_rows.h"
#include "env/env.h"

#include <sqlite3.h>
#include <stdlib.h>

static uint64_t claim(struct dag_store *store, const struct store_leader *seen)
{
	uint64_t epoch;
	struct mr_error err;
	CHECK_OK(store->ops->claim(store, MR_STR("me"), seen, &epoch, &err), err);
	return epoch;
}

static void apply(struct dag_store *store, struct store_batch *batch)
{
	struct mr_error err;
	CHECK_OK(store->ops->apply(store, batch, &err), err);
	store_batch_free(batch);
}

/* ---- reading back ---- */

struct seen {
	int64_t dags, pools, runs, tasks, waits, last_run_no, versions;
	int64_t open_runs;
};

static int see_dag(void *arg, const struct store_dag *dag)
{
	CHECK(dag->dag_id.len == 2);
	((struct seen *)arg)->dags++;
	return 0;
}

static int see_pool(void *arg, const struct store_pool *pool)
{
	((struct seen *)arg)->pools += pool->name.len > 0;
	return 0;
}

static int see_backfill(void *arg, const struct store_backfill *backfill)
{
	(void)arg;
	CHECK_STR(backfill->id, "back");
	return 0;
}

static int see_run(void *arg, const struct store_run *run)
{
	struct seen *seen = arg;
	seen->runs++;
	seen->open_runs += run->state == RUN_QUEUED || run->state == RUN_RUNNING;
	return 0;
}

static int see_task(void *arg, const struct store_task *task)
{
	CHECK(task->task_id.len == 2 && task->state < TASK_STATES);
	((struct seen *)arg)->tasks++;
	return 0;
}

static int see_wait(void *arg, const struct store_asset_wait *wait)
{
	CHECK_STR(wait->dag_id, "d2");
	((struct seen *)arg)->waits++;
	return 0;
}

static int see_counters(void *arg, int64_t last_run_no)
{
	((struct seen *)arg)->last_run_no = last_run_no;
	return 0;
}

static int see_version(void *arg, mr_str uri, int64_t version)
{
	CHECK(uri.len > 0);
	((struct seen *)arg)->versions += version;
	return 0;
}

static struct seen load(struct dag_store *store)
{
	struct seen seen = {0};
	struct mr_error err;
	struct store_visitor v = {see_dag,  see_pool,     see_backfill, see_run, see_task,
				  see_wait, see_counters, see_version,  &seen};
	CHECK_OK(store->ops->load(store, &v, &err), err);
	return seen;
}

static void check_reads(struct dag_store *store)
{
	struct mr_error err;
	struct mr_buf out = {0};
	struct seen seen = {0};
	struct store_visitor v = {see_dag,  see_pool,     see_backfill, see_run, see_task,
				  see_wait, see_counters, see_version,  &seen};
	mr_str none = MR_STR("none such");
	CHECK_INT(store->ops->load_run(store, MR_STR("d0"), none, &v, &err), MR_ERR_NOT_FOUND);
	CHECK_INT(store->ops->source(store, MR_STR("d0"), none, &out, &err), MR_ERR_NOT_FOUND);
	CHECK_OK(store->ops->source(store, MR_STR("d0"), MR_STR("0000000000000000"), &out, &err), err);
	CHECK_STR(mr_buf_view(&out), store_rows_yaml);
	mr_buf_clear(&out);
	CHECK_INT(store->ops->xcom(store, 1, none, -1, none, &out, &err), 1);
	CHECK_INT(store->ops->query(store, "SELECT nothing FROM nowhere", NULL, 0, &out, &err),
		  MR_ERR_INVALID);
	CHECK(store->ops->query(store, "DELETE FROM dag_run", NULL, 0, &out, &err) < 0);
	CHECK(store->ops->query(store, "SELECT 1; DELETE FROM dag_run", NULL, 0, &out, &err) < 0 ||
	      load(store).last_run_no > 0);
	mr_buf_release(&out);
}

static void check_xcoms(struct dag_store *store, uint64_t epoch, uint64_t number)
{
	struct mr_error err;
	struct mr_buf out = {0};
	struct store_batch *batch = store_batch_new();
	batch->epoch = epoch;
	batch->number = number;
	for (int32_t i = -1; i < 2; i++) {
		struct store_xcom xcom = {.run_no = 900,
					  .task_id = i < 0 ? MR_STR("one") : MR_STR("many"),
					  .map_index = i,
					  .key = MR_STR("return_value"),
					  .json = i == 1 ? MR_STR("\"\xE2\x82\xAC\"") : MR_STR("7")};
		mr_vec_push(&batch->xcoms, xcom);
	}
	apply(store, batch);
	mr_str key = MR_STR("return_value");
	CHECK_OK(store->ops->xcom(store, 900, MR_STR("one"), -1, key, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "7");
	mr_buf_clear(&out);
	CHECK_OK(store->ops->xcom(store, 900, MR_STR("many"), -1, key, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "[7,\"\xE2\x82\xAC\"]");
	mr_buf_clear(&out);
	CHECK_OK(store->ops->xcom(store, 900, MR_STR("many"), 1, key, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "\"\xE2\x82\xAC\"");
	mr_buf_release(&out);
}

/* ---- the same body ---- */

/* Batches that come twice change nothing; those of an older epoch are refused whole. */
static void check_store(struct dag_store *store, struct mr_buf *dump)
{
	struct mr_error err;
	struct mr_rng rng, twin;
	struct store_leader leader, nobody = {0};
	rng_seed(&rng, 6);
	CHECK_OK(store->ops->look(store, &leader, &err), err);
	CHECK_INT(leader.epoch, 0);
	uint64_t first = claim(store, NULL), number = 0;
	for (int64_t run_no = 1; run_no < 40; run_no += 4) {
		twin = rng;
		apply(store, store_rows(&rng, first, ++number, run_no, 4));
		apply(store, store_rows(&twin, first, number, run_no, 4));
	}
	check_reads(store);
	check_xcoms(store, first, ++number);
	struct seen seen = load(store);
	CHECK_INT(seen.last_run_no, 40);
	CHECK_INT(seen.dags, STORE_ROWS_DAGS);
	CHECK(seen.runs > seen.open_runs && seen.open_runs > 0 && seen.tasks >= 3 * seen.runs &&
	      seen.versions > 0);
	store_rows_dump(store, dump);

	/* Who stands by takes over only from whom it has seen. */
	uint64_t second;
	CHECK_OK(store->ops->look(store, &leader, &err), err);
	CHECK_INT(leader.epoch, first);
	CHECK(strcmp(leader.who, "me") == 0);
	int64_t attended, again;
	CHECK(leader.watched);
	CHECK_OK(store->ops->beat(store, first, false, &attended, &err), err);
	CHECK_OK(store->ops->attend(store, &err), err);
	CHECK_OK(store->ops->beat(store, first, false, &again, &err), err);
	CHECK(again != attended);
	CHECK_INT(store->ops->claim(store, MR_STR("you"), &leader, &second, &err), 1);
	CHECK_INT(store->ops->claim(store, MR_STR("you"), &nobody, &second, &err), 1);
	CHECK_OK(store->ops->look(store, &leader, &err), err);
	CHECK(!leader.watched);
	CHECK_OK(store->ops->claim(store, MR_STR("you"), &leader, &second, &err), err);
	CHECK_INT(second, first + 1);
	CHECK_INT(store->ops->beat(store, first, true, &again, &err), MR_ERR_CONFLICT);
	CHECK_OK(store->ops->beat(store, second, true, &again, &err), err);
	CHECK_OK(store->ops->resign(store, first, &err), err); /* it has nothing to give up */
	CHECK_OK(store->ops->look(store, &leader, &err), err);
	CHECK(leader.watched && strcmp(leader.who, "you") == 0);
	CHECK_OK(store->ops->resign(store, second, &err), err);
	CHECK_OK(store->ops->look(store, &leader, &err), err);
	CHECK(!leader.who[0]);

	struct store_batch *late = store_rows(&rng, first, ++number, 100, 1);
	CHECK_INT(store->ops->apply(store, late, &err), MR_ERR_CONFLICT);
	store_batch_free(late);
	CHECK_INT(load(store).last_run_no, 40);
	apply(store, store_rows(&rng, second, 1, 41, 1));
	CHECK_INT(load(store).last_run_no, 41);
}

static void check_bad_text(struct dag_store *store, uint64_t epoch, uint64_t number, const char *want)
{
	struct mr_error err;
	struct mr_buf out = {0};
	struct store_batch *batch = store_batch_new();
	batch->epoch = epoch;
	batch->number = number;
	struct store_event event = {.what = MR_STR("bad"), .detail = MR_STR("a\xFF\xC3\0b\xE2\x82")};
	mr_vec_push(&batch->events, event);
	apply(store, batch);
	CHECK_OK(store->ops->query(store, "SELECT extra FROM log WHERE event = 'bad'", NULL, 0, &out, &err),
		 err);
	CHECK_STR(mr_buf_view(&out), want);
	mr_buf_release(&out);
}

TEST(store_sqlite_and_postgres_hold_the_same)
{
	struct mr_error err;
	struct dag_store *sqlite, *postgres;
	struct mr_buf here = {0}, there = {0};
	const char *folder = test_path("%s/pg", test_folder());
	const char *url = test_postgres_start(folder);
	CHECK_OK(store_open(test_path("%s/s.db", test_folder()), &sqlite, &err), err);
	CHECK_OK(store_open(url, &postgres, &err), err);
	check_store(sqlite, &here);
	check_store(postgres, &there);
	CHECK(here.len > 10000);
	CHECK_STR(mr_buf_view(&there), here.ptr);
	check_bad_text(postgres, 2, 2,
		       "{\"extra\":\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
		       "b\xEF\xBF\xBD\xEF\xBF\xBD\"}\n");
	sqlite->ops->free(sqlite);
	postgres->ops->free(postgres);
	test_postgres_stop(folder, "fast");
	mr_buf_release(&here);
	mr_buf_release(&there);
}

/* ---- stores of an earlier version ---- */

#define LATER_COLUMNS_AWAY \
	"ALTER TABLE task_instance DROP COLUMN executor; ALTER TABLE task_instance DROP COLUMN " \
	"executor_config;" \
	"ALTER TABLE task_instance_history DROP COLUMN executor"

/* Opened as it is now, it holds what it held, and what is written to it since. */
static void check_grows(struct dag_store *store)
{
	struct mr_buf rows = {0};
	struct mr_error err;
	struct mr_rng *rng = env_linux()->rng;
	CHECK_OK(store->ops->query(
		     store, "SELECT count(*) n, max(executor) e FROM task_instance WHERE executor = ''", NULL,
		     0, &rows, &err),
		 err);
	CHECK(rows.len && !memmem(rows.ptr, rows.len, "\"n\":0", 5));
	apply(store, store_rows(rng, claim(store, NULL), 1, 100, 3));
	mr_buf_release(&rows);
	store->ops->free(store);
}

TEST(store_of_an_earlier_version_gets_its_columns)
{
	struct mr_error err;
	struct dag_store *store;
	sqlite3 *db;
	const char *path = test_path("%s/old.db", test_folder());
	CHECK_OK(store_sqlite_open(path, &store, &err), err);
	apply(store, store_rows(env_linux()->rng, claim(store, NULL), 1, 1, 3));
	store->ops->free(store);
	CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, LATER_COLUMNS_AWAY, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	CHECK_OK(store_sqlite_open(path, &store, &err), err);
	check_grows(store);
}

TEST(store_postgres_of_an_earlier_version_gets_its_columns)
{
	struct mr_error err;
	struct dag_store *store;
	const char *folder = test_path("%s/pg", test_folder()), *url = test_postgres_start(folder);
	CHECK_OK(store_postgres_open(url, &store, &err), err);
	apply(store, store_rows(env_linux()->rng, claim(store, NULL), 1, 1, 3));
	store->ops->free(store);
	test_postgres_run(folder, LATER_COLUMNS_AWAY);
	CHECK_OK(store_postgres_open(url, &store, &err), err);
	check_grows(store);
	test_postgres_stop(folder, "fast");
}

TEST(store_in_memory_holds_the_same)
{
	struct mr_error err;
	struct dag_store *store;
	struct mr_buf dump = {0};
	CHECK_OK(store_sqlite_open(":memory:", &store, &err), err);
	check_store(store, &dump);
	store->ops->free(store);
	mr_buf_release(&dump);
}

/* The server dies between batches: an error with a name, no password in it, and nothing lost after. */
TEST(store_postgres_comes_back)
{
	struct mr_error err;
	struct dag_store *store;
	struct mr_rng rng;
	struct mr_buf out = {0};
	const char *folder = test_path("%s/pg", test_folder());
	const char *url = test_postgres_start(folder);
	const char *secret = test_path("postgresql://postgres:s3cret@/postgres?host=%s", folder);
	CHECK_INT(store_open("postgresql://u:s3cret@h:%zz/x", &store, &err), MR_ERR_INVALID);
	CHECK(!strstr(err.message, "s3cret"));
	CHECK_OK(store_open(secret, &store, &err), err);
	(void)url;
	rng_seed(&rng, 1);
	uint64_t epoch = claim(store, NULL);
	apply(store, store_rows(&rng, epoch, 1, 1, 2));
	CHECK_INT(load(store).last_run_no, 2);
	test_postgres_stop(folder, "immediate");
	struct store_batch *batch = store_rows(&rng, epoch, 2, 3, 2);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(store->ops->apply(store, batch, &err), MR_ERR_UNAVAILABLE);
		CHECK(strstr(err.message, folder) && !strstr(err.message, "s3cret"));
		CHECK_INT(store->ops->query(store, "SELECT 1", NULL, 0, &out, &err), MR_ERR_UNAVAILABLE);
		CHECK(!strstr(err.message, "s3cret"));
	}
	test_postgres_start(folder);
	apply(store, batch);
	CHECK_INT(load(store).last_run_no, 4);
	/* Between two questions it was started again: the second is asked again. */
	test_postgres_stop(folder, "immediate");
	test_postgres_start(folder);
	CHECK_INT(load(store).last_run_no, 4);
	store->ops->free(store);
	test_postgres_stop(folder, "fast");
	mr_buf_release(&out);
}
