/* dag/store_sql.c - the scheduler's store over a database that speaks SQL.
 *
 * Durability: a batch that apply returned 0 for is as durable as the database's commit.
 * Threading: writers have one lock, readers another; a database that is `alone` one for both.
 */
#include "dag/store_sql.h"

#include "base/vec.h"
#include "codec/json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct sql_store {
	struct dag_store base;
	struct store_db *db;
	pthread_mutex_t write_lock, read_lock;
	pthread_mutex_t *reading;
};

static struct sql_store *store_of(struct dag_store *base)
{
	return MR_CONTAINER_OF(base, struct sql_store, base);
}

static struct sql_value integer(int64_t n)
{
	return (struct sql_value){.kind = SQL_INTEGER, .integer = n};
}

static struct sql_value text(mr_str s)
{
	return (struct sql_value){.kind = SQL_TEXT, .text = s};
}

/* ---- writing ---- */

static int insert(struct store_db *db, int t, const void *row, struct mr_error *err)
{
	struct sql_value values[STORE_COLUMNS_MAX];
	for (size_t i = 0; i < store_tables[t].count; i++)
		values[i] = store_column_value(&store_tables[t].columns[i], row);
	return db->ops->write(db, t, values, store_tables[t].count, err);
}

/* A DELETE by the key of an instance. */
static int remove_by(struct store_db *db, int statement, int64_t run_no, mr_str task_id, int32_t map_index,
		     struct mr_error *err)
{
	const struct sql_value key[] = {integer(run_no), text(task_id), integer(map_index)};
	return db->ops->write(db, statement, key, MR_COUNT(key), err);
}

static int insert_xcom(struct store_db *db, const struct store_xcom *xcom, struct mr_error *err)
{
	if (!xcom->remove)
		return insert(db, STORE_XCOMS, xcom, err);
	return remove_by(db, STORE_FORGET_XCOMS, xcom->run_no, xcom->task_id, xcom->map_index, err);
}

static int remove_task(struct store_db *db, const struct store_task *task, struct mr_error *err)
{
	return remove_by(db, STORE_REMOVE_TASK, task->run_no, task->task_id, task->map_index, err);
}

static int insert_wait(struct store_db *db, const struct store_asset_wait *wait, struct mr_error *err)
{
	if (!wait->clear)
		return insert(db, STORE_WAITS, wait, err);
	const struct sql_value dag_id = text(wait->dag_id);
	return db->ops->write(db, STORE_CLEAR_WAITS, &dag_id, 1, err);
}

static int insert_dag(struct store_db *db, const struct store_dag *dag, struct mr_error *err)
{
	int rc = dag->source.len ? insert(db, STORE_VERSIONS, dag, err) : 0;
	return rc < 0 ? rc : insert(db, STORE_DAGS, dag, err);
}

#define INSERT_ALL(rc, rows, call) \
	for (size_t i = 0; (rc) == 0 && i < (rows).len; i++) \
	(rc) = call

static int write_rows(struct store_db *db, const struct store_batch *batch, struct mr_error *err)
{
	const struct sql_value number = integer((int64_t)batch->number);
	int rc = db->ops->write(db, STORE_BATCH, &number, 1, err);
	INSERT_ALL(rc, batch->pools, insert(db, STORE_POOLS, &batch->pools.items[i], err));
	INSERT_ALL(rc, batch->dags, insert_dag(db, &batch->dags.items[i], err));
	INSERT_ALL(rc, batch->backfills, insert(db, STORE_BACKFILLS, &batch->backfills.items[i], err));
	INSERT_ALL(rc, batch->runs, insert(db, STORE_RUNS, &batch->runs.items[i], err));
	INSERT_ALL(rc, batch->removed, remove_task(db, &batch->removed.items[i], err));
	INSERT_ALL(rc, batch->tasks, insert(db, STORE_TASKS, &batch->tasks.items[i], err));
	INSERT_ALL(rc, batch->tries, insert(db, STORE_TRIES, &batch->tries.items[i], err));
	INSERT_ALL(rc, batch->xcoms, insert_xcom(db, &batch->xcoms.items[i], err));
	INSERT_ALL(rc, batch->asset_events, insert(db, STORE_ASSETS, &batch->asset_events.items[i], err));
	INSERT_ALL(rc, batch->asset_waits, insert_wait(db, &batch->asset_waits.items[i], err));
	INSERT_ALL(rc, batch->notes, insert(db, STORE_NOTES, &batch->notes.items[i], err));
	INSERT_ALL(rc, batch->events, insert(db, STORE_EVENTS, &batch->events.items[i], err));
	return rc;
}

/* ---- the leader ---- */

struct numbers {
	int64_t items[2];
	bool found;
};

static int take_numbers(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	struct numbers *numbers = arg;
	for (size_t i = 0; i < row->count && i < MR_COUNT(numbers->items); i++)
		numbers->items[i] = row->values[i].integer;
	numbers->found = true;
	return 0;
}

static int fenced(uint64_t now, uint64_t ours, struct mr_error *err)
{
	mr_fail(err, MR_ERR_CONFLICT, "another scheduler has taken over (epoch %llu, ours %llu)",
		(unsigned long long)now, (unsigned long long)ours);
	return mr_hint(err, "this one has stopped scheduling and starts nothing more");
}

/* 1: these rows are there already. */
static int check_epoch(struct store_db *db, const struct store_batch *batch, struct mr_error *err)
{
	struct numbers now = {0};
	int rc = db->ops->ask(db, STORE_EPOCH, NULL, 0, take_numbers, &now, err);
	if (rc < 0)
		return rc;
	if ((uint64_t)now.items[0] != batch->epoch)
		return fenced((uint64_t)now.items[0], batch->epoch, err);
	return (uint64_t)now.items[1] >= batch->number;
}

static int store_apply(struct dag_store *base, const struct store_batch *batch, struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	struct store_db *db = store->db;
	pthread_mutex_lock(&store->write_lock);
	int rc = db->ops->begin(db, err);
	if (rc == 0) {
		rc = check_epoch(db, batch, err);
		if (rc == 0)
			rc = write_rows(db, batch, err);
		if (rc == 0)
			rc = db->ops->commit(db, err);
		else
			db->ops->rollback(db);
	}
	pthread_mutex_unlock(&store->write_lock);
	return rc < 0 ? rc : 0;
}

/* One statement that returns a number, in a transaction of its own. */
static int ask_number(struct sql_store *store, int statement, const struct sql_value *values, size_t count,
		      struct numbers *out, struct mr_error *err)
{
	struct store_db *db = store->db;
	pthread_mutex_lock(&store->write_lock);
	int rc = db->ops->begin(db, err);
	if (rc == 0) {
		rc = db->ops->ask(db, statement, values, count, take_numbers, out, err);
		if (rc == 0)
			rc = db->ops->commit(db, err);
		else
			db->ops->rollback(db);
	}
	pthread_mutex_unlock(&store->write_lock);
	return rc;
}

static int store_claim(struct dag_store *base, mr_str who, const struct store_leader *seen, uint64_t *epoch,
		       struct mr_error *err)
{
	const struct sql_value values[] = {text(who), integer(seen ? (int64_t)seen->epoch : -1),
					   integer(seen ? seen->beat : 0)};
	struct numbers got = {0};
	int rc = ask_number(store_of(base), STORE_CLAIM, values, MR_COUNT(values), &got, err);
	if (rc == 0 && got.found)
		*epoch = (uint64_t)got.items[0];
	return rc < 0 ? rc : !got.found;
}

static int store_beat(struct dag_store *base, uint64_t epoch, bool watched, int64_t *attended,
		      struct mr_error *err)
{
	const struct sql_value values[] = {integer((int64_t)epoch), integer(watched)};
	struct numbers got = {0};
	int rc = ask_number(store_of(base), STORE_BEAT, values, MR_COUNT(values), &got, err);
	if (rc < 0 || !got.found)
		return rc < 0 ? rc : fenced(epoch + 1, epoch, err);
	*attended = got.items[0];
	return 0;
}

static int store_attend(struct dag_store *base, struct mr_error *err)
{
	struct numbers none;
	return ask_number(store_of(base), STORE_ATTEND, NULL, 0, &none, err);
}

static int store_resign(struct dag_store *base, uint64_t epoch, struct mr_error *err)
{
	const struct sql_value value = integer((int64_t)epoch);
	struct numbers none;
	return ask_number(store_of(base), STORE_RESIGN, &value, 1, &none, err);
}

/* ---- reading ---- */

static int read_rows(struct sql_store *store, const char *sql, const mr_str *params, size_t count,
		     sql_row_fn *fn, void *arg, struct mr_error *err)
{
	struct mr_buf own = {0};
	store_put_sql(&own, store->db->dialect, sql);
	int rc = store->db->ops->read(store->db, own.ptr, params, count, fn, arg, err);
	mr_buf_release(&own);
	return rc;
}

static int take_leader(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	struct store_leader *leader = arg;
	leader->epoch = (uint64_t)row->values[0].integer;
	leader->beat = row->values[1].integer;
	leader->watched = row->values[2].integer != 0;
	snprintf(leader->who, sizeof leader->who, "%.*s", MR_FMT(row->values[3].text));
	return 0;
}

static int store_look(struct dag_store *base, struct store_leader *out, struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	struct store_leader leader = {0};
	pthread_mutex_lock(store->reading);
	int rc = read_rows(store, "SELECT epoch, beat, watched, hostname FROM leader", NULL, 0, take_leader,
			   &leader, err);
	pthread_mutex_unlock(store->reading);
	if (rc == 0)
		*out = leader;
	return rc;
}

typedef int visit_fn(void *arg, const void *row);
#define VISIT(fn) ((visit_fn *)(void (*)(void))(fn))

struct visit {
	int table;
	void *row;
	visit_fn *fn;
	void *arg;
};

static int visit_row(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	const struct visit *visit = arg;
	for (size_t i = 0; i < row->count; i++)
		store_column_take(&store_tables[visit->table].columns[i], &row->values[i], visit->row);
	return visit->fn(visit->arg, visit->row);
}

/* SELECT all columns of a table with a condition; each row into *row and to the visitor. */
static int visit(struct sql_store *store, int t, const char *where, const mr_str *params, size_t param_count,
		 void *row, visit_fn *fn, void *arg, struct mr_error *err)
{
	struct visit visit = {t, row, fn, arg};
	struct mr_buf sql = {0};
	store_put_select(&sql, t, where);
	int rc = read_rows(store, sql.ptr, params, param_count, visit_row, &visit, err);
	mr_buf_release(&sql);
	return rc;
}

static int visit_counter(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	const struct store_visitor *v = arg;
	return v->counters(v->arg, row->values[0].integer);
}

static int visit_version(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	const struct store_visitor *v = arg;
	return v->asset_version(v->arg, row->values[0].text, row->values[1].integer);
}

static int visit_numbers(struct sql_store *store, const struct store_visitor *v, struct mr_error *err)
{
	void *arg = (void *)(uintptr_t)v;
	int rc = read_rows(store, "SELECT coalesce(max(run_no), 0) FROM dag_run", NULL, 0, visit_counter, arg,
			   err);
	if (rc == 0)
		rc = read_rows(store,
			       "SELECT uri, max(version) FROM asset_event WHERE version >= 0 GROUP BY uri",
			       NULL, 0, visit_version, arg, err);
	return rc;
}

/* Runs that are open, and of each DAG the last that is not. */
#define WANTED \
	"SELECT run_no FROM dag_run WHERE state IN ('queued', 'running') UNION " \
	"SELECT (SELECT run_no FROM dag_run r WHERE r.dag_id = d.dag_id AND state IN ('success', 'failed') " \
	"ORDER BY run_after DESC LIMIT 1) FROM dag d"

/* The backfills that the runs of a query name. */
#define BACKFILLS_OF(runs) "WHERE backfill_id IN (SELECT backfill_id FROM dag_run WHERE " runs ")"

static int store_load(struct dag_store *base, const struct store_visitor *v, struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	struct store_dag dag = {0};
	struct store_pool pool;
	struct store_backfill backfill;
	struct store_run run = {0};
	struct store_task task = {0};
	struct store_asset_wait wait = {0};
	const struct {
		int table;
		const char *where;
		void *row;
		visit_fn *fn;
	} parts[] = {
	    {STORE_POOLS, "ORDER BY pool", &pool, VISIT(v->pool)},
	    {STORE_DAGS, "ORDER BY dag_id", &dag, VISIT(v->dag)},
	    {STORE_BACKFILLS, BACKFILLS_OF("run_no IN (" WANTED ")"), &backfill, VISIT(v->backfill)},
	    {STORE_RUNS, "WHERE run_no IN (" WANTED ") ORDER BY run_no", &run, VISIT(v->run)},
	    {STORE_TASKS, "WHERE run_no IN (" WANTED ") ORDER BY run_no, task_id, map_index", &task,
	     VISIT(v->task)},
	    {STORE_WAITS, "ORDER BY id", &wait, VISIT(v->asset_wait)},
	};
	pthread_mutex_lock(store->reading);
	int rc = visit_numbers(store, v, err);
	for (size_t i = 0; rc == 0 && i < MR_COUNT(parts); i++)
		rc = visit(store, parts[i].table, parts[i].where, NULL, 0, parts[i].row, parts[i].fn, v->arg,
			   err);
	pthread_mutex_unlock(store->reading);
	return rc;
}

struct found_run {
	const struct store_visitor *v;
	int64_t run_no;
};

static int note_run(void *arg, const void *row)
{
	struct found_run *found = arg;
	found->run_no = ((const struct store_run *)row)->run_no;
	return found->v->run(found->v->arg, row);
}

static int store_load_run(struct dag_store *base, mr_str dag_id, mr_str run_id, const struct store_visitor *v,
			  struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	struct found_run found = {v, -1};
	struct store_backfill backfill;
	struct store_run run = {0};
	struct store_task task = {0};
	mr_str params[] = {dag_id, run_id};
	char number[24];
	pthread_mutex_lock(store->reading);
	int rc = visit(store, STORE_BACKFILLS, BACKFILLS_OF("dag_id = ?1 AND run_id = ?2"), params, 2,
		       &backfill, VISIT(v->backfill), v->arg, err);
	if (rc == 0)
		rc = visit(store, STORE_RUNS, "WHERE dag_id = ?1 AND run_id = ?2", params, 2, &run, note_run,
			   &found, err);
	if (rc == 0 && found.run_no < 0)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "DAG '%.*s' has no run '%.*s'", MR_FMT(dag_id),
			     MR_FMT(run_id));
	snprintf(number, sizeof number, "%lld", (long long)found.run_no);
	mr_str param = mr_str_from(number);
	if (rc == 0)
		rc =
		    visit(store, STORE_TASKS, "WHERE run_no = CAST(?1 AS BIGINT) ORDER BY task_id, map_index",
			  &param, 1, &task, VISIT(v->task), v->arg, err);
	pthread_mutex_unlock(store->reading);
	return rc;
}

static int take_text(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	mr_buf_str(arg, row->values[0].text);
	return 0;
}

static int store_source(struct dag_store *base, mr_str dag_id, mr_str version, struct mr_buf *out,
			struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	mr_str params[] = {dag_id, version};
	size_t before = out->len;
	pthread_mutex_lock(store->reading);
	int rc = read_rows(store, "SELECT source FROM dag_version WHERE dag_id = ?1 AND dag_version = ?2",
			   params, 2, take_text, out, err);
	pthread_mutex_unlock(store->reading);
	/* A version is stored with its text only. */
	if (rc == 0 && out->len == before)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "version %.*s of DAG '%.*s' is not stored",
			     MR_FMT(version), MR_FMT(dag_id));
	return rc;
}

struct xcoms {
	struct mr_buf *out;
	bool all, list;
	size_t rows;
};

static int take_xcom(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	struct xcoms *xcoms = arg;
	xcoms->list = xcoms->all && row->values[1].integer >= 0;
	if (xcoms->list)
		mr_buf_char(xcoms->out, xcoms->rows ? ',' : '[');
	mr_buf_str(xcoms->out, row->values[0].text);
	xcoms->rows++;
	return 0;
}

static int store_xcom_get(struct dag_store *base, int64_t run_no, mr_str task_id, int32_t map_index,
			  mr_str key, struct mr_buf *out, struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	struct xcoms xcoms = {.out = out, .all = map_index < 0};
	char run[24], map[16];
	snprintf(run, sizeof run, "%lld", (long long)run_no);
	snprintf(map, sizeof map, "%d", (int)map_index);
	mr_str params[] = {mr_str_from(run), task_id, key, mr_str_from(map)};
	pthread_mutex_lock(store->reading);
	int rc = read_rows(store,
			   "SELECT value, map_index FROM xcom WHERE run_no = CAST(?1 AS BIGINT) AND "
			   "task_id = ?2 AND key = ?3 AND (map_index = CAST(?4 AS INTEGER) OR ?4 = '-1') "
			   "ORDER BY map_index",
			   params, 4, take_xcom, &xcoms, err);
	pthread_mutex_unlock(store->reading);
	if (xcoms.list)
		mr_buf_char(out, ']');
	return rc < 0 ? rc : !xcoms.rows;
}

struct lines {
	struct mr_buf *out;
	size_t count;
};

static int put_line(void *arg, const struct sql_row *row, struct mr_error *err)
{
	(void)err;
	struct lines *lines = arg;
	struct json_writer w = json_writer(lines->out);
	json_begin_object(&w);
	for (size_t i = 0; i < row->count; i++) {
		const struct sql_value *v = &row->values[i];
		json_key(&w, row->names[i]);
		switch (v->kind) {
		case SQL_NULL:
			json_put_null(&w);
			break;
		case SQL_INTEGER:
			json_put_int(&w, v->integer);
			break;
		case SQL_REAL:
			json_put_double(&w, v->real);
			break;
		case SQL_TEXT:
			json_put_str(&w, v->text);
			break;
		}
	}
	json_end_object(&w);
	mr_buf_char(lines->out, '\n');
	return ++lines->count >= STORE_ROWS_MAX;
}

static int store_query(struct dag_store *base, const char *sql, const mr_str *params, size_t param_count,
		       struct mr_buf *out, struct mr_error *err)
{
	struct sql_store *store = store_of(base);
	struct lines lines = {.out = out};
	pthread_mutex_lock(store->reading);
	int rc = read_rows(store, sql, params, param_count, put_line, &lines, err);
	pthread_mutex_unlock(store->reading);
	return rc < 0 ? rc : 0;
}

/* ---- life ---- */

static void store_free(struct dag_store *base)
{
	struct sql_store *store = store_of(base);
	store->db->ops->free(store->db);
	pthread_mutex_destroy(&store->read_lock);
	pthread_mutex_destroy(&store->write_lock);
	free(store);
}

static const struct dag_store_ops ops = {
    .look = store_look,
    .claim = store_claim,
    .beat = store_beat,
    .attend = store_attend,
    .resign = store_resign,
    .apply = store_apply,
    .load = store_load,
    .load_run = store_load_run,
    .source = store_source,
    .xcom = store_xcom_get,
    .query = store_query,
    .free = store_free,
};

struct dag_store *store_sql_new(struct store_db *db)
{
	struct sql_store *store = mr_calloc(1, sizeof *store);
	store->base.ops = &ops;
	store->db = db;
	pthread_mutex_init(&store->read_lock, NULL);
	pthread_mutex_init(&store->write_lock, NULL);
	store->reading = db->alone ? &store->write_lock : &store->read_lock;
	return &store->base;
}
int store_open(const char *place, struct dag_store **out, struct mr_error *err)
{
	bool postgres = strncmp(place, "postgresql://", 13) == 0 || strncmp(place, "postgres://", 11) == 0;
	return postgres ? store_postgres_open(place, out, err) : store_sqlite_open(place, out, err);
}
